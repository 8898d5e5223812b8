"""What the UI shows of a read, a plan and a receipt: numbers, tables, a chart; no personal values (requirement M62)."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dagster import MetadataValue, TableColumn, TableColumnConstraints, TableRecord, TableSchema

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.legible import legible, markdown
from connector_pipelines.model import PlanState
from connector_pipelines.sync.preview import HIDDEN, shape
from connector_pipelines.sync.receipts import identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from connector_pipelines.mapping.amend import Amendment
    from connector_pipelines.model import Entity, Plan, Read, Receipt, Stream
    from connector_pipelines.orchestration.look import Run
    from connector_pipelines.sync.accepting import Case
    from connector_pipelines.sync.conflicts import Conflict
    from connector_pipelines.sync.explaining import Explanation
    from connector_pipelines.sync.figures import Figures, Lacking
    from connector_pipelines.sync.letters import Letters, Page
    from connector_pipelines.sync.planning import Change
    from connector_pipelines.sync.proving import Shown
    from connector_pipelines.sync.reconciling import Reconciliation

Metadata = dict[str, Any]

SHAPE = "fields"
"""Under this name a read shows which fields its records have, and the next one finds it."""

HASH_SHOWN = 12
"""Characters of a plan's hash that a person sees; the decision jobs take any 8 or more."""

DIGESTS = "receipt digests"
"""Where a materialization keeps the digests of its receipts, by plan: a later change of one is noticed by it."""

_LISTED = 100
"""So many rows of a table are shown."""

_NAMED = 20
"""So many rows are named in a cell."""

_LINE = 36
"""Characters of a line that is seen whole where a table below it widens the column beyond the page."""

_BARS = "▁▂▃▄▅▆▇█"
_OPEN_KINDS = {"DATE", "BOOLEAN"}
_OPEN_NAMES = {"status", "school_year", "term_type", "organization_type", "section_type"}
"""Columns whose values say nothing about a person; of all others only the name is shown."""


def of_read(read: Read, skipped: Mapping[str, int]) -> Metadata:
    """A read: how much came, of which span, and where it lies."""
    return {
        "dagster/row_count": read.rows,
        "pages": read.pages,
        "rows": read.rows,
        "accepted": read.staged,
        "rejected": read.rejected,
        "skipped": sum(skipped.values()),
        "window": str(read.window),
        "mode": read.window.mode.value,
        "snapshot": read.snapshot,
        "stability": read.stability.value if read.stability else "not watched",
        "read": read.id,
        "landed": f"{read.source}/{read.entity}/{read.id}",
    } | ({"skipped by reason": _counts_table("reason", skipped)} if skipped else {})


def of_plans(plans: Sequence[Plan]) -> Metadata:
    """Plans of one entity: the accounting summed, and each with its state, hash and reasons."""
    total = (
        {name: sum(getattr(plan.counts, name) for plan in plans) for name in plans[0].counts.__dataclass_fields__}
        if plans
        else {}
    )
    newest = plans[-1] if plans else None
    return (_verdict(newest, plans) if newest else {}) | {"plans": len(plans), **total}


def _verdict(newest: Plan, plans: Sequence[Plan]) -> Metadata:
    """What a person looks for first: state, reasons, what to do. A whole hash would widen the table beyond the page."""
    shown: Metadata = {"state": newest.state.value}
    reasons = dict.fromkeys(reason for plan in plans for reason in plan.reasons)
    if reasons:
        shown["reasons"] = MetadataValue.md("\n".join(f"- {_narrow(reason)}" for reason in reasons))
    if newest.state in {PlanState.HELD, PlanState.PLANNED}:
        what_to_do = (
            f"Look at the changes, then launch the job approve_plan or reject_plan with source {newest.source},"
            f" hash {newest.hash[:HASH_SHOWN]} and why. Where such a change is usual, raise the limit that the reason"
            f" names, under policy.guard.entities.{newest.entity}, or declare a season, in the source's defs.yaml."
        )
        shown["what to do"] = MetadataValue.md(_narrow(what_to_do))
    return shown | {"plan hash": newest.hash[:HASH_SHOWN], "chunks": newest.chunks}


