"""Kills a sync and an export at every durable boundary, resumes them, and compares what they left with whole runs.

    python -m proof.crashes             all boundaries
    python -m proof.crashes --every 10  each tenth
    python -m proof.crashes --of export the export's alone

The boundaries are found by running once: what PostgreSQL reports as durable (`wire`); what is written to the landing
folder, each file whole and torn; and each call of the system that is exported to: before it leaves, when it has taken
effect, when its answer is read (`work`, `campus`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from connector_pipelines.connectors.moodle.simulator.site import person
from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.database.connection import connect
from proof import campus, school
from proof.campus import Destination
from proof.databases import Databases, alone, server
from proof.stage import Boundary, Stage, must
from proof.work import Job, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@contextmanager
def syncing(databases: Databases) -> Iterator[Stage]:
    """A school that is in core already and has changed since, with rows that wait and rows that are refused.

    The run that is interrupted has everything to do: create, update, leave alone, mark absent, refuse, let wait, take
    up again.
    """
    with _ready(databases) as (worker, folder, begin), Simulator(scenario="tiny", seed=7) as simulator:
        landing = folder / "landing"
        job = Job("", str(landing), "school", school.config(simulator), str(folder / "result"))
        _spoil(simulator)
        must(worker.run(replace(job, url=begin)), "the first run")
        simulator.evolve(percent=25, vanish=True)
        _spoil(simulator)
        alone(begin)
        yield Stage(databases, worker, folder, begin, job, partial(shutil.rmtree, landing, ignore_errors=True))


# Grades that a person put into core: of three who are in a course. Each is known by a mapping, as all of core is.
_GRADES = """
    INSERT INTO core.grades (grade_type, status, score, student_id, section_id)
        SELECT 'course_total', 'active', 60 + student_id, student_id, section_id FROM core.enrollments e
        WHERE status = 'enrolled' AND NOT EXISTS (SELECT FROM core.grades g WHERE g.student_id = e.student_id)
        ORDER BY student_id % 7, id LIMIT 3;
    INSERT INTO connector.external_system_mappings
        (connector_id, entity_type, external_id, internal_id, sync_status, sync_version)
        SELECT 'school', 'grades', 'grade-' || g.id, g.id, 'synced', 1 FROM core.grades g WHERE NOT EXISTS (
            SELECT FROM connector.external_system_mappings m WHERE m.entity_type = 'grades' AND m.internal_id = g.id);
"""
_LEAVES = "UPDATE core.students SET status = 'inactive' WHERE id = 9"
# Of 11 the name is changed there, too, 21 was made there by somebody, 16 is new; the last grade is that of somebody who
# is not in the course.
_SINCE = """
    UPDATE core.students SET status = 'active' WHERE id = 9;
    UPDATE core.students SET status = 'inactive' WHERE id = 10;
    UPDATE core.students SET family_name = 'Renamed' WHERE id IN (11, 12);
    UPDATE core.students SET email = 'none' WHERE id = 13;
    UPDATE core.students SET email = username || '@late.example' WHERE id IN (16, 21);
    UPDATE core.students SET email = (SELECT email FROM core.students WHERE id = 15) WHERE id = 14;
    UPDATE core.enrollments SET status = 'dropped' WHERE student_id = 12;
    UPDATE core.courses SET status = 'inactive' WHERE id = 2;
    UPDATE core.grades SET score = 95 WHERE id IN (SELECT min(id) + 1 FROM core.grades);
    INSERT INTO core.grades (grade_type, status, score, student_id, section_id)
        SELECT 'course_total', 'active', 50, s.id, c.id FROM core.students s, core.sections c
        WHERE s.email IS NOT NULL AND NOT EXISTS (SELECT FROM core.enrollments e JOIN core.sections o
            ON o.id = e.section_id WHERE e.student_id = s.id AND o.course_id = c.course_id)
        ORDER BY s.id, c.id LIMIT 1;
