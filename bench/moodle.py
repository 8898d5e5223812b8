"""A district provisioned into an empty Moodle site: how many calls, how long, how much memory; and once more.

    python bench/moodle.py                      10,000 users, 500 courses, 50,000 enrolments
    python bench/moodle.py --users 1000 --courses 50 --enrolments 5000

The site is our simulator, in this process; what is measured is a process of its own. Three runs: into nothing, with
nothing changed, and with nothing changed but everything compared with what stands there. Writing calls are counted by
the site's ledger and held against what full batches need: rows of a kind, divided by the batch size, rounded up.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import postgres
import scratch
from filled import school
from measure import measure

from connector_pipelines.connectors.moodle.simulator import Simulator
from connector_pipelines.connectors.moodle.simulator.service import WRITES
from connector_pipelines.connectors.moodle.simulator.site import START
from connector_pipelines.database.connection import connect
from connector_pipelines.database.migrate import migrate

if TYPE_CHECKING:
    from measure import Measured

BENCH = Path(__file__).parent
LOCAL = BENCH.parent / ".local" / "bench"
SERVER = LOCAL / "moodle"
RUNS = {"first": (), "nothing changed": (), "compared": ("--compare",)}

_CORE = """
    INSERT INTO core.terms (id, title, start_date, end_date, status) OVERRIDING SYSTEM VALUE
        VALUES (1, 'Fall', '2026-08-15', '2026-12-20', 'active');
    {school}
    INSERT INTO core.enrollments (status, section_id, student_id)
        SELECT 'enrolled', n % {courses} + 1, (n % {courses} * 20 + n / {courses}) % {users} + 1
        FROM generate_series(0, {enrolments} - 1) n;
"""


@dataclass(frozen=True, slots=True)
class District:
    """How much is provisioned, and how many rows a call takes. A course has at most as many people as there are."""

    users: int
    courses: int
    enrolments: int
    batch: int

    def demanded(self) -> int:
        """Writing calls with every batch full; all terms, of which there is one, are a call of their own."""
        return sum(math.ceil(rows / self.batch) for rows in (1, self.users, self.courses, self.enrolments))


def provision(district: District) -> dict[str, Any]:
    """Fill core, run three times, and say what each run took and called."""
    found: dict[str, Any] = {"demanded": district.demanded()}
    with postgres.server(SERVER) as database, Simulator(scenario="empty", clock=lambda: START) as site:
        migrate(database)
        with connect(database) as connection:
            sizes = {"users": district.users, "courses": district.courses, "enrolments": district.enrolments}
            connection.execute(_CORE.format(school=school(sizes["courses"], sizes["users"]), **sizes).encode())
        for name, more in RUNS.items():
            before = len(site.requests), len(site.ledger)
            measured = _run(site, database, district, more)
            found[name] = {
                "seconds": measured.whole_seconds,
                "peak_mb": measured.peak_mb,
                "calls": dict(Counter(one.function for one in site.requests[before[0] :])),
                "writes": sum(one.function in WRITES for one in site.requests[before[0] :]),
                "done": len(site.ledger) - before[1],
                "verified": measured.said["verified"],
                "exports": measured.said["entities"],
            }
            sys.stderr.write(f"{name}: {measured.whole_seconds:.1f} s, {found[name]['writes']} writing calls\n")
        found["stands"] = _stands(site)
    return found


def _run(site: Simulator, database: str, district: District, more: tuple[str, ...]) -> Measured:
    command = [sys.executable, str(BENCH / "moodle_ours.py"), "--url", site.url, "--database", database]
    settings = {"MOODLE_API_TOKEN": site.token, "MOODLE_BATCH_SIZE": str(district.batch)}
    return measure([*command, "--folder", str(LOCAL / "work" / "moodle"), *more], database, settings)


def _stands(site: Simulator) -> dict[str, int]:
    """What the site holds because of core."""
    tables = site.site
    return {
        "users": sum(1 for user in tables["users"].values() if user["idnumber"]),
        "courses": sum(1 for course in tables["courses"].values() if course["idnumber"]),
        "enrolments": sum(len(people) for people in tables["enrolments"].values()),
    }


def main() -> None:
    """Print what was found, as JSON."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--users", type=int, default=10_000)
    arguments.add_argument("--courses", type=int, default=500)
    arguments.add_argument("--enrolments", type=int, default=50_000)
    arguments.add_argument("--batch", type=int, default=100, help="records per call")
    given = arguments.parse_args()
    try:
        found = provision(District(given.users, given.courses, given.enrolments, given.batch))
    finally:
        scratch.sweep(SERVER)
    wanted = {"users": given.users, "courses": given.courses, "enrolments": given.enrolments}
    if found["stands"] != wanted:
        message = f"the site holds {found['stands']} instead of {wanted}"
        raise SystemExit(message)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
