"""Looks for, sends and reads back the records that a JSON API takes from core."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import quote

from connector_pipelines.connectors.json_api import outgoing
from connector_pipelines.connectors.json_api.client import KIND
from connector_pipelines.declarative import client
from connector_pipelines.declarative.api import Api
from connector_pipelines.external.records import Records
from connector_pipelines.external.retry import Do
from connector_pipelines.model import Health
from connector_pipelines.outward import Action, Export, Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector_pipelines.connectors.json_api.config import JsonApiConfig
    from connector_pipelines.external.http import Client
    from connector_pipelines.outward import Done, NotDone, Order, Record, Wanted

BY_ID = "id"
BATCH = 100
"""Records between two notes in our own books; each is a call of its own."""


@dataclass(frozen=True, slots=True)
class TwoWay(Api):
    """An open source that may be written to.

    Attributes:
        looks: asks for single records; a 404 is an answer.
        writes: sends once: what may have been done is looked up by whoever sent it.
    """

    settings: JsonApiConfig
    looks: Client
    writes: Client


@contextmanager
def connect(config: JsonApiConfig) -> Iterator[TwoWay]:
    """A client for both directions; nothing is asked before the first call.

    Raises:
        ConfigurationError: the base URL is unusable, or would send credentials unencrypted.
    """
    once = config.model_copy(update={"max_retries": 0})
    with (
        client.http(KIND, config) as http,
        client.http(KIND, config, {404: Do.ACCEPT}) as looks,
        client.http(KIND, once) as writes,
    ):
        yield TwoWay(config, KIND, http, looks, writes)


def check(api: TwoWay) -> Health:
    """Look for a record that is not there: proves URL and credentials of a system that is only written to."""
    declared, started = next(iter(api.settings.exports.values())), time.monotonic()
    _Kept(declared).records(api).get(f"{declared.id_prefix}-none")
    seconds = time.monotonic() - started
    return Health(ok=True, detail=f"{api.http.base_url} answers.", latency_seconds=seconds)


def exports(config: JsonApiConfig) -> tuple[Export, ...]:
    """What is kept up there."""
    return tuple(_export(name, declared) for name, declared in config.exports.items())


def _export(name: str, declared: outgoing.Outgoing) -> Export:
    there = _Kept(declared)
    return Export(
        entity=name,
        of=declared.of or name,
        shape=outgoing.shape(declared),
        choose=outgoing.choose(name, declared),
        find=there.find,
        send=there.send,
        read_back=there.read,
        batch=BATCH,
        refers=declared.refers,
        fed=outgoing.fed(name, declared),
        sure=(BY_ID,),
        times=declared.times,
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """The functions of an export."""

    declared: outgoing.Outgoing

    def find(self, api: TwoWay, wanted: Sequence[Wanted]) -> Iterator[Found]:
        """What stands there under the id that a record is to have."""
        return (Found(key, number, BY_ID, told) for key, number, told in self.records(api).find(wanted))

    def read(self, api: TwoWay, ids: Sequence[str]) -> Iterator[tuple[str, Record | None]]:
        """Records as they stand."""
        return self.records(api).get_each(ids)

    def send(self, api: TwoWay, action: Action, orders: Sequence[Order]) -> Iterator[Done | NotDone]:
        """Put records; one that is withdrawn says so."""
        standing = self.declared.standing
        says = standing.withdrawn if action is Action.WITHDRAW else standing.active
        return self.records(api).send(action, orders, lambda order, _: {**order.record, standing.field: says})

    def records(self, api: TwoWay) -> Records:
        """The collection there."""
        declared, in_flight = self.declared, api.settings.in_flight
        return Records(api.looks, api.writes, self._path, declared.envelope, in_flight, declared.id_prefix)

    def _path(self, number: str) -> str:
        return Template(self.declared.path).substitute({outgoing.ID: quote(number, safe="")})