def _narrow(text: str) -> str:
    """Markdown of text in short lines."""
    return "  \n".join(markdown(line) for line in textwrap.wrap(text, _LINE, break_long_words=False))


def of_receipts(receipts: Sequence[Receipt], rows: int) -> Metadata:
    """What was applied to a core table: the accounting summed, and the proof of each plan."""
    total: dict[str, int] = {}
    for receipt in receipts:
        for name, count in asdict(receipt.counts).items():
            total[name] = total.get(name, 0) + count
    shown: Metadata = {"dagster/row_count": rows, "receipts": len(receipts), **total}
    if receipts:
        shown |= {
            "verified": all(receipt.verified for receipt in receipts),
            "seconds": round(sum(receipt.seconds for receipt in receipts), 3),
            "proof": MetadataValue.table([_proof(receipt) for receipt in receipts]),
            DIGESTS: MetadataValue.json({str(receipt.plan_id): receipt.digest for receipt in receipts}),
        }
    return shown


def _proof(receipt: Receipt) -> TableRecord:
    named, more = receipt.differences[:_NAMED], len(receipt.differences) - _NAMED
    return _record(
        {
            "source": receipt.source,
            "plan": receipt.plan_id,
            "verified": receipt.verified,
            "rows that differ": ", ".join(named) + (f" and {more:,} more" if more > 0 else "") or "none",
            "planned checksum": str(receipt.planned_checksum),
            "core checksum": str(receipt.core_checksum),
        }
    )


def of_kept(shown: Shown, *, limit: int) -> Metadata:
    """A receipt that somebody asked for: accounting, checksums, whether it is as it was written, what differs."""
    kept, receipt = shown.kept, shown.kept.receipt
    told: Metadata = {"seal": str(kept.seal), "plan": kept.plan, "plan hash": kept.hash[:HASH_SHOWN], "read": kept.run}
    told |= {"applied": _minute(kept.at), "applied by": kept.applied_by, "signed": kept.signed or "not signed"}
    if receipt:
        told |= {"accounting": identity(receipt.counts), "verified": receipt.verified, **asdict(receipt.counts)}
        told |= {"planned checksum": str(receipt.planned_checksum), "core checksum": str(receipt.core_checksum)}
        rows = [_record({"external id": name}) for name in receipt.differences[: limit or None]]
        told |= {"rows that differ": len(receipt.differences)}
        told |= {"rows that differ, by name": MetadataValue.table(rows)} if rows else {}
    return told | ({f"now: {name}": value for name, value in of_reconciliation(shown.now).items()} if shown.now else {})


def of_changes(changes: Iterable[Change]) -> Metadata:
    """What a plan changes, one row for each field; values only where they say nothing about a person (M62). Of records
    of another system no value is shown.
    """
    rows = [_changed(one) for one in changes]
    return {"sample of changes": MetadataValue.table(rows)} if rows else {}


def _changed(one: Change) -> TableRecord:
    hidden = bool(one.field) and one.field not in _open_names(ENTITIES.get(one.entity))
    before, after = (HIDDEN if hidden else "" if said is None else str(said) for said in (one.before, one.after))
    return _record(
        {
            "entity": one.entity,
            "external id": one.external_id,
            "action": one.action,
            "field": one.field,
            "before": before,
            "after": after,
            "reason": one.reason,
        }
    )


def _open_names(entity: Entity | None) -> set[str]:
    if entity is None:
        return set()
    dates = {c.name for c in entity.columns if c.kind in _OPEN_KINDS}
    return dates | {r.column for r in entity.references} | _OPEN_NAMES


def of_plan(plan: Plan, changes: Iterable[Change]) -> Metadata:
    """One plan that was made by itself: a replay, a retry."""
    return of_plans([plan]) | of_changes(changes)


def of_amendment(amendment: Amendment, changes: Iterable[Change]) -> Metadata:
    """What an undo would do, and the rows it leaves with the reasons."""
    left = [_record({"external id": one.external_id, "reason": one.reason}) for one in amendment.left[:_LISTED]]
    shown = of_plan(amendment.plan, changes) | {"rows left": amendment.left_rows}
    return shown | ({"left as they are": MetadataValue.table(left)} if left else {})


