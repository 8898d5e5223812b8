"""Somebody who was erased here is withdrawn where we wrote them, and the ledger forgets what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.sync.erasing import erase
from connector_pipelines.sync.subjects import Subject

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.exports.conftest import Outward


def erased(outward: Outward, row: int) -> None:
    """Erase a student."""
    with outward.open() as context:
        erase(context, Subject("students", row), {}, who="ann", why="a request of 1 May", apply=True)


def test_the_next_export_withdraws_them(outward: Outward) -> None:
    """The ledger keeps the number there and no word of theirs; one record is withdrawn, the other is left alone."""
    outward.students(1, 2)
    outward.push("users")
    before = outward.ledger("key", "external_id", "record")
    erased(outward, 1)
    assert outward.ledger("key", "external_id", "record") == [
        (*before[0][:2], {"name": "erased", "email": "erased", "suspended": False}),
        before[1],
    ]
    outward.campus.effects.clear()
    counts = outward.push("users")["users"].plan.counts
    assert outward.campus.effects == [("withdraw", "users", "erased")]
    assert (counts.unchanged, counts.dead_lettered, counts.accounted_for) == (1, 0, True)
    assert outward.campus.names("users") == ["s2"]
    outward.push("users")
    assert len(outward.campus.effects) == 1
    assert "s1" not in str(outward.ledger("record", "sending", "stands", "refused", "error"))


def test_only_words_of_theirs_go(outward: Outward) -> None:
    """A short name within a longer word of another field is no word of theirs; a field that has it as a word is."""
    outward.students(1)
    outward.push("users")
    outward.execute(
        "UPDATE core.students SET given_name = 'Al', family_name = '(B'",
        """UPDATE connector.exports SET record = '{"role": "manual", "places": [{"a": "Al (B", "n": 3}]}'""",
    )
    erased(outward, 1)
    assert outward.ledger("record") == [({"role": "manual", "places": [{"a": "erased", "n": 3}]},)]


def test_nobody_is_erased_while_they_are_sent(outward: Outward) -> None:
    """What may have been sent has to be asked for first, by what it was: the error names the row of core."""
    outward.students(1)
    outward.push("users")
    outward.execute("UPDATE connector.exports SET state = 'sending', action = 'update', sending = record")
    with pytest.raises(ConfigurationError, match="students/1 is being sent; nobody is erased"):
        erased(outward, 1)
    assert outward.rows("SELECT username FROM core.students") == [("S1",)]
