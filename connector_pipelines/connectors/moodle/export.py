"""What core writes to Moodle, what is referred to before what refers: terms, courses, groups, people, who is where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.connectors.moodle import activities, provisioning, shapes
from connector_pipelines.connectors.moodle.lines import ACTIVITIES, CHANGED, GRADEBOOK, ITEMS
from connector_pipelines.outward import Export

if TYPE_CHECKING:
    from connector_pipelines.connectors.moodle.config import MoodleConfig
    from connector_pipelines.connectors.moodle.lines import Lines

_USER = ("username", "firstname", "lastname", "email", "idnumber", "auth", "suspended")
_NOBODY = "without what the identity provider calls them they cannot log in"


def exports(config: MoodleConfig) -> tuple[Export, ...]:
    """The exports of a site, as its layout says."""
    common = (_categories(config), _users(config))
    if config.layout == "courses":
        courses = _courses(config, of="sections", shape=shapes.section)
        enrolments = _enrolments(config, of="memberships", place="section")
        return (*common, courses, enrolments, *_grades(config, place="section"))
    courses = _courses(config, of="offerings", shape=shapes.offering)
    enrolments = _enrolments(config, of="participations", place="offering")
    grades = _grades(config, place="offering")
    return (*common, courses, _groups(config), enrolments, _members(config), *grades)


def _categories(config: MoodleConfig) -> Export:
    return Export(
        entity="categories",
        of="terms",
        shape=shapes.category(config),
        find=provisioning.find_categories,
        send=provisioning.send_categories,
        read_back=provisioning.read_categories,
        batch=config.batch,
        refers={"parent": "categories"},
        sure=(provisioning.BY_NUMBER,),
    )


def _users(config: MoodleConfig) -> Export:
    return Export(
        entity="users",
        of="people",
        shape=shapes.user(config),
        find=provisioning.find_users,
        send=provisioning.send_users,
        read_back=provisioning.read_users((*_USER, *(shapes.PROFILE + name for name in config.profile_fields))),
        batch=config.batch,
        sure=(provisioning.BY_NUMBER, provisioning.BY_NAME, provisioning.BY_EMAIL),
        spelled=("email",),
        needs={} if config.auth_plugin == "manual" else {"idnumber": _NOBODY},
    )


def _courses(config: MoodleConfig, *, of: str, shape: shapes.Shape) -> Export:
    return Export(
        entity="courses",
        of=of,
        shape=shape,
        find=provisioning.find_courses,
        send=provisioning.send_courses,
        read_back=provisioning.read_courses,
        batch=config.batch,
        choose=shapes.choose_course,
        refers={"term": "categories"},
        sure=(provisioning.BY_NUMBER,),
    )


def _groups(config: MoodleConfig) -> Export:
    return Export(
        entity="groups",
        of="sections",
        shape=shapes.group,
        find=provisioning.find_groups,
        send=provisioning.send_groups,
        read_back=provisioning.read_groups,
        batch=config.batch,
        choose=shapes.choose_group,
        refers={"offering": "courses"},
        sure=(provisioning.BY_NUMBER,),
        together="courseid",
    )


def _enrolments(config: MoodleConfig, *, of: str, place: str) -> Export:
    kind = provisioning.Enrolments(config.student, config.instructor, config.leaving)
    return Export(
        entity="enrolments",
        of=of,
        shape=shapes.enrolment,
        find=kind.find,
        send=kind.send,
        read_back=kind.read,
        batch=config.batch,
        choose=shapes.choose_person,
        refers={"person": "users", place: "courses"},
        sure=(provisioning.MEMBERSHIP,),
        together="courseid",
    )


def _members(config: MoodleConfig) -> Export:
    return Export(
        entity="members",
        of="memberships",
        shape=shapes.member,
        find=provisioning.find_members,
        send=provisioning.send_members,
        read_back=provisioning.read_members,
        batch=config.batch,
        choose=shapes.choose_person,
        refers={"person": "users", "section": "groups"},
        awaits={"participation": "enrolments"},  # Moodle takes nobody into a group who is not in its course
        sure=(provisioning.MEMBERSHIP,),
        together="groupid",
    )


def _grades(config: MoodleConfig, *, place: str) -> tuple[Export, ...]:
    """Final grades and overrides are core's; of other grades the later one stays (K8, `CONNECTOR.conflicts`)."""
    found = [
        _points(
            config,
            "grades",
            of="final_grades",
            place=place,
            shape=activities.final_grade(config.final_grade_activity),
            choose=activities.choose_final(place, config.final_grade_activity),
            fed=("grade",),
        ),
        _points(
            config,
            "overrides",
            of="final_grades",
            place=place,
            shape=activities.override,
            choose=activities.choose_override(place),
            lines=ITEMS,
            fed=("grade",),
        ),
    ]
    if config.result_activities:
        shape, choose = activities.result(config), activities.choose_result(place, config.results)
        fed = ("grade", "assessment")
        found.append(_points(config, "results", of="grades", place=place, shape=shape, choose=choose, fed=fed))
    if config.outcome_activities:
        shape = activities.outcome(config.outcome_activities, config.outcome_points)
        choose = activities.choose_outcome(place, config.results)
        found.append(_points(config, "outcomes", of="outcomes", place=place, shape=shape, choose=choose))
    return tuple(found)


def _points(
    config: MoodleConfig,
    entity: str,
    *,
    of: str,
    place: str,
    shape: shapes.Shape,
    choose: shapes.Choose,
    lines: Lines = ACTIVITIES,
    fed: tuple[str, ...] = (),
) -> Export:
    return Export(
        entity=entity,
        of=of,
        shape=shape,
        find=lines.find,
        send=lines.send,
        read_back=lines.read,
        batch=config.batch,
        choose=choose,
        refers={"person": "users", place: "courses"},
        awaits={"participation": "enrolments"} if place == "offering" else {},  # of others it would lose the grades
        fed=fed,
        sure=(GRADEBOOK,),
        together="courseid",
        times=("changed_at", CHANGED),
    )
