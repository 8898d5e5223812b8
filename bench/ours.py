"""This project's engine on the same pages: six entities, parents first, through `sync.whole.sync`.

More than dlt is asked for: organizations, terms and courses are read too, because sections and students point to them;
every id is mapped, every reference resolved, pages are landed, changes are planned before they are applied, and what
was written is read back. With `--read-only` students are only read and decoded, for the latency figures.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

# All that a sync imports somewhere on its way is imported here, so that the engine's seconds hold no imports.
import authlib.integrations.requests_client  # noqa: F401 -- see above
import pandera.strategies.pandas_strategies  # noqa: F401 -- see above; pandera's checks load it with the first frame
import pyarrow.csv  # noqa: F401 -- see above
import upath  # noqa: F401 -- see above
from child import report, task

from connector_pipelines.connectors.oneroster import CONNECTOR
from connector_pipelines.connectors.oneroster import client as _client  # noqa: F401 -- see above
from connector_pipelines.connectors.oneroster import streams as _streams  # noqa: F401 -- see above
from connector_pipelines.connectors.oneroster.config import OAuth2, OneRosterConfig
from connector_pipelines.external.secrets import Secret
from connector_pipelines.model import Source, Window
from connector_pipelines.sync import whole
from connector_pipelines.sync.context import open_context
from connector_pipelines.validation import accept  # noqa: F401 -- see above

if TYPE_CHECKING:
    from collections.abc import Callable

GIVEN = task()
ENTITIES = ("organizations", "terms", "courses", "students", "sections", "enrollments")


def source() -> Source:
    """The page server as a OneRoster source."""
    secret = Secret.literal("bench")
    auth = OAuth2(type="oauth2", token_url=f"{GIVEN.url}/token", client_id=secret, client_secret=secret)
    tuning = {} if GIVEN.in_flight is None else {"in_flight": GIVEN.in_flight}
    config = OneRosterConfig(base_url=GIVEN.url, auth=auth, page_size=1_000, entities=ENTITIES, **tuning)
    return Source("bench", CONNECTOR, config)


def timed(step: Callable[..., Any], seconds: dict[str, float]) -> Callable[..., Any]:
    """The same step, noting how long it took."""

    def run(*args: Any, **kwargs: Any) -> Any:
        started = time.monotonic()
        try:
            return step(*args, **kwargs)
        finally:
            seconds[step.__name__] += time.monotonic() - started

    return run


def sync() -> None:
    """One sync of all entities."""
    started = time.monotonic()
    steps: dict[str, float] = defaultdict(float)
    for name in ("pull", "plan", "apply"):
        setattr(whole, name, timed(getattr(whole, name), steps))
    with open_context(GIVEN.database) as context:
        steps["prepare"] = time.monotonic() - started
        outcomes = list(whole.sync(context, source(), entities=ENTITIES))
    report(
        started,
        steps=dict(steps),
        entities={outcome.entity: outcome.seconds for outcome in outcomes},
        verified=all(outcome.verified for outcome in outcomes),
    )


def read() -> None:
    """Read and decode all students, and do nothing with them."""
    started = time.monotonic()
    reading = source()
    with CONNECTOR.open(reading.config) as client:
        pages = reading.stream("students").read(client, Window()).pages
        rows = sum(page.decoded.rows for page in pages)
    report(started, rows=rows)


if __name__ == "__main__":
    (read if GIVEN.read_only else sync)()
