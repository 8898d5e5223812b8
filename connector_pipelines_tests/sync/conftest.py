"""A source whose pages lie in memory: the engine's tests say what it sends and look at what became of it."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pandas as pd
import pandera.pandas as pa
import pytest
from psycopg import sql
from pydantic import BaseModel

from connector_pipelines.core.entities import entity
from connector_pipelines.database.connection import comma, connect
from connector_pipelines.external.landing import Landing
from connector_pipelines.model import Connector, Health, Mode, Source, Stream, Window
from connector_pipelines.pages import Page, Reading, Stability, Together
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.sync.applying import apply
from connector_pipelines.sync.context import Context, silent
from connector_pipelines.sync.planning import plan
from connector_pipelines.sync.pull import pull
from connector_pipelines.sync.whole import Outcome, sync
from connector_pipelines_tests.kept import kept
from connector_pipelines_tests.mortal import Mortal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from connector_pipelines.model import Plan, Read, Receipt, Report

Record = dict[str, Any]
Row = tuple[Any, ...]


class NoSettings(BaseModel):
    """The toy source needs none."""


def _split(body: bytes) -> list[bytes]:
    return [json.dumps(record).encode() for record in json.loads(body)]


def _pages(name: str, sends: list[list[Record] | Exception], window: Window) -> Iterator[Page]:
    """What is in `sends` at the moment each page is read; an exception there ends the read."""
    for number, page in enumerate(sends, 1):
        if isinstance(page, Exception):
            raise page
        body = json.dumps([record for record in page if _within(record, window)]).encode()
        yield Page(number, f"toy://{name}", 200, body, _split(body))


def _within(record: Record, window: Window) -> bool:
    if window.since is None or "modified" not in record:
        return True
    return datetime.fromisoformat(record["modified"]) >= window.since


def _stream(
    name: str,
    sends: dict[str, list[list[Record] | Exception]],
    decoded: list[bytes],
    held_still: Callable[[], Stability | None],
) -> Stream:
    core = entity(name)
    fields = [c.name for c in core.columns] + [r.name for r in core.references]
    dates = [c.name for c in core.columns if c.kind == "DATE"]
    booleans = [c.name for c in core.columns if c.kind == "BOOLEAN"]
    wire = ["id", "modified", "deleted", *fields]
    required = {"id": pa.Column("str", pa.Check.str_length(1, 255, error="must have 1 to 255 characters"))}
    others = {n: pa.Column(object if n in {"deleted", *booleans} else "str", nullable=True) for n in wire[1:]}
    schema = pa.DataFrameSchema(required | others)

    def transform(frame: pd.DataFrame) -> pd.DataFrame:
        out = frame[fields].copy()
        for column in dates:
            out[column] = pd.to_datetime(out[column]).dt.date
        for column in booleans:
            out[column] = out[column].astype("boolean")
        out["external_id"] = frame["id"]
        out["modified_at"] = pd.to_datetime(frame["modified"], utc=True, format="ISO8601")
        out["deleted"] = frame["deleted"].fillna(value=False).astype(bool)
        out["skip"] = pd.Series([None] * len(frame), dtype=object)
        return out

    def decode(raw: bytes) -> Record:
        decoded.append(raw)
        return defaultdict(lambda: None, json.loads(raw))

    return Stream(
        entity=name,
        read=lambda _, window: Reading(_pages(name, sends.get(name, []), window), snapshot=True, stability=held_still),
        split=_split,
        decode=decode,
        columns={n: itemgetter(n) for n in wire},
        schema=lambda: schema,
        transform=transform,
    )


@dataclass
class Toy(Mortal):
    """A source to play with: put pages of records into `sends`, then `sync`, or take the steps one by one.

    `decoded` are the raw records that were looked at; `stability` is what its reads say of themselves; `beside` allows
    a second connection; `together` says of an entity which of its records belong together.
    """

    url: str
    landing: Landing
    name: str = "toy"
    chunk_rows: int = 20_000
    stability: Stability | None = None
    beside: bool = False
    policy: SyncPolicy = field(default_factory=SyncPolicy)
    report: Report = silent
    sends: dict[str, list[list[Record] | Exception]] = field(default_factory=dict)
    decoded: list[bytes] = field(default_factory=list)
    entities: tuple[str, ...] = ("organizations", "students", "sections", "enrollments")
    together: dict[str, Together] = field(default_factory=dict)

    @property
    def source(self) -> Source:
        """This toy as a declared source."""
        streams = [
            replace(_stream(name, self.sends, self.decoded, lambda: self.stability), together=self.together.get(name))
            for name in self.entities
        ]
        connector = Connector(
            name="toy",
            title="Toy",
            config=NoSettings,
            open=lambda _: nullcontext(None),
            streams=lambda _: streams,
            check=lambda _: Health(ok=True, detail="here", latency_seconds=0.0),
        )
        return Source(self.name, connector, NoSettings(), self.policy)

    def may(self, **policy: Any) -> None:
        """Say what this toy may do to core, as in YAML: `guard={"limits": {"floor": 1}}`."""
        self.policy = SyncPolicy.model_validate(self.policy.model_dump(exclude_unset=True) | policy)

    def twin(self, name: str) -> Toy:
        """Another source on the same database, which sends nothing yet."""
        return replace(self, name=name, sends={}, decoded=[])

    @contextmanager
    def open(self) -> Iterator[Context]:
        """A context of its own, as every run has."""
        with connect(self.url) as connection:
            yield Context(
                connection,
                self.landing,
                report=self.report,
                chunk_rows=self.chunk_rows,
                url=self.url if self.beside else None,
            )

    def sync(self, *entities: str, mode: Mode = Mode.FULL, span: Window | None = None) -> dict[str, Outcome]:
        """Sync and return the outcome per entity."""
        with self.open() as context:
            done = sync(context, self.source, mode=mode, span=span, entities=entities or None)
            return {outcome.entity: outcome for outcome in done}

    def dry_run(self, *entities: str, mode: Mode = Mode.FULL) -> dict[str, Outcome]:
        """Look at what a sync would do."""
        with self.open() as context:
            done = sync(context, self.source, mode=mode, entities=entities or None, dry_run=True)
            return {outcome.entity: outcome for outcome in done}

    def pull(self, entity: str, *, mode: Mode = Mode.FULL, span: Window | None = None) -> Read:
        """Only read."""
        with self.open() as context:
            return pull(context, self.source, entity, mode=mode, span=span)

    def prepare(self, entity: str, *, mode: Mode = Mode.FULL, span: Window | None = None) -> Plan:
        """Read and plan, as a dry run does."""
        self.pull(entity, mode=mode, span=span)
        return self.plan(entity)

    def plan(self, entity: str) -> Plan:
        """Plan what was read; the newest plan."""
        with self.open() as context:
            return plan(context, self.source, entity)[-1]

    def apply(self, entity: str) -> list[Receipt]:
        """Apply what is accepted."""
        with self.open() as context:
            return apply(context, entity, {self.name: self.source}, only=self.name)

    def core(self, table: str, *columns: str) -> list[Row]:
        """Columns of the synced view of a core table, by external id."""
        with kept(self.url) as connection:
            return connection.execute(
                sql.SQL('SELECT {} FROM {} WHERE external_system_id = %s ORDER BY external_id COLLATE "C"').format(
                    comma([sql.Identifier(name) for name in columns]), sql.Identifier("core", f"synced_{table}")
                ),
                [self.name],
            ).fetchall()

    def mappings(self, entity: str, *columns: str) -> list[Row]:
        """Columns of the mappings of an entity, by external id."""
        return self.rows(
            sql.SQL(
                "SELECT {} FROM connector.external_system_mappings WHERE connector_id = %s AND entity_type = %s"
                ' ORDER BY external_id COLLATE "C"'
            ).format(comma([sql.Identifier(name) for name in columns])),
            self.name,
            entity,
        )

    def letters(self, *columns: str) -> list[Row]:
        """Columns of this source's dead letters, in the order they were written."""
        names = comma([sql.Identifier(name) for name in columns])
        return self.rows(
            sql.SQL("SELECT {} FROM connector.dead_letters WHERE source = %s ORDER BY id").format(names), self.name
        )

    def reset(self) -> None:
        """Empty the database between the examples of a property test."""
        self.sends.clear()
        tables = (
            *("core.organizations", "core.students", "core.sections", "core.courses", "core.terms", "core.enrollments"),
            *("connector.external_system_mappings", "connector.sync_runs", "connector.sync_plans"),
            *("connector.sync_changes", "connector.sync_receipts", "connector.sync_cursors", "connector.dead_letters"),
            *("connector.core_edits", "connector.conflicts"),
        )
        # In any order, and without truncating: new files for so many tables cost more than deleting a few rows.
        self.execute("SET session_replication_role = replica", *(f"DELETE FROM {table}" for table in tables))


@pytest.fixture
def toy(database: str, tmp_path: Path) -> Toy:
    """A toy source on this test's own database."""
    return Toy(database, Landing(str(tmp_path / "landing")))


class Records:
    """Makes records as the toy source sends them."""

    def student(self, number: object, **changes: object) -> Record:
        """A student `s<number>`."""
        return {"id": f"s{number}", "given_name": f"Given{number}", "family_name": "Toy", "status": "active"} | changes

    def organization(self, number: object, **changes: object) -> Record:
        """An organization `o<number>`, at the top unless `parent` names another."""
        return {"id": f"o{number}", "name": f"School {number}", "status": "active"} | changes

    def section(self, number: object, **changes: object) -> Record:
        """A section `c<number>`."""
        return {"id": f"c{number}", "title": f"Class {number}", "status": "active"} | changes

    def enrollment(self, number: object, student: str | None, section: str | None, **changes: object) -> Record:
        """An enrollment `e<number>`."""
        return {"id": f"e{number}", "student": student, "section": section, "status": "enrolled"} | changes


@pytest.fixture
def make() -> Records:
    """The maker of records."""
    return Records()
