"""Dagster as the UI meets it: a code location in a process of its own, asked through GraphQL.

Runs are executed in this process, because starting one for each takes several seconds and is Dagster's own matter.
"""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.launcher.sync_in_memory_run_launcher import SyncInMemoryRunLauncher
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import PythonFileTarget
from dagster_graphql.test.utils import execute_dagster_graphql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dagster._core.launcher import LaunchRunContext

_LOCATION = """
from pathlib import Path
from connector_pipelines.orchestration import build
from connector_pipelines.orchestration.engine import Engine

engine = Engine(database_url={url!r}, landing_url={landing!r}, chunk_rows={chunk_rows!r})
defs = build.definitions(Path({folder!r}), engine=engine)
"""

_AT_ONCE = {
    "run_launcher": {"module": __name__, "class": "Here"},
    "run_coordinator": {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"},
    "telemetry": {"enabled": False},
}
_MEMORY = Path("/dev/shm")  # noqa: S108 -- each event waits for the disk otherwise, a hundred of them a run

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId status } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PythonError { message }
  }
}
"""

JOBS = """
query Jobs($selector: RepositorySelector!) {
  repositoryOrError(repositorySelector: $selector) {
    ... on Repository { pipelines { name description isAssetJob } }
  }
}
"""


class Here(SyncInMemoryRunLauncher):
    """Executes a run in this process to its end, in a thread of its own: the GraphQL server has a loop in this one."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Run it."""
        with ThreadPoolExecutor(1) as aside:
            aside.submit(super().launch_run, context).result()


@dataclass
class Served:
    """A running code location."""

    process: WorkspaceProcessContext
    instance: dg.DagsterInstance
    location: str

    def ask(self, query: str, variables: Mapping[str, Any]) -> Any:
        """The data of a GraphQL answer without errors."""
        found = execute_dagster_graphql(self.process.create_request_context(), query, variables=dict(variables))
        assert not found.errors, found.errors
        return found.data

    @property
    def selector(self) -> dict[str, str]:
        """The repository."""
        return {"repositoryLocationName": self.location, "repositoryName": "__repository__"}

    def jobs(self) -> dict[str, str]:
        """The jobs with their descriptions."""
        found = self.ask(JOBS, {"selector": self.selector})["repositoryOrError"]["pipelines"]
        return {job["name"]: job["description"] for job in found if not job["name"].startswith("__")}

    def launch(self, job: str, config: Mapping[str, Any], tags: Mapping[str, str] | None = None) -> dg.DagsterRun:
        """Launch a job as the Launchpad does; the run as it ended."""
        params = {
            "selector": self.selector | {"pipelineName": job},
            "runConfigData": config,
            "mode": "default",
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in (tags or {}).items()]},
        }
        answer = self.ask(LAUNCH, {"params": params})["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        run = self.instance.get_run_by_id(answer["run"]["runId"])
        assert run is not None
        return run

    def why(self, run: dg.DagsterRun) -> list[str]:
        """What the steps of a run that failed said."""
        failed = [entry.dagster_event for entry in self.instance.all_logs(run.run_id) if entry.dagster_event]
        return [str(event.event_specific_data) for event in failed if event.is_failure]


@contextmanager
def serve(folder: Path, url: str, home: Path, paths: list[str], *, chunk_rows: int | None = None) -> Iterator[Served]:
    """Serve a folder's declarations from another process.

    Args:
        folder: of the declarations.
        url: of the database.
        home: where Dagster keeps its records.
        chunk_rows: rows per applied transaction.
        paths: where the code location finds what is installed for a test.
    """
    file = home / "location.py"
    landing = str(folder.parent / "landing")
    file.write_text(_LOCATION.format(folder=str(folder), url=url, landing=landing, chunk_rows=chunk_rows))
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, str(Path(__file__).parents[2])])
    try:
        with (
            tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as records,
            dg.DagsterInstance.local_temp(records, overrides=_AT_ONCE) as instance,
        ):
            target = PythonFileTarget(
                python_file=str(file),
                attribute=None,
                working_directory=str(Path(__file__).parent),
                location_name="served",
            )
            with WorkspaceProcessContext(instance, target) as process:
                yield Served(process, instance, "served")
            process._grpc_server_registry.wait_for_processes()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
