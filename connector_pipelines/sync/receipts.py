"""Receipts: the proof of each applied plan, written once and signed into the record of its run (S3).

The database refuses any later change of a receipt. Who gets past that still leaves a trace: the digest of what was
written stands in the run's record, and with what the run materialized in Dagster.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from psycopg.rows import dict_row

from connector_pipelines.model import Counts, Receipt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from connector_pipelines.database.connection import Connection

_SHORTEST = 8


class Seal(StrEnum):
    """Whether a receipt is what was written."""

    INTACT = "as it was written"
    UNSIGNED = "not signed: written before receipts were"
    CHANGED = "changed since it was written"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Kept:
    """A receipt as it stands in the database.

    Attributes:
        plan, hash: what was applied.
        run: the number of the sync run that read it.
        applied_by: who or what applied it, such as "dagster run …".
        signed: the digest in the run's record; None where it has none.
        found: the digest of what stands there now; None where nothing does.
        receipt: None where it is gone.
    """

    plan: int
    hash: str
    source: str
    entity: str
    run: int
    applied_by: str
    at: datetime
    signed: str | None
    found: str | None
    receipt: Receipt | None

    @property
    def seal(self) -> Seal:
        """Whether it is what was written."""
        if self.found is None:
            return Seal.GONE
        if self.signed is None:
            return Seal.UNSIGNED
        return Seal.INTACT if self.found == self.signed else Seal.CHANGED


def identity(counts: Counts) -> str:
    """The accounting identity in numbers: 10 fetched + 0 retried = 9 created + 0 updated + …. Pure."""
    came = f"{counts.fetched:,} fetched + {counts.retried:,} retried"
    outcomes = ("created", "updated", "unchanged", "skipped", "conflicts", "dead_lettered")
    became = " + ".join(f"{getattr(counts, name):,} {name.replace('_', '-')}" for name in outcomes)
    return f"{came} {'=' if counts.accounted_for else '≠'} {became}"


def write_receipt(connection: Connection, receipt: Receipt) -> Receipt:
    """Keep the proof of an applied plan and sign it into the record of its run, in the caller's transaction.

    Returns:
        the receipt with its digest.
    """
    row = connection.execute(
        "WITH written AS (INSERT INTO connector.sync_receipts (plan_id, source, entity, counts, planned_checksum,"
        " core_checksum, differences, verified, seconds) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " RETURNING plan_id, created_at)"
        " SELECT p.hash, p.run_id, w.created_at FROM written w JOIN connector.sync_plans p ON p.id = w.plan_id",
        [
            receipt.plan_id,
            receipt.source,
            receipt.entity,
            json.dumps(asdict(receipt.counts)),
            receipt.planned_checksum,
            receipt.core_checksum,
            json.dumps(receipt.differences),
            receipt.verified,
            receipt.seconds,
        ],
    ).fetchone()
    plan_hash, run, created = cast("tuple[str, int, datetime]", row)
    signed = digest(asdict(receipt) | {"verified": receipt.verified, "hash": plan_hash, "run": run, "at": created})
    connection.execute("UPDATE connector.sync_runs SET receipt = %s WHERE id = %s", [signed, run])
    return replace(receipt, digest=signed)


_SIGNED = (
    *("plan_id", "source", "entity", "counts", "planned_checksum", "core_checksum", "differences", "verified"),
    *("seconds", "hash", "run", "at"),
)


def digest(said: Mapping[str, Any]) -> str:
    """SHA-256 of all that a receipt says, with the plan's hash, the run, and when it was written. Pure."""
    told = {name: said[name] for name in _SIGNED} | {"at": said["at"].timestamp()}
    for name in ("planned_checksum", "core_checksum"):
        told[name] = str(int(told[name]))  # numeric, as PostgreSQL has it
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def kept(connection: Connection, source: str, what: str = "") -> list[Kept]:
    """The receipts of a source, in the order in which they were written.

    Args:
        connection: any.
        source: whose.
        what: the hash of an applied plan, or its first 8 characters; the id of a run in Dagster; or the number of a
            read. Nothing: the newest of each entity.
    """
    statement = f"{_ALL}{_MEANT}" if what else f"{_ALL}{_NEWEST}"
    with connection.cursor(row_factory=dict_row) as cursor:
        values = {"source": source, "what": what, "shortest": _SHORTEST}
        return [_read(row) for row in cursor.execute(statement, values).fetchall()]


def without(connection: Connection, sources: Sequence[str], names: Sequence[str], instead: str) -> list[dict[str, Any]]:
    """Receipts that name one of these records, as they shall be once it is not named any more (M64).

    Returns:
        for each its plan, its run, its differences, the digest it `was` signed with, and the new one.
    """
    found = []
    with connection.cursor(row_factory=dict_row) as cursor:
        for source in sources:
            values = {"source": source, "names": list(names)}
            for row in cursor.execute(f"{_ALL} AND t.differences ?| %(names)s", values).fetchall():
                told = [instead if one in names else one for one in row["differences"]]
                new = {"plan_id": row["plan_id"], "run": row["run"], "differences": told, "was": row["signed"]}
                found.append(new | {"digest": digest(row | {"differences": told}) if row["signed"] else None})
    return found


def _read(row: dict[str, Any]) -> Kept:
    there = row["seconds"] is not None
    return Kept(
        plan=row["plan_id"],
        hash=row["hash"],
        source=row["source"],
        entity=row["entity"],
        run=row["run"],
        applied_by=row["applied_by"],
        at=row["at"] or row["applied_at"],
        signed=row["signed"],
        found=digest(row) if there else None,
        receipt=_receipt(row) if there else None,
    )


def _receipt(row: dict[str, Any]) -> Receipt:
    return Receipt(
        plan_id=row["plan_id"],
        source=row["source"],
        entity=row["entity"],
        counts=Counts(**row["counts"]),
        planned_checksum=int(row["planned_checksum"]),
        core_checksum=int(row["core_checksum"]),
        differences=tuple(row["differences"]),
        seconds=row["seconds"],
        digest=row["signed"] or "",
    )


_ALL = """
    SELECT p.id AS plan_id, p.hash, p.source, p.entity, p.run_id AS run, p.decided_by AS applied_by, p.applied_at,
        r.receipt AS signed, t.counts, t.planned_checksum, t.core_checksum, t.differences, t.verified, t.seconds,
        t.created_at AS at
    FROM connector.sync_plans p JOIN connector.sync_runs r ON r.id = p.run_id
    LEFT JOIN connector.sync_receipts t ON t.plan_id = p.id
    WHERE p.source = %(source)s AND p.state = 'applied'
"""
_NEWEST = """
    AND p.id IN (SELECT DISTINCT ON (n.entity) n.id FROM connector.sync_plans n
        WHERE n.source = %(source)s AND n.state = 'applied' ORDER BY n.entity, n.applied_at DESC, n.id DESC)
    ORDER BY p.applied_at, p.id
"""
_MEANT = """
    AND (length(%(what)s) >= %(shortest)s AND starts_with(p.hash, %(what)s)
        OR %(what)s IN (p.run_id::text, substr(r.launched_by, 13), substr(p.decided_by, 13)))
    ORDER BY p.applied_at, p.id
"""
