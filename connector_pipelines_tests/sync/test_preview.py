"""A look at a source before it is synced: what it shows, what it hides, and that it leaves nothing behind (E19)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.sync.preview import HIDDEN, masked, preview

STUDENT = {"id": "s1", "given_name": "Ada", "family_name": "Lovelace", "status": "active"}


def test_a_preview_shows_rows_mapped_rows_and_verdicts(toy: Any) -> None:
    """The first records of the first page are shown as they came, with what they feed and what validation says."""
    toy.sends["students"] = [[STUDENT, STUDENT | {"id": ""}, STUDENT | {"id": "s3"}], [STUDENT | {"id": "s4"}]]
    shown = preview(toy.source, "students", rows=2)
    assert (shown.source, shown.entity, shown.records) == ("toy", "students", 3)
    assert shown.verdicts == {"accepted": 2, "rejected: id must have 1 to 255 characters": 1}
    good, bad = shown.rows
    assert json.loads(good.raw) == STUDENT
    assert good.mapped is not None
    assert good.mapped["family_name"] == "Lovelace"
    assert good.mapped["external_id"] == "s1"
    assert "middle_name" not in good.mapped
    assert (bad.mapped, bad.verdict) == (None, "rejected: id must have 1 to 255 characters")


def test_a_preview_writes_nothing(toy: Any, tmp_path: Any) -> None:
    """After a preview there is no run, no landed page, no mapping and no dead letter."""
    toy.sends["students"] = [[STUDENT, STUDENT | {"id": ""}]]
    preview(toy.source, "students")
    for table in ("sync_runs", "dead_letters", "external_system_mappings", "integrations"):
        assert toy.rows(f"SELECT count(*) FROM connector.{table}") == [(0,)]
    assert list(tmp_path.iterdir()) == []


def test_a_source_without_records_previews_as_empty(toy: Any) -> None:
    """A source that sends nothing, or an empty page, is shown as that."""
    assert preview(toy.source, "students").rows == ()
    toy.sends["students"] = [[]]
    assert preview(toy.source, "students").records == 0


def test_an_entity_that_is_not_there_is_named(toy: Any) -> None:
    """Asking for an entity that the source does not provide says which it does."""
    with pytest.raises(ConfigurationError, match=r"toy has no vendors.*organizations, students"):
        preview(toy.source, "vendors")


def test_nothing_personal_is_kept(toy: Any) -> None:
    """Masked, of records only names and kinds of fields are left, and of core columns those that name no person."""
    toy.sends["students"] = [[STUDENT | {"email": "ada@example.org", "grades": "12", "enabled": True}]]
    [row] = masked(preview(toy.source, "students")).rows
    assert "Lovelace" not in repr(row)
    assert "ada@" not in repr(row)
    assert json.loads(row.raw)["family_name"] == "text"
    assert json.loads(row.raw)["enabled"] == "true or false"
    assert row.mapped is not None
    assert (row.mapped["family_name"], row.mapped["grades"]) == (HIDDEN, "12")
