"""Everything that reads landed pages reads sealed ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external import vault
from connector_pipelines.external.landing import Landing
from connector_pipelines.settings import settings
from connector_pipelines.sync.erasing import erase
from connector_pipelines.sync.explaining import explain
from connector_pipelines.sync.reconciling import reconcile
from connector_pipelines.sync.replaying import replay
from connector_pipelines.sync.subjects import Subject, export

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines_tests.sync.conftest import Records, Toy


@pytest.fixture
def sealed(toy: Toy, make: Records, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toy]:
    """Two students who were synced, and whose pages are sealed."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", vault.new_key())
    settings.cache_clear()
    toy = replace(toy, landing=Landing(toy.landing.root, sealed=True))
    toy.sends["students"] = [[make.student(1, email="one@toy.example"), make.student(2)]]
    toy.sync("students")
    yield toy
    settings.cache_clear()


def files(toy: Toy) -> list[Path]:
    """The files of landed pages."""
    return sorted(Path(toy.landing.root).rglob("page-*"))


def test_sealed_reads_are_replayed_compared_explained_and_exported(sealed: Toy) -> None:
    """A replay gives the plan that was applied, core agrees with the pages, a value is followed to its record."""
    [(read, applied, row)] = sealed.rows(
        "SELECT p.run_id, p.hash, (SELECT min(id) FROM core.students) FROM connector.sync_plans p"
    )
    with sealed.open() as context:
        assert reconcile(context, sealed.source, "students").alarms == 0
        told = explain(context, {"toy": sealed.source}, "students", row, "email")
        assert told.record is not None
        assert b"one@toy.example" in told.record.raw
        found = export(context, Subject("students", row), {"toy": sealed.source}, who="ann", why="she asked")
        assert len(found["landed"]) == 1
        sealed.execute("DELETE FROM connector.toy_mappings", "DELETE FROM core.students")
        sealed.execute("SELECT setval('core.students_id_seq', 1, false)")
        assert replay(context, sealed.source, read).counts.created == 2
    assert applied
    assert [path.name for path in files(sealed)] == ["page-000001.zst.fernet"]


def test_what_is_left_of_an_erased_person_s_page_is_sealed_again(sealed: Toy) -> None:
    """The page without their record is sealed, too, and the old one is gone."""
    [(row,)] = sealed.rows("SELECT min(id) FROM core.students")
    with sealed.open() as context:
        subject, sources = Subject("students", row), {"toy": sealed.source}
        erase(context, subject, sources, who="ann", why="a request of 1 May", apply=True)
        assert reconcile(context, sealed.source, "students").alarms == 0
    assert [path.name for path in files(sealed)] == ["page-000001-1-erased.zst.fernet"]


def test_nobody_s_pages_are_removed_because_a_key_is_missing(sealed: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Erasing removes reads that nobody can read; where only the key is missing it ends instead."""
    [(row,)] = sealed.rows("SELECT min(id) FROM core.students")
    monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", vault.new_key())
    settings.cache_clear()
    with sealed.open() as context, pytest.raises(ConfigurationError, match="none of the keys opens the landed page"):
        erase(context, Subject("students", row), {"toy": sealed.source}, who="ann", why="asked", apply=True)
    assert len(files(sealed)) == 1
