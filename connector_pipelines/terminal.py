"""What the command line shows: progress while work runs, tables afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connector_pipelines.legible import legible
from connector_pipelines.model import PlanState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector_pipelines.model import Plan, Progress, Report
    from connector_pipelines.sync.planning import Change
    from connector_pipelines.sync.preview import Preview
    from connector_pipelines.sync.pushed import Pushed
    from connector_pipelines.sync.receipts import Kept
    from connector_pipelines.sync.summary import Line


class _Legible(Console):
    """Prints text with what a terminal would obey spelled out."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print, as rich does."""
        super().print(*map(_legible, objects), **how)

    def out(self, *objects: Any, **how: Any) -> None:
        """Print as it is, as rich does."""
        super().out(*map(_legible, objects), **how)


def _legible(given: Any) -> Any:
    return legible(given) if isinstance(given, str) else given


console = _Legible(highlight=False, soft_wrap=True)  # a log or a pipe gets whole sentences, not lines of 80

_RAW_SHOWN = 1_000
_WIDTH = 121  # a narrower terminal breaks the table's lines, which is better than hiding numbers
_COLUMNS = ("fetched", "created", "updated", "unchanged", "skipped", "conflicts", "dropped", "dead_lettered")


@contextmanager
def progress() -> Iterator[Report]:
    """Shows the newest step in place on a terminal; in a log, one line for each entity and step."""
    with console.status("starting …") as status:
        seen: set[tuple[str, str]] = set()

        def report(step: Progress) -> None:
            of = f" of {step.total:,}" if step.total else ""
            line = f"{step.entity}: {step.step} {step.done:,}{of} {step.unit}"
            status.update(line)
            if not console.is_terminal and (step.entity, step.step) not in seen:
                seen.add((step.entity, step.step))
                console.print(f"  {line}")

        yield report


def show(lines: Sequence[Line]) -> None:
    """One row per entity: the accounting, whether it was proven, how long it took; and why, where it was not."""
    Console(width=max(console.width, _WIDTH), highlight=False).print(_table(lines))
    for line in lines:
        if not line.verified and line.state != PlanState.PLANNED:
            why = "; ".join(line.reasons) or "no plan was made from it"
            console.print(f"[red]{line.entity}[/] {line.state}: {escape(why)}", soft_wrap=True)


def show_pushed(lines: Sequence[Pushed]) -> None:
    """One row per export: what should stand there, what was done for it, and what it took."""
    counted = ("wanted", "created", "updated", "unchanged", "withdrawn", "dead_lettered")
    table = _framed("export", (*counted, "verified", "calls", "seconds"))
    for line in lines:
        counts = [f"{getattr(line, name):,}" for name in counted]
        proof = "[green]yes[/]" if line.verified else "[red]no[/]"
        table.add_row(line.entity, *counts, proof, f"{line.calls:,}", f"{line.seconds:.1f}")
    Console(width=max(console.width, _WIDTH), highlight=False).print(table)
    for line in lines:
        if not line.verified:
            console.print(f"[red]{line.entity}[/]: {escape('; '.join(line.reasons))}", soft_wrap=True)


def show_changes(plan: Plan, changes: Sequence[Change]) -> None:
    """What a plan would change, one line per field, with the hash by which it is approved."""
    console.print(
        f"[bold]{plan.entity}[/] {plan.state}, hash {plan.hash[:12]}: {escape('; '.join(plan.reasons)) or 'no remarks'}"
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("external id", "action", "field", "before", "after", "because"):
        table.add_column(name)
    for one in changes:
        cells = (one.external_id, one.action, one.field, one.before, one.after, one.reason)
        table.add_row(*map(_text, cells))
    if changes:
        console.print(table)


def show_receipt(kept: Kept, limit: int) -> None:
    """A receipt: the accounting, the checksums, its seal, and the rows that core did not take as planned."""
    from connector_pipelines.sync.receipts import identity

    where = f"plan {kept.hash[:12]}, read {kept.run}, applied {kept.at:%Y-%m-%d %H:%M} UTC by {kept.applied_by}"
    console.print(f"[bold]{kept.entity}[/]: {escape(where)}")
    if kept.receipt:
        receipt = kept.receipt
        console.print(f"  {identity(receipt.counts)}")
        console.print(f"  checksum planned {receipt.planned_checksum}, in core {receipt.core_checksum}")
        console.print("  [green]verified[/]" if receipt.verified else "  [red]not verified[/]")
        for name in receipt.differences[: limit or None]:
            console.out(f"  differs: {name}")
        if limit and len(receipt.differences) > limit:
            console.print(f"  {len(receipt.differences) - limit:,} more differ; --limit 0 names all")
    console.print(f"  receipt: {kept.seal}; signed {kept.signed or '-'}")


def show_preview(shown: Preview) -> None:
    """A page's first records: raw, what they feed, what validation says."""
    console.print(f"[bold]{shown.source}/{shown.entity}[/] {escape(shown.url)}: {shown.records:,} records")
    if shown.age_seconds:
        console.print(f"as answered {shown.age_seconds / 60:.0f} minutes ago; --fresh asks again")
    for verdict, count in shown.verdicts.items():
        console.print(f"{count:>7,}  {escape(verdict)}")
    for number, row in enumerate(shown.rows, 1):
        mapped = ", ".join(f"{name}={value}" for name, value in (row.mapped or {}).items())
        console.print(
            f"\n[bold]{number}[/] {escape(row.raw[:_RAW_SHOWN])}\n  {escape(mapped or '-')}\n  {escape(row.verdict)}"
        )


def _text(value: object) -> str:
    """A value in a table's cell; nothing for None."""
    return "" if value is None else escape(legible(str(value)))


def _table(lines: Sequence[Line]) -> Table:
    table = _framed("entity", (*_COLUMNS, "verified", "seconds"))
    for line in lines:
        counts = [f"{getattr(line.counts, name):,}" for name in _COLUMNS]
        bad = "yellow" if line.state == PlanState.PLANNED else "red"
        proof = "[green]yes[/]" if line.verified else f"[{bad}]no: {line.state}[/]"
        table.add_row(line.entity, *counts, proof, f"{line.seconds:.1f}")
    return table


def _framed(first: str, names: Sequence[str]) -> Table:
    """A table without rows: a name, then numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for name in names:
        table.add_column(name.replace("_", "-"), justify="left" if name == "verified" else "right", no_wrap=True)
    return table
