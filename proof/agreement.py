"""What core says should stand in a simulated Moodle, worked out apart from the exports, and where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString, cast

from connector_pipelines.database.connection import query
from proof.campus import SOURCE, TODAY, standing

if TYPE_CHECKING:
    from connector_pipelines.connectors.moodle.simulator.site import Site
    from connector_pipelines.database.connection import Connection

Record = dict[str, Any]
Known = tuple[str, str]
"""Kind, and either the row of core or the id there."""

_INSTRUCTOR = 3

# Of each kind: the row of core, whether it should stand there (null: what stands there stays), and its fields; of what
# it refers to, the row of core.
_WANTED: dict[str, LiteralString] = {
    "categories": """
        SELECT 'terms/' || id, CASE status WHEN 'active' THEN true END,
            jsonb_build_object('name', title, 'parent', 'terms/' || parent_id)
        FROM core.terms
    """,
    "users": """
        SELECT key, CASE WHEN status <> 'active' OR enabled IS FALSE THEN false WHEN email LIKE '%%@%%' THEN true END,
            jsonb_build_object('username', coalesce(lower(username), lower(email)), 'firstname', trim(given_name),
                'lastname', trim(family_name), 'email', lower(email), 'suspended', false)
        FROM (SELECT 'students/' || id AS key, status, enabled, username, email, given_name, family_name
            FROM core.students
            UNION ALL SELECT 'instructors/' || id, status, enabled, username, email, given_name, family_name
            FROM core.instructors) p
    """,
    "courses": """
        SELECT 'courses/' || c.id || '@terms/' || t.id,
            c.status = 'active' AND bool_or(s.status = 'active') AND coalesce(t.end_date >= %(today)s, true),
            jsonb_build_object('fullname', c.title, 'shortname', c.course_code || ' ' || t.title,
                'category', 'terms/' || t.id, 'startdate', extract(epoch FROM t.start_date)::bigint,
                'enddate', extract(epoch FROM t.end_date + 1)::bigint, 'visible', 1)
        FROM core.sections s JOIN core.courses c ON c.id = s.course_id JOIN core.terms t ON t.id = s.term_id
        GROUP BY c.id, t.id
    """,
    "groups": """
        SELECT 'sections/' || s.id,
            CASE WHEN s.status = 'active' AND coalesce(t.end_date >= %(today)s, true) THEN true END,
            jsonb_build_object('name', s.section_code || ' (sections/' || s.id || ')',
                'course', 'courses/' || s.course_id || '@terms/' || t.id)
        FROM core.sections s JOIN core.terms t ON t.id = s.term_id
    """,
    "enrolments": """
        SELECT person || '@' || course, CASE WHEN NOT bool_or(active) THEN false WHEN NOT ended THEN true END,
            jsonb_build_object('person', person, 'course', course, 'role', min(role), 'suspended', false,
                'start', extract(epoch FROM coalesce(min(start_date) FILTER (WHERE active), min(start_date),
                    first))::bigint,
                'end', 86400 + extract(epoch FROM coalesce(max(coalesce(end_date, last)) FILTER (WHERE active),
                    max(end_date), last))::bigint)
        FROM {seats} m GROUP BY person, course, ended, first, last
    """,
    "members": """
        SELECT key, CASE WHEN NOT active THEN false WHEN NOT ended THEN true END,
            jsonb_build_object('person', person, 'group', section)
        FROM {seats} m
    """,
    "grades": """
        SELECT 'grades/' || g.id, g.status = 'active' AND EXISTS (SELECT FROM {seats} m
                WHERE m.section = 'sections/' || s.id AND m.person = 'students/' || g.student_id),
            jsonb_build_object('person', 'students/' || g.student_id, 'value', g.score::float,
                'course', 'courses/' || s.course_id || '@terms/' || s.term_id)
        FROM core.grades g JOIN core.sections s ON s.id = g.section_id WHERE g.grade_type = 'course_total'
    """,
}
_SEATS: LiteralString = """
    (SELECT e.*, 'sections/' || s.id AS section, 'courses/' || s.course_id || '@terms/' || t.id AS course,
        t.end_date < %(today)s AS ended, t.start_date AS first, t.end_date AS last
    FROM (SELECT 'enrollments/' || id AS key, 'students/' || student_id AS person, section_id, 'student' AS role,
            status = 'enrolled' AS active, start_date, end_date FROM core.enrollments
        UNION ALL SELECT 'teaching_assignments/' || id, 'instructors/' || instructor_id, section_id, 'instructor',
            status = 'active', start_date, end_date FROM core.teaching_assignments) e
    JOIN core.sections s ON s.id = e.section_id JOIN core.terms t ON t.id = s.term_id)