def of_reconciliation(found: Reconciliation) -> Metadata:
    """Differences between a source and core: how many of each kind, and the first of them without their values."""
    rows = [_record({"external id": d.external_id, "field": d.field, "kind": d.kind}) for d in found.named]
    counts = {"alarms": found.alarms, "reads": ", ".join(map(str, found.reads[-_LISTED:]))} | found.counts
    unnamed = sum(found.counts.values()) - len(found.named)
    more = {"not named": f"{unnamed:,} more; to see them, launch with limit: 0"} if unnamed else {}
    return counts | ({"differences": MetadataValue.table(rows)} if rows else {}) | more


def of_explanation(found: Explanation) -> Metadata:
    """Where a value comes from, without the value."""
    shown: Metadata = {"row": found.internal_id, "field": found.field, "origin": found.sentence}
    shown |= {"as of": found.at.isoformat()} if found.at else {}
    if found.writing:
        shown |= {"source": found.writing.source, "external id": found.writing.external_id, "plan": found.writing.plan}
    if found.record:
        shown |= {"read": found.record.read, "page": found.record.page, "record": found.record.row}
        shown |= {"url": found.record.url, "rule": found.record.rule, "version": found.record.version}
        shown |= {"same version today": found.record.current}
        shown |= {} if found.record.offset is None else {"first byte": found.record.offset}
    return shown


def of_listed(found: Page, entity: str) -> Metadata:
    """The dead letters of an entity one by one; of their records the names and kinds of their fields (M62)."""
    listed = [letter for letter in found.letters if letter.entity == entity]
    rows = [
        _record(
            {
                "number": letter.id,
                "external id": letter.external_id or "",
                "state": letter.state,
                "rule": letter.rule,
                "reason": letter.reason[:200],
                "read": letter.read,
                "page": letter.page or 0,
                "row": -1 if letter.row is None else letter.row,
                "attempts": letter.attempts,
                "record": shape(letter.payload or ""),
            }
        )
        for letter in listed
    ]
    counts: Metadata = {"dead letters in all": found.counts[entity], "listed": len(rows)}
    if found.left:
        counts["not listed"] = (
            f"{found.left:,} more of all entities; to see them, launch with after: {found.letters[-1].id}"
        )
    return counts | {"dead letters": MetadataValue.table(rows)}


def of_cases(cases: Sequence[Case]) -> Metadata:
    """Records of which a person must say whose they are: the rows they may be and which fields differ, no values."""
    rows = [
        _record(
            {
                "letter": case.letter,
                "external id": case.external_id,
                "reason": case.reason,
                "candidates": "; ".join(map(str, case.candidates)),
            }
        )
        for case in cases[:_LISTED]
    ]
    if not rows:
        return {}
    what = (
        "For each: mend it at the source, or launch the job accept_identity with its letter; of a new record with onto:"
        " the number of a candidate, where it is that row."
    )
    return {"whose is it": MetadataValue.table(rows), "whose is it: what to do": f"{len(cases):,} cases. {what}"}


def of_figures(found: Figures) -> Metadata:
    """How an export does, now and in the last days."""
    return {
        "records that stand there as they should": f"{found.success:.2%}",
        "sent in 7 days": found.sent,
        "not taken in 7 days": found.failed,
        "changes that arrived in 7 days": found.changes,
        "mean seconds from change to arrival": round(found.mean_seconds, 1),
        "longest seconds from change to arrival": round(found.longest, 1),
        "mean seconds of an answer": round(found.mean_answer, 3),
    }


def of_lacking(found: Sequence[Lacking]) -> Metadata:
    """Records that lack what they need: how many, and which rows of core, without their values."""
    rows = [_record({"row": key, "lacks": one.field}) for one in found for key in one.keys]
    counts: Metadata = {f"records without {one.field}": one.count for one in found}
    return counts | ({"lacks": MetadataValue.table(rows)} if rows else {})


