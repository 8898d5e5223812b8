"""Looking after webhooks in the UI and on the command line."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from connector_pipelines.cli import app
from connector_pipelines.database.connection import connect
from connector_pipelines.external.line import Line
from connector_pipelines.notices import Notice
from connector_pipelines.orchestration.sources import declared_source
from connector_pipelines.settings import settings
from connector_pipelines.sync.sources import register
from connector_pipelines.webhooks import inbox

if TYPE_CHECKING:
    from collections.abc import Callable

ENABLED = "SELECT enabled FROM connector.integration_webhooks"
EVENTS = "SELECT status, attempts FROM connector.integration_webhook_events"
Look = tuple[Any, "Callable[[bool], bool]", "Callable[[], bool]"]


@pytest.fixture(params=["job", "command"])
def look(request: pytest.FixtureRequest, project: Any, monkeypatch: pytest.MonkeyPatch) -> Look:
    """A project with one failed event; how to switch its webhook, and how to have failed events tried again."""
    project.declare("alpha", "webhook: true")
    monkeypatch.setenv("CONNECTOR_PIPELINES_DATABASE_URL", project.url)
    settings.cache_clear()
    with connect(project.url) as connection, closing(Line(project.url, durable=True)) as line:
        register(connection, declared_source("alpha", project.folder))
        inbox.introduce(connection, "alpha", "{}")
        inbox.store(line, "alpha", [Notice("changed", ("students",), "e1")])
    project.execute("UPDATE connector.integration_webhook_events SET status = 'failed', attempts = 10")

    def launched(job: str, op: str, **config: object) -> bool:
        done = project.run(job, run_config={"ops": {op: {"config": {"source": "alpha", "who": "ann"} | config}}})
        return bool(done.success)

    def called(*words: str) -> bool:
        return CliRunner().invoke(app, ["webhooks", *words]).exit_code == 0

    if request.param == "job":
        return (
            project,
            lambda on: launched("switch_webhook", "switch", on=on),
            lambda: launched("retry_webhook_events", "try_again"),
        )
    return project, lambda on: called("switch", "alpha", "on" if on else "off"), lambda: called("retry", "alpha")


def test_a_webhook_is_switched(look: Look) -> None:
    """A person switches a webhook off and on again; both are in the audit log."""
    project, switch, _ = look
    assert switch(False)
    assert project.rows(ENABLED) == [(False,)]
    assert switch(True)
    assert project.rows(ENABLED) == [(True,)]
    assert project.rows("SELECT action, source FROM connector.integration_audit_logs ORDER BY id") == [
        ("webhook switched off", "alpha"),
        ("webhook switched on", "alpha"),
    ]


def test_failed_events_are_tried_again(look: Look) -> None:
    """A person lets failed events wait again, from the beginning."""
    project, _, retry = look
    assert retry()
    assert project.rows(EVENTS) == [("pending", 0)]


def test_a_source_without_webhook_cannot_be_switched(project: Any) -> None:
    """Switching a webhook that is not there says how to have one."""
    how = {"ops": {"switch": {"config": {"source": "beta", "on": True, "who": "ann"}}}}
    done = project.run("switch_webhook", run_config=how)
    assert not done.success
    (failed,) = [event for event in done.all_node_events if event.is_step_failure]
    assert "beta has no webhook" in failed.step_failure_data.user_failure_data.description
