"""This project's engine writing core to a Moodle site: terms, users, courses and enrolments."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

from child import report, task

from connector_pipelines.connectors.moodle import CONNECTOR
from connector_pipelines.connectors.moodle.config import MoodleConfig
from connector_pipelines.connectors.moodle.simulator.site import START
from connector_pipelines.model import Source
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.sync.context import open_context
from connector_pipelines.sync.push import push

COMPARE = "--compare" in sys.argv
GIVEN = task([word for word in sys.argv[1:] if word != "--compare"])
EXPORTS = ("categories", "users", "courses", "enrolments")


def main() -> None:
    """One push of all exports."""
    config = MoodleConfig(base_url=GIVEN.url, auth_plugin="oidc", requests_per_minute=1_000_000)
    source = Source("bench", CONNECTOR, config, SyncPolicy(exports=EXPORTS))
    today = datetime.fromtimestamp(START, UTC).date()
    started = time.monotonic()
    with open_context(GIVEN.database) as context:
        outcomes = list(push(context, source, compare=COMPARE, today=today))
    report(
        started,
        entities={outcome.entity: outcome.seconds for outcome in outcomes},
        verified=all(outcome.verified for outcome in outcomes),
    )


if __name__ == "__main__":
    main()
