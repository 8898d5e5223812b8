"""What core writes to Moodle, what is referred to before what refers: terms, courses, groups, people, who is where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.connectors.moodle import activities, provisioning, shapes
from connector_pipelines.outward import Export

if TYPE_CHECKING:
    from connector_pipelines.connectors.moodle.config import MoodleConfig

_USER = ("username", "firstname", "lastname", "email", "idnumber", "auth", "suspended")


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
        sure=(provisioning.MEMBERSHIP,),
        together="groupid",
    )


def _grades(config: MoodleConfig, *, place: str) -> tuple[Export, ...]:
    exports = []
    if config.final_grade_activity:
        shape = activities.final_grade(config.final_grade_activity)
        choose = activities.choose_final(place)
        exports.append(_points(config, "grades", of="final_grades", place=place, shape=shape, choose=choose))
    if config.outcome_activities:
        shape = activities.outcome(config.outcome_activities, config.outcome_points)
        choose = activities.choose_outcome(place)
        exports.append(_points(config, "outcomes", of="outcomes", place=place, shape=shape, choose=choose))
    return tuple(exports)


def _points(
    config: MoodleConfig, entity: str, *, of: str, place: str, shape: shapes.Shape, choose: shapes.Choose
) -> Export:
    return Export(
        entity=entity,
        of=of,
        shape=shape,
        find=activities.find,
        send=activities.send,
        read_back=activities.read,
        batch=config.batch,
        choose=choose,
        refers={"person": "users", place: "courses"},
        sure=(activities.GRADEBOOK,),
        together="courseid",
    )
