"""From a change in core to Moodle, the whole way: core, outbox, sensor, run, calls, site (M131, K21).

    python bench/arrival.py                      single changes, then many a second
    python bench/arrival.py --single 30 --rate 2 --seconds 60

Everything runs as it does in operation, with the defaults of schedule and rate limit: Dagster's daemon and its code
server are processes of their own, on a PostgreSQL of their own. First core is filled, and the sensor has all of it
written into an empty site. Then people get new names, and others are enrolled; the clock stops when the site has it.
What the project itself says of these changes, in the check `arrival`, is printed beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from deployed import PATIENCE, Watch, at_rate, deploy, summary
from filled import school

from connector_pipelines.connectors.moodle.simulator import Simulator
from connector_pipelines.connectors.moodle.simulator.service import WRITES
from connector_pipelines.database.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = "campus"
COURSES = 10
_DECLARATION = """
    type: connector_pipelines.orchestration.components.MoodleSource
    attributes:
      enabled: true
      base_url: {url}
      token: "{{{{ env.CAMPUS_TOKEN }}}}"
      policy: {{exports: [categories, users, courses, enrolments], guard: {{limits: {{floor: 1000}}}}}}
      schedule: {{enabled: true}}
"""
_CORE = """
    INSERT INTO core.terms (id, title, start_date, end_date, status) OVERRIDING SYSTEM VALUE
        VALUES (1, 'Now', current_date - 30, current_date + 90, 'active');
    {school}
    INSERT INTO core.enrollments (status, section_id, student_id)
        SELECT 'enrolled', n % {courses} + 1, n FROM generate_series(1, {people}) n;
"""
_NAMED = "UPDATE core.students SET family_name = %s WHERE id = %s"
_ENROLLED = "INSERT INTO core.enrollments (status, section_id, student_id) VALUES ('enrolled', %s, %s)"
_TOLD = """
    SELECT coalesce(sum(changes), 0)::int, coalesce(sum(seconds) / nullif(sum(changes), 0), 0)::float8,
        coalesce(max(longest), 0)::float8
    FROM connector.export_figures WHERE source = %s AND at > %s
"""


@dataclass
class Place:
    """A running deployment; every person is in one course at first."""

    url: str
    site: Simulator
    people: int
    told: int = 0

    def arrived(self) -> list[str]:
        """What stands at the site: the last names that were told, and who is in which course."""
        with self.site.service.lock:
            site = self.site.site
            names = [user["lastname"] for user in site["users"].values()]
            places = [
                _place(site["users"][user]["idnumber"], site["courses"][course]["shortname"])
                for course, people in site["enrolments"].items()
                for user in people
            ]
        return names + places

    def change(self, connection: psycopg.Connection, watch: Watch) -> None:
        """Change core once: by turns the name of the next person, and one more course of theirs."""
        person, round_ = self.told // 2 % self.people + 1, self.told // 2 // self.people
        section = (person + 1 + round_) % COURSES + 1
        if self.told % 2:
            watch.told[_place(person, f"C{section} Now")] = time.perf_counter()
            connection.execute(_ENROLLED, [section, person])
        else:
            watch.told[f"told {self.told}"] = time.perf_counter()
            connection.execute(_NAMED, [f"told {self.told}", person])
        self.told += 1


def _place(person: object, course: str) -> str:
    return f"{person} in {course}"


@contextmanager
def deployment(folder: Path, people: int) -> Iterator[Place]:
    """A filled core, an empty site, and the daemon, which brings one to the other before anything is measured."""
    with Simulator(scenario="empty") as site:
        deployed = deploy(folder, SOURCE, _DECLARATION.format(url=site.url), {"CAMPUS_TOKEN": site.token})
        migrate(deployed.url)
        place = Place(deployed.url, site, people)
        with deployed.daemon(), Watch(place.arrived) as watch:
            began = time.perf_counter()
            watch.told |= {_place(n, f"C{n % COURSES + 1} Now"): began for n in range(1, people + 1)}
            fill(deployed.url, people, log=folder / "daemon.log")
            watch.await_all()
            yield place


def fill(url: str, people: int, *, log: Path) -> None:
    """Put everything into core, once the sensor has its triggers follow the tables.

    Raises:
        SystemExit: it did not.
    """
    until = time.monotonic() + PATIENCE
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute("SELECT count(*) FROM connector.export_watches").fetchone() == (0,):
            if time.monotonic() > until:
                message = f"the sensor did not begin in {PATIENCE:.0f} s; look into {log}"
                raise SystemExit(message)
            time.sleep(0.5)
        connection.execute(_CORE.format(school=school(COURSES, people), courses=COURSES, people=people).encode())


def single(place: Place, count: int) -> list[float]:
    """One change after another, each when the one before has arrived, at no particular point of the sensor's rhythm."""
    with psycopg.connect(place.url, autocommit=True) as connection, Watch(place.arrived) as watch:
        for number in range(count):
            place.change(connection, watch)
            watch.await_all()
            time.sleep(1 + number * 1.7 % 5)
        return watch.latencies()


def many(place: Place, rate: float, seconds: float) -> list[float]:
    """So many changes a second, which leave the sensor no quiet moment."""
    with psycopg.connect(place.url, autocommit=True) as connection, Watch(place.arrived) as watch:
        for _ in at_rate(rate, seconds):
            place.change(connection, watch)
        watch.await_all()
        return watch.latencies()


def told(place: Place, since: str) -> dict[str, float]:
    """What the project says of the changes that arrived since a moment, when the last run has booked its own."""
    until = time.monotonic() + PATIENCE
    with psycopg.connect(place.url, autocommit=True) as connection:
        waiting = "SELECT count(*) FROM connector.export_outbox"
        while connection.execute(waiting).fetchone() != (0,) and time.monotonic() < until:
            time.sleep(0.5)
        changes, mean, longest = connection.execute(_TOLD, [SOURCE, since]).fetchone() or (0, 0.0, 0.0)
    return {"changes": changes, "mean": mean, "slowest": longest}


def now(place: Place) -> str:
    """The database's clock."""
    with psycopg.connect(place.url) as connection:
        return str((connection.execute("SELECT clock_timestamp()").fetchone() or ("",))[0])


def arrival(folder: Path, *, count: int, rate: float, seconds: float, people: int) -> dict[str, Any]:
    """Everything that is measured, in seconds.

    Args:
        folder: an empty folder.
        count: of single changes.
        rate: changes a second afterwards.
        seconds: for how long.
        people: in core; at least as many as change, so that no name is overwritten before it arrives.
    """
    with deployment(folder, max(people, int(rate * seconds) + 1)) as place:
        single(place, 2)  # what is slow once is not what users wait for
        began, found = now(place), {"load before": round(os.getloadavg()[0], 1)}
        kept: dict[str, Any] = {**found, "single changes": summary(single(place, count))}
        before = len(place.site.requests)
        kept[f"{rate:g} a second for {seconds:g} s"] = summary(many(place, rate, seconds))
        asked = place.site.requests[before:]
        kept["calls for many changes"] = {
            "writing": sum(one.function in WRITES for one in asked),
            "in all": len(asked),
        }
        kept["as the check says"] = told(place, began)
        return kept


def main() -> None:
    """Measure, and print it as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--single", type=int, default=20)
    arguments.add_argument("--rate", type=float, default=2.0)
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--people", type=int, default=400)
    given = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends what was started, too
    with tempfile.TemporaryDirectory() as folder:
        how = {"rate": given.rate, "seconds": given.seconds, "people": given.people}
        found = arrival(Path(folder), count=given.single, **how)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
