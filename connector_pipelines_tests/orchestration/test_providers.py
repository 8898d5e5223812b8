"""Which sources there are in an environment, and one that runs without any other system (F19, F57)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector_pipelines.connectors.canvas.simulator import Simulator as CanvasSimulator
from connector_pipelines.connectors.google_classroom.simulator import Simulator as Classroom
from connector_pipelines.orchestration import dev
from connector_pipelines.settings import settings

TODAY = datetime.now(UTC).date().isoformat()
MOCK = "type: connector_pipelines.orchestration.components.MockSource\nattributes: {scenario: tiny}\n"
ROSTER = """
type: connector_pipelines.orchestration.components.OneRosterSource
attributes:
  base_url: https://sis.example
  auth: {{type: bearer, token: "{{{{ env.SIS_TOKEN }}}}"}}
  entities: [students]
  flavour: {flavour}
"""
CANVAS = """
type: connector_pipelines.orchestration.components.CanvasSource
attributes:
  base_url: {url}
  auth: {{type: bearer, token: "{{{{ env.CANVAS_TOKEN }}}}"}}
  entities: [organizations, terms, courses, sections, students, enrollments]
"""
CLASSROOM = """
type: connector_pipelines.orchestration.components.GoogleClassroomSource
attributes:
  base_url: {0.url}
  auth:
    type: service_account
    client_email: {0.client_email}
    private_key: "{{{{ env.GOOGLE_PRIVATE_KEY }}}}"
    subject: {0.subject}
    token_url: {0.token_url}
"""


@pytest.mark.parametrize(
    ("listed", "there"),
    [
        ("mock,timeback", {"alpha_high", "pretend"}),
        ("timeback", {"alpha_high"}),
        ("mock", {"pretend"}),
        ("oneroster", {"alpha_high", "springfield"}),
        ("toy, springfield", {"depot", "springfield"}),
        ("canvas", set()),
        ("", {"alpha_high", "depot", "pretend", "springfield"}),
    ],
)
def test_only_listed_providers_appear(
    declared: Any, monkeypatch: pytest.MonkeyPatch, listed: str, there: set[str]
) -> None:
    """INTEGRATION_ENABLED_PROVIDERS lists connectors, dialects or sources; of all others there is nothing."""
    declared.declare("depot")
    declared.declare("pretend", text=MOCK)
    declared.declare("springfield", text=ROSTER.format(flavour="standard"))
    declared.declare("alpha_high", text=ROSTER.format(flavour="timeback"))
    monkeypatch.setenv("INTEGRATION_ENABLED_PROVIDERS", listed)
    settings.cache_clear()
    found = declared.definitions().get_repository_def()
    pages = {key.path[1] for key in found.asset_graph.get_all_asset_keys() if key.path[0] == "operations"}
    assert pages - {"overview"} == there
    jobs = {job.name.removeprefix("test_connection_") for job in found.get_all_jobs()}
    assert jobs & {"alpha_high", "depot", "pretend", "springfield"} == there


def test_the_mock_runs_end_to_end_with_nothing_else(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only enabled provider is tested, synced into core with proof, and a second sync changes nothing (F19)."""
    monkeypatch.setenv("INTEGRATION_ENABLED_PROVIDERS", "mock")
    settings.cache_clear()
    alone = MOCK.replace("tiny", f"tiny, port: {dev.free_port()}")  # at the usual one other tests may listen
    project.declare("pretend", text=alone)
    project.declare("depot")
    assert project.run("test_connection_pretend").success
    for _ in range(2):
        assert project.run("full_sync_pretend", partition_key=TODAY).success
    counts = project.rows(
        "SELECT p.entity, (p.counts ->> 'created')::int > 0, (p.counts ->> 'updated')::int"
        " FROM connector.sync_plans p WHERE p.state = 'applied' ORDER BY p.id"
    )
    assert {entity for entity, created, _ in counts if created} == {
        "organizations",
        "terms",
        "courses",
        "sections",
        "students",
        "instructors",
        "enrollments",
        "teaching_assignments",
    }
    assert sum(created for _, created, _ in counts) == 8
    assert {updated for _, _, updated in counts} == {0}
    assert project.rows("SELECT count(*) FROM connector.dead_letters") == [(0,)]
    assert project.rows("SELECT count(DISTINCT scope) FROM connector.api_calls") == [(1,)]


def test_canvas_runs_end_to_end(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Canvas source that is declared is tested and synced into core with proof, like every other provider (F19)."""
    with CanvasSimulator(scenario="tiny") as simulator:
        monkeypatch.setenv("CANVAS_TOKEN", simulator.token)
        project.declare("campus", text=CANVAS.format(url=simulator.url))
        assert project.run("test_connection_campus").success
        assert project.run("full_sync_campus").success
        enrolled = [one for one in simulator.expected("enrollments") if one["type"] == "StudentEnrollment"]
    assert project.rows("SELECT count(*) FROM core.enrollments") == [(len(enrolled),)]
    assert project.rows("SELECT count(*) FROM connector.dead_letters") == [(0,)]


def test_a_classroom_runs_end_to_end(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only enabled provider is declared as its page shows, tested, and synced into core with proof (F19)."""
    monkeypatch.setenv("INTEGRATION_ENABLED_PROVIDERS", "google_classroom")
    settings.cache_clear()
    with Classroom(scenario="tiny") as domain:
        monkeypatch.setenv("GOOGLE_PRIVATE_KEY", domain.private_key)
        project.declare("domain", text=CLASSROOM.format(domain))
        project.declare("depot")
        assert project.run("test_connection_domain").success
        assert project.run("full_sync_domain").success
        places = len(list(domain.expected("students")))
    assert project.rows("SELECT count(*) FROM core.synced_enrollments WHERE sync_status = 'synced'") == [(places,)]
    counts = project.rows("SELECT entity, (counts ->> 'dead_lettered')::int FROM connector.sync_plans ORDER BY entity")
    assert counts == [
        ("courses", 0),
        ("enrollments", 0),
        ("instructors", 0),
        ("sections", 0),
        ("students", 0),
        ("teaching_assignments", 0),
    ]
