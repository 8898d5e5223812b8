"""Google Classroom: courses, who learns and who teaches in them, and how they do, by the Classroom API v1.

config.py      what a source must say
client.py      one function per entity            https://developers.google.com/workspace/classroom/reference/rest
rosters.py     from course to course: a roster's pages, and what makes a walk prove something
answers.py     what Google says when it refuses
wire.py        records as they travel, pages to records
work.py        course work and submissions as they travel
rubrics.py     what was given for each criterion of a rubric
streams.py     their columns, and what is read
schemas.py     what we accept
transform.py   accepted records to core columns
simulator/     a domain that behaves, and misbehaves on request
README.md      scopes, limits, quirks, what was checked
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.google_classroom.config import GoogleClassroomConfig
from connector_pipelines.model import Connector, Health, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager


def _open(config: GoogleClassroomConfig) -> AbstractContextManager[Any]:
    from connector_pipelines.connectors.google_classroom import client

    return client.connect(config)


def _streams(config: GoogleClassroomConfig) -> Sequence[Stream]:
    from connector_pipelines.connectors.google_classroom.streams import streams

    return streams(config)


def _check(classroom: Any) -> Health:
    from connector_pipelines.connectors.google_classroom import client

    return client.check(classroom)


CONNECTOR = Connector(
    name="google_classroom",
    title="Google Classroom",
    config=GoogleClassroomConfig,
    open=_open,
    streams=_streams,
    check=_check,
)
