"""Domains to read: the simulator, and how a source reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import stamina

from connector_pipelines.connectors.google_classroom import CONNECTOR
from connector_pipelines.connectors.google_classroom.config import GoogleClassroomConfig
from connector_pipelines.connectors.google_classroom.simulator import Simulator
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.model import Stream, Window
from connector_pipelines.validation.accept import accept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.pages import Page, Stability
    from connector_pipelines.validation.accept import Accepted


@dataclass
class Domain:
    """A simulated domain and how it is read."""

    simulator: Simulator

    def auth(self, **more: Any) -> dict[str, Any]:
        """A service account's declaration."""
        usual = {
            "type": "service_account",
            "client_email": self.simulator.client_email,
            "private_key": "env:CLASSROOM_KEY",
            "subject": self.simulator.subject,
            "token_url": self.simulator.token_url,
        }
        return usual | more

    def config(self, **more: Any) -> GoogleClassroomConfig:
        """A source that reads the domain, one roster after another."""
        usual = {"base_url": self.simulator.url, "auth": self.auth(), "in_flight": 1}
        return GoogleClassroomConfig.model_validate(usual | more)

    def stream(self, entity: str, **more: Any) -> Stream:
        """An entity's stream."""
        return next(one for one in CONNECTOR.streams(self.config(**more)) if one.entity == entity)

    def pages(self, entity: str, **more: Any) -> list[Page]:
        """All pages of an entity."""
        with CONNECTOR.open(self.config(**more)) as client:
            return list(self.stream(entity, **more).read(client, Window()).pages)

    def watched(self, entity: str, **more: Any) -> tuple[list[Page], Stability | None]:
        """All pages of a read that is to prove absence, and what it proves."""
        with CONNECTOR.open(self.config(**more)) as client:
            fenced = self.stream(entity, **more).read(client, Window()).fenced
            assert fenced
            reading = fenced()
            return list(reading.pages), reading.stability()

    def read(self, entity: str, **more: Any) -> Accepted:
        """What of an entity is accepted."""
        return self.accepted(entity, self.pages(entity, **more))

    def accepted(self, entity: str, pages: list[Page]) -> Accepted:
        """What of these pages is accepted."""
        sieve = Sieve(0, None)
        return accept(self.stream(entity, entities=[entity]), [sieve.sift(page) for page in pages])

    def ids(self, entity: str, **more: Any) -> list[str]:
        """The ids that are accepted, each once, in order."""
        return sorted(set(self.read(entity, **more).frame["external_id"]))

    def asked(self, *endpoints: str) -> list[Any]:
        """The requests to some endpoints so far."""
        return [request for request in self.simulator.requests if request.endpoint in endpoints]


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A domain of five courses, one in each state."""
    with Simulator(scenario="tiny", seed=7) as running:
        monkeypatch.setenv("CLASSROOM_KEY", running.private_key)
        monkeypatch.setenv("CLASSROOM_ID", running.client_id)
        monkeypatch.setenv("CLASSROOM_SECRET", running.client_secret)
        monkeypatch.setenv("CLASSROOM_TOKEN", running.refresh_token)
        yield running


@pytest.fixture
def domain(simulator: Simulator) -> Domain:
    """The domain, and how it is read."""
    return Domain(simulator)


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """Nothing waits."""
    stamina.set_testing(True)
    yield
    stamina.set_testing(False)
