from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from connector_pipelines.core.entities import entity
from connector_pipelines.policy import Rule, SyncPolicy

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Record, Records, Toy

PEOPLE = 12  # in each example; more of them cost less than more examples

# Every fed column of students: what the source may send, and what people may write. A user name that always agrees, and
# a number that the source never changes, let nobody look like somebody else.
VALUES: dict[str, tuple[tuple[object, ...], tuple[object, ...]]] = {
    column.name: ((True, False), (False, True)) if column.kind == "BOOLEAN" else (("a", "b"), ("X", "b"))
    for column in entity("students").columns
} | {
    "organization_id": (("o1", "o2"), (1, 2)),
    "student_number": (("a", "a"), ("X", "b")),
    "username": (("a", "a"), ("a", "A")),
}
FIELDS = sorted(VALUES)

# Rounds, each ending with a sync: the edits of people, one after the other, and which of its two values the source
# sends for each field of each person.
edits = st.lists(st.tuples(st.integers(1, PEOPLE), st.sampled_from(FIELDS), st.integers(0, 1)), max_size=2 * PEOPLE)
sent = st.lists(st.integers(0, 2 ** len(FIELDS) - 1), min_size=PEOPLE, max_size=PEOPLE)
rounds = st.lists(st.tuples(edits, sent), min_size=1, max_size=3)


def record(make: Records, number: int, choice: int) -> Record:
    """A student as the source sends it; each bit of the choice is one field's."""
    chosen = {name: VALUES[name][0][choice >> bit & 1] for bit, name in enumerate(FIELDS)}
    return make.student(f"{number:02}", organization=chosen.pop("organization_id"), **chosen)


def core(toy: Toy) -> list[dict[str, str]]:
    """The students' rows in core, each column as text, internal ones included."""
    rows = toy.rows("SELECT to_jsonb(s) FROM core.students s ORDER BY id")
    return [{name: repr(value) for name, value in row.items()} for (row,) in rows]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(owned=st.sets(st.sampled_from(FIELDS), min_size=1), story=rounds)
def test_what_core_owns_is_bit_identical_after_any_sync(
    toy: Toy, make: Records, owned: set[str], story: list[tuple[list[tuple[int, str, int]], list[int]]]
) -> None:
    """Whatever is sent and edited in whatever order, no sync changes a field that core owns, or an internal one; and
    every other field is the source's after it.
    """
    toy.reset()
    toy.execute("ALTER SEQUENCE core.organizations_id_seq RESTART", "ALTER SEQUENCE core.students_id_seq RESTART")
    toy.policy = SyncPolicy(conflicts={"students": dict.fromkeys(owned, Rule.CORE_OWNS)})
    toy.sends["organizations"] = [[make.organization(1), make.organization(2)]]
    toy.sends["students"] = [[record(make, number, 0) for number in range(PEOPLE)]]
    toy.sync("organizations", "students")
    kept = {*owned, "id", "notes", "created_at"}
    for by_hand, choices in story:
        toy.execute(*(_edit(*one) for one in by_hand))
        before, records = core(toy), [record(make, number, choice) for number, choice in enumerate(choices)]
        toy.sends["students"] = [records]
        outcome = toy.sync("students")["students"]
        after = core(toy)
        assert outcome.verified
        assert _only(after, kept) == _only(before, kept)
        assert _only(after, set(FIELDS) - kept) == _only([_row(one) for one in records], set(FIELDS) - kept)


def _edit(person: int, field: str, which: int) -> Any:
    change = sql.SQL("UPDATE core.students SET {} = {}, notes = concat(notes, '.') WHERE id = {}")
    return change.format(sql.Identifier(field), sql.Literal(VALUES[field][1][which]), sql.Literal(person))


def _row(sent: dict[str, Any]) -> dict[str, str]:
    return {name: repr(value) for name, value in sent.items()} | {"organization_id": sent["organization"][1:]}


def _only(rows: list[dict[str, Any]], names: set[str]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in rows]
