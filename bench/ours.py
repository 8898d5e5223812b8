"""This project's engine on the same pages: six entities, parents first, through `sync.whole.sync`.

More than dlt is asked for: organizations, terms and courses are read too, because sections and students point to them;
every id is mapped, every reference resolved, pages are landed, changes are planned before they are applied, and what
was written is read back. With `--read-only` students are only read and split, for the latency figures.
"""

from __future__ import annotations

import time
from collections import defaultdict
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from child import ahead, as_installed, report, task

as_installed()

from connector_pipelines.garbage import seldom

seldom()  # as our command line does

from connector_pipelines.connectors.oneroster import CONNECTOR
from connector_pipelines.connectors.oneroster.config import OAuth2, OneRosterConfig
from connector_pipelines.external.secrets import Secret
from connector_pipelines.mapping import diff, matching
from connector_pipelines.model import Source, Window
from connector_pipelines.sync import applying, pull, whole
from connector_pipelines.sync.context import open_context

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GIVEN = task()
ENTITIES = ("organizations", "terms", "courses", "students", "sections", "enrollments")
OF_EVERY_SYNC = (
    "authlib.oauth2.auth",
    "connector_pipelines.connectors.oneroster.client",
    "connector_pipelines.connectors.oneroster.streams",
    "connector_pipelines.external.transport",
    "numpy.ma",
    "pyarrow",
    "tenacity",
    "xxhash",
)
OF_WHAT_VALIDATES = (
    "connector_pipelines.connectors.oneroster.schemas",
    "connector_pipelines.connectors.oneroster.transform",
    "connector_pipelines.validation.accept",
    "pandera.backends.pandas",
    "pandera.backends.pandas.builtin_checks",
    "pandera.backends.pandas.container",
    "pandera.accessors.pandas_accessor",
    "pandera.api.geopandas.container",
    "pyarrow.csv",
    "pyarrow.pandas_compat",
)


def source() -> Source:
    """The page server as a OneRoster source."""
    secret = Secret.literal("bench")
    auth = OAuth2(type="oauth2", token_url=f"{GIVEN.url}/token", client_id=secret, client_secret=secret)
    tuning = {} if GIVEN.in_flight is None else {"in_flight": GIVEN.in_flight}
    config = OneRosterConfig(base_url=GIVEN.url, auth=auth, page_size=1_000, entities=ENTITIES, **tuning)
    return Source("bench", CONNECTOR, config)


def timed(step: Callable[..., Any], seconds: dict[str, float]) -> Callable[..., Any]:
    """The same step, noting how long it took."""

    @wraps(step)
    def run(*args: Any, **kwargs: Any) -> Any:
        started = time.monotonic()
        try:
            return step(*args, **kwargs)
        finally:
            seconds[step.__name__] += time.monotonic() - started

    return run


def weighed(step: Callable[..., Any], work: dict[str, float]) -> Callable[..., Any]:
    """The same step, noting the processor time of its thread and of the database's process behind its connection."""

    def run(first: Any, *args: Any, **kwargs: Any) -> Any:
        backend = getattr(first, "connection", first).info.backend_pid
        before = _processor_time(backend)
        try:
            return step(first, *args, **kwargs)
        finally:
            work[step.__name__] += _processor_time(backend) - before

    return run


def _processor_time(process: int) -> float:
    """Seconds of this thread and of a process, which Linux counts in nanoseconds."""
    return time.thread_time() + int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def importing(step: Callable[..., Any], modules: Sequence[str], seconds: dict[str, float]) -> Callable[..., Any]:
    """The same step, with what it imports imported before; a process that does not come to it never does."""

    def run(*args: Any, **kwargs: Any) -> Any:
        started = time.monotonic()
        ahead(*modules)
        seconds["imports"] += time.monotonic() - started
        return step(*args, **kwargs)

    return run


def sync() -> None:
    """One sync of all entities; the engine's seconds hold no imports."""
    ahead(*OF_EVERY_SYNC)
    started = time.monotonic()
    steps: dict[str, float] = defaultdict(float)
    accept = "_accept"
    setattr(pull, accept, importing(getattr(pull, accept), OF_WHAT_VALIDATES, steps))
    for name in ("pull", "plan", "apply"):
        setattr(whole, name, timed(getattr(whole, name), steps))
    work: dict[str, float] = defaultdict(float)
    for module, name in (
        (whole, "plan"),
        (diff, "compare"),
        (matching, "link"),
        (applying, "read_back"),
        (applying, "write_receipt"),
    ):
        setattr(module, name, weighed(getattr(module, name), work))
    with open_context(GIVEN.database) as context:
        steps["prepare"] = time.monotonic() - started
        outcomes = list(whole.sync(context, source(), entities=ENTITIES))
    report(
        started + steps["imports"],
        steps=dict(steps),
        work=dict(work),
        entities={outcome.entity: outcome.seconds for outcome in outcomes},
        verified=all(outcome.verified for outcome in outcomes),
    )


def read() -> None:
    """Read and split all students, and do nothing with them."""
    started = time.monotonic()
    reading = source()
    with CONNECTOR.open(reading.config) as client:
        pages = reading.stream("students").read(client, Window()).pages
        rows = sum(len(page.rows) for page in pages)
    report(started, rows=rows)


if __name__ == "__main__":
    (read if GIVEN.read_only else sync)()
