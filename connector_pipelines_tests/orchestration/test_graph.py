"""The asset graph that declarations make."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any

import dagster as dg

from connector_pipelines.connectors.finale.config import FinaleConfig
from connector_pipelines.external.options import HttpOptions
from connector_pipelines.orchestration import metadata
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest
    from dagster._core.definitions.assets.graph.asset_graph import AssetGraph


def graph(project: Any) -> AssetGraph:
    """The graph of a project's definitions."""
    return project.definitions().get_repository_def().asset_graph  # type: ignore[no-any-return]


def words(keys: Iterable[dg.AssetKey]) -> set[str]:
    """Asset keys as people write them."""
    return {key.to_user_string() for key in keys}


def key(text: str) -> dg.AssetKey:
    """The asset key of a path."""
    return dg.AssetKey(text.split("/"))


def test_each_entity_has_three_assets(declared: Any) -> None:
    """Each entity of a source has an external and a mapping asset in the source's group, and a core asset in core's."""
    declared.declare("alpha")
    found = graph(declared)
    entities = ("organizations", "sections", "students", "enrollments")
    own = {f"alpha/{layer}/{entity}" for layer in ("external", "mapping") for entity in entities}
    core = {f"core/{entity}" for entity in entities}
    assert words(found.get_all_asset_keys()) == own | core | {"operations/overview", "operations/alpha"}
    assert {found.get(key(k)).group_name for k in own} == {"alpha"}
    assert found.get(key("core/students")).group_name == "core"
    assert found.get(key("alpha/external/students")).kinds == {"python", "toy"}


def test_no_edge_skips_the_mapping_layer(declared: Any) -> None:
    """Core depends on mapping and its parents' core, mapping on external and its parents' mapping (G3)."""
    declared.declare("alpha")
    found = graph(declared)
    for asset in (one for one in found.asset_nodes if one.key.path[0] != "operations"):
        parents = words(asset.parent_keys)
        layer, entity = asset.key.path[-2], asset.key.path[-1]
        if layer == "external":
            assert parents == set()
        elif layer == "mapping":
            assert f"alpha/external/{entity}" in parents
            assert all(p.startswith("alpha/mapping/") for p in parents - {f"alpha/external/{entity}"})
        else:
            assert f"alpha/mapping/{entity}" in parents
            assert all(p.startswith("core/") for p in parents - {f"alpha/mapping/{entity}"})
    assert words(found.get(key("alpha/mapping/enrollments")).parent_keys) == {
        "alpha/external/enrollments",
        "alpha/mapping/students",
        "alpha/mapping/sections",
    }
    assert words(found.get(key("core/enrollments")).parent_keys) == {
        "alpha/mapping/enrollments",
        "core/students",
        "core/sections",
    }


def test_second_district_is_one_more_folder(declared: Any) -> None:
    """A second source shares core with the first and has its own layers, jobs and schedules, without any code."""
    declared.declare("alpha")
    declared.declare("beta", "entities: [students]")
    found = graph(declared)
    fed_by = words(found.get(key("core/students")).parent_keys)
    assert fed_by == {"alpha/mapping/students", "beta/mapping/students", "core/organizations"}
    assert "beta/mapping/sections" not in words(found.get_all_asset_keys())
    assert words(found.get(key("beta/mapping/students")).parent_keys) == {"beta/external/students"}
    repository = declared.definitions().get_repository_def()
    assert {"sync_alpha", "sync_beta", "full_sync_beta", "test_connection_beta"} <= set(repository.job_names)


def test_days_are_partitions_where_the_system_filters_by_time(declared: Any) -> None:
    """Streams that filter by time have daily partitions, today included; others, and core, have none."""
    declared.declare("alpha", "schedule: {start_date: 2026-11-01, timezone: America/New_York}")
    found = graph(declared)
    days = found.get(key("alpha/external/students")).partitions_def
    assert isinstance(days, dg.DailyPartitionsDefinition)
    assert (days.end_offset, days.get_first_partition_key(), str(days.timezone)) == (
        1,
        "2026-11-01",
        "America/New_York",
    )
    assert found.get(key("alpha/mapping/students")).partitions_def == days
    assert found.get(key("alpha/external/organizations")).partitions_def is None
    assert found.get(key("core/students")).partitions_def is None


def test_many_days_are_one_run(declared: Any) -> None:
    """A backfill of a source's days is a single run (P18)."""
    declared.declare("alpha")
    found = graph(declared)
    policies = {found.get(key(f"alpha/{layer}/students")).backfill_policy for layer in ("external", "mapping")}
    assert policies == {dg.BackfillPolicy.single_run()}


