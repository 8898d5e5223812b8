"""When a source runs that says nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.orchestration.sources import Declaration, read
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def declared(folder: Path, schedule: str = "") -> Declaration:
    """A Moodle source, read from its file."""
    file = folder / "campus" / "defs.yaml"
    file.parent.mkdir(exist_ok=True)
    kind = "connector_pipelines.orchestration.components.MoodleSource"
    file.write_text(f"type: {kind}\nattributes:\n  base_url: https://moodle.school.example\n{schedule}")
    found = read(file)
    assert isinstance(found, Declaration)
    return found


def test_the_environment_says_what_a_source_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connector's own variables are its sources' schedule; a declaration that says otherwise is right."""
    settings.cache_clear()
    monkeypatch.setenv("MOODLE_SYNC_ENABLED", "true")
    monkeypatch.setenv("MOODLE_SYNC_INTERVAL", "1800")
    usual = declared(tmp_path).timetable
    own = declared(tmp_path, "  schedule:\n    enabled: false\n").timetable
    monkeypatch.undo()
    settings.cache_clear()
    assert (usual.enabled, usual.cron) == (True, "*/30 * * * *")
    assert (own.enabled, own.cron) == (False, "*/30 * * * *")
