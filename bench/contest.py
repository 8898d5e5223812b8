"""Who takes part, what is measured, and what counts as reached: tables, and the arithmetic over them. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from measure import Measured
    from pages import Size


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to sync the pages.

    Attributes:
        script: in this folder.
        own_environment: runs in this project's environment; else in the benchmark's.
        settings: environment variables; `{folder}` is where it may keep files.
        counts: queries that prove its work: rows by table, and how many of them hold version 2.
    """

    name: str
    title: str
    script: str
    own_environment: bool
    settings: Mapping[str, str]
    counts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One sync. `version` is what the source serves, `changed` whether core must hold version 2 afterwards."""

    name: str
    title: str
    version: int


SCENARIOS = (
    Scenario("first", "first sync", 1),
    Scenario("same", "nothing changed", 1),
    Scenario("change", "1 % changed", 2),
)

_CORE = {
    "students": "SELECT count(*) FROM core.students",
    "classes": "SELECT count(*) FROM core.sections",
    "enrollments": "SELECT count(*) FROM core.enrollments",
    "changed students": "SELECT count(*) FROM core.students WHERE email LIKE '%@new.%'",
    "changed classes": "SELECT count(*) FROM core.sections WHERE location LIKE 'Annex%'",
    "changed enrollments": "SELECT count(*) FROM core.enrollments WHERE end_date = '2027-01-31'",
    "mapped ids": "SELECT count(DISTINCT (entity_type, internal_id)) FROM connector.external_system_mappings"
    " WHERE entity_type IN ('students', 'sections', 'enrollments')",
}
_DLT = {
    "students": "SELECT count(*) FROM roster.students",
    "classes": "SELECT count(*) FROM roster.classes",
    "enrollments": "SELECT count(*) FROM roster.enrollments",
    "changed students": "SELECT count(*) FROM roster.students WHERE email LIKE '%@new.%'",
    "changed classes": "SELECT count(*) FROM roster.classes WHERE location LIKE 'Annex%'",
    "changed enrollments": "SELECT count(*) FROM roster.enrollments WHERE end_date::text = '2027-01-31'",
}

_OURS_SETTINGS = {"CONNECTOR_PIPELINES_LANDING_URL": "{folder}/landing"}
_DLT_SETTINGS = {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": "{folder}"}

# Tried and slower: no splitting of files (the second worker then has nothing to do), 25,000 or 100,000 rows a file,
# compressed files, delete-insert instead of upsert, Parquet through ADBC, INSERT statements. No difference made: one
# worker, one worker that extracts, collections that are extracted in parallel.
_BEST_SETTINGS = _DLT_SETTINGS | {
    "NORMALIZE__WORKERS": "2",
    "DATA_WRITER__FILE_MAX_ITEMS": "50000",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
}

CONTESTANTS = (
    Contestant("ours", "this project, engine", "ours.py", True, _OURS_SETTINGS, _CORE),
    Contestant("default", "dlt, defaults", "dlt_default.py", False, _DLT_SETTINGS, _DLT),
    Contestant("best", "dlt, best settings", "dlt_best.py", False, _BEST_SETTINGS, _DLT),
    Contestant("by hand", "dlt, by hand", "dlt_by_hand.py", False, _BEST_SETTINGS, _DLT),
)


def expected(size: Size, scenario: Scenario) -> dict[str, int]:
    """What the counting queries must find after a scenario."""
    rows = {"students": size.users, "classes": size.classes, "enrollments": size.enrollments}
    changed = {f"changed {name}": size.changed(n) if scenario.version > 1 else 0 for name, n in rows.items()}
    return rows | changed | {"mapped ids": sum(rows.values())}


Results = dict[tuple[str, str], "Measured"]
"""Medians by contestant and scenario."""


@dataclass(frozen=True, slots=True)
class Target:
    """A promise: `value` compared with `limit`, as `at_least` says; None where its contestants did not take part."""

    promise: str
    value: Callable[[Results], float]
    limit: float
    at_least: bool
    unit: str

    def verdict(self, results: Results) -> tuple[str, str] | None:
        """What was reached, and ok or missed; None where it was not measured."""
        try:
            value = self.value(results)
        except KeyError:
            return None
        reached = value >= self.limit if self.at_least else value <= self.limit
        return f"{value:.2f} {self.unit}", "ok" if reached else "missed"


def _times(scenario: str, other: str, *, engine: bool = False) -> Callable[[Results], float]:
    def value(results: Results) -> float:
        theirs, ours = results[other, scenario], results["ours", scenario]
        if engine:
            return theirs.engine_seconds / ours.engine_seconds
        return theirs.whole_seconds / ours.whole_seconds

    return value


def _worst_peak(results: Results) -> float:
    return max(results["ours", scenario.name].peak_mb for scenario in SCENARIOS)


def _proof(results: Results) -> float:
    """At most which percentage of a first sync's work is the plan with the guard, reading back and the receipt.

    Work is processor time, the process's and PostgreSQL's, without imports: while one entity is applied the next is
    planned, so shares of the clock's time would be counted twice. Of the steps themselves it is that of their thread
    and of their connection's process; to read back, PostgreSQL may use a second one, which does no more than the first.

    Two steps of planning are no proof: finding what differs from what was written before, and which ids belong
    together. Whoever maps ids and writes only what changed needs them.
    """
    first = results["ours", "first"]
    steps: dict[str, float] = first.said["work"]
    plan = steps["plan"] - steps["compare"] - steps["link"]
    imports = first.whole_seconds - first.engine_seconds
    work = first.cpu_seconds + first.server_cpu_seconds - imports
    return 100 * (plan + 2 * steps["read_back"] + steps["write_receipt"]) / work


def _against_default(promise: str, scenario: str, limit: float) -> Target:
    value = _times(scenario, "default")
    return Target(f"{promise}, against dlt's defaults, whole process", value, limit, True, "times as fast")


def _against_best(promise: str, scenario: str, limit: float) -> Target:
    value = _times(scenario, "best", engine=True)
    return Target(f"{promise}, against dlt's best, engine alone", value, limit, True, "times as fast")


TARGETS = (
    _against_default("first sync", "first", 4.0),
    _against_best("first sync", "first", 0.95),  # "level": its best maps no ids
    _against_default("nothing changed", "same", 10.0),
    _against_best("nothing changed", "same", 2.0),
    _against_default("1 % changed", "change", 10.0),
    _against_best("1 % changed", "change", 2.0),
    Target("nothing changed, WAL", lambda results: results["ours", "same"].wal_mb, 2.0, False, "MB"),
    Target("plan, guard and receipt, of a first sync's work", _proof, 25.0, False, "%"),
    Target("peak memory", _worst_peak, 400.0, False, "MB"),
)


def median(rounds: list[Measured]) -> Measured:
    """The median of each figure by itself; what was said is that of the round in the middle."""
    middle = sorted(rounds, key=lambda one: one.whole_seconds)[len(rounds) // 2]
    figures = {
        name: statistics.median(getattr(one, name) for one in rounds)
        for name in ("whole_seconds", "engine_seconds", "peak_mb", "wal_mb", "cpu_seconds", "server_cpu_seconds")
    }
    return type(middle)(said=middle.said, **figures)