def test_one_pool_for_each_source_and_core_table(declared: Any) -> None:
    """Steps of a source share its pool, steps of a core table that table's (G76)."""
    declared.declare("alpha")
    found = graph(declared)
    assert found.get(key("alpha/external/students")).pools == {"source_alpha"}
    assert found.get(key("alpha/mapping/sections")).pools == {"source_alpha"}
    assert found.get(key("core/students")).pools == {"core_students"}


def test_core_assets_show_their_columns(declared: Any) -> None:
    """A core asset says what a row is, and which columns it has and may be empty, references included."""
    declared.declare("alpha")
    shown = graph(declared).get(key("core/enrollments"))
    columns = shown.metadata["dagster/column_schema"].columns
    assert {column.name: column.constraints.nullable for column in columns} == {
        "status": False,
        "start_date": True,
        "end_date": True,
        "student_id": False,
        "section_id": False,
    }
    assert str(shown.description).startswith("A student in a section.")


def test_only_enabled_sources_appear(declared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With INTEGRATION_ENABLED_PROVIDERS only the sources it lists appear, by name or by connector (F57)."""
    declared.declare("alpha")
    declared.declare("beta", "entities: [students]")
    monkeypatch.setenv("INTEGRATION_ENABLED_PROVIDERS", "beta")
    assert words(graph(declared).get_all_asset_keys()) == {
        "beta/external/students",
        "beta/mapping/students",
        "core/students",
        "operations/overview",
        "operations/beta",
    }


def test_loading_says_which_providers_there_are(
    declared: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Loading the definitions says in the log: connectors, sources, what is not usable, and what is left out."""
    declared.declare("alpha", "enabled: false")
    declared.declare("beta")
    declared.declare("gamma", text="type: [")
    declared.declare("delta")
    monkeypatch.setenv("INTEGRATION_ENABLED_PROVIDERS", "alpha,beta,gamma")
    settings.cache_clear()
    with caplog.at_level(logging.INFO, logger="dagster"):
        declared.definitions()
    [said] = [one.getMessage() for one in caplog.records if one.name == "dagster.connector_pipelines"]
    assert said == (
        "connectors: canvas, csv_api, finale, google_classroom, json_api, mock, moodle, oneroster, quickbooks, toy;"
        " sources: alpha (toy, off), beta (toy); not usable: gamma;"
        " left out by INTEGRATION_ENABLED_PROVIDERS: delta"
    )


def test_other_dagster_code_in_the_folder_is_loaded(declared: Any) -> None:
    """Python files and foreign components next to the sources are loaded, and one that is broken stands aside."""
    declared.declare("alpha", "entities: [students]")
    (declared.folder / "mine.py").write_text("import dagster as dg\n\n@dg.asset\ndef mine(): ...\n")
    (declared.folder / "broken.py").write_text("import no_such_module\n")
    found = words(graph(declared).get_all_asset_keys())
    assert {"mine", "broken/invalid", "core/students"} <= found


def test_freshness_is_asked_of_scheduled_sources_only(declared: Any) -> None:
    """A source whose schedule is enabled has a freshness policy; one that nobody schedules is never stale."""
    declared.declare("alpha", "schedule: {enabled: true, fresh_within_hours: 30}")
    declared.declare("beta")
    specs = {spec.key.to_user_string(): spec for spec in declared.definitions().resolve_all_asset_specs()}
    assert specs["alpha/external/students"].freshness_policy is not None
    assert specs["beta/external/students"].freshness_policy is None


def test_definitions_touch_nothing(declared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Building the definitions opens no socket and reads no secret (DESIGN)."""
    opened: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: opened.append(address))
    monkeypatch.delenv("ALPHA_KEY", raising=False)
    declared.declare("alpha", 'key: "{{ env.ALPHA_KEY }}"')
    assert "alpha/external/students" in words(graph(declared).get_all_asset_keys())
    assert opened == []


def test_external_assets_show_what_may_be_asked() -> None:
    """The vendor's limits and the source's own stand with whose they are; without any, that is said, too (E16)."""
    auth = {"type": "api_key", "key": "env:K", "secret": "env:S"}
    shown = metadata.of_limits(FinaleConfig(account="acme", auth=auth, requests_per_minute=50))
    assert shown["limits of"] == "account acme"
    assert "| GET | 120 in 60 s |" in shown["rate limits"].value
    assert "| collections and reports | 300 in 3600 s |" in shown["rate limits"].value
    assert "| all | 50 in 60 s |" in shown["rate limits"].value
    assert metadata.of_limits(HttpOptions())["rate limits"].value == "none declared"
