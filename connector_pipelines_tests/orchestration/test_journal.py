"""What stands in a run's log of a source that shall say more or less than usual (F18, F63)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
import yaml

from connector_pipelines.declarative.simulator import Simulator
from connector_pipelines.orchestration import home

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPOT = """
type: connector_pipelines.orchestration.components.JSONAPISource
attributes:
  base_url: {url}
  auth: {{type: bearer, token: "{{{{ env.DEPOT_TOKEN }}}}"}}
  log_level: {level}
  entities:
    vendors: {{path: suppliers, records: data, id: supplierId, mapping: {{name: supplierName}}}}
"""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance that listens to loggers as the project's own does."""
    settings = yaml.safe_load(Path(home.ROOT / "dagster.yaml").read_text("utf-8"))["python_logs"]
    loggers = [logging.getLogger(name) for name in settings["managed_python_loggers"]]
    before = [logger.level for logger in loggers]
    with dg.DagsterInstance.ephemeral(settings={"python_logs": settings}) as ephemeral:
        yield ephemeral
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


@pytest.mark.parametrize(
    ("level", "requests", "progress"), [("debug", True, True), ("info", False, True), ("warning", False, False)]
)
def test_the_level_decides_what_a_run_logs(
    project: Any, monkeypatch: pytest.MonkeyPatch, *, level: str, requests: bool, progress: bool
) -> None:
    """The level debug puts requests into the run's log, info progress alone, warning neither; the sync is the same."""
    with Simulator() as depot:
        monkeypatch.setenv("DEPOT_TOKEN", depot.secret)
        project.declare("depot", text=DEPOT.format(url=depot.api_url, level=level))
        done = project.run("full_sync_depot")
    assert done.success
    said = [entry.user_message for entry in project.instance.all_logs(done.run_id) if not entry.is_dagster_event]
    assert any("/suppliers" in line and ": 200, " in line for line in said) is requests
    assert any(line.startswith("vendors: ") and " rows" in line for line in said) is progress
    assert project.rows("SELECT count(*) > 0 FROM core.vendors") == [(True,)]
