"""A toy system, found by entry point like any connector of another package, and folders that declare sources of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from connector_pipelines.connectors import connectors
from connector_pipelines.orchestration import build, failures
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.settings import settings
from connector_pipelines_tests.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
Record = dict[str, Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Warnings are errors here as everywhere, but for those that Dagster's own code earns."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning:dagster"))
            item.add_marker(pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"))


@pytest.fixture(autouse=True)
def toy_connector(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Installs the toy connector the way another package would."""
    installed = tmp_path_factory.mktemp("site") / "toy_system-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-system\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[connector_pipelines.connectors]\ntoy = toy_system:CONNECTOR\n")
    monkeypatch.syspath_prepend(str(installed.parent))
    monkeypatch.syspath_prepend(str(HERE))
    connectors.cache_clear()
    settings.cache_clear()
    yield
    connectors.cache_clear()
    settings.cache_clear()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that may succeed later is tried again once, without waiting."""
    monkeypatch.setattr(failures, "RETRIES", failures.Retries(times=1, seconds=0))


@dataclass
class Project(Kept):
    """A folder of declarations on a database of its own, and what the toy sources send."""

    folder: Path
    url: str
    instance: dg.DagsterInstance
    chunk_rows: int | None = None

    def declare(self, name: str, *lines: str, text: str | None = None) -> None:
        """Declares a toy source with more attributes, or whatever the text says."""
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True)
        attributes = "".join(f"  {line}\n" for line in (f"file: {self._pages(name)}", *lines))
        toy = f"type: connector_pipelines.orchestration.components.ToySource\nattributes:\n{attributes}"
        (place / "defs.yaml").write_text(toy if text is None else text)
        if not self._pages(name).exists():
            self.send(name)

    def send(self, name: str, **pages: list[Any]) -> None:
        """Lets a source send these pages, and nothing else."""
        self._pages(name).write_text(json.dumps(pages))

    def _pages(self, name: str) -> Path:
        return self.folder.parent / f"{name}.json"

    def engine(self) -> Engine:
        """The resource on this test's database."""
        landing = str(self.folder.parent / "landing")
        return Engine(database_url=self.url, landing_url=landing, chunk_rows=self.chunk_rows)

    def definitions(self, engine: Engine | None = None) -> dg.Definitions:
        """The definitions of everything that is declared."""
        return build.definitions(self.folder, engine=engine or self.engine())

    def run(self, job: str, *, engine: Engine | None = None, **how: Any) -> dg.ExecuteInProcessResult:
        """Runs a job in this process."""
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        how["run_config"] = quiet | how.get("run_config", {})
        found = self.definitions(engine).resolve_job_def(job)
        return found.execute_in_process(instance=self.instance, raise_on_error=False, **how)

    def deactivate(self, name: str) -> None:
        """Launches the job with which a person switches a source off."""
        self._switch("deactivate_source", "switch_off", source=name, who="ada", why="the school moves")

    def activate(self, name: str) -> None:
        """Launches the job with which a person switches it on again."""
        self._switch("activate_source", "switch_on", source=name, who="ben")

    def _switch(self, job: str, op: str, **config: str) -> None:
        assert self.run(job, run_config={"ops": {op: {"config": config}}}).success


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in memory."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def project(tmp_path: Path, database: str, instance: dg.DagsterInstance) -> Project:
    """An empty project."""
    folder = tmp_path / "defs"
    folder.mkdir()
    return Project(folder, database, instance)


@pytest.fixture
def declared(tmp_path: Path, instance: dg.DagsterInstance) -> Project:
    """An empty project for tests that look at definitions only: it has no database."""
    folder = tmp_path / "defs"
    folder.mkdir()
    return Project(folder, "postgresql://nobody@127.0.0.1:1/nothing", instance)


@pytest.fixture
def students() -> list[Record]:
    """Thirty students."""
    person = {"given_name": "Ada", "status": "active"}
    return [{"id": f"s{n}", "family_name": f"Secretname{n}", **person} for n in range(30)]


@pytest.fixture
def school(students: list[Record]) -> dict[str, list[list[Record]]]:
    """What a very small school sends."""
    active = {"status": "active"}
    return {
        "organizations": [[{"id": "o1", "name": "School", **active}]],
        "sections": [[{"id": "c1", "title": "Algebra", "organization": "o1", **active}]],
        "students": [[{**student, "organization": "o1"} for student in students]],
        "enrollments": [
            [{"id": f"e{n}", "status": "enrolled", "student": f"s{n}", "section": "c1"} for n in range(30)]
        ],
    }