def of_letters(letters: Sequence[Letters]) -> Metadata:
    """Dead letters by reason, as a table for people."""
    if not letters:
        return {}
    head = "| rows | state | rule | for example |\n|---:|---|---|---|\n"
    lines = [f"| {one.count:,} | {one.state} | {_cell(one.rule)} | {_cell(one.example)} |" for one in letters]
    return {"dead letters by reason": MetadataValue.md(head + "\n".join(lines))}


def of_conflicts(conflicts: Sequence[Conflict], count: int) -> Metadata:
    """Fields that wait for a person's decision, without their values; the table holds the oldest."""
    if not count:
        return {}
    rows = [
        _record(
            {
                "conflict": one.label,
                "external id": one.external_id,
                "field": one.field,
                "core edited": _minute(one.edited_at),
                "record modified": _minute(one.modified_at),
                "reason": one.reason,
            }
        )
        for one in conflicts
    ]
    todo = "Launch the job resolve_conflicts with the conflicts as they are named here."
    return {"open conflicts": count, "conflicts that wait": MetadataValue.table(rows), "how to decide": todo}


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "unknown"


def of_history(runs: Sequence[Run]) -> Metadata:
    """The last reads as a small chart and a table, oldest first."""
    if not runs:
        return {}
    rows, changes = bars([run.rows for run in runs]), bars([run.changes for run in runs])
    head = f"rows `{rows}` changes `{changes}`\n\n| started (UTC) | state | rows | changes |\n|---|---|---:|---:|\n"
    lines = [f"| {run.started_at:%Y-%m-%d %H:%M} | {run.state} | {run.rows:,} | {run.changes:,} |" for run in runs]
    return {"last runs": MetadataValue.md(head + "\n".join(lines))}


def bars(numbers: Sequence[int]) -> str:
    """Numbers as a line of bars, the greatest full height."""
    top = max([*numbers, 1])
    return "".join(_BARS[min(number * len(_BARS) // top, len(_BARS) - 1)] if number else "·" for number in numbers)


def external_schema(stream: Stream) -> TableSchema:
    """The external columns that are read, from the pandera model: what we accept."""
    return TableSchema(
        columns=[
            TableColumn(
                name,
                str(column.dtype) if column.dtype else "any",
                description=column.description,
                constraints=TableColumnConstraints(
                    nullable=column.nullable,
                    unique=column.unique,
                    other=[str(check.error) for check in column.checks if check.error],
                ),
            )
            for name, column in stream.schema().columns.items()
        ]
    )


def core_schema(entity: Entity) -> TableSchema:
    """The columns of a core table that sources fill, from the models."""
    own = [
        TableColumn(c.name, c.kind, constraints=TableColumnConstraints(nullable=not c.required)) for c in entity.columns
    ]
    pointers = [
        TableColumn(r.column, "BIGINT", f"The id in core/{r.entity}.", TableColumnConstraints(nullable=not r.required))
        for r in entity.references
    ]
    return TableSchema(columns=own + pointers)


def of_limits(config: object) -> Metadata:
    """What a source may ask, by the vendor's word and its own: budgets that all processes share (E16)."""
    from connector_pipelines.external.options import HttpOptions

    if not isinstance(config, HttpOptions):
        return {}
    limits = config.limits()
    budgets = [*limits.budgets, *(budget for service in limits.services for budget in service.budgets)]
    told = [f"| {_cell(budget.name)} | {budget} |" for budget in budgets]
    shown = "\n".join(("| requests | at most |", "|---|---|", *told)) if told else "none declared"
    return {"rate limits": MetadataValue.md(shown), "limits of": limits.scope or "the host"}


def _counts_table(name: str, counts: Mapping[str, int]) -> MetadataValue:
    head = f"| {name} | rows |\n|---|---:|\n"
    return MetadataValue.md(head + "\n".join(f"| {_cell(what)} | {count:,} |" for what, count in counts.items()))


def _record(cells: Mapping[str, str | int | bool]) -> TableRecord:
    """A row of a table; the UI shows text as it is, but for what nobody would see."""
    return TableRecord({name: legible(cell) if isinstance(cell, str) else cell for name, cell in cells.items()})


def _cell(text: str) -> str:
    """Text that cannot break out of a table's cell; long ones are cut."""
    return markdown(" ".join(text.split())[:200])
