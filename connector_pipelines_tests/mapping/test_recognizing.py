from __future__ import annotations

import pytest

from connector_pipelines.mapping.recognizing import UNTOLD, Fate, fate, recognize
from connector_pipelines.outward import Action, Found


def found(external_id: str, by: str) -> Found:
    """A candidate for the wanted record."""
    return Found("students/1", external_id, by, {})


@pytest.mark.parametrize(
    ("candidates", "taken", "doubt"),
    [
        ([], None, ""),
        ([found("5", "number")], "5", ""),
        ([found("5", "number"), found("5", "name"), found("9", "email")], "5", ""),
        ([found("5", "number"), found("6", "name")], None, "several"),
        ([found("5", "number"), found("6", "number")], None, "several"),
        ([found("9", "email")], None, "not sure"),
        ([found("8", "email"), found("9", "email")], None, "several"),
    ],
)
def test_only_one_sure_candidate_is_taken(candidates: list[Found], taken: str | None, doubt: str) -> None:
    """A record is taken where all sure ways point to it alone; else nobody is, or a person decides."""
    known = recognize(candidates, ("number", "name"))
    assert (known.found.external_id if known.found else None) == taken
    assert known.doubt.startswith(doubt)
    assert bool(known.doubt) == bool(doubt)


OLD, NEW = {"a": 1, "b": 2}, {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("action", "stands", "expected"),
    [
        (Action.UPDATE, NEW, Fate.DONE),
        (Action.UPDATE, OLD, Fate.NOT_DONE),
        (Action.UPDATE, {"a": 1, "b": 2.5}, Fate.DONE),
        (Action.UPDATE, None, Fate.GONE),
        (Action.WITHDRAW, OLD, Fate.NOT_DONE),
        (Action.WITHDRAW, OLD | {"b": 0}, Fate.DONE),
        (Action.WITHDRAW, None, Fate.DONE),
        (Action.RESTORE, None, Fate.NOT_DONE),
        (Action.RESTORE, NEW, Fate.DONE),
        (Action.RESTORE, OLD, Fate.NOT_DONE),
        (Action.RESTORE, NEW | {"b": UNTOLD}, Fate.NOT_DONE),
    ],
)
def test_fate_follows_from_what_stands_there(action: Action, stands: dict[str, object] | None, expected: Fate) -> None:
    """A write whose answer was lost took effect unless the record is as it was; a capped value counts as taken."""
    assert fate(action, before=OLD, sent=NEW, stands=stands) is expected
