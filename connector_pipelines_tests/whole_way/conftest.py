"""A district on real HTTP, a database of its own, and the truth: what core must hold, worked out from the simulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import stamina

from connector_pipelines.connectors.oneroster import CONNECTOR
from connector_pipelines.connectors.oneroster.config import OneRosterConfig
from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.database.connection import connect
from connector_pipelines.external.landing import Landing
from connector_pipelines.model import Mode, Source
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.whole import Outcome, sync
from connector_pipelines_tests.kept import Kept, kept
from proof import held, school

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from proof.school import Rows


@dataclass
class Place(Kept):
    """A database, a landing folder, and whatever sources a test declares on them."""

    url: str
    landing: Landing

    def source(self, simulator: Simulator, name: str = "district", **more: Any) -> Source:
        """A source that reads a simulator in pages of 50."""
        auth = {
            "type": "oauth2",
            "token_url": simulator.token_url,
            "client_id": "env:WHOLE_ID",
            "client_secret": "env:WHOLE_SECRET",
        }
        config = {"base_url": simulator.url, "auth": auth, "page_size": 50} | more
        return Source(name, CONNECTOR, OneRosterConfig.model_validate(config))

    def zip(self, path: Path, name: str = "district") -> Source:
        """A source that reads a zip of CSV files."""
        return Source(name, CONNECTOR, OneRosterConfig(version="csv", path=str(path)))

    def sync(self, source: Source, *entities: str, mode: Mode = Mode.FULL) -> dict[str, Outcome]:
        """Sync as the command line does, and return the outcome per entity."""
        with connect(self.url) as connection:
            context = Context(connection, self.landing, url=self.url)
            return {done.entity: done for done in sync(context, source, mode=mode, entities=entities or None)}

    def core(self, entity: str, source: str = "district", *, absent: bool = False) -> Rows:
        """What core holds of a source: the fed columns and, for references, their targets' external ids."""
        with kept(self.url) as connection:
            return held.core(connection, entity, source, absent=absent)

    def differences(self, truth: dict[str, Rows], source: str = "district") -> list[tuple[Any, ...]]:
        """Entity, external id, what core holds and what it should hold, wherever these differ."""
        with kept(self.url) as connection:
            return held.differences(connection, truth, source)

    def checksum(self) -> list[Any]:
        """Of every core row with all its columns, and of every mapping."""
        tables = [f"core.{entity}" for entity in ENTITIES] + ["connector.external_system_mappings"]
        digest = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"
        return [self.rows(digest.format(table)) for table in tables]

    def set_back(self, moment: datetime) -> None:
        """As if all reads so far had begun then: simulated changes happen in a year of their own."""
        with kept(self.url) as connection:
            connection.execute("UPDATE connector.sync_cursors SET cursor = %s", [moment])

    def letters(self, state: str = "open") -> list[tuple[Any, ...]]:
        """Entity, external id and reason of the dead letters in a state."""
        query = "SELECT entity, external_id, reason FROM connector.dead_letters WHERE state = %s ORDER BY 1, 2, 3"
        return self.rows(query, state)


@pytest.fixture
def place(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """This test's own database and landing folder; nothing waits between tries."""
    monkeypatch.setenv("WHOLE_ID", "simulator")
    monkeypatch.setenv("WHOLE_SECRET", "simulator-secret")
    stamina.set_testing(True)
    yield Place(database, Landing(str(tmp_path / "landing")))
    stamina.set_testing(False)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A small district that behaves, for now."""
    with Simulator(scenario="small", seed=7) as running:
        yield running


@pytest.fixture
def truth() -> Callable[[Simulator], dict[str, Rows]]:
    """Works out what core must hold, by entity and external id."""
    return school.truth
