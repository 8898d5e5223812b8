"""A student of a district on real HTTP is erased: no page, table or sync knows them, all others are as they were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from connector_pipelines.database.connection import connect
from connector_pipelines.model import Mode
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.erasing import erase
from connector_pipelines.sync.subjects import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.connectors.oneroster.simulator import Simulator
    from connector_pipelines.model import Source
    from connector_pipelines_tests.whole_way.conftest import Place


def everything(place: Place) -> Iterator[str]:
    """Every row of every table of ours as text, and every landed file."""
    tables = place.rows(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace IN ('core'::regnamespace, 'connector'::regnamespace, 'staging'::regnamespace)"
    )
    for (table,) in tables:
        yield from (str(row) for (row,) in place.rows(f"SELECT t::text FROM {table} t"))
    for path in Path(place.landing.root).rglob("*.*"):
        body = path.read_bytes()
        yield (
            pa.CompressedInputStream(pa.BufferReader(body), "zstd").read() if path.suffix == ".zst" else body
        ).decode()


def others(place: Place, row: int) -> list[Any]:
    """Everybody else in core."""
    return [
        place.rows("SELECT md5(string_agg(c::text, '|' ORDER BY id)) FROM core.students c WHERE id <> %s", row),
        place.rows(
            "SELECT md5(string_agg(c::text, '|' ORDER BY id)) FROM core.enrollments c WHERE student_id <> %s", row
        ),
        place.rows("SELECT md5(string_agg(c::text, '|' ORDER BY id)) FROM core.sections c"),
    ]


def synced(place: Place, source: Source, mode: Mode) -> dict[str, int]:
    """How many records of each entity a sync skipped; its books are balanced, and nothing is gone or refused by it."""
    counts = {entity: done.plan.counts for entity, done in place.sync(source, mode=mode).items()}
    assert all(one.accounted_for for one in counts.values())
    assert {(one.absent, one.dropped, one.waiting) for one in counts.values()} == {(0, 0, 0)}
    return {entity: one.skipped for entity, one in counts.items()}


def test_a_student_is_erased_from_a_district(place: Place, simulator: Simulator) -> None:
    """Of the ids, the address and the number of a student with enrollments nothing is left anywhere; full syncs and one
    of changes skip their records, and core is for all others what it was.
    """
    source = place.source(simulator)
    place.sync(source)
    skipped = synced(place, source, Mode.FULL)
    [(row, *words)] = place.rows(
        "SELECT c.id, c.external_id, c.email, c.username, c.student_number FROM core.synced_students c"
        " JOIN core.enrollments e ON e.student_id = c.id"
        " WHERE num_nulls(c.email, c.username, c.student_number) = 0"
        " GROUP BY 1, 2, 3, 4, 5 ORDER BY count(*) DESC LIMIT 1"
    )
    [(enrollments,)] = place.rows("SELECT count(*) FROM core.enrollments WHERE student_id = %s", row)
    assert enrollments > 0

    def hits() -> list[str]:
        return [word for word in words for text in everything(place) if word in text]

    assert set(hits()) == set(words)
    untouched = others(place, row)
    with connect(place.url) as connection:
        context = Context(connection, place.landing, url=place.url)
        erase(context, Subject("students", row), {"district": source}, who="ann", why="asked", apply=True)
    assert hits() == []
    for mode in (Mode.FULL, Mode.INCREMENTAL, Mode.FULL):
        now = synced(place, source, mode)
        if mode is Mode.FULL:
            assert now["students"] == skipped["students"] + 1
            assert now["enrollments"] == skipped["enrollments"] + enrollments
        assert hits() == []
        assert others(place, row) == untouched
