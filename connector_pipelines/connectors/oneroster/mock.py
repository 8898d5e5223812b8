"""A source that needs no other system: OneRoster on the simulator, which listens as long as it is read (F38, F56).

Everything but the server is that of any OneRoster source: sign-in by client credentials, paging, records, transforms.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from connector_pipelines.connectors.oneroster.config import Entities, OAuth2, OneRosterConfig, Strict
from connector_pipelines.external.options import HttpOptions
from connector_pipelines.external.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector_pipelines.connectors.oneroster.simulator import Simulator
    from connector_pipelines.model import Stream

_NOWHERE = "http://127.0.0.1"
_OWN = ("version", "flavour", "page_size", "in_flight", "entities", *HttpOptions.model_fields)


class MockConfig(HttpOptions, Strict):
    """A generated school that is read by OneRoster, in the process of the run. The same settings, the same records."""

    scenario: Literal["tiny", "small", "school", "district"] = Field(
        default="small", description="27 users, 200, 1,000, or 100,000 with 1,000,000 enrollments."
    )
    seed: int = Field(default=7, ge=0, description="Another seed, other people.")
    faults: tuple[str, ...] = Field(
        default=(),
        description="What goes wrong, as `simulate oneroster --fault` takes it: delay=100, 429-every=3, 503=2.",
    )
    port: int = Field(
        default=8_110, ge=1, le=65_535, description="Where it listens on this machine; elsewhere if that is taken."
    )
    version: Literal["1.2", "1.1"] = Field(default="1.2", description="By which version of OneRoster it is read.")
    flavour: Literal["standard", "timeback"] = Field(
        default="standard", description="timeback: trailing slashes, totals in the body, at most 3,000 rows a page."
    )
    page_size: int = Field(default=1_000, ge=1, le=10_000, description="Rows to ask for per page.")
    in_flight: int = Field(default=8, ge=1, le=32, description="Pages that may be fetched at the same time.")
    entities: tuple[Entities, ...] | None = Field(
        default=None, description="Only these entities, e.g. [students]. Unset: all."
    )

    @field_validator("faults")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from connector_pipelines.connectors.oneroster.simulator.faults import KNOWN

        for text in value:
            KNOWN.parse(text)
        return value

    def asked_at(self, url: str, auth: OAuth2 | None = None) -> OneRosterConfig:
        """The OneRoster source that is read, once it is known where."""
        said = {name: getattr(self, name) for name in _OWN if name in self.model_fields_set}
        return OneRosterConfig(base_url=url, auth=auth, **said)


def streams(config: MockConfig) -> Sequence[Stream]:
    """Those of the OneRoster source."""
    from connector_pipelines.connectors.oneroster.streams import streams as of

    return of(config.asked_at(_NOWHERE))


@contextmanager
def connect(config: MockConfig) -> Iterator[Any]:
    """A client of a server that is there as long as the client."""
    from connector_pipelines.connectors.oneroster import client

    with _serving(config) as simulator:
        auth = OAuth2(
            type="oauth2",
            token_url=simulator.token_url,
            client_id=Secret.literal(simulator.client_id),
            client_secret=Secret.literal(simulator.client_secret),
        )
        with client.connect(config.asked_at(simulator.url, auth)) as opened:
            yield opened


@contextmanager
def _serving(config: MockConfig) -> Iterator[Simulator]:
    """The server at its usual port, so that limits and pauses go on from run to run; else at one that is free."""
    from connector_pipelines.connectors.oneroster.simulator import Simulator

    def made(port: int) -> Simulator:
        return Simulator(
            scenario=config.scenario, seed=config.seed, faults=config.faults, flavour=config.flavour, port=port
        )

    simulator = made(config.port)
    try:
        simulator.start()
    except OSError:
        simulator = made(0)
        simulator.start()
    try:
        yield simulator
    finally:
        simulator.stop()
