"""How often people may launch what asks a source, through GraphQL as the UI does it (G122)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.external.surroundings import share
from connector_pipelines.orchestration import launches
from connector_pipelines_tests.orchestration.served import Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.long(together=True)

TAG = "connector_pipelines/launch_of_alpha"
DAY = {"dagster/partition": "2026-11-05"}
NOW: dict[str, Any] = {"ops": {"sync_it": {"config": {"source": "alpha", "entities": ["organizations"]}}}}
REFUSED = "alpha was launched by hand 10 times within a minute. What to do: Launch it again in"


@pytest.fixture
def served(project: Any, school: Any, tmp_path: Path) -> Iterator[Served]:
    """Two sources in the UI, of which one was launched nine times within the last moments."""
    for name in ("alpha", "beta"):
        project.declare(name)
        project.send(name, **school)
    with share(project.url):
        assert {launches.admit("alpha") for _ in range(9)} == {"counted"}
    (tmp_path / "home").mkdir()
    site = [path for path in sys.path if "site" in Path(path).name or Path(path) == Path(__file__).parent]
    with serve(project.folder, project.url, tmp_path / "home", site) as found:
        yield found


def test_the_eleventh_launch_in_a_minute_is_refused_with_its_reason(served: Served, project: Any) -> None:
    """The tenth goes; the eleventh fails with when to launch again and asks nothing, of whichever entity and job.

    What Dagster launches by itself is not counted, and neither is another source's launch.
    """
    tenth = served.launch("sync_now", NOW)
    assert (tenth.is_success, tenth.tags[TAG]) == (True, "counted"), served.why(tenth)
    asked = project.rows("SELECT count(*) FROM connector.sync_runs WHERE source = 'alpha'")
    for job, config, tags in (("sync_alpha", {}, DAY), ("sync_now", NOW, {}), ("dry_run_alpha", {}, {})):
        run = served.launch(job, config, tags)
        said = served.why(run)
        assert run.is_failure
        assert any(REFUSED in one for one in said), said
        assert run.tags[TAG].startswith("Launch it again in")
    assert project.rows("SELECT count(*) FROM connector.sync_runs WHERE source = 'alpha'") == asked
    assert served.launch("sync_alpha", {}, DAY | {"dagster/schedule_name": "nightly"}).is_success
    assert served.launch("sync_beta", {}, DAY).is_success


def test_a_run_is_one_launch_however_many_entities_it_reads(served: Served) -> None:
    """A sync of four entities as the tenth launch reads all of them: its steps share one place."""
    tenth = served.launch("sync_alpha", {}, DAY)
    assert (tenth.is_success, tenth.tags[TAG]) == (True, "counted"), served.why(tenth)
    assert served.launch("sync_alpha", {}, DAY).is_failure