"""
_REFERS = {"parent": "categories", "category": "categories", "course": "courses", "person": "users", "group": "groups"}
_UNIQUE = ("username", "email", "shortname")
_RIVALS = ("shortnametaken", "doubtful match", "invalidparameter", "email taken")


def differences(connection: Connection, site: Site) -> list[tuple[Any, ...]]:
    """Kind, row of core or id there, what stands there and what should, wherever core and the site disagree.

    Rightly missing is what waits for something that is missing, and what has a unique name that another row has, too:
    each with its dead letter. What stands there and nobody keeps up was made twice, or lost.
    """
    stands = standing(site)
    keys = _rows(connection, "SELECT entity, key, external_id FROM connector.exports WHERE source = %(source)s")
    ids = {(kind, key): there for kind, key, there in keys if there}
    names = {(kind, there): key for (kind, key), there in ids.items()}
    wrong: list[tuple[Any, ...]] = [(*place, row, "nobody") for place, row in stands.items() if place not in names]
    wanted = _wanted(connection)
    missing: set[Known] = set()
    for known, (should, record) in wanted.items():
        found = stands.get((known[0], ids.get(known, "")))
        there = None if found is None else _told(known[0], ids[known], found, names)
        if should and there is None:
            missing.add(known)
        elif there is not None and should is not None and (there != record if should else _active(there)):
            wrong.append((*known, there, record if should else None))
    return wrong + [
        (*known, None, wanted[known][1]) for known in sorted(missing - _excused(connection, missing, wanted))
    ]


def _wanted(connection: Connection) -> dict[Known, tuple[bool | None, Record]]:
    return {
        (kind, key): (should, record)
        for kind, statement in _WANTED.items()
        for key, should, record in _rows(connection, statement)
    }


def _rows(connection: Connection, statement: LiteralString) -> list[tuple[Any, ...]]:
    whole = query(statement, seats=query(_SEATS))
    return cast("list[tuple[Any, ...]]", connection.execute(whole, {"today": TODAY, "source": SOURCE}).fetchall())


def _told(kind: str, there: str, row: Record, names: dict[Known, str]) -> Record:
    """What stands there, in the words of `_WANTED`: what it refers to as the row of core that is kept up by it."""
    parts = there.split(":")
    told = {name: value for name, value in row.items() if name not in {"idnumber", "roles", "categoryid", "courseid"}}
    refers = {
        "categories": lambda: {"parent": str(row["parent"])},
        "courses": lambda: {"category": str(row["categoryid"])},
        "groups": lambda: {"course": str(row["courseid"])},
        "enrolments": lambda: {"course": parts[0], "person": parts[1]},
        "members": lambda: {"group": ":".join(parts[:2]), "person": parts[2]},
        "grades": lambda: {"course": parts[0], "person": parts[1]},
    }.get(kind, dict)()
    if "roles" in row:
        told["role"] = "instructor" if _INSTRUCTOR in row["roles"] else "student"
    if "suspended" in row:
        told["suspended"] = bool(row["suspended"])
    return told | {name: names.get((_REFERS[name], number)) for name, number in refers.items()}


def _active(there: Record) -> bool:
    """Whether it is neither suspended nor hidden."""
    return not there.get("suspended") and there.get("visible", 1) == 1


def _excused(
    connection: Connection, missing: set[Known], wanted: dict[Known, tuple[bool | None, Record]]
) -> set[Known]:
    letters = {
        (entity.removeprefix("export/"), key): (state, rule)
        for entity, key, state, rule in _rows(
            connection,
            "SELECT entity, external_id, state, rule FROM connector.dead_letters"
            " WHERE source = %(source)s AND state <> 'resolved'",
        )
    }
    excused: set[Known] = set()
    for known in sorted(missing, key=lambda one: list(_WANTED).index(one[0])):  # what is referred to comes first
        state, rule = letters.get(known, ("", ""))
        record = wanted[known][1]
        targets = [(_REFERS[name], key) for name, key in record.items() if name in _REFERS and key]
        waits = state == "waiting" and any(t in excused or wanted[t][0] is not True for t in targets)
        rival = rule in _RIVALS and any(
            record.get(name) is not None and record[name] == other.get(name)
            for name in _UNIQUE
            for (kind, key), (_, other) in wanted.items()
            if kind == known[0] and key != known[1]
        )
        if waits or rival:
            excused.add(known)
    return excused