"""
_CONTESTED = {"conflicts": {"export/users": {"lastname": "manual"}}}


@contextmanager
def exporting(databases: Databases) -> Iterator[Stage]:
    """A school that stands in a Moodle already, and has changed since, here and there.

    The run that is interrupted has everything to do: create, link, update, suspend, readmit, hide, take out, grade,
    refuse, be refused, leave to a person.
    """
    with (
        _ready(databases) as (worker, folder, begin),
        Simulator(scenario="tiny", seed=7) as simulator,
        Destination() as there,
    ):
        read = Job(begin, str(folder / "landing"), "school", school.config(simulator), str(folder / "result"))
        job = campus.job(there, begin, str(folder / "result"), policy=_CONTESTED)
        for step, before in ((read, ""), (job, _GRADES), (job, _LEAVES)):
            _edit(begin, before)
            must(worker.run(step), "a run before the one that is killed")
        simulator.evolve(percent=15)
        must(worker.run(read), "the second sync")
        _edit(begin, _SINCE + _GRADES)
        _meddle(begin, there)
        alone(begin)
        yield Stage(databases, worker, folder, begin, job, partial(there.begin, there.site.tables), there)


def _edit(url: str, statements: str) -> None:
    """What people do to core."""
    with connect(url) as connection:
        connection.execute(statements.encode())


def _meddle(url: str, there: Destination) -> None:
    """What people do there: they rename somebody, and make a user whom core is about to send."""
    with connect(url) as connection:
        renamed, new = connection.execute(
            "SELECT (SELECT username FROM core.students WHERE id = 11),"
            " (SELECT username FROM core.students WHERE id = 21)"
        ).fetchone() or ("", "")
    (known,) = there.site.where("users", username=str(renamed).lower())
    there.site.put("users", known["id"], lastname="Otherwise")
    there.site.add("users", **person(str(new).lower(), "Made", "There", "made@there.example"))


@contextmanager
def _ready(databases: Databases) -> Iterator[tuple[Worker, Path, str]]:
    """A process that works, a folder, and a database."""
    os.environ.update(school.CREDENTIALS)
    folder = Path(tempfile.mkdtemp(prefix="crash_"))
    try:
        with Worker() as worker, databases.fresh() as begin:
            yield worker, folder, begin
    finally:
        shutil.rmtree(folder, ignore_errors=True)


STAGES = {"sync": syncing, "export": exporting}


def _spoil(simulator: Simulator) -> None:
    """A student without a name, one who comes twice, and seats of a student who is not there (yet)."""
    users = [user for user in simulator.expected("users") if user["roles"][0]["role"] == "student"]
    seat = next(record for record in simulator.expected("enrollments") if record["role"] == "student")
    simulator.put("users", users[0] | {"givenName": None})
    simulator.append_raw("users", users[1] | {"familyName": "Other"})
    simulator.append_raw("users", users[2])
    lost = {"user": {"href": "x", "sourcedId": "nobody", "type": "user"}}
    simulator.append_raw("enrollments", seat | {"sourcedId": f"seat-{simulator.version}"} | lost)


def sweep(
    databases: Databases, of: str, *, every: int = 1, tell: Callable[[str], None] = lambda _: None
) -> tuple[list[Boundary], list[str]]:
    """Check each n-th boundary of a sync or an export; which there are, and what was wrong, told at once as well."""
    wrong: list[str] = []
    with STAGES[of](databases) as made:
        boundaries = made.find()
        for boundary in boundaries[::every]:
            found = [f"{of} killed at {boundary}: {finding}" for finding in made.check(boundary)]
            wrong += found
            for finding in found:
                tell(finding)
    return boundaries, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 when something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="check each n-th boundary only")
    parser.add_argument("--of", choices=STAGES, action="append", help="only a sync's, or only an export's")
    parser.add_argument("--list", action="store_true", help="print the boundaries and stop")
    given = parser.parse_args(arguments)
    bad = 0
    with server() as databases:
        for of in given.of or STAGES:
            started = time.monotonic()
            if given.list:
                with STAGES[of](databases) as made:
                    found, wrong = made.find(), list[str]()
                print(*(f"{of}: {boundary}" for boundary in found), sep="\n")
            else:
                found, wrong = sweep(databases, of, every=given.every, tell=partial(print, flush=True))
            bad += len(wrong)
            kills = 0 if given.list else -(-len(found) // given.every)
            kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(one.kind for one in found).items())
            print(f"{of}: {len(found)} durable boundaries ({kinds}), {kills} kills, {len(wrong)} findings, ", end="")
            print(f"{time.monotonic() - started:.0f} seconds", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
