from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.core.entities import entity
from connector_pipelines.database.connection import query
from connector_pipelines.mapping.conflicts import VERDICTS, rules_of, unknown, verdict
from connector_pipelines.policy import Rule

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection

READ = datetime(2026, 3, 1, 12, tzinfo=UTC)
EDIT = READ - timedelta(hours=1)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)

Case = tuple[Rule, datetime | None, datetime | None, datetime | None, str, str]

# rule, when core was edited, when the record was modified, when a person decided against its value: who wins, and why
TABLE: list[Case] = [
    (rule, edited, modified, None, winner, reason)
    for rule, edited, winner, reason in [
        (Rule.EXTERNAL_WINS, EDIT, "source", "the source owns the field"),
        (Rule.CORE_OWNS, EDIT, "core", "core owns the field"),
        (Rule.CORE_OWNS, None, "core", "core owns the field"),
        (Rule.MANUAL, EDIT, "person", "a person edited core, and the source says something else"),
        (Rule.MANUAL, None, "source", "nobody edited the field"),
        (Rule.LAST_WRITE_WINS, None, "source", "nobody edited the field"),
        (Rule.EXTERNAL_WINS, None, "source", "nobody edited the field"),
    ]
    for modified in (EDIT - SECOND, EDIT, EDIT + SECOND, None)
] + [
    (Rule.LAST_WRITE_WINS, EDIT, EDIT - SECOND, None, "core", "core was edited last"),
    (Rule.LAST_WRITE_WINS, EDIT, EDIT, None, "source", "the source changed it last"),
    (Rule.LAST_WRITE_WINS, EDIT, EDIT + SECOND, None, "source", "the source changed it last"),
    (Rule.LAST_WRITE_WINS, EDIT, None, None, "person", "the record does not say when it changed"),
    # A clock that is ahead by up to five minutes is believed; beyond, the time counts as the start of the read.
    (Rule.LAST_WRITE_WINS, READ + 4 * SECOND, READ + 5 * MINUTE, None, "source", "the source changed it last"),
    (Rule.LAST_WRITE_WINS, READ + 4 * SECOND, READ + 5 * MINUTE + SECOND, None, "core", "core was edited last"),
    (Rule.LAST_WRITE_WINS, READ, READ + timedelta(days=9), None, "source", "the source changed it last"),
    (Rule.LAST_WRITE_WINS, READ + SECOND, READ + timedelta(days=9), None, "core", "core was edited last"),
    # What a person decided against stays decided until core is edited again.
    (Rule.MANUAL, EDIT, None, EDIT, "core", "a person decided against this value"),
    (Rule.MANUAL, EDIT, None, EDIT + SECOND, "core", "a person decided against this value"),
    (Rule.MANUAL, EDIT, None, EDIT - SECOND, "person", "a person edited core, and the source says something else"),
    (Rule.LAST_WRITE_WINS, EDIT, None, EDIT, "core", "a person decided against this value"),
    (Rule.LAST_WRITE_WINS, EDIT, READ, EDIT, "core", "a person decided against this value"),
    (Rule.EXTERNAL_WINS, EDIT, None, EDIT, "source", "the source owns the field"),
    # Grades that are not final go by the later write.
    (Rule.CORE_FINAL, None, EDIT, None, "source", "nobody edited the field"),
    (Rule.CORE_FINAL, EDIT, EDIT - SECOND, None, "core", "core was edited last"),
    (Rule.CORE_FINAL, EDIT, EDIT, None, "source", "the source changed it last"),
    (Rule.CORE_FINAL, EDIT, EDIT + SECOND, None, "source", "the source changed it last"),
    (Rule.CORE_FINAL, EDIT, None, None, "person", "the record does not say when it changed"),
]  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_verdict(connection: Connection, case: Case) -> None:
    """Every rule has one winner and one reason for each order of the times, also where one is missing or skewed."""
    *facts, winner, reason = case
    assert judged(connection, *facts) == [winner, reason]


def judged(connection: Connection, rule: Any, *times: Any, final: bool = False) -> Any:
    """Winner and reason."""
    given = "(VALUES (%s, %s::timestamptz, %s::timestamptz, %s::timestamptz, %s::timestamptz, %s))"
    names = "v (rule, edited_at, modified_at, decided_at, read_at, final)"
    statement = query(f"SELECT {{verdict}} FROM {given} {names}", verdict=verdict())
    ((found,),) = connection.execute(statement, [rule.value, *times, READ, final]).fetchall()
    return found


FINAL = ["core", "a person set it in a final grade or an override"]


@pytest.mark.parametrize("modified", [EDIT - SECOND, EDIT + SECOND, None])
def test_what_a_person_set_in_a_final_row_stays(connection: Connection, modified: datetime | None) -> None:
    """Whatever the times are, core wins in a final row under that rule alone, and where a person did set the field."""
    assert judged(connection, Rule.CORE_FINAL, EDIT, modified, None, final=True) == FINAL
    assert judged(connection, Rule.CORE_FINAL, None, modified, None, final=True)[0] == "source"
    assert judged(connection, Rule.EXTERNAL_WINS, EDIT, modified, None, final=True)[0] == "source"


def test_every_line_of_the_table_is_reached() -> None:
    """The cases above leave no verdict untried."""
    tried = {(winner, reason) for *_, winner, reason in TABLE} | {(FINAL[0], FINAL[1])}
    assert {(line.winner, line.reason) for line in VERDICTS} == tried


def test_rule_of_a_field() -> None:
    """A field has its own rule, else that of all fields, else the source wins; references are fields, too."""
    policy = {"students": {"*": Rule.MANUAL, "email": Rule.CORE_OWNS}}
    rules = rules_of(policy, entity("students"))
    assert (rules["email"], rules["phone"], rules["organization_id"]) == (Rule.CORE_OWNS, Rule.MANUAL, Rule.MANUAL)
    assert set(rules_of(policy, entity("terms")).values()) == {Rule.EXTERNAL_WINS}
    assert "notes" not in rules


def test_unknown_names_are_found() -> None:
    """An entity or field that the source does not feed is named, with those that there are."""
    policy = {
        "students": {"*": Rule.MANUAL, "shoe_size": Rule.MANUAL, "notes": Rule.MANUAL},
        "terms": {"*": Rule.MANUAL},
    }
    (*shoe, shoe_why), (*notes, _), (*terms, terms_why) = unknown(policy, {"students": entity("students")})
    assert (shoe, notes, terms) == (["students", "shoe_size"], ["students", "notes"], ["terms"])
    assert shoe_why.startswith("no source fills shoe_size of students; there are given_name, ")
    assert terms_why == "the source feeds no terms; it feeds students"
