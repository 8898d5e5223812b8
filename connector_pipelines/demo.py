"""The demos: generated systems, served over HTTP by processes of their own, and kept in step through Dagster."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from connector_pipelines.connectors.moodle.simulator.simulator import TOKEN
from connector_pipelines.connectors.oneroster.simulator.calendar import school_year
from connector_pipelines.database.connection import Connection, connect
from connector_pipelines.database.migrate import migrate
from connector_pipelines.orchestration import dev, home
from connector_pipelines.orchestration.run import Finished, run_export, run_sync
from connector_pipelines.settings import settings
from connector_pipelines.sync import letters, pushed, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from connector_pipelines.model import Report
    from connector_pipelines.sync.letters import Letters
    from connector_pipelines.sync.pushed import Pushed
    from connector_pipelines.sync.summary import Line

    Say = Callable[[str], object]

SOURCE, MOODLE = "demo_school", "demo_moodle"

# The simulators' own credentials; no secret of anybody.
_CREDENTIALS = {
    "DEMO_SCHOOL_CLIENT_ID": "simulator",
    "DEMO_SCHOOL_CLIENT_SECRET": "simulator-secret",
    "DEMO_MOODLE_TOKEN": TOKEN,
}


@dataclass(frozen=True, slots=True)
class BothWays:
    """What the three steps came to.

    Attributes:
        school, exports, back: lines of the school's sync, of the exports, and of what was read back.
        letters: what could not be written to Moodle or read from it, by reason.
        through: no step failed.
    """

    school: Sequence[Line]
    exports: Sequence[Pushed]
    back: Sequence[Line]
    letters: Sequence[Letters]
    through: bool

    @property
    def proven(self) -> bool:
        """Whether all steps did something, and every record of each is accounted for and was read back."""
        lines: list[Line | Pushed] = [*self.school, *self.exports, *self.back]
        whole = self.through and bool(self.school and self.exports and self.back)
        return whole and all(line.verified for line in lines)


def run(*, scenario: str, seed: int, report: Report, say: Say) -> list[Line]:
    """Serve the school and sync all of it.

    Returns:
        a line per entity; empty where nothing could be read.

    Raises:
        SyncError: the database or the port is not usable.
    """
    port = settings().demo_port
    running = dev.answers(port)
    with home.environment(home.prepare() | _CREDENTIALS), _served(_school(scenario, seed), port), _database() as core:
        which = "the one that ran already, taken as it is" if running else scenario
        say(f"PostgreSQL runs. A OneRoster system ({which}) answers on port {port}. Syncing it through Dagster …")
        if running:
            say("If something else listens there, choose another port: CONNECTOR_PIPELINES_DEMO_PORT.")
        return _synced(core, SOURCE, report, say)[0]


def run_moodle(*, scenario: str, seed: int, report: Report, say: Say) -> BothWays:
    """Serve the school and a Moodle site: sync the school into core, write core to Moodle, read grades back.

    The site is kept in the local folder, so that a second run meets what the first one wrote. Terms end as of the
    school year's first September, so that the demo shows as much in spring as in autumn.

    Raises:
        SyncError: the database or a port is not usable.
    """
    ports = settings().demo_port, settings().demo_moodle_port
    with (
        home.environment(home.prepare() | _CREDENTIALS),
        _served(_school(scenario, seed), ports[0]),
        _served(_moodle(), ports[1]),
        _database() as core,
    ):
        say(f"PostgreSQL runs, a OneRoster system answers on port {ports[0]}, a Moodle site on port {ports[1]}.")
        say("1. From the school to core, through Dagster …")
        school, learned = _synced(core, SOURCE, report, say)
        say("2. From core to Moodle; what stands there already is compared first …")
        before = summary.newest_run(core)
        written = _told(run_export(MOODLE, as_of=_first_september(datetime.now(UTC).date()), report=report), say)
        exports = pushed.since(core, MOODLE, before)
        say("3. From Moodle to core: what was graded, handed in and looked at there …")
        back, read = _synced(core, MOODLE, report, say)
        return BothWays(school, exports, back, letters.by_reason(core, MOODLE), learned and written and read)


def _first_september(today: date) -> date:
    return date(school_year(today) - 1, 9, 1)


def _synced(core: Connection, source: str, report: Report, say: Say) -> tuple[list[Line], bool]:
    """Read all of a source; its lines, and whether no step failed."""
    before = summary.newest_run(core)
    success = _told(run_sync(source, full=True, report=report), say)
    return summary.since(core, source, before), success


def _told(finished: Finished, say: Say) -> bool:
    for sentence in (*finished.failures, *finished.checks):
        say(sentence)
    return finished.success


@contextmanager
def _database() -> Iterator[Connection]:
    url = os.environ["CONNECTOR_PIPELINES_DATABASE_URL"]
    migrate(url)
    with connect(url) as connection:
        yield connection


def develop(*, port: int, say: Callable[[str], None]) -> int:
    """Run Dagster's UI and daemon until interrupted; the school, Moodle and the webhook receiver beside them."""
    known = settings()
    beside = [
        (_school("school", 7), known.demo_port),
        (_moodle(), known.demo_moodle_port),
        (_command("receive"), known.receiver_port),
    ]
    return dev.dev(port=port, beside=beside, variables=_CREDENTIALS, say=say)


@contextmanager
def _served(command: list[str], port: int) -> Iterator[None]:
    """A simulator in a process of its own; one that `make dev` serves already is taken as it is."""
    if dev.answers(port):
        yield
        return
    with dev.child(command, os.environ, quiet=True) as process:
        dev.await_port(port, process=process)
        yield


def _school(scenario: str, seed: int) -> list[str]:
    port = str(settings().demo_port)
    return _command("simulate", "oneroster", "--port", port, "--scenario", scenario, "--seed", str(seed))


def _moodle() -> list[str]:
    port, kept = str(settings().demo_moodle_port), str(settings().local_dir.resolve() / "demo_moodle.site")
    return _command("simulate", "moodle", "--port", port, "--scenario", "empty", "--kept", kept, "--at-work")


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "connector_pipelines", *words]
