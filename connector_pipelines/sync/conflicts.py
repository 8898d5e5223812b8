"""Conflicts that wait for a person: what there is, and what becomes of a decision (requirement G65).

A decision goes the way of everything that is written to core: a plan, applied with a receipt. All decisions on one
source and entity are one transaction, so either they stand with their receipt, or nothing happened.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.database.connection import query, scalar
from connector_pipelines.errors import ConfigurationError, MappingFailed, at
from connector_pipelines.mapping.amend import amend
from connector_pipelines.model import PlanState
from connector_pipelines.policy import Take
from connector_pipelines.sync import records
from connector_pipelines.sync.applying import apply_now
from connector_pipelines.sync.locks import hold

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Receipt
    from connector_pipelines.sync.context import Context

SHOWN = 100
"""So many conflicts are listed, unless more are asked for."""

_LABEL = re.compile(r"(\d+)-(\d+)")


@dataclass(frozen=True, slots=True)
class Conflict:
    """An open conflict.

    Attributes:
        label: names the conflict in the form that is shown; another value of either side gives it another label.
        core_value, source_value: as JSON; personal, so nobody shows them unasked.
        edited_at, edited_by: the newest edit of core.
        modified_at: when the source says that the record changed, if it says so.
    """

    label: str
    source: str
    entity: str
    external_id: str
    internal_id: int
    field: str
    core_value: object
    source_value: object
    edited_at: datetime | None
    edited_by: str | None
    modified_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person wants in core, and why.

    Attributes:
        label: the conflict, as it was listed.
        value: with `Take.VALUE`, the value as text, in PostgreSQL's form; None leaves the field empty.
    """

    label: str
    take: Take
    why: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of decisions.

    Attributes:
        receipts: one for each plan that was applied; keeping core's value needs none.
        resolved: how many conflicts are settled.
        refused: for each label that is not, the reason.
    """

    receipts: tuple[Receipt, ...] = ()
    resolved: int = 0
    refused: tuple[tuple[str, str], ...] = ()


def open_conflicts(
    connection: Connection, source: str | None = None, entity: str | None = None, *, limit: int = SHOWN
) -> list[Conflict]:
    """The open conflicts of a source, of an entity, or all; oldest first."""
    with connection.cursor(row_factory=class_row(Conflict)) as cursor:
        return cursor.execute(
            "SELECT id || '-' || version AS label, source, entity, external_id, internal_id, field, core_value,"
            " source_value, edited_at, edited_by, modified_at, reason FROM connector.conflicts WHERE state = 'open'"
            " AND source = coalesce(%(source)s, source) AND entity = coalesce(%(entity)s, entity)"
            " ORDER BY id LIMIT %(limit)s",
            {"source": source, "entity": entity, "limit": limit},
        ).fetchall()


def count_open(connection: Connection, source: str | None, entity: str) -> int:
    """How many conflicts of an entity, of one source or all, wait for a person."""
    count = (
        "SELECT count(*) FROM connector.conflicts"
        " WHERE state = 'open' AND source = coalesce(%s, source) AND entity = %s"
    )
    return cast("int", scalar(connection, count, source, entity))


def resolve(context: Context, decisions: Sequence[Decision], *, who: str) -> Outcome:
    """Carry out decisions on conflicts.

    A decision on a conflict that is settled, or of which either side changed since it was listed, is refused; the
    others are carried out. What a person chose holds until the source says something else than it did; then the rule
    of the field is asked again.

    Args:
        context: the run's surroundings.
        decisions: at most one for each conflict.
        who: decides, for the record and the audit log.

    Raises:
        ConfigurationError: a label is none, a conflict is named twice, a reason is missing, or a value does not fit its
            field.
        MappingFailed: core does not take a value.
        AnotherRunIsActive: a core table that is concerned is being written just now.
    """
    by_id = _by_id(decisions)
    found = context.connection.execute(
        "SELECT source, entity, array_agg(id) FROM connector.conflicts WHERE id = ANY(%s) GROUP BY 1, 2 ORDER BY 1, 2",
        [list(by_id)],
    ).fetchall()
    groups = cast("list[tuple[str, str, list[int]]]", found)
    known = {number for *_, numbers in groups for number in numbers}
    outcome = Outcome(refused=tuple((by_id[n].label, "there is no such conflict") for n in by_id if n not in known))
    for source, entity, numbers in groups:
        with at(source, entity), hold(context.connection, f"core/{entity}"):
            done = _resolve_group(context, source, entity, {number: by_id[number] for number in numbers}, who)
        outcome = Outcome(
            outcome.receipts + done.receipts, outcome.resolved + done.resolved, outcome.refused + done.refused
        )
    return outcome


def _by_id(decisions: Sequence[Decision]) -> dict[int, Decision]:
    found: dict[int, Decision] = {}
    for decision in decisions:
        parts = _LABEL.fullmatch(decision.label)
        if not parts or int(parts[1]) in found:
            raise ConfigurationError(
                f"{decision.label!r} {'is decided twice' if parts else 'names no conflict'}.",
                remedy="Name each conflict once, as it is listed, such as 17-1.",
            )
        records.demand_reason(decision.why, f"conflict {decision.label} is not decided")
        found[int(parts[1])] = decision
    return found


@dataclass(frozen=True, slots=True)
class _Facts:
    """A conflict under its lock, and whether core still holds what it held then."""

    id: int
    label: str
    source: str
    entity: str
    state: str
    external_id: str
    internal_id: int
    field: str
    core_value: object
    source_value: object
    stands: bool


def refusal(decision: Decision, facts: _Facts) -> str | None:
    """Why a decision can't be carried out any more; None when it can. Pure."""
    if facts.state != "open":
        return "it is settled already"
    if facts.label != decision.label:
        return "core or the source changed since it was listed; look at it again"
    if not facts.stands:
        return "core changed since it was listed, or the row is gone; the next sync looks at it again"
    return None


