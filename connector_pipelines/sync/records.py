"""The durable records of runs and plans: written as things happen, read back by whoever goes on."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from psycopg.rows import dict_row

from connector_pipelines.database import dead_letters, staging
from connector_pipelines.database.connection import Connection, scalar
from connector_pipelines.database.tables import read_tables
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external import redact
from connector_pipelines.model import Counts, Plan, PlanState, Read, RunKind, Window
from connector_pipelines.outward import is_export
from connector_pipelines.pages import Baseline, Stability

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from connector_pipelines.errors import SyncError


def start_run(
    connection: Connection,
    source: str,
    entity: str,
    window: Window,
    *,
    launched_by: str,
    kind: RunKind = RunKind.READ,
) -> Read:
    """Record that a read begins; runs of the same source and entity that were cut off are closed as failed."""
    cut_off = connection.execute(
        "UPDATE connector.sync_runs SET state = 'failed', finished_at = now(), error_category = 'UNKNOWN',"
        " error = 'the run ended before its read did' WHERE source = %s AND entity = %s AND state = 'reading'"
        " RETURNING id",
        [source, entity],
    ).fetchall()
    staging.drop(connection, *(table for (run_id,) in cut_off for table in read_tables(cast("int", run_id))))
    row = connection.execute(
        "INSERT INTO connector.sync_runs (source, entity, kind, launched_by, since, until, ids)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id, started_at",
        [source, entity, kind, launched_by, window.since, window.until, list(window.ids) or None],
    ).fetchone()
    run_id, started_at = cast("tuple[int, datetime]", row)
    read = Read(run_id, source, entity, window, started_at, kind=kind)
    dead_letters.create(connection, read)
    return read


def finish_run(connection: Connection, read: Read, skipped: Mapping[str, int]) -> None:
    """Record that the source was read to its end."""
    connection.execute(
        "UPDATE connector.sync_runs SET state = 'read', finished_at = coalesce(finished_at, now()), pages = %s,"
        " rows = %s, staged = %s, known = %s, rejected = %s, skipped = %s, complete = %s, snapshot = %s, salt = %s,"
        " baseline = %s, stability = %s, reached = %s WHERE id = %s",
        [
            read.pages,
            read.rows,
            read.staged,
            read.known,
            read.rejected,
            json.dumps(dict(skipped)),
            read.complete,
            read.snapshot,
            read.salt,
            json.dumps(asdict(read.baseline)) if read.baseline else None,
            read.stability,
            read.reached,
            read.id,
        ],
    )


def fail_run(connection: Connection, read: Read, error: SyncError) -> None:
    """Record why a read ended early. Nothing it saw will be planned."""
    connection.execute(
        "UPDATE connector.sync_runs SET state = 'failed', finished_at = now(), error_category = %s, error = %s"
        " WHERE id = %s",
        [error.category, redact.text(str(error)), read.id],
    )
    staging.drop(connection, *read_tables(read.id))


def approve_read(connection: Connection, read: Read) -> None:
    """Make a read that only looked one that counts: what it refused becomes known to all."""
    dead_letters.publish(connection, read)
    kind = RunKind.EXPORT if is_export(read.entity) else RunKind.READ
    connection.execute("UPDATE connector.sync_runs SET kind = %s WHERE id = %s", [kind, read.id])


def load_read(connection: Connection, run_id: int) -> Read:
    """A read by its id."""
    row = _one(connection, "SELECT * FROM connector.sync_runs WHERE id = %s", [run_id])
    return Read(
        id=row["id"],
        source=row["source"],
        entity=row["entity"],
        window=Window(row["since"], row["until"], ids=tuple(row["ids"] or ())),
        started_at=row["started_at"],
        pages=row["pages"],
        rows=row["rows"],
        staged=row["staged"],
        known=row["known"],
        rejected=row["rejected"],
        complete=row["complete"],
        snapshot=row["snapshot"],
        stability=Stability(row["stability"]) if row["stability"] else None,
        reached=row["reached"],
        salt=row["salt"],
        baseline=Baseline(**row["baseline"]) if row["baseline"] else None,
        kind=RunKind(row["kind"]),
        replays=row["replays"],
        undoes=tuple(row["undoes"] or ()),
    )


def unplanned_reads(connection: Connection, source: str, entity: str) -> list[Read]:
    """Complete reads that have no plan yet, those that only look included, oldest first."""
    rows = connection.execute(
        "SELECT r.id FROM connector.sync_runs r WHERE r.source = %s AND r.entity = %s AND r.state = 'read'"
        " AND r.kind IN ('read', 'dry_run')"
        " AND NOT EXISTS (SELECT FROM connector.sync_plans p WHERE p.run_id = r.id) ORDER BY r.id",
        [source, entity],
    ).fetchall()
    return [load_read(connection, cast("int", run_id)) for (run_id,) in rows]


def load_plan(connection: Connection, plan_id: int) -> Plan:
    """A plan by its id."""
    row = _one(connection, "SELECT * FROM connector.sync_plans WHERE id = %s", [plan_id])
    return Plan(
        id=row["id"],
        source=row["source"],
        entity=row["entity"],
        read_id=row["run_id"],
        state=PlanState(row["state"]),
        hash=row["hash"],
        counts=Counts(**row["counts"]),
        chunks=row["chunks"],
        applied_chunks=row["applied_chunks"],
        reasons=tuple(row["reasons"]),
    )


def chunk_rows_of(connection: Connection, plan: Plan) -> int:
    """The chunk size a plan was cut with; it stays when the setting changes in between."""
    return cast("int", scalar(connection, "SELECT chunk_rows FROM connector.sync_plans WHERE id = %s", plan.id))


def accepted_plans(connection: Connection, entity: str, source: str | None = None) -> list[Plan]:
    """Plans that may be applied to a core table, those of the oldest reads first, however often they were remade."""
    rows = connection.execute(
        "SELECT id FROM connector.sync_plans WHERE entity = %s AND state = 'accepted'"
        " AND (%s::text IS NULL OR source = %s) ORDER BY run_id, id",
        [entity, source, source],
    ).fetchall()
    return [load_plan(connection, cast("int", plan_id)) for (plan_id,) in rows]


def accepted_imports(connection: Connection, entity: str, source: str | None = None) -> list[Plan]:
    """Those of them whose records were asked for by their ids, because children named them."""
    return [
        plan
        for plan in accepted_plans(connection, entity, source)
        if scalar(connection, "SELECT ids IS NOT NULL FROM connector.sync_runs WHERE id = %s", plan.read_id)
    ]


def plan_of(connection: Connection, read_id: int) -> Plan:
    """The newest plan of a read."""
    newest = "SELECT id FROM connector.sync_plans WHERE run_id = %s ORDER BY id DESC LIMIT 1"
    return load_plan(connection, cast("int", scalar(connection, newest, read_id)))


def overtaken(connection: Connection, plan: Plan) -> bool:
    """Whether another plan of the same source and entity was applied since this one was made.

    Then what looked unchanged to this plan may have changed: it must be made anew.
    """
    return bool(
        scalar(
            connection,
            "SELECT EXISTS (SELECT FROM connector.sync_plans p JOIN connector.sync_plans o USING (source, entity)"
            " WHERE p.id = %s AND o.id <> p.id AND o.applied_at > p.created_at)",
            plan.id,
        )
    )


def later_read_applied(connection: Connection, plan: Plan) -> bool:
    """Whether core already holds what a later read of the same source and entity found.

    An undo says nothing about the source, and so no read makes it old.
    """
    return bool(
        scalar(
            connection,
            "SELECT EXISTS (SELECT FROM connector.sync_plans p JOIN connector.sync_runs later ON later.id = p.run_id"
            " JOIN connector.sync_runs r ON r.id = %s"
            " WHERE p.source = r.source AND p.entity = r.entity AND p.state = 'applied' AND later.kind = 'read'"
            " AND r.kind <> 'undo'"
            " AND coalesce(later.replays, later.id) > coalesce(r.replays, r.id))",
            plan.read_id,
        )
    )


def approved_by(connection: Connection, plan: Plan) -> str | None:
    """Who approved an accepted plan; None for one that the guard let pass, or that waits."""
    who = "SELECT decided_by FROM connector.sync_plans WHERE id = %s AND state = 'accepted'"
    return cast("str | None", scalar(connection, who, plan.id))


def hold_plan(connection: Connection, plan: Plan, reason: str) -> None:
    """Let a plan wait for a person."""
    connection.execute(
        "UPDATE connector.sync_plans SET state = 'held', reasons = to_jsonb(%s::text) || reasons WHERE id = %s",
        [reason, plan.id],
    )


def move_plan(connection: Connection, plan: Plan, to: PlanState, *, by: str) -> bool:
    """Put a plan into another state and note who did it; False where it is not in the state any more that is known."""
    moved = connection.execute(
        "UPDATE connector.sync_plans SET state = %s, decided_at = now(), decided_by = %s,"
        " applied_at = CASE WHEN %s = 'applied' THEN now() END WHERE id = %s AND state = %s",
        [to, by, to, plan.id, plan.state],
    )
    return moved.rowcount == 1


def demand_reason(why: str, refused: str) -> None:
    """Whoever decides says why: a log of decisions without their reasons answers nobody's question.

    Raises:
        ConfigurationError: there is no reason; the message begins with what was refused.
    """
    if not why.strip():
        raise ConfigurationError(f"{refused} without a reason.", remedy="Say why, for the audit log.")


def audit(connection: Connection, action: str, *, who: str, source: str, entity: str, **detail: object) -> None:
    """Append to the audit log; the database refuses any later change to it."""
    connection.execute(
        "INSERT INTO connector.integration_audit_logs (who, action, source, entity, detail)"
        " VALUES (%s, %s, %s, %s, %s)",
        [who, action, source, entity, json.dumps(detail, default=str)],
    )


def _one(connection: Connection, statement: Any, values: list[object]) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement, values).fetchone()
    if row is None:
        message = f"no such record: {values}"
        raise LookupError(message)
    return row
