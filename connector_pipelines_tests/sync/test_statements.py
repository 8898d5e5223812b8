"""The database is asked by the chunk, never by the row (G35)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_pipelines_tests.sync.conftest import Records, Toy

Statements = list[str]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Statements:
    """The text of every statement that a cursor sends, in order; one that is sent for many values once for each."""
    found: Statements = []

    def noting(method: str) -> Callable[..., Any]:
        original: Callable[..., Any] = getattr(psycopg.Cursor, method)

        def noted(self: psycopg.Cursor[Any], statement: Any, *values: Any, **options: Any) -> Any:
            text = statement if isinstance(statement, str) else statement.as_string(self)
            rows = list(values[0]) if method == "executemany" else [None]
            found.extend([text] * len(rows))
            return original(self, statement, *([rows, *values[1:]] if method == "executemany" else values), **options)

        return noted

    for method in ("execute", "executemany", "copy"):
        monkeypatch.setattr(psycopg.Cursor, method, noting(method))
    return found


def of_a_sync(toy: Toy, sent: Statements, make: Records, rows: int, **changes: str) -> Statements:
    """What a sync of so many students and an enrollment each asks the database."""
    toy.sends["sections"] = [[make.section(1)]]
    toy.sends["students"] = [[make.student(n, **changes) for n in range(rows)]]
    status = "withdrawn" if changes else "enrolled"
    toy.sends["enrollments"] = [[make.enrollment(n, f"s{n}", "c1", status=status) for n in range(rows)]]
    sent.clear()
    toy.may(guard={"limits": {"updated": 1}})
    done = toy.sync("sections", "students", "enrollments")
    assert all(outcome.verified for outcome in done.values())
    return list(sent)


def test_statements_do_not_grow_with_rows(toy: Toy, make: Records, sent: Statements) -> None:
    """Creating, updating and recognizing four hundred records takes the statements that four records take."""
    few, many = toy.twin("few"), toy.twin("many")
    for changes in ({}, {"phone": "1"}, {"phone": "1"}):
        four = of_a_sync(few, sent, make, 4, **changes)
        four_hundred = of_a_sync(many, sent, make, 400, **changes)
        assert len(four) == len(four_hundred) > 10


def test_mappings_are_looked_up_once_a_chunk(toy: Toy, make: Records, sent: Statements) -> None:
    """Every further chunk costs the same few statements, whatever is in it, and no statement names one record."""
    toy.chunk_rows = 50
    lengths = []
    for rows in (50, 100, 200):
        statements = of_a_sync(toy.twin(f"of{rows}"), sent, make, rows)
        assert not [text for text in statements if "'s7'" in text or "'e7'" in text]
        lengths.append(len(statements))
    one_more, two_more = lengths[1] - lengths[0], lengths[2] - lengths[1]
    assert two_more == 2 * one_more
    assert 0 < one_more <= 2 * 2 * 15  # two entities; a chunk's transaction and its COPY are a dozen
