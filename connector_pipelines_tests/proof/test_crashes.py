"""A sample of `make chaos`: a run killed at some of its durable boundaries, and resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proof.crashes import sweep

if TYPE_CHECKING:
    from proof.databases import Databases

pytestmark = pytest.mark.long


def test_killed_at_a_boundary_and_resumed(databases: Databases) -> None:
    """Killed at any of a sample of its boundaries, found by themselves, a resumed run leaves what a whole one does."""
    boundaries, wrong = sweep(databases, "sync", every=29)
    assert wrong == []
    found = [str(boundary) for boundary in boundaries]
    for words in ("INSERT INTO connector.sync_runs", "COPY", "sync_plans SET applied_chunks", "DROP TABLE IF EXISTS"):
        assert any(boundary.startswith("database ") and words in boundary for boundary in found)
    for file in ("page-000001.zst", "manifest.jsonl", "manifest.json"):
        for kind in ("file ", "torn file "):
            assert any(boundary.startswith(kind) and f"open {file}" in boundary for boundary in found)


def test_export_killed_at_a_boundary_and_resumed(databases: Databases) -> None:
    """Of an export, too; there each effect comes once, and what stands there is what a whole export leaves."""
    boundaries, wrong = sweep(databases, "export", every=89)
    assert wrong == []
    found = {(boundary.kind, boundary.what) for boundary in boundaries}
    for what in ("INSERT INTO connector.exports", "UPDATE connector.sync_plans", "WITH gone AS ( DELETE FROM"):
        assert any(kind == "database" and words.startswith(what) for kind, words in found)
    for function in ("core_user_create_users", "enrol_manual_enrol_users", "core_grades_update_grades"):
        assert {("request", function), ("effect", function), ("answer", function)} <= found


def test_gradebook_killed_at_a_boundary_and_resumed(databases: Databases) -> None:
    """Of an export of assessments, too: each line item and each result is written once."""
    boundaries, wrong = sweep(databases, "gradebook", every=70)
    assert wrong == []
    found = {(boundary.kind, boundary.what) for boundary in boundaries}
    for collection in ("categories", "lineItems", "results"):
        assert {(kind, f"PUT {collection}") for kind in ("request", "effect", "answer")} <= found
