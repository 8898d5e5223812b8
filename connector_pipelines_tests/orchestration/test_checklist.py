"""The checklist for a new Finale source, as a person goes through it in the UI (E74-E79)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from connector_pipelines.connectors.finale.simulator import Simulator
from connector_pipelines_tests.orchestration.served import serve

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DECLARED = """
type: connector_pipelines.orchestration.components.FinaleSource
attributes:
  base_url: {url}
  account: {account}
  auth: {{type: api_key, key: "{{{{ env.CHECK_KEY }}}}", secret: "{{{{ env.CHECK_SECRET }}}}"}}
  entities: [vendors, inventory_items]
"""

SYNCED = (
    "SELECT external_system_id, external_id, sync_status, last_sync_at, name FROM core.synced_inventory_items"
    " ORDER BY external_id"
)


def test_a_new_finale_source_is_added_tested_and_synced(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Declared and tested, a sync by hand creates its items with their origin, and the next one updates them."""
    (tmp_path / "home").mkdir()
    with Simulator(scenario="small", seed=7) as finale:
        monkeypatch.setenv("CHECK_KEY", finale.api_key)
        monkeypatch.setenv("CHECK_SECRET", finale.api_secret)
        project.declare("shop", text=DECLARED.format(url=finale.url, account=finale.account))
        with serve(project.folder, project.url, tmp_path / "home", []) as ui:

            def launched(job: str, config: dict[str, Any]) -> None:
                done = ui.launch(job, config)
                assert done.status is dg.DagsterRunStatus.SUCCESS, ui.why(done)

            assert {"test_connection_shop", "sync_shop", "full_sync_shop"} <= set(ui.jobs())
            launched("test_connection_shop", {})
            by_hand = {"ops": {"sync_it": {"config": {"source": "shop", "mode": "full"}}}}
            launched("sync_now", by_hand)
            first = project.rows(SYNCED)
            finale.evolve(20)
            launched("sync_now", by_hand)
        products = len(list(finale.expected("product")))
    second = project.rows(SYNCED)
    assert project.rows("SELECT status FROM connector.integration_status_logs LIMIT 1") == [("connected",)]
    assert {(system, status) for system, _, status, _, _ in first} == {("shop", "synced")}
    assert (0 < len(first) <= len(second), len(second)) == (True, products)
    assert all(key for _, key, *_ in second)
    known = {key: (at, name) for _, key, _, at, name in first}
    assert all(at > known[key][0] for _, key, _, at, _ in second if key in known)
    assert any(name != known[key][1] for _, key, _, _, name in second if key in known)
