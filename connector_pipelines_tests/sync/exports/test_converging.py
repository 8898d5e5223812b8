"""The law of the outward way: whatever happens, the other system becomes what core says, and each effect comes once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connector_pipelines.errors import NetworkError

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.exports.conftest import Outward

Step = tuple[str, int, int]

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "leave", "come back", "mail", "name"]), st.integers(1, 4), st.integers(0, 2)),
        st.tuples(st.sampled_from(["push", "lose", "drop", "silence"]), st.integers(1, 3), st.just(0)),
    ),
    max_size=14,
)


def take(outward: Outward, step: Step, *, n: int) -> None:
    """One step of a story."""
    what, number, variant = step
    campus = outward.campus
    match what:
        case "add":
            if not outward.rows("SELECT 1 FROM core.students WHERE id = %s", number):
                outward.students(number)
        case "leave" | "come back":
            status = "inactive" if what == "leave" else "active"
            outward.execute(f"UPDATE core.students SET status = '{status}' WHERE id = {number}")
        case "mail":
            outward.execute(f"UPDATE core.students SET email = 'v{variant}.{n}@x.example' WHERE id = {number}")
        case "name":
            outward.execute(f"UPDATE core.students SET username = 'n{number}v{variant}' WHERE id = {number}")
        case _:
            calls = campus.calls.get("/write", 0)
            campus.lose = {calls + number} if what == "lose" else set()
            campus.silent = {f"s{number}"} if what == "silence" else set()
            left = [number]

            def lose_before(at: str) -> bool:
                left[0] -= at != "done"
                return what == "drop" and left[0] == 0

            campus.strike = lose_before
            with suppress(NetworkError):
                outward.push("users")
            campus.lose, campus.silent, campus.strike = set(), set(), lambda _: False


@settings(max_examples=8, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=steps)
@example(story=[("add", 1, 0), ("drop", 2, 0), ("leave", 1, 0)])  # what was never sent is not left noted
def test_any_story_converges(outward: Outward, story: list[Step]) -> None:
    """Changes of core, pushes, lost calls and lost answers in any order: two pushes later both sides agree, nobody was
    created twice, and a further push makes no call at all.
    """
    outward.execute(
        "SET session_replication_role = replica",  # what is kept for ever goes with the example
        "TRUNCATE core.students, connector.exports, connector.export_outbox, connector.dead_letters CASCADE",
        "TRUNCATE connector.sync_runs CASCADE",
    )
    outward.campus.holds.clear()
    outward.campus.effects.clear()
    for n, step in enumerate(story):
        take(outward, step, n=n)
    outward.push("users")
    outward.push("users")
    users = outward.campus.holds.get("users", {})
    wanted = outward.rows(
        "SELECT lower(username), email FROM core.students WHERE status = 'active' ORDER BY lower(username)"
    )
    there = sorted((one["name"], one["email"]) for one in users.values() if not one["suspended"])
    assert there == wanted
    created = [name for action, _, name in outward.campus.effects if action == "create"]
    assert len(created) == len(users) == len(outward.ledger("key"))
    calls = dict(outward.campus.calls)
    outward.push("users")
    assert outward.campus.calls == calls
