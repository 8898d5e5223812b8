"""Moodle: assessments, grades, submissions, engagement and rubrics from it, courses, people and enrolments to it.

config.py      what a source must say, and what the environment says for it
client.py      one function per endpoint
calls.py       one call: the token last, what an answer means, what may be sent again
writing.py     rows in batches, and what became of each
errorcodes.py  what Moodle's error codes mean for us
wire.py        forms to Moodle, JSON back
reading.py     the raw pages of each entity
records.py     records as they travel
streams.py     their columns, and what is read
schemas.py     what we accept
transform.py   accepted records to core columns
shapes.py      core rows to the records that should stand there
provisioning.py  looks for, sends and reads back records
grading.py     grades that are pushed, and what became of them
activities.py  which grades, and as how many points of which activity
lines.py       looks for, pushes and reads back grades in the gradebook
export.py      what is written, and of which extract
webhook.py     what to read again for which event
simulator/     a site that behaves, and misbehaves on request
README.md      scopes, limits, quirks, what was checked
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle.config import MoodleConfig
from connector_pipelines.model import Connector, Health, Stream
from connector_pipelines.policy import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from connector_pipelines.capabilities import Hook
    from connector_pipelines.outward import Export


def _open(config: MoodleConfig) -> AbstractContextManager[Any]:
    from connector_pipelines.connectors.moodle import client

    return client.connect(config)


def _streams(config: MoodleConfig) -> Sequence[Stream]:
    from connector_pipelines.connectors.moodle.streams import streams

    return streams(config)


def _exports(config: MoodleConfig) -> Sequence[Export]:
    from connector_pipelines.connectors.moodle.export import exports

    return exports(config)


def _check(moodle: Any) -> Health:
    from connector_pipelines.connectors.moodle import client

    return client.check(moodle)


class _Events:
    """Is told by the site what changed (`capabilities.Webhook`)."""

    def hook(self, config: MoodleConfig) -> Hook | None:
        """The events of a site that is configured to send them."""
        from connector_pipelines.connectors.moodle.webhook import Events

        return Events(config, config.webhook) if config.webhook else None


CONNECTOR = Connector(
    name="moodle",
    title="Moodle",
    config=MoodleConfig,
    open=_open,
    streams=_streams,
    check=_check,
    exports=_exports,
    abilities=(_Events(),),
    conflicts={  # K8: what core sends as final grades and overrides is core's by default
        "grades": {"*": Rule.CORE_FINAL},
        "export/results": {"points": Rule.LAST_WRITE_WINS},
        "export/outcomes": {"points": Rule.LAST_WRITE_WINS},
    },
    no_place={
        "program_outcomes": "they are of no student, and every grade of a site is somebody's",
        "student_notes": "no function that we know of takes them",
    },
)
