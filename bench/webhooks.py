"""From a webhook to core, the whole way: simulator, receiver, inbox, sensor, run, core; and where the time goes.

    python bench/webhooks.py                      single events, then many a second
    python bench/webhooks.py --single 30 --rate 100 --seconds 20
    python bench/webhooks.py --cold             with Dagster's own launcher, which starts a Python for each run

Everything runs as it does in operation: a receiver, Dagster's daemon and its code server are processes of their own,
on a PostgreSQL of their own. A change is made in a simulated QuickBooks company and told to the receiver; the clock
stops when core has the new name. Every change has a name of its own, so that a lost one would be noticed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import requests
from deployed import PATIENCE, Watch, at_rate, deploy, summary

from connector_pipelines.connectors.quickbooks.config import QuickBooksConfig
from connector_pipelines.connectors.quickbooks.simulator import Simulator
from connector_pipelines.connectors.quickbooks.simulator.notifications import VERIFIER_TOKEN
from connector_pipelines.orchestration import dev

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = "books"
_NUMBERS = itertools.count()
"""No name is given twice: core would have it before it is told."""

_RECEIVER = """
    import os
    from pathlib import Path
    from connector_pipelines.orchestration.sources import declared_sources
    from connector_pipelines.webhooks.serving import receive

    sources = declared_sources(Path({folder!r})).values()
    receive(os.environ["CONNECTOR_PIPELINES_DATABASE_URL"], sources, host="127.0.0.1", port={port}, say=print)
"""
_FIRST = """
    from pathlib import Path
    from connector_pipelines.orchestration.sources import declared_source
    from connector_pipelines.sync import whole
    from connector_pipelines.sync.context import open_context

    with open_context() as context:
        print(len(list(whole.sync(context, declared_source({source!r}, Path({folder!r}))))))
"""


@dataclass
class Place:
    """A running deployment."""

    url: str
    simulator: Simulator
    port: int
    answers: list[float] = field(default_factory=list)

    def items(self) -> list[str]:
        """The ids of the items that feed core."""
        table = self.simulator.world.tables["Item"]
        return [
            key
            for key in table.ids()
            if (table.get(key) or {})["Type"] in QuickBooksConfig.model_fields["item_types"].default
        ]

    def change(self, key: str, name: str) -> float:
        """Give an item a new name, tell it, and say when it was told."""
        table = self.simulator.world.tables["Item"]
        now = datetime.now(UTC)
        self.simulator.put("Item", {**(table.get(key) or {}), "Name": name}, at=now)
        headers, body = self.simulator.notify([(self.simulator.realm_id, "Item", key, "Update")])
        began = time.perf_counter()
        answer = requests.post(
            f"http://127.0.0.1:{self.port}/webhooks/{SOURCE}", data=body, headers=headers, timeout=30
        )
        self.answers.append(time.perf_counter() - began)
        answer.raise_for_status()
        return began


@contextmanager
def deployment(folder: Path, *, cold: bool = False) -> Iterator[Place]:
    """A QuickBooks company, PostgreSQL, a first sync, the daemon and the receiver."""
    with (
        Simulator(scenario="company", start=datetime.now(UTC) - timedelta(days=2)) as simulator,
        ExitStack() as running,
    ):
        variables = {
            "QB_ID": simulator.client_id,
            "QB_SECRET": simulator.client_secret,
            "QB_TOKEN": simulator.refresh_token,
            "QB_VERIFIER": VERIFIER_TOKEN,
        }
        deployed = deploy(folder, SOURCE, _declaration(simulator), variables, cold=cold)
        first = textwrap.dedent(_FIRST.format(folder=str(deployed.declared), source=SOURCE))
        subprocess.run([sys.executable, "-c", first], env=deployed.environment, check=True, stdout=sys.stderr)
        port = dev.free_port()
        receiver = textwrap.dedent(_RECEIVER.format(folder=str(deployed.declared), port=port))
        running.enter_context(deployed.running("receiver", "-c", receiver))
        running.enter_context(deployed.daemon())
        dev.await_port(port, log=folder / "receiver.log")
        yield Place(deployed.url, simulator, port)


def _declaration(simulator: Simulator) -> str:
    return f"""
        type: connector_pipelines.orchestration.components.QuickBooksSource
        attributes:
          realm_id: '{simulator.realm_id}'
          base_url: {simulator.url}
          auth:
            token_url: {simulator.token_url}
            client_id: "{{{{ env.QB_ID }}}}"
            client_secret: "{{{{ env.QB_SECRET }}}}"
            refresh_token: "{{{{ env.QB_TOKEN }}}}"
          webhook:
            verifier_token: "{{{{ env.QB_VERIFIER }}}}"
          policy: {{guard: {{limits: {{updated: 1000}}}}}}  # these events change most of all items
    """


@contextmanager
def watched(place: Place) -> Iterator[Watch]:
    """Notes when core holds each of the names that were told."""
    with psycopg.connect(place.url, autocommit=True) as connection:
        names = "SELECT name FROM core.inventory_items WHERE name LIKE 'told %'"
        with Watch(lambda: [str(name) for (name,) in connection.execute(names)]) as watch:
            yield watch


def single(place: Place, count: int) -> list[float]:
    """One event after another, each when the one before has arrived, at no particular point of the sensor's rhythm."""
    items = place.items()
    with watched(place) as watch:
        for number in range(count):
            name = f"told {next(_NUMBERS)}"
            watch.told[name] = place.change(items[number], name)
            watch.await_all()
            time.sleep(1 + number * 1.7 % 5)
        return watch.latencies()