def _resolve_group(context: Context, source: str, entity: str, decisions: dict[int, Decision], who: str) -> Outcome:
    """All decisions on one source's entity, in one transaction."""
    connection = context.connection
    with connection.transaction():
        facts = _locked(connection, entity, list(decisions))
        reasons = {one.id: refusal(decisions[one.id], one) for one in facts}
        settled = [one for one in facts if reasons[one.id] is None]
        receipt = _written(context, source, entity, [(one, decisions[one.id]) for one in settled], who)
        for one in settled:
            _note(connection, one, decisions[one.id], who, receipt)
    refused = [(decisions[number].label, reason) for number, reason in reasons.items() if reason]
    return Outcome((receipt,) if receipt else (), len(settled), tuple(refused))


def _locked(connection: Connection, entity: str, numbers: list[int]) -> list[_Facts]:
    """The conflicts and their core rows, which nobody changes until the transaction ends."""
    connection.execute(
        query(
            "SELECT FROM {core} WHERE id IN (SELECT internal_id FROM connector.conflicts WHERE id = ANY(%s))"
            " ORDER BY id FOR UPDATE",
            core=sql.Identifier("core", entity),
        ),
        [numbers],
    )
    statement = query(
        "SELECT o.id, o.id || '-' || o.version AS label, o.source, o.entity, o.state, o.external_id, o.internal_id,"
        " o.field, o.core_value, o.source_value, coalesce(to_jsonb(c) -> o.field = o.core_value, false) AS stands"
        " FROM connector.conflicts o LEFT JOIN {core} c ON c.id = o.internal_id WHERE o.id = ANY(%s)"
        " ORDER BY o.id FOR UPDATE OF o",
        core=sql.Identifier("core", entity),
    )
    with connection.cursor(row_factory=class_row(_Facts)) as cursor:
        return cursor.execute(statement, [numbers]).fetchall()


def _written(
    context: Context, source: str, entity: str, settled: list[tuple[_Facts, Decision]], who: str
) -> Receipt | None:
    """The receipt of the plan that writes what core does not hold yet; None where it holds all."""
    rows: dict[int, dict[str, object]] = {}
    for facts, decision in settled:
        if decision.take is not Take.CORE:
            chosen = facts.source_value if decision.take is Take.SOURCE else decision.value
            row = rows.setdefault(facts.internal_id, {"external_id": facts.external_id, "changes": {}})
            cast("dict[str, object]", row["changes"])[facts.field] = [facts.core_value, chosen]
    if not rows:
        return None
    given = json.dumps([row | {"internal_id": internal_id} for internal_id, row in rows.items()])
    wanted = query(
        "SELECT * FROM jsonb_to_recordset({given}::jsonb) w (external_id text, internal_id bigint, changes jsonb)",
        given=sql.Literal(given),
    )
    try:
        amendment = amend(
            context.connection, core_entity(entity), source, wanted, kind="resolution", launched_by=who,
            chunk_rows=context.chunk_rows,
        )  # fmt: skip
    except psycopg.DataError as error:
        raise ConfigurationError(
            "a value that was chosen does not fit its field; nothing was decided.",
            remedy="Give it as text in PostgreSQL's form, such as true or 2026-09-01.",
        ) from error
    records.move_plan(context.connection, amendment.plan, PlanState.ACCEPTED, by=who)
    receipt = apply_now(context, records.load_plan(context.connection, amendment.plan.id))
    if receipt.counts.dead_lettered or not receipt.verified:
        raise MappingFailed(
            "core does not take a value that was chosen; nothing was decided.",
            remedy="Choose a value that the column allows; a required field cannot be empty.",
        )
    return receipt


def _note(connection: Connection, facts: _Facts, decision: Decision, who: str, receipt: Receipt | None) -> None:
    """Settle the conflict and audit it. A value of a person's own is an edit: the rule of the field protects it."""
    plan_id = receipt.plan_id if receipt and decision.take is not Take.CORE else None
    if decision.take is Take.VALUE:
        connection.execute(
            query(
                "INSERT INTO connector.core_edits (entity, internal_id, field, before, after, edited_at, edited_by)"
                " SELECT %(entity)s, id, %(field)s, %(before)s, to_jsonb(c) -> %(field)s, now(), %(who)s"
                " FROM {core} c WHERE id = %(id)s AND to_jsonb(c) -> %(field)s <> %(before)s",
                core=sql.Identifier("core", facts.entity),
            ),
            {
                "entity": facts.entity,
                "field": facts.field,
                "before": json.dumps(facts.core_value),
                "who": who,
                "id": facts.internal_id,
            },
        )
    connection.execute(
        "UPDATE connector.conflicts SET state = 'resolved', decision = %s, decided_by = %s, why = %s, settled_by = %s,"
        " decided_at = clock_timestamp(), updated_at = now() WHERE id = %s",
        [decision.take, who, decision.why, plan_id, facts.id],
    )
    records.audit(
        connection,
        "conflict resolved",
        who=who,
        source=facts.source,
        entity=facts.entity,
        conflict=facts.id,
        internal_id=facts.internal_id,
        field=facts.field,
        take=decision.take,
        why=decision.why,
        plan=plan_id,
    )
