"""A running project as a person meets it: the UI's web server asked over HTTP, its daemon, runs that are processes."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import requests

from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.orchestration import dev
from connector_pipelines_tests.orchestration import test_backfills as asked
from connector_pipelines_tests.orchestration.served import LAUNCH
from proof import browser, school
from proof.project import Project, project, start
from proof.waiting import changes
from proof.walk import REASON, Walk, addresses, addresses_there, new_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proof.waiting import Changes

pytestmark = pytest.mark.long(together=True)

STUDENTS = [["school", "external", "students"], ["school", "mapping", "students"], ["core", "students"]]
FIRST = datetime.now(UTC).date() - timedelta(days=4)

DECLARED = """
type: connector_pipelines.orchestration.components.OneRosterSource
attributes:
  base_url: {url}
  auth:
    type: oauth2
    token_url: {token_url}
    client_id: "{{{{ env.PROOF_CLIENT }}}}"
    client_secret: "{{{{ env.PROOF_SECRET }}}}"
  entities: [organizations, students]
  max_retries: 0
  schedule: {{start_date: {first}}}
"""

QUICKLY = {
    "run_monitoring": {"poll_interval_seconds": 2},  # a dead run is noticed sooner
    "run_retries": {"enabled": False},  # a person shall do it
}

STATUS = """
query Runs($filter: RunsFilter) {
  runsOrError(filter: $filter) { ... on Runs { results { runId status } } }
}
"""

BACKFILLED = """
query Backfilled($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}
"""

LOGS = """
query Logs($id: ID!) {
  logsForRun(runId: $id) { ... on EventConnection { events { ... on MessageEvent { message } } } }
}
"""

CHECKED = """
query Checked($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetChecksOrError {
        ... on AssetChecks {
          checks { name executionForLatestMaterialization { evaluation { success description } } }
        }
      }
    }
  }
}
"""

HELD_UP = """
CREATE TABLE core.gate ();
CREATE FUNCTION core.hold_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM core.students) >= 100 THEN LOCK TABLE core.gate; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER hold_up BEFORE INSERT ON core.students FOR EACH STATEMENT EXECUTE FUNCTION core.hold_up()
"""

WAITING = "SELECT pid FROM pg_locks WHERE relation = 'core.gate'::regclass AND NOT granted"


@dataclass(frozen=True, slots=True)
class Live:
    """A project that runs, the school it reads, and what is told when runs, backfills or students change."""

    place: Project
    simulator: Simulator
    told: Changes

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of a GraphQL answer without errors."""
        url = f"http://127.0.0.1:{self.place.webserver}/graphql"
        found = requests.post(url, json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in found, found
        return found["data"]

    def launch(self, job: str, day: date | None, *assets: list[str], config: Any = None) -> str:
        """Launch a job, or some of its assets, for a day, as the UI does; the run's id."""
        answer = self.ask(LAUNCH, params=self.params(job, day, *assets, config=config))["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def params(self, job: str, day: date | None, *assets: list[str], config: Any = None) -> dict[str, Any]:
        """What the UI sends to launch a job, or some of its assets, for a day."""
        return {
            "selector": {
                "repositoryLocationName": self.place.location,
                "repositoryName": "__repository__",
                "pipelineName": job,
                "assetSelection": [{"path": path} for path in assets] or None,
            },
            "runConfigData": config or {},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": str(day)}] if day else []},
        }

    def runs(self, **wanted: Any) -> dict[str, str]:
        """The status of runs by their ids."""
        found = self.ask(STATUS, filter=wanted)["runsOrError"]["results"]
        return {run["runId"]: run["status"] for run in found}

    def ended(self, *runs: str) -> set[str]:
        """How runs ended; waits until they have."""
        done = {"SUCCESS", "FAILURE", "CANCELED"}
        self.told.until(lambda: set(self.runs(runIds=runs).values()) <= done, f"{runs} ended")
        return set(self.runs(runIds=runs).values())

    def days(self, *path: str) -> dict[str, list[date]]:
        """The days of an asset by what the UI shows of them; missing ones are not among them."""
        found = self.ask(asked.STATUS, key={"path": path})["assetNodeOrError"]["assetPartitionStatuses"]["ranges"]
        shown: dict[str, list[date]] = {}
        for span in found:
            first, last = (date.fromisoformat(span[end]) for end in ("startKey", "endKey"))
            shown.setdefault(span["status"], []).extend(
                day(n) for n in range((first - FIRST).days, (last - FIRST).days + 1)
            )
        return shown

    def mass_change(self) -> tuple[bool, str]:
        """Whether the check of the students' plan is green, and what it says."""
        found = self.ask(CHECKED, key={"path": STUDENTS[1]})["assetNodeOrError"]["assetChecksOrError"]["checks"]
        [check] = [check for check in found if check["name"] == "mass_change"]
        evaluation = check["executionForLatestMaterialization"]["evaluation"]
        return evaluation["success"], evaluation["description"]

    def said(self, run: str) -> list[str]:
        """The log of a run."""
        return [event["message"] for event in self.ask(LOGS, id=run)["logsForRun"]["events"] if event]

    def count(self, statement: Any, *values: object) -> int:
        """The number that a query finds."""
        [(number,)] = self.place.rows(statement, *values)
        return int(number)


def day(number: int) -> date:
    """A day of the source; the fourth is today."""
    return FIRST + timedelta(days=number)


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """A school, and a project with its daemon and its UI."""
    began = datetime.combine(FIRST, datetime.min.time(), UTC)
    with (
        Simulator(scenario="small", start=began) as simulator,
        tempfile.TemporaryDirectory() as folder,  # pytest's own are closed to the user whom PostgreSQL runs as
    ):
        text = DECLARED.format(url=simulator.url, token_url=simulator.token_url, first=FIRST)
        variables = school.CREDENTIALS | {"CONNECTOR_PIPELINES_CHUNK_ROWS": "50"}
        with project(Path(folder), {"school": text}, variables, instance=QUICKLY, webserver=True) as place:
            start(place)
            with changes(place.url, "public.runs", "public.bulk_actions", "core.students") as told:
                yield Live(place, simulator, told)


@contextmanager
def held_up(place: Project) -> Iterator[None]:
    """Nobody gets past the second chunk of students; whoever tried has lost its connection afterwards."""
    place.execute(HELD_UP)
    with psycopg.connect(place.url) as gate:
        gate.execute("LOCK TABLE core.gate")
        yield
        gate.execute(f"SELECT pg_terminate_backend(pid) FROM ({WAITING}) AS waiting")
    place.execute("DROP FUNCTION core.hold_up CASCADE; DROP TABLE core.gate")


def test_a_run_whose_process_died_goes_on_at_the_first_chunk_that_is_not_durable(live: Live) -> None:
    """The daemon notices the dead process; "re-execute from failure" applies the rest, and reads nothing anew."""
    with held_up(live.place):
        run = live.launch("full_sync_school", day(4))
        live.told.until(lambda: live.count("SELECT count(*) FROM core.students") == 100, "two chunks are durable")
        [pid] = [process for one, process in live.place.workers() if one == run]
        os.kill(pid, signal.SIGKILL)
        assert live.ended(run) == {"FAILURE"}
    written, reads = "SELECT id, xmin::text FROM core.students", "SELECT count(*) FROM connector.sync_runs"
    durable, read = set(live.place.rows(written)), live.count(reads)
    assert len(durable) == 100
    answer = live.ask(asked.AGAIN, params={"parentRunId": run, "strategy": "FROM_FAILURE"})
    again = answer["launchRunReexecution"]["run"]["runId"]
    assert live.ended(again) == {"SUCCESS"}, live.said(again)
    whole = set(live.place.rows(written))
    assert len(whole) == 160
    assert durable < whole  # what was durable was not written again
    assert live.count(reads) == read


def test_a_source_that_was_down_for_three_days_is_made_up_for_with_one_click(live: Live) -> None:
    """Its days are shown as failed; one backfill reads them in one run, all become materialized, and core has them."""
    assert live.ended(live.launch("full_sync_school", day(4))) == {"SUCCESS"}
    down = [day(1), day(2), day(3)]
    live.simulator.set_faults(["503=1000000:students"])
    assert live.ended(*(live.launch("sync_school", one, *STUDENTS) for one in down)) == {"FAILURE"}
    assert live.days("school", "external", "students")["FAILED"] == down
    live.simulator.clear_faults()
    [student, *_] = (user for user in live.simulator.expected("users") if user["roles"][0]["role"] == "student")
    changed = {"familyName": "Changed-Meanwhile", "dateLastModified": f"{down[1]}T12:00:00.000Z"}
    live.simulator.put("users", student | changed)
    params = {"assetSelection": [{"path": path} for path in STUDENTS], "partitionNames": [str(one) for one in down]}
    answer = live.ask(asked.BACKFILL, params=params)["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    number = answer["backfillId"]

    def status() -> str:
        return str(live.ask(BACKFILLED, id=number)["partitionBackfillOrError"]["status"])

    live.told.until(lambda: status() not in {"REQUESTED", "IN_PROGRESS"}, "the backfill ended")
    assert status() == "COMPLETED_SUCCESS"
    for path in STUDENTS[:2]:
        assert live.days(*path) == {"MATERIALIZED": [*down, day(4)]}
    launched = live.runs(tags=[{"key": "dagster/backfill", "value": number}])
    reads = "SELECT count(*), count(DISTINCT launched_by) FROM connector.sync_runs WHERE launched_by = ANY(%s)"
    assert live.place.rows(reads, [f"dagster run {run}" for run in launched]) == [(1, 1)]
    assert live.count("SELECT count(*) FROM core.students WHERE family_name = 'Changed-Meanwhile'") == 1


def test_a_held_plan_is_approved_and_core_is_updated(live: Live) -> None:
    """The red check names the plan; `approve_plan` writes just that, turns it green, and keeps who did it and why."""
    assert live.ended(live.launch("full_sync_school", day(4))) == {"SUCCESS"}
    before = addresses(live.place)
    new_addresses(live.simulator, "held.example.org")
    assert live.ended(live.launch("sync_school", day(4), *STUDENTS)) == {"FAILURE"}
    green, said = live.mass_change()
    named = re.search(r"with source school, hash (\w+) and why", said)
    assert named
    assert not green
    assert addresses(live.place) == before
    decision = {"source": "school", "hash": named[1], "who": "ann", "why": REASON}
    run = live.launch("approve_plan", None, config={"ops": {"approve": {"config": decision}}})
    assert live.ended(run) == {"SUCCESS"}, live.said(run)
    assert addresses(live.place) == addresses_there(live.simulator) != before
    assert live.mass_change()[0]
    kept = "SELECT who, detail ->> 'why' FROM connector.integration_audit_logs WHERE action = 'plan accepted'"
    assert ("ann", REASON) in live.place.rows(kept)


@pytest.mark.skipif(browser.chromium() is None, reason="this machine has no Chromium")
def test_a_person_does_the_same_in_the_ui(live: Live) -> None:
    """In a browser: launch a sync, see its progress, find the next one's plan held, approve it, see core updated."""
    with browser.page() as page:
        Walk(page, live.place, live.simulator, "school").go()


MUTATIONS = (
    'mutation { deletePipelineRun(runId: "RUN") { __typename } }',
    'mutation { terminateRun(runId: "RUN") { __typename ... on TerminateRunFailure { message } } }',
    'mutation { setConcurrencyLimit(concurrencyKey: "school", limit: 9) }',
    'mutation { freeConcurrencySlots(runId: "RUN") }',
    "mutation { setAutoMaterializePaused(paused: true) }",
)


def test_who_may_only_look_launches_nothing(live: Live) -> None:
    """A webserver that was started with --read-only shows everything, and refuses to launch, to stop or to delete."""
    port, before = dev.free_port(), live.place.rows("SELECT run_id, status FROM public.runs ORDER BY 1")
    serving = ["--read-only", "-w", str(live.place.folder / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)]
    log = live.place.folder / "looking.log"
    with dev.child([sys.executable, "-m", "dagster_webserver", *serving], os.environ, log=log) as process:
        dev.await_port(port, process=process, log=log)
        url = f"http://127.0.0.1:{port}/graphql"

        def ask(query: str, **variables: Any) -> Any:
            return requests.post(url, json={"query": query, "variables": variables}, timeout=60).json()

        seen = ask(STATUS, filter={})["data"]["runsOrError"]["results"]
        assert {run["runId"] for run in seen} == {run for run, _ in before}
        launch = ask(LAUNCH, params=live.params("full_sync_school", day(4)))["data"]["launchPipelineExecution"]
        assert launch["__typename"] == "UnauthorizedError"
        params = {"assetSelection": [{"path": path} for path in STUDENTS], "partitionNames": [str(day(1))]}
        backfill = ask(asked.BACKFILL, params=params)["data"]["launchPartitionBackfill"]
        assert backfill["__typename"] == "UnauthorizedError"
        for mutation in MUTATIONS:
            answer = str(ask(mutation.replace("RUN", before[0][0] if before else "none")))
            assert "Unauthorized" in answer or "do not have permission" in answer, answer
    assert live.place.rows("SELECT run_id, status FROM public.runs ORDER BY 1") == before
