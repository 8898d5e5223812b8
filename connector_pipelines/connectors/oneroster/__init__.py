"""OneRoster: rosters from student information systems, by REST (1.2, 1.1, TimeBack) or as a zip of CSV files; grades to
the gradebooks beside them.

config.py      what a source must say
client.py      one function per endpoint          https://www.imsglobal.org/spec/oneroster/v1p2
paging.py      where the next page is, and when there is none
wire.py        records as they travel, pages to records
schemas.py     what we accept
transform.py   accepted records to core columns
archive.py     zips of CSV files                  https://www.imsglobal.org/spec/oneroster/v1p2/bind/csv
shapes.py      core rows to records of a gradebook
writing.py     looks for, sends and reads back records
export.py      what is written, and of which extract
webhook.py     what to read again for which event
mock.py        a source that is read from the simulator, and so needs no other system
simulator/     a server that behaves, and misbehaves on request
README.md      scopes, limits, quirks, what was checked
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.oneroster.config import OneRosterConfig
from connector_pipelines.connectors.oneroster.mock import MockConfig
from connector_pipelines.model import Connector, Health, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from connector_pipelines.capabilities import Hook
    from connector_pipelines.outward import Export


def _open(config: OneRosterConfig) -> AbstractContextManager[Any]:
    if config.version == "csv":
        from connector_pipelines.connectors.oneroster import archive

        return archive.connect(config)
    from connector_pipelines.connectors.oneroster import client

    return client.connect(config)


def _streams(config: OneRosterConfig) -> Sequence[Stream]:
    from connector_pipelines.connectors.oneroster.streams import streams

    return streams(config)


def _exports(config: OneRosterConfig) -> Sequence[Export]:
    from connector_pipelines.connectors.oneroster.export import exports

    return exports(config)


def _check(client: Any) -> Health:
    from connector_pipelines.connectors.oneroster import archive
    from connector_pipelines.connectors.oneroster import client as rest

    return archive.check(client) if isinstance(client, archive.Archive) else rest.check(client)


class _Events:
    """Is told by the system what changed (`capabilities.Webhook`)."""

    def hook(self, config: OneRosterConfig) -> Hook | None:
        """The source's events, where they are configured."""
        from connector_pipelines.connectors.oneroster.webhook import Events

        return Events(config, config.webhook) if config.webhook else None


CONNECTOR = Connector(
    name="oneroster",
    title="OneRoster",
    config=OneRosterConfig,
    open=_open,
    streams=_streams,
    check=_check,
    abilities=(_Events(),),
    exports=_exports,
    no_place={
        "program_outcomes": "they are of no student and no class, and every result of a gradebook is of both",
        "student_notes": "its contract lets nobody write to people",
    },
    dialect=lambda config: "timeback" if config.flavour == "timeback" else "",
)


def _open_mock(config: MockConfig) -> AbstractContextManager[Any]:
    from connector_pipelines.connectors.oneroster import mock

    return mock.connect(config)


def _mocked_streams(config: MockConfig) -> Sequence[Stream]:
    from connector_pipelines.connectors.oneroster import mock

    return mock.streams(config)


MOCK = Connector(name="mock", title="Mock", config=MockConfig, open=_open_mock, streams=_mocked_streams, check=_check)

MORE = (MOCK,)