def many(place: Place, rate: float, seconds: float) -> list[float]:
    """So many events a second, each of another item.

    Raises:
        IndexError: there are fewer items than events.
    """
    items = place.items()
    with watched(place) as watch:
        for number in at_rate(rate, seconds):
            name = f"told {next(_NUMBERS)}"
            watch.told[name] = place.change(items[number], name)
        watch.await_all()
        return watch.latencies()


_STAGES = """
    SELECT extract(epoch FROM e.claimed_at - e.received_at),
        extract(epoch FROM r.create_timestamp AT TIME ZONE 'UTC' - e.claimed_at),
        r.start_time - extract(epoch FROM r.create_timestamp AT TIME ZONE 'UTC'),
        extract(epoch FROM s.started_at) - r.start_time,
        r.end_time - extract(epoch FROM s.started_at)
    FROM connector.integration_webhook_events e
    JOIN public.runs r ON r.run_id = e.run_id
    JOIN LATERAL (SELECT min(started_at) AS started_at FROM connector.sync_runs
        WHERE launched_by = 'dagster run ' || e.run_id) s ON true
    WHERE e.status = 'processed'
"""
_NAMED = (
    "waits for the sensor",
    "until the run is queued",
    "queue and process start",
    "until the read begins",
    "read to core",
)


def stages(url: str) -> dict[str, float]:
    """The median seconds of each part of the way."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(_STAGES).fetchall()
    return {name: float(statistics.median(part)) for name, part in zip(_NAMED, zip(*rows, strict=True), strict=True)}


def losses(url: str) -> dict[str, int]:
    """Events that are not processed, and runs that were made for the same batch."""
    until = time.monotonic() + PATIENCE
    with psycopg.connect(url, autocommit=True) as connection:
        open_ones = "SELECT count(*) FROM connector.integration_webhook_events WHERE status <> 'processed'"
        while (left := connection.execute(open_ones).fetchone()) != (0,) and time.monotonic() < until:
            time.sleep(1)  # the next tick settles the last batch
        tried = connection.execute(
            "SELECT count(*) FROM connector.integration_webhook_events WHERE attempts > 1"
        ).fetchone()
    return {"events not processed": left[0] if left else 0, "events tried more than once": tried[0] if tried else 0}


def webhooks(
    folder: Path, *, count: int = 20, rate: float = 100.0, seconds: float = 20.0, cold: bool = False
) -> dict[str, Any]:
    """Everything that is measured, in seconds.

    Args:
        folder: an empty folder.
        count: of single events.
        rate: events a second afterwards.
        seconds: for how long.
        cold: with Dagster's own launcher.
    """
    with deployment(folder, cold=cold) as place:
        single(place, 2)  # what is slow once is not what users wait for
        place.answers.clear()
        found: dict[str, Any] = {"load before": round(os.getloadavg()[0], 1)}
        found["single events"] = summary(single(place, count))
        found["single events, answered"] = summary(sorted(place.answers))
        found["where the time goes"] = stages(place.url)
        place.answers.clear()
        found[f"{rate:g} a second for {seconds:g} s"] = summary(many(place, rate, seconds))
        found["many events, answered"] = summary(sorted(place.answers))
        found["lost or repeated"] = losses(place.url)
        return found


def main() -> None:
    """Measure, and print it as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--single", type=int, default=20)
    arguments.add_argument("--rate", type=float, default=100.0)
    arguments.add_argument("--seconds", type=float, default=20.0)
    arguments.add_argument("--cold", action="store_true")
    given = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends what was started, too
    with tempfile.TemporaryDirectory() as folder:
        how = {"count": given.single, "rate": given.rate, "seconds": given.seconds, "cold": given.cold}
        found = webhooks(Path(folder), **how)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
