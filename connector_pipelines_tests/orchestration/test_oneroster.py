"""The project's own declaration, on the real simulator, through Dagster's tools."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.orchestration import names, validate
from connector_pipelines.orchestration.sources import DEFS, Invalid, read

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TODAY = datetime.now(UTC).date().isoformat()
ROSTER = (
    "organizations",
    "terms",
    "courses",
    "sections",
    "students",
    "instructors",
    "enrollments",
    "teaching_assignments",
)


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A OneRoster server, with its credentials in the environment."""
    with Simulator(scenario="small", seed=7) as running:
        monkeypatch.setenv("DISTRICT_ID", running.client_id)
        monkeypatch.setenv("DISTRICT_SECRET", running.client_secret)
        yield running


def declaration_of(simulator: Simulator, *more: str) -> str:
    """The YAML of a source that reads the simulator."""
    attributes = "".join(f"  {line}\n" for line in more)
    return f"""
type: connector_pipelines.orchestration.components.OneRosterSource
attributes:
  base_url: {simulator.url}
  auth:
    type: oauth2
    token_url: {simulator.token_url}
    client_id: "{{{{ env.DISTRICT_ID }}}}"
    client_secret: "{{{{ env.DISTRICT_SECRET }}}}"
{attributes}"""


@pytest.fixture
def district(project: Any, simulator: Simulator) -> Any:
    """A project with one OneRoster source."""
    project.declare("district", text=declaration_of(simulator))
    return project


def test_a_whole_roster_comes_to_core_and_stays(district: Any, simulator: Simulator) -> None:
    """Every organization, course, class and user of the source is in core once after two runs; no secret is logged."""
    runs = [district.run("sync_district", partition_key=TODAY) for _ in range(2)]
    assert [run.success for run in runs] == [True, True]
    for entity, collection in (("organizations", "orgs"), ("courses", "courses"), ("sections", "classes")):
        expected = sum(1 for _ in simulator.expected(collection))
        assert district.rows(f"SELECT count(*) FROM core.{entity}") == [(expected,)]
    counts = district.rows("SELECT entity, verified FROM connector.sync_receipts ORDER BY plan_id")
    assert [verified for _, verified in counts] == [True] * 16
    assert {entity for entity, _ in counts} == set(ROSTER)
    written = (
        "SELECT sum((counts->>'created')::int + (counts->>'updated')::int) FROM connector.sync_plans WHERE run_id > 8"
    )
    assert district.rows(written) == [(0,)]
    assert simulator.client_secret not in repr(district.instance.all_logs(runs[0].run_id))


def test_an_empty_answer_leaves_core_as_it_was(district: Any, simulator: Simulator) -> None:
    """A source that suddenly answers with an empty list is held, and core keeps every student (G47)."""
    full = {"ops": {f"district__external__{entity}": {"config": {"mode": "full"}} for entity in ROSTER}}
    district.run("sync_district", partition_key=TODAY, run_config=full)
    [(before,)] = district.rows("SELECT count(*) FROM core.students")
    simulator.set_faults(["empty-list"])
    run = district.run("sync_district", partition_key=TODAY, run_config=full)
    assert not run.success
    held = [
        check.asset_key.path[-1]
        for check in run.get_asset_check_evaluations()
        if check.check_name == "mass_change" and not check.passed
    ]
    assert "organizations" in held
    assert before > 0
    assert district.rows("SELECT count(*) FROM core.students") == [(before,)]


def test_a_missing_secret_is_named(district: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose secret is not set fails without a retry and names the variable."""
    monkeypatch.delenv("DISTRICT_SECRET")
    run = district.run("test_connection_district")
    [failed] = [event for event in run.all_node_events if event.is_step_failure]
    assert "DISTRICT_SECRET" in failed.step_failure_data.user_failure_data.description


def test_the_shipped_declarations_are_valid() -> None:
    """Every source that comes with the project is usable, without its secrets being set."""
    assert validate.invalid_sources() == []
    assert (DEFS / "demo_school" / "defs.yaml").exists()


@pytest.mark.parametrize(
    "command", [["dg", "check", "yaml"], ["dagster", "definitions", "validate", "-w", "workspace.yaml"]]
)
def test_dagster_s_own_checks_pass(command: list[str], database: str, tmp_path: Path) -> None:
    """Dagster's own tools accept the project as it is checked out; loading it says which sources there are (F51)."""
    own = {"CONNECTOR_PIPELINES_DATABASE_URL": database, "CONNECTOR_PIPELINES_LOCAL_DIR": str(tmp_path)}
    found = Path(sys.executable).parent / command[0]
    environment = os.environ | own | {"VIRTUAL_ENV": str(Path(sys.executable).parents[1])}
    done = subprocess.run([found, *command[1:]], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if command[0] == "dagster":
        assert "demo_school (oneroster)" in done.stdout + done.stderr


def test_gradebook_is_an_asset_with_a_dry_run_and_a_job(project: Any, simulator: Simulator) -> None:
    """A source that may be written to has an asset for each export, whose job writes and whose dry run does not."""
    project.declare("district", text=declaration_of(simulator, "policy: {exports: [categories, line_items, results]}"))
    project.execute("INSERT INTO core.assessments (title, assessment_type, status) VALUES ('A', 'exam', 'active')")
    results = project.definitions().get_repository_def().asset_graph.get(names.export("district", "results"))
    assert names.export("district", "line_items") in results.parent_keys
    assert project.run("dry_run_export_district").success
    assert simulator.ledger == []
    done = project.run("export_district")
    assert done.success
    assert [write.collection for write in simulator.ledger] == ["categories"]
    [shown] = done.asset_materializations_for_node("district__export__categories")
    assert (shown.metadata["created"].value, shown.metadata["not taken in 7 days"].value) == (1, 0)
    assert all(check.passed for check in done.get_asset_check_evaluations())


def test_aggregates_have_no_place_and_the_declaration_says_why(project: Any, simulator: Simulator) -> None:
    """Outcomes of programs are refused where they are declared, with the reason and what there is instead."""
    project.declare("district", text=declaration_of(simulator, "policy: {exports: [program_outcomes]}"))
    wrong = read(project.folder / "district" / "defs.yaml")
    assert isinstance(wrong, Invalid)
    assert "they are of no student and no class" in wrong.reason
    assert "outcome_results" in wrong.reason
