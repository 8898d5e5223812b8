"""The operations page: an asset for all sources together, and one for each, whose metadata says how the syncs do.

They are renewed by the watch sensor when a sync ended or a person decided something, and when they are materialized.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from connector_pipelines.database.connection import Connection
from connector_pipelines.external.options import ends
from connector_pipelines.external.sunset import Announcement
from connector_pipelines.orchestration import metadata
from connector_pipelines.orchestration.checks import Verdict
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.metadata import Metadata
from connector_pipelines.orchestration.sources import Declaration
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.sync import decided, digest, letters, overview
from connector_pipelines.sync.alarms import ENDS_SOON_DAYS, Level, days_left, ending
from connector_pipelines.sync.figures import GOAL, USUAL_SECONDS
from connector_pipelines.sync.settled import WHOSE, Settled, settled
from connector_pipelines.sync.switches import why_off

Row = dict[str, Any]

GROUP = "operations"
OVERVIEW = dg.AssetKey([GROUP, "overview"])

DAY, WEEK = timedelta(days=1), timedelta(days=7)

CHECKS = {
    "fresh": "Every entity was read within the hours that its schedule promises.",
    "success": f"More than {GOAL:.1%} of the week's records were not refused, and of its runs did not fail.",
    "credentials": f"The source's credentials are valid for more than {ENDS_SOON_DAYS} days, where that is known.",
    "announced": "The source did not announce in the last week that an endpoint we use will go away.",
    "latency": f"The source answers in less than {USUAL_SECONDS:g} s on average.",
}


def key(source: str) -> dg.AssetKey:
    """The page of a source."""
    return dg.AssetKey([GROUP, source])


def operations_assets(declarations: Sequence[Declaration]) -> list[dg.AssetsDefinition]:
    """The page of all sources, and one page for each."""
    return [_overview(declarations), *(_page(one) for one in declarations)]


def _overview(declarations: Sequence[Declaration]) -> dg.AssetsDefinition:
    @dg.asset(
        key=OVERVIEW,
        group_name=GROUP,
        kinds={"python"},
        description="How all syncs do: rates of runs and records, queues, what waits for a person and what people"
        " decided, budgets, APIs.",
    )
    def overview_now(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster knows no subscript
        with opened(context, engine) as surroundings:
            return dg.MaterializeResult(metadata=of_all(surroundings.connection, declarations, datetime.now(UTC)))

    return overview_now


def _page(declaration: Declaration) -> dg.AssetsDefinition:
    own = key(declaration.source.name)

    @dg.asset(
        key=own,
        group_name=GROUP,
        kinds={"python"},
        check_specs=[dg.AssetCheckSpec(name, asset=own, description=text) for name, text in CHECKS.items()],
        description=f"How the syncs of {declaration.source.name} do: its last runs with what each changed, how fresh"
        " its entities are, how its API answers, what of its budget is left.",
    )
    def page(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster knows no subscript
        now = datetime.now(UTC)
        with opened(context, engine) as surroundings:
            shown = of_source(surroundings.connection, declaration, now)
            found = verdicts(surroundings.connection, declaration, now)
        return dg.MaterializeResult(metadata=shown, check_results=[one.result(own) for one in found])

    return page


def events(
    connection: Connection, declarations: Sequence[Declaration], now: datetime, *, only: set[str]
) -> list[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """The pages as they are now: of all sources, and of some."""
    shown: list[dg.AssetMaterialization | dg.AssetCheckEvaluation] = [
        dg.AssetMaterialization(OVERVIEW, metadata=of_all(connection, declarations, now))
    ]
    for one in declarations:
        own = key(one.source.name)
        if one.source.name in only:
            shown.append(dg.AssetMaterialization(own, metadata=of_source(connection, one, now)))
            shown += [verdict.evaluation(own) for verdict in verdicts(connection, one, now)]
    return shown


def of_all(connection: Connection, declarations: Sequence[Declaration], now: datetime) -> Metadata:
    """Every source in a line, and what waits for a person."""
    totals, queues = overview.totals(connection, now - WEEK), overview.queues(connection)
    waiting = digest.waiting(connection)
    lines = []
    for one in declarations:
        name = one.source.name
        total, queue = totals.get(name, overview.Totals()), queues.get(name, overview.Queue())
        lines.append(
            {
                "source": name,
                "runs of the week": total.succeeded + total.failed + total.cancelled,
                "runs that succeeded": f"{total.run_rate:.1%}",
                "records of the week": total.records,
                "records accepted": f"{total.record_rate:.2%}",
                "on its way": queue.depth,
                "waiting rows": queue.waiting_rows,
                "off": why_off(connection, one.source) or "no",
            }
        )
    todo = [
        {"source": w.source, "entity": w.entity, "what": w.what, "count": w.count, "job": digest.TO_DO[w.what]}
        for w in waiting
    ]
    return (
        {
            "sources": _table(lines),
            "held plans": _sum(waiting, "held plans"),
            "open conflicts": _sum(waiting, "open conflicts"),
            "dead letters": _sum(waiting, "dead letters") + _sum(waiting, "cases of identity"),
            "queue depth": sum(queue.depth for queue in queues.values()),
        }
        | ({"waits for a person": _table(todo)} if todo else {})
        | _settled(settled(connection, now - WEEK, now))
        | _decisions(decided.decisions(connection))
        | _budgets(overview.budgets(connection))
        | _endpoints(overview.endpoints(connection, now - DAY))
    )


def of_source(connection: Connection, declaration: Declaration, now: datetime) -> Metadata:
    """One source: its last runs, with what each changed, and how it does."""
    name = declaration.source.name
    total = overview.totals(connection, now - WEEK).get(name, overview.Totals())
    queue = overview.queues(connection).get(name, overview.Queue())
    waiting = [one for one in digest.waiting(connection) if one.source == name]
    days = overview.by_day(connection, name)
    fresh = [
        {"entity": one.entity, "read": f"{one.read_at:%Y-%m-%d %H:%M} UTC", "hours ago": _hours(now - one.read_at)}
        for one in overview.freshness(connection, name)
    ]
    took = [
        {"job": d.job, "runs": d.runs, "mean seconds": round(d.mean, 1), "longest": round(d.longest, 1)}
        for d in overview.durations(connection, name, now - WEEK)
    ]
    succeeded, failed = (metadata.bars([counts[at] for counts in days]) for at in (0, 1))
    return (
        {
            "runs that succeeded": f"{total.run_rate:.1%}",
            "records accepted": f"{total.record_rate:.2%}",
            "last 14 days": dg.MetadataValue.md(f"succeeded `{succeeded}` failed `{failed}`"),
            "queue depth": queue.depth,
            "rows that wait for their parents": queue.waiting_rows,
            "held plans": _sum(waiting, "held plans"),
            "open conflicts": _sum(waiting, "open conflicts"),
            "off": why_off(connection, declaration.source) or "no",
        }
        | _named("freshness", fresh)
        | _named("durations of the week", took)
        | _named("history", [_synced(one) for one in overview.history(connection, name)])
        | metadata.of_letters(letters.by_reason(connection, name))
        | _settled(settled(connection, now - WEEK, now, name))
        | _named("announced to end", [_announced(one) for one in overview.announced(connection, name, now - WEEK)])
        | _decisions(decided.decisions(connection, name))
        | _budgets(overview.budgets(connection, name))
        | _endpoints(overview.endpoints(connection, now - DAY, name))
    )


def verdicts(connection: Connection, declaration: Declaration, now: datetime) -> list[Verdict]:
    """Whether a source is as fresh, as successful and as quick as it should be, and how long it lets us in.

    Warnings, but for credentials that have ended: alarms are elsewhere.
    """
    source, timetable = declaration.source, declaration.timetable
    within = timedelta(hours=timetable.fresh_within_hours)
    entities = [stream.entity for stream in source.streams]
    late = overview.stale(overview.freshness(connection, source.name), entities, now, within)
    late = late if declaration.by_itself else []
    total = overview.totals(connection, now - WEEK).get(source.name, overview.Totals())
    calls = overview.endpoints(connection, now - DAY, source.name)
    requests = sum(one.requests for one in calls)
    mean = sum(one.mean * one.requests for one in calls) / requests if requests else 0.0
    told_of = overview.announced(connection, source.name, now - WEEK)
    left = days_left(ends(source.config), now)
    level, sentence = ending(left)
    hours = f"within {timetable.fresh_within_hours:g} hours"
    return [
        Verdict(
            "fresh",
            passed=not late,
            sentence=f"not read {hours}: {', '.join(late)}" if late else f"read {hours}, or not scheduled",
            error=False,
        ),
        Verdict(
            "success",
            passed=min(total.run_rate, total.record_rate) > GOAL,
            sentence=f"{total.run_rate:.1%} of the week's runs, {total.record_rate:.2%} of its records",
            error=False,
            numbers={"runs": total.run_rate, "records": total.record_rate},
        ),
        Verdict(
            "credentials",
            passed=level is Level.NOTHING,
            sentence=sentence,
            error=level is Level.CRITICAL,
            numbers={} if left is None else {"days left": left},
        ),
        Verdict(
            "announced",
            passed=not told_of,
            sentence="; ".join(one.sentence for one in told_of) or "no endpoint was announced to end",
            error=False,
            numbers={"endpoints": len(told_of)},
        ),
        Verdict(
            "latency",
            passed=mean < USUAL_SECONDS,
            sentence=f"{requests:,} requests took {mean:.2f} s on average",
            error=False,
            numbers={"mean seconds": mean},
        ),
    ]


def _synced(one: overview.Synced) -> Row:
    return {
        "started": f"{one.started_at:%Y-%m-%d %H:%M} UTC",
        "job": one.job,
        "ended": one.state,
        "seconds": round(one.seconds, 1),
        "created": one.created,
        "updated": one.updated,
        "dropped": one.dropped,
        "refused": one.refused,
        "why": (one.error or "")[:200],
    }


def _decisions(found: Sequence[decided.Decided]) -> Metadata:
    rows = [
        {
            "when": f"{one.at:%Y-%m-%d %H:%M} UTC",
            "who": one.who[:200],
            "what": one.what,
            "source": one.source,
            "entity": one.entity[:200],
            "why": one.why[:200],
        }
        for one in found
    ]
    return _named("newest decisions", rows)


def _settled(found: Sequence[Settled]) -> Metadata:
    """Of conflicts, how many were settled, and how; those that wait stand beside it."""
    rows = [
        {"source": s.source, "entity": s.entity, "taken": WHOSE[s.how], "by": s.who[:200], "count": s.count}
        for s in found
    ]
    shown = _named("how conflicts were resolved, last 7 days", rows)
    return {"conflicts resolved, last 7 days": sum(one.count for one in found)} | shown


def _announced(one: Announcement) -> Row:
    dates = {"deprecated since": one.since, "ends": one.until}
    told = {name: day.isoformat() if day else "" for name, day in dates.items()}
    return {"endpoint": one.endpoint, **told, "see": one.link}


def _budgets(left: Sequence[overview.BudgetLeft]) -> Metadata:
    rows = [{"of": b.scope, "budget": b.budget, "used": b.used, "left": b.size - b.used} for b in left]
    return _named("budgets left", rows)


def _endpoints(found: Sequence[overview.Endpoint]) -> Metadata:
    rows = [
        {
            "source": e.source,
            "endpoint": e.name,
            "requests": e.requests,
            "errors": f"{(e.failed + e.refused + e.limited) / e.requests:.1%}",
            "sign-in refused": e.refused,
            "mean s": round(e.mean, 3),
            "p50 s": round(e.p50, 3),
            "p95 s": round(e.p95, 3),
            "p99 s": round(e.p99, 3),
        }
        for e in found[:50]
    ]
    return _named("API, last 24 hours", rows)


def _named(name: str, rows: Sequence[Row]) -> Metadata:
    return {name: _table(rows)} if rows else {}


def _table(rows: Sequence[Row]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])


def _sum(waiting: Sequence[digest.Waiting], what: str) -> int:
    return sum(one.count for one in waiting if one.what == what)


def _hours(span: timedelta) -> float:
    return round(span / timedelta(hours=1), 1)
