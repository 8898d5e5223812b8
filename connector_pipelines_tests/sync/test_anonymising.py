"""A copy of core for tests: loaded elsewhere it has core's shape, and nothing in it says who anybody is."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.core.models import TABLES
from connector_pipelines.database.connection import connect
from connector_pipelines.database.migrate import migrate
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external.landing import Landing
from connector_pipelines.sync.anonymising import Copied, Treatment, copy, treatment
from connector_pipelines.sync.context import Context
from connector_pipelines_tests.kept import kept

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("Ada", "Grace", "Edsger", "Barbara", "Émilie", "李小龙", "J", "Margarete-Sophie")

SCHOOL = """
    INSERT INTO core.organizations (name, status, identifier) VALUES ('Springfield District', 'active', 'SPR-001');
    INSERT INTO core.organizations (name, status, parent_id, organization_type)
        VALUES ('Springfield High', 'active', 1, 'school');
    INSERT INTO core.terms (title, status, start_date, school_year)
        VALUES ('Fall 2026', 'active', '2026-08-20', '2027');
    INSERT INTO core.sections (title, status, organization_id, term_id, location)
        SELECT 'Algebra of Ms Lovelace ' || n, 'active', 2, 1, 'Room ' || n FROM generate_series(1, 5) n;
    INSERT INTO core.instructors (given_name, family_name, email, username, staff_number, status)
        VALUES ('Augusta', 'Lovelace', 'person-7@springfield.k12.us', 'alovelace', 'T-9001', 'active');
    INSERT INTO core.students (given_name, family_name, middle_name, email, username, phone, student_number, grades,
            enabled, status, organization_id, notes)
        SELECT (%(names)s::text[])[n %% 8 + 1], 'Familyname' || n / 3, CASE WHEN n %% 4 = 0 THEN 'Middlename' || n END,
            CASE WHEN n %% 5 > 0 THEN 'person-' || n || '@springfield.k12.us' END, 'person-' || n,
            '+1 555 01' || 10 + n, 'N-' || 77000 + n, (n %% 4 + 9)::text, n %% 2 = 0,
            CASE n %% 7 WHEN 0 THEN 'inactive' ELSE 'active' END, 2,
            CASE WHEN n = 3 THEN 'Talked to Familyname1, call +1 555 0113.' END
        FROM generate_series(1, 60) n;
    INSERT INTO core.enrollments (student_id, section_id, status, start_date)
        SELECT n, n %% 5 + 1, 'enrolled', date '2026-08-20' + n FROM generate_series(1, 60) n;
    INSERT INTO core.grades (grade_type, status, student_id, section_id, score, comment, graded_at)
        SELECT 'section_total', 'active', n, n %% 5 + 1, n / 7.0, 'Familyname' || n / 3 || ' did well',
            timestamptz '2026-11-02 10:17:31+00' + n * interval '1 day' FROM generate_series(1, 60) n;
    INSERT INTO core.vendors (name, status, contact_email, website, address, account_number)
        VALUES ('Acme Paper', 'active', 'sales@acme.com', 'https://acme.com/school', '12 Elm Street', 'ACC-55');
