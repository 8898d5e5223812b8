from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import BaseModel

from connector_pipelines.errors import AuthFailed
from connector_pipelines.model import Health, Source
from connector_pipelines.sync.sources import register
from connector_pipelines.sync.sources import test_connection as probe

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Toy


class Config(BaseModel):
    """Something that changes."""

    url: str


def versions(toy: Toy, *urls: str) -> list[int]:
    """Register the toy with one configuration after the other; the versions that came into force."""
    with toy.open() as context:
        return [register(context.connection, Source("toy", toy.source.connector, Config(url=url))) for url in urls]


def test_configuration_that_changed_is_a_new_version(toy: Toy) -> None:
    """Only a change makes a version; older ones stay, and going back is a change like any other."""
    assert versions(toy, "a", "a", "b", "b", "a") == [1, 1, 2, 2, 3]
    assert toy.rows("SELECT version, configuration FROM connector.integration_configurations ORDER BY 1") == [
        (1, {"url": "a"}),
        (2, {"url": "b"}),
        (3, {"url": "a"}),
    ]


def test_source_is_registered_once(toy: Toy) -> None:
    """The registry has one row per source, with what it can feed."""
    versions(toy, "a", "b")
    toy.entities = ("students",)
    versions(toy, "b")
    assert toy.rows("SELECT name, connector, status, capabilities FROM connector.integrations") == [
        ("toy", "toy", "pending", ["students"])
    ]


def test_answer_of_a_connection_test_is_kept(toy: Toy) -> None:
    """Each probe leaves a row with its latency, and the source's status follows the newest."""
    with toy.open() as context:
        assert probe(context, toy.source).ok
        failing = replace(toy.source.connector, check=_refuse, open=lambda _: nullcontext(None))
        health = probe(context, Source("toy", failing, Config(url="a")))
    assert health == Health(ok=False, detail="toy: wrong key. What to do: Ask for another.", latency_seconds=0.0)
    assert toy.rows("SELECT status, detail FROM connector.integration_status_logs ORDER BY id") == [
        ("connected", "here"),
        ("error", health.detail),
    ]
    assert toy.rows("SELECT status FROM connector.integrations") == [("error",)]


def _refuse(_: object) -> Health:
    raise AuthFailed("wrong key.", remedy="Ask for another.")
