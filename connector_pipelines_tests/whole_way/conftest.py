"""A district on real HTTP, a database of its own, and the truth: what core must hold, worked out from the simulator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import stamina
from psycopg import sql

from connector_pipelines.connectors.oneroster import CONNECTOR
from connector_pipelines.connectors.oneroster.config import OneRosterConfig
from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.database.connection import connect
from connector_pipelines.external.landing import Landing
from connector_pipelines.model import Mode, Source
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.whole import Outcome, sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

Record = dict[str, Any]
Rows = dict[str, Record]


@dataclass
class Place:
    """A database, a landing folder, and whatever sources a test declares on them."""

    url: str
    landing: Landing

    def source(self, simulator: Simulator, name: str = "district", **more: Any) -> Source:
        """A source that reads a simulator in pages of 50."""
        auth = {
            "type": "oauth2",
            "token_url": simulator.token_url,
            "client_id": "env:WHOLE_ID",
            "client_secret": "env:WHOLE_SECRET",
        }
        config = {"base_url": simulator.url, "auth": auth, "page_size": 50} | more
        return Source(name, CONNECTOR, OneRosterConfig.model_validate(config))

    def zip(self, path: Path, name: str = "district") -> Source:
        """A source that reads a zip of CSV files."""
        return Source(name, CONNECTOR, OneRosterConfig(version="csv", path=str(path)))

    def sync(self, source: Source, *entities: str, mode: Mode = Mode.FULL) -> dict[str, Outcome]:
        """Sync as the command line does, and return the outcome per entity."""
        with connect(self.url) as connection:
            context = Context(connection, self.landing, url=self.url)
            return {done.entity: done for done in sync(context, source, mode=mode, entities=entities or None)}

    def core(self, entity: str, source: str = "district", *, absent: bool = False) -> Rows:
        """What core holds of a source: the fed columns and, for references, their targets' external ids."""
        known = ENTITIES[entity]
        columns = [sql.SQL("c.{}").format(sql.Identifier(column.name)) for column in known.columns]
        target = sql.SQL(
            "(SELECT t.external_id FROM connector.external_system_mappings t WHERE t.connector_id = m.connector_id"
            " AND t.entity_type = {} AND t.internal_id = c.{}) AS {}"
        )
        targets = [target.format(r.entity, sql.Identifier(r.column), sql.Identifier(r.name)) for r in known.references]
        query = sql.SQL(
            "SELECT m.external_id, {} FROM core.{} c JOIN connector.external_system_mappings m"
            " ON m.internal_id = c.id AND m.entity_type = {} WHERE m.connector_id = {}"
            " AND (m.absent_since IS NULL) = {}"
        ).format(sql.SQL(", ").join([*columns, *targets]), sql.Identifier(known.table), entity, source, not absent)
        names = [column.name for column in known.columns] + [reference.name for reference in known.references]
        return {row[0]: dict(zip(names, row[1:], strict=True)) for row in self.rows(query)}

    def differences(self, truth: dict[str, Rows], source: str = "district") -> list[tuple[Any, ...]]:
        """Entity, external id, what core holds and what it should hold, wherever these differ."""
        found = ((entity, self.core(entity, source), rows) for entity, rows in truth.items())
        return [
            (entity, key, core.get(key), rows.get(key))
            for entity, core, rows in found
            for key in sorted(core.keys() | rows.keys())
            if core.get(key) != rows.get(key)
        ]

    def checksum(self) -> list[Any]:
        """Of every core row with all its columns, and of every mapping."""
        tables = [f"core.{entity}" for entity in ENTITIES] + ["connector.external_system_mappings"]
        digest = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"
        return [self.rows(digest.format(table)) for table in tables]

    def set_back(self, moment: datetime) -> None:
        """As if all reads so far had begun then: simulated changes happen in a year of their own."""
        with connect(self.url) as connection:
            connection.execute("UPDATE connector.sync_cursors SET cursor = %s", [moment])

    def letters(self, state: str = "open") -> list[tuple[Any, ...]]:
        """Entity, external id and reason of the dead letters in a state."""
        query = "SELECT entity, external_id, reason FROM connector.dead_letters WHERE state = %s ORDER BY 1, 2, 3"
        return self.rows(query, state)

    def rows(self, statement: Any, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with connect(self.url) as connection:
            return connection.execute(statement, values or None).fetchall()


@pytest.fixture
def place(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """This test's own database and landing folder; nothing waits between tries."""
    monkeypatch.setenv("WHOLE_ID", "simulator")
    monkeypatch.setenv("WHOLE_SECRET", "simulator-secret")
    stamina.set_testing(True)
    yield Place(database, Landing(str(tmp_path / "landing")))
    stamina.set_testing(False)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A small district that behaves, for now."""
    with Simulator(scenario="small", seed=7) as running:
        yield running


def _id(reference: Record | None) -> str | None:
    return reference["sourcedId"] if reference else None


def _list(words: list[str] | None) -> str | None:
    return ",".join(words) if words else None


def _flag(word: str | None) -> bool | None:
    return None if word is None else word == "true"


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _status(record: Record) -> str:
    return "active" if record["status"] == "active" else "inactive"


def _organization(r: Record) -> Record:
    return {
        "name": r["name"],
        "organization_type": r.get("type"),
        "identifier": r.get("identifier"),
        "status": _status(r),
        "parent": _id(r.get("parent")),
    }


def _term(r: Record) -> Record:
    return {
        "title": r["title"],
        "term_type": r["type"],
        "start_date": _day(r["startDate"]),
        "end_date": _day(r["endDate"]),
        "school_year": r["schoolYear"],
        "status": _status(r),
        "parent": _id(r.get("parent")),
    }


def _course(r: Record) -> Record:
    return {
        "title": r["title"],
        "course_code": r.get("courseCode"),
        "grades": _list(r.get("grades")),
        "subjects": _list(r.get("subjects")),
        "status": _status(r),
        "organization": _id(r["org"]),
    }


def _section(r: Record) -> Record:
    return {
        "title": r["title"],
        "section_code": r.get("classCode"),
        "section_type": r.get("classType"),
        "location": r.get("location"),
        "grades": _list(r.get("grades")),
        "subjects": _list(r.get("subjects")),
        "periods": _list(r.get("periods")),
        "status": _status(r),
        "course": _id(r["course"]),
        "organization": _id(r["school"]),
        "term": _id(r["terms"][0]),
    }


def _person(r: Record) -> Record:
    return {
        "given_name": r["givenName"],
        "family_name": r["familyName"],
        "middle_name": r.get("middleName"),
        "preferred_name": r.get("preferredFirstName"),
        "username": r.get("username"),
        "email": r.get("email"),
        "phone": r.get("phone") or r.get("sms"),
        "enabled": _flag(r["enabledUser"]),
        "status": _status(r),
        "organization": _id(r.get("primaryOrg") or r["roles"][0]["org"]),
    }


def _student(r: Record) -> Record:
    return _person(r) | {"student_number": r.get("identifier"), "grades": _list(r.get("grades"))}


def _instructor(r: Record) -> Record:
    return _person(r) | {"staff_number": r.get("identifier")}


def _enrollment(r: Record) -> Record:
    return {
        "status": "enrolled" if r["status"] == "active" else "dropped",
        "start_date": _day(r.get("beginDate")),
        "end_date": _day(r.get("endDate")),
        "student": _id(r["user"]),
        "section": _id(r["class"]),
    }


def _assignment(r: Record) -> Record:
    return {
        "status": _status(r),
        "is_primary": _flag(r.get("primary")),
        "start_date": _day(r.get("beginDate")),
        "end_date": _day(r.get("endDate")),
        "instructor": _id(r["user"]),
        "section": _id(r["class"]),
    }


def _user_is(role: str) -> Callable[[Record], bool]:
    return lambda r: any(held["role"] == role for held in r["roles"])


def _role_is(role: str) -> Callable[[Record], bool]:
    return lambda r: r["role"] == role


FEEDS: dict[str, tuple[str, Callable[[Record], bool], Callable[[Record], Record]]] = {
    "organizations": ("orgs", lambda _: True, _organization),
    "terms": ("academicSessions", lambda _: True, _term),
    "courses": ("courses", lambda _: True, _course),
    "sections": ("classes", lambda _: True, _section),
    "students": ("users", _user_is("student"), _student),
    "instructors": ("users", _user_is("teacher"), _instructor),
    "enrollments": ("enrollments", _role_is("student"), _enrollment),
    "teaching_assignments": ("enrollments", _role_is("teacher"), _assignment),
}


@pytest.fixture
def truth() -> Callable[[Simulator], dict[str, Rows]]:
    """Works out what core must hold, by entity and external id, from the simulator's records and the README's table."""

    def work_out(simulator: Simulator) -> dict[str, Rows]:
        return {
            entity: {r["sourcedId"]: core(r) for r in simulator.expected(collection) if feeds(r)}
            for entity, (collection, feeds, core) in FEEDS.items()
        }

    return work_out