"""


@pytest.fixture
def school(database: str) -> str:
    """Core with a school in it."""
    with kept(database) as connection:
        for statement in SCHOOL.split(";\n"):
            connection.execute(statement, {"names": list(NAMES)})
    return database


def copied(url: str, folder: Path) -> Copied:
    """Write the copy."""
    with connect(url) as connection:
        return copy(Context(connection, Landing(str(folder / "landing"))), folder / "copy", who="ann")


def load(url: str, folder: Path) -> None:
    """What `load.sql` says, as psql does it."""
    migrate(url)
    with connect(url) as connection:
        for line in (folder / "load.sql").read_text(encoding="utf-8").splitlines():
            if found := re.fullmatch(r"\\copy (.*) FROM '(.*)' \((.*)\)", line):
                with connection.cursor().copy(f"COPY {found[1]} FROM STDIN ({found[3]})") as into:
                    into.write((folder / found[2]).read_bytes())
            else:
                connection.execute(line)


def columns(*treatments: Treatment) -> list[tuple[str, str]]:
    """Tables and columns that are treated so."""
    return [(table.name, column.name) for table in TABLES for column in table.every if treatment(column) in treatments]


def told(url: str, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with connect(url) as connection:
        return connection.execute(statement).fetchall()


def test_nothing_in_it_says_who_anybody_is(school: str, tmp_path: Path) -> None:
    """No name, address, number, identifier or text of core stands anywhere in the files, alone or within a text."""
    folder = copied(school, tmp_path).folder
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.iterdir()).casefold()
    files = [path.read_text(encoding="utf-8") for path in folder.glob("*.csv")]
    cells = {cell for file in files for row in csv.reader(io.StringIO(file, newline="")) for cell in row}
    real = {
        str(value)
        for table, column in columns(Treatment.NAME, Treatment.IDENTIFIER)
        for (value,) in told(school, f"SELECT DISTINCT {column} FROM core.{table} WHERE {column} IS NOT NULL")
    }
    assert len(real) > 300
    assert real & cells <= {"J"}  # there are no more than 26 initials
    words = {word for value in real for word in re.findall(r"[\w@.-]{6,}", value)} - {"school"}
    assert [word for word in sorted(words) if word.casefold() in text] == []
    assert "springfield" not in text


def test_loaded_elsewhere_it_has_the_shape_of_core(school: str, empty_database: str, tmp_path: Path) -> None:
    """PostgreSQL takes it with all its foreign keys; rows, shares of null, lengths, distinct identifiers and whatever
    is kept agree, column by column.
    """
    done = copied(school, tmp_path)
    load(empty_database, done.folder)
    assert dict(done.rows) == {name: told(school, f"SELECT count(*) FROM core.{name}")[0][0] for name in ENTITIES}
    counted = "count(*), count({0}), count(DISTINCT {0})"
    shape = {
        Treatment.ID: counted,
        Treatment.IDENTIFIER: counted + ", count(*) FILTER (WHERE {0} LIKE '%@%')",
        Treatment.NAME: "count(*), count({0}), array_agg(length({0}) ORDER BY length({0}))",
        Treatment.HOUR: "count(*), count({0}), array_agg(date_trunc('hour', {0}) ORDER BY {0})",
        Treatment.KEPT: "count(*), array_agg({0}::text ORDER BY {0}::text)",
    }
    for kind, wanted in shape.items():
        for table, column in columns(kind):
            statement = f"SELECT {wanted.format(column)} FROM core.{table}"
            assert told(empty_database, statement) == told(school, statement), (table, column)
    new = "INSERT INTO core.terms (title, status) VALUES ('next', 'active') RETURNING id"
    assert told(empty_database, new) == [(2,)]


def test_rows_still_belong_together(school: str, empty_database: str, tmp_path: Path) -> None:
    """A grade is still of a student of the section, what two tables agreed on they agree on, and a tree is a tree; only
    numbers are others.
    """
    load(empty_database, copied(school, tmp_path).folder)
    joined = (
        "SELECT s.grades, s.status, length(s.family_name), g.score, e.start_date, length(g.comment)"
        " FROM core.students s"
        " JOIN core.grades g ON g.student_id = s.id JOIN core.enrollments e ON (e.student_id, e.section_id) ="
        " (s.id, g.section_id) JOIN core.sections c ON c.id = g.section_id ORDER BY g.score"
    )
    assert told(empty_database, joined) == told(school, joined)
    same = "SELECT count(*) FROM core.students s JOIN core.instructors i ON split_part(i.email, '@', 1) = s.username"
    mail = "SELECT count(*) FROM core.students s JOIN core.instructors i ON i.email = s.email"
    assert [told(school, one) for one in (mail, same)] == [[(1,)], [(1,)]]
    assert told(empty_database, mail) == [(1,)]
    tree = (
        "SELECT c.organization_type, p.parent_id FROM core.organizations c"
        " JOIN core.organizations p ON p.id = c.parent_id"
    )
    assert told(empty_database, tree) == told(school, tree)
    order = (
        "SELECT string_agg(grades || score, ',' ORDER BY s.id) FROM core.students s"
        " JOIN core.grades ON student_id = s.id"
    )
    assert told(empty_database, order) != told(school, order)


def test_two_copies_cannot_be_joined(school: str, tmp_path: Path) -> None:
    """Each has a key of its own, of which nothing is kept: they agree in no identifier."""
    found = []
    for name in ("one", "other"):
        file = (copied(school, tmp_path / name).folder / "students.csv").read_text(encoding="utf-8")
        found.append({row["student_number"] for row in csv.DictReader(io.StringIO(file))})
    assert len(found[0] & found[1]) < 3  # five digits are few; by chance


def test_a_folder_that_holds_something_is_left_alone(school: str, tmp_path: Path) -> None:
    """Nothing is overwritten, and nothing mixed; who wrote a copy is in the audit log."""
    copied(school, tmp_path)
    with pytest.raises(ConfigurationError, match="is not empty"):
        copied(school, tmp_path)
    [(who, detail)] = told(school, "SELECT who, detail FROM connector.integration_audit_logs")
    assert (who, detail["rows"]["students"]) == ("ann", 60)


def test_every_column_of_text_is_kept_by_name_or_replaced() -> None:
    """What is kept is a list of words; a column that nobody listed is replaced."""
    kept_text = {column for _, column in columns(Treatment.KEPT)} - {"notes"}
    replaced = {column for _, column in columns(Treatment.NAME, Treatment.IDENTIFIER)}
    assert {"given_name", "family_name", "email", "phone", "username", "student_number", "notes", "comment"} <= replaced
    assert kept_text.isdisjoint(replaced - {"title"})
