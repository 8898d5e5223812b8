"""The runs that are killed at every durable boundary: from where each begins, and what it has to do."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from connector_pipelines.connectors.moodle.simulator.site import person
from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.database.connection import connect
from proof import campus, gradebook, school
from proof.campus import Destination
from proof.databases import Databases, alone
from proof.gradebook import Gradebook
from proof.stage import Stage, must
from proof.work import Job, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator


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


def _spoil(simulator: Simulator) -> None:
    """A student without a name, one who comes twice, and seats of a student who is not there (yet)."""
    users = [user for user in simulator.expected("users") if user["roles"][0]["role"] == "student"]
    seat = next(record for record in simulator.expected("enrollments") if record["role"] == "student")
    simulator.put("users", users[0] | {"givenName": None})
    simulator.append_raw("users", users[1] | {"familyName": "Other"})
    simulator.append_raw("users", users[2])
    lost = {"user": {"href": "x", "sourcedId": "nobody", "type": "user"}}
    simulator.append_raw("enrollments", seat | {"sourcedId": f"seat-{simulator.version}"} | lost)


# All of core is known by mappings, as if a source had told it.
KNOWN = """
    INSERT INTO connector.external_system_mappings
        (connector_id, entity_type, external_id, internal_id, sync_status, sync_version)
        SELECT 'school', kind, kind || '-' || id, id, 'synced', 1
        FROM (SELECT 'grades' AS kind, id FROM core.grades
            UNION ALL SELECT 'assessments', id FROM core.assessments) made
        WHERE NOT EXISTS (SELECT FROM connector.external_system_mappings m
            WHERE m.entity_type = kind AND m.internal_id = id);
"""
# Grades that a person put into core: of three who are in a course.
_GRADES = """
    INSERT INTO core.grades (grade_type, status, score, student_id, section_id)
        SELECT 'course_total', 'active', 60 + student_id, student_id, section_id FROM core.enrollments e
        WHERE status = 'enrolled' AND NOT EXISTS (SELECT FROM core.grades g WHERE g.student_id = e.student_id)
        ORDER BY student_id % 7, id LIMIT 3;
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
        for step, before in ((read, ""), (job, _GRADES + KNOWN), (job, _LEAVES)):
            _edit(begin, before)
            must(worker.run(step), "a run before the one that is killed")
        simulator.evolve(percent=15)
        must(worker.run(read), "the second sync")
        _edit(begin, _SINCE + _GRADES + KNOWN)
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


# Two classes with students, each with an essay and an exam whose grades are final, and a draft that nobody may see.
ASSESSED = """
    INSERT INTO core.assessments (id, title, assessment_type, due_at, max_score, learning_outcome, is_finalized, status,
        section_id) OVERRIDING SYSTEM VALUE
    SELECT 10 * n + kind.number, kind.title, kind.type, '2025-09-20T12:00Z', 20, kind.outcome, kind.final, 'active', id
    FROM (SELECT section_id AS id, row_number() OVER (ORDER BY count(*) DESC, section_id) AS n
        FROM core.enrollments WHERE status = 'enrolled' GROUP BY section_id) class,
        (VALUES (1, 'Essay', 'homework', 'MATH.1', true), (2, 'Exam', 'exam', 'MATH.1', true),
            (3, 'Draft', 'homework', NULL, NULL)) kind (number, title, type, outcome, final)
    WHERE n <= 2;
    INSERT INTO core.grades (id, grade_type, score, achievement, graded_at, status, student_id, assessment_id)
        OVERRIDING SYSTEM VALUE
    SELECT row_number() OVER (ORDER BY a.id, student_id), 'assignment_grade', 5 + (a.id + student_id) % 15,
        (ARRAY['Exceeded', 'Met', 'Partially Met', 'Not Met'])[1 + (a.id + student_id) % 4],
        '2025-09-21T08:00Z'::timestamptz + student_id * interval '1 hour', 'active', student_id, a.id
    FROM core.assessments a JOIN core.enrollments e USING (section_id) WHERE e.status = 'enrolled';
"""
_WITHDRAWN = "UPDATE core.grades SET status = 'inactive' WHERE id = 1"
# Of 1 the grade is back, of 2 withdrawn, of 3 and 4 better, of 5 without a letter of ours. The exam of the second class
# is withdrawn with all its grades, its draft is final, and there is a project in the first.
_GRADED_SINCE = """
    UPDATE core.grades SET status = 'active' WHERE id = 1;
    UPDATE core.grades SET status = 'inactive' WHERE id = 2;
    UPDATE core.grades SET score = 20, achievement = 'Exceeded' WHERE id IN (3, 4);
    UPDATE core.grades SET achievement = 'Splendid' WHERE id = 5;
    UPDATE core.assessments SET status = 'inactive' WHERE id = 22;
    UPDATE core.assessments SET is_finalized = true WHERE id = 23;
    INSERT INTO core.assessments (id, title, assessment_type, due_at, max_score, is_finalized, status, section_id)
        OVERRIDING SYSTEM VALUE
        SELECT 14, 'Model', 'project', '2025-09-28T12:00Z', 10, true, 'active', section_id
        FROM core.assessments WHERE id = 11;
    INSERT INTO core.grades (id, grade_type, score, achievement, graded_at, status, student_id, assessment_id)
        OVERRIDING SYSTEM VALUE
        SELECT 1000 + student_id, grade_type, 7, 'Met', '2025-09-29T08:00Z', 'active', student_id, 14
        FROM core.grades WHERE assessment_id = 11;
"""


@contextmanager
def grading(databases: Databases) -> Iterator[Stage]:
    """A gradebook that holds the assessments of a school already, which have changed since, here and there.

    The run that is interrupted has everything to do: create, adopt, replace, withdraw, bring back, refuse, be refused,
    leave to a person.
    """
    with _ready(databases) as (worker, folder, begin), Gradebook() as there:
        read = Job(begin, str(folder / "landing"), gradebook.SOURCE, school.config(there), str(folder / "result"))
        job = gradebook.job(there, begin, str(folder / "result"))
        for step, before in ((read, ""), (job, ASSESSED + KNOWN), (job, _WITHDRAWN)):
            _edit(begin, before)
            must(worker.run(step), "a run before the one that is killed")
        _edit(begin, _GRADED_SINCE + KNOWN)
        _regrade(begin, there)
        alone(begin)
        overlays = there.service.store.overlays()
        yield Stage(databases, worker, folder, begin, job, partial(there.begin, overlays), there)


def _regrade(url: str, there: Gradebook) -> None:
    """What people do there: they change a grade that core changes, too, put one in that core is about to send, and take
    out a student of whom it is about to send another.
    """
    (known,) = [one for one in there.expected("results") if one["sourcedId"] == "core-grades-4"]
    there.put("results", known | {"score": 1.0})
    with connect(url) as connection:
        new, gone = connection.execute(
            "SELECT g.id, m.external_id FROM core.grades g JOIN connector.external_system_mappings m"
            " ON m.entity_type = 'students' AND m.internal_id = g.student_id WHERE g.assessment_id = 14 ORDER BY g.id"
        ).fetchall()[:2]
    item = {"lineItem": {"href": "x", "sourcedId": known["lineItem"]["sourcedId"], "type": "lineItem"}}
    made = known | item | {"sourcedId": f"core-grades-{new[0]}", "score": 2.0}
    there.put("results", made | {"student": known["student"] | {"sourcedId": str(new[1])}})
    there.remove("users", str(gone[1]))


STAGES = {"sync": syncing, "export": exporting, "gradebook": grading}
