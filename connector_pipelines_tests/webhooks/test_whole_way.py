"""From a change in a QuickBooks company to core: receiver, inbox, Dagster's daemon with its sensors, and a run."""

from __future__ import annotations

import os
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from dagster import DagsterInstance

from connector_pipelines.connectors.quickbooks.simulator import Simulator
from connector_pipelines.connectors.quickbooks.simulator.notifications import VERIFIER_TOKEN
from connector_pipelines.external.vault import new_key
from connector_pipelines.orchestration import dev, home
from connector_pipelines.orchestration.sources import declared_source
from connector_pipelines_tests.kept import kept
from proof.waiting import changes

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import requests

DECLARED = """
    type: connector_pipelines.orchestration.components.QuickBooksSource
    attributes:
      realm_id: '{realm}'
      base_url: {url}
      auth:
        token_url: {token_url}
        client_id: 'env:QB_ID'
        client_secret: 'env:QB_SECRET'
        refresh_token: 'env:QB_TOKEN'
      webhook: {{verifier_token: 'env:QB_VERIFIER'}}
"""
DEFINITIONS = """
    from pathlib import Path
    import dagster as dg
    from connector_pipelines.orchestration import build

    @dg.definitions
    def defs() -> dg.Definitions:
        return build.definitions(Path({folder!r}))
"""

CHANGING = (
    "core.vendors",
    "connector.integration_webhook_events",
    "connector.sync_runs",
    "public.runs",
    "public.run_tags",
)


@pytest.fixture
def company() -> Iterator[Simulator]:
    """A company of two days ago."""
    with Simulator(scenario="small", start=datetime.now(UTC) - timedelta(days=2)) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, company: Simulator, database: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the company declared, a workspace, and Dagster's home; its variables are set."""
    declared = tmp_path / "declared" / "books"
    declared.mkdir(parents=True)
    told = DECLARED.format(realm=company.realm_id, url=company.url, token_url=company.token_url)
    (declared / "defs.yaml").write_text(textwrap.dedent(told))
    (tmp_path / "defs.py").write_text(textwrap.dedent(DEFINITIONS).format(folder=str(declared.parent)))
    (tmp_path / "workspace.yaml").write_text("load_from:\n  - python_file: defs.py\n")
    (tmp_path / "dagster.yaml").symlink_to(home.ROOT / "dagster.yaml")
    for name, value in {
        "CONNECTOR_PIPELINES_DATABASE_URL": database,
        "CONNECTOR_PIPELINES_LANDING_URL": str(tmp_path / "landing"),
        "CONNECTOR_PIPELINES_SECRET_KEYS": new_key(),
        "DAGSTER_HOME": str(tmp_path),
        "PYTHONPATH": str(home.ROOT),
        "QB_ID": company.client_id,
        "QB_SECRET": company.client_secret,
        "QB_TOKEN": company.refresh_token,
        "QB_VERIFIER": VERIFIER_TOKEN,
    }.items():
        monkeypatch.setenv(name, value)
    DagsterInstance.get().dispose()  # makes Dagster's tables
    return tmp_path


@pytest.fixture
def daemon(project: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Dagster's daemon with its code server."""
    command = ["-W", "ignore", "-m", "dagster._daemon", "run", "-w", str(project / "workspace.yaml")]
    with dev.child([sys.executable, *command], os.environ, log=project / "daemon.log") as process:
        yield process


@pytest.fixture
def eventually(database: str, daemon: subprocess.Popen[bytes]) -> Iterator[Callable[..., None]]:
    """Waits until a query gives these rows, while the daemon lives."""
    with kept(database) as connection, changes(database, *CHANGING, needed=[daemon.pid]) as told:

        def wait(statement: Any, *rows: tuple[Any, ...]) -> None:
            told.until(lambda: connection.execute(statement).fetchall() == [*rows], statement)

        yield wait


def test_a_change_arrives_by_itself(
    project: Path, company: Simulator, receiving: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    """What changes in the company is in core without anybody's doing; told twice, or by a stranger, it is read once."""
    place = receiving(sources=[declared_source("books", project / "declared")])

    def rename(name: str) -> tuple[bytes, dict[str, str]]:
        now = datetime.now(UTC)
        record = company.world.tables["Vendor"].get("7") or {}
        company.put("Vendor", {**record, "DisplayName": name}, at=now)
        headers, body = company.notify([(company.realm_id, "Vendor", "7", "Update")], at=now)
        return body, headers

    def deliver(body: bytes, headers: dict[str, str]) -> requests.Response:
        answer: requests.Response = place.post(body, headers, source="books")
        return answer

    first = rename("Told First")
    assert deliver(first[0], {**first[1], "intuit-signature": "AAAA"}).status_code == 401
    assert [deliver(*first).status_code for _ in range(2)] == [200, 200]
    named = "SELECT name FROM core.vendors WHERE name LIKE 'Told %'"
    eventually(named, ("Told First",))
    assert deliver(*rename("Told Second")).status_code == 200
    assert deliver(*first).status_code == 200
    eventually(named, ("Told Second",))
    eventually("SELECT status, count(*) FROM connector.integration_webhook_events GROUP BY 1", ("processed", 2))
    eventually("SELECT status, count(*) FROM public.runs GROUP BY 1", ("SUCCESS", 2))
    launched = "SELECT count(DISTINCT run_id) FROM public.run_tags WHERE key = 'connector_pipelines/process'"
    eventually(launched, (2,))
    modes = "SELECT since IS NULL, count(*) FROM connector.sync_runs GROUP BY 1 ORDER BY 1"
    eventually(modes, (False, 1), (True, 1))
