"""When people are told that something is wrong, and that it is well again. Pure: facts and a clock in, messages out.

    rule      about             info    warning                          critical
    runs      a source's runs           the last one failed              three in a row failed
    run rate  a source's runs                                            over 5 % of an hour failed, for 15 minutes
    records   a source's rows                                            over 5 % of an hour refused, for 15 minutes
    exports   what a source is sent                                  over 5 % of 15 minutes was not taken
    latency   a source's API            p95 of 15 minutes over 5 s
    core      what a source fed         the last comparison found what nothing explains
    token     a source's credentials            end within two weeks             have ended

People are told when it gets worse, and once when all is well again (G125, M83, M84); never twice of the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum

from connector_pipelines.external.latency import SLOW_SECONDS


class Level(IntEnum):
    """How bad it is."""

    NOTHING = 0
    INFO = 1
    WARNING = 2
    CRITICAL = 3


IN_A_ROW = ((3, Level.CRITICAL), (1, Level.WARNING))
"""So many failures in a row are so bad; the first that fits counts."""

TOLERATED = (1, 20)
"""The share that may fail, as a fraction so that 5 % is exactly 5 %."""

FLOORS = {"run rate": 5, "records": 20, "exports": 20, "latency": 20}
"""Of fewer runs, rows, requests a share says nothing."""

HOLDS = {"run rate": timedelta(minutes=15), "records": timedelta(minutes=15)}
"""So long it must last before people are told; at once where nothing is said."""

ENDS_SOON_DAYS = 14
"""So many days before the last day of its credentials people are told (M58)."""

RATE_WINDOW = timedelta(hours=1)
LATENCY_WINDOW = EXPORT_WINDOW = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one source now.

    Attributes:
        in_a_row: its last runs failed, so many.
        error: why the last one did.
        runs, failed_runs: of the last hour.
        rows, refused_rows: of the last hour's plans.
        sent, not_taken: records of the last 15 minutes' exports.
        requests, p95_seconds: of the last 15 minutes.
        differs: what the last comparison of core with the source said, if it failed.
        days_left: until its credentials end; 0 on their last day, None where nobody knows.
    """

    source: str
    in_a_row: int = 0
    error: str = ""
    runs: int = 0
    failed_runs: int = 0
    rows: int = 0
    refused_rows: int = 0
    sent: int = 0
    not_taken: int = 0
    requests: int = 0
    p95_seconds: float = 0.0
    differs: str = ""
    days_left: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """How a rule stands for a source."""

    rule: str
    subject: str
    level: Level
    sentence: str


@dataclass(frozen=True, slots=True)
class State:
    """What a rule found last, since when, and what people were told."""

    found: Level
    told: Level
    since: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """What people are told. `key`: what may be told once only."""

    level: Level
    title: str
    body: str
    key: str | None = None


def findings(facts: Facts) -> list[Finding]:
    """How every rule stands for a source."""
    rules = (_runs, _run_rate, _records, _exports, _latency, _core, _token)
    return [rule(facts) for rule in rules]


def _runs(facts: Facts) -> Finding:
    level = next((level for count, level in IN_A_ROW if facts.in_a_row >= count), Level.NOTHING)
    times = f"{facts.in_a_row} times in a row" if facts.in_a_row > 1 else "in its last run"
    sentence = f"failed {times}: {facts.error}" if level else "the last run succeeded"
    return Finding("runs", facts.source, level, sentence)


def _run_rate(facts: Facts) -> Finding:
    return _rate("run rate", facts.source, facts.failed_runs, facts.runs, "runs of the last hour failed")


def _records(facts: Facts) -> Finding:
    return _rate("records", facts.source, facts.refused_rows, facts.rows, "rows of the last hour were refused")


def _exports(facts: Facts) -> Finding:
    what = "records that were sent in 15 minutes were not taken"
    return _rate("exports", facts.source, facts.not_taken, facts.sent, what)


def _rate(rule: str, source: str, failed: int, number: int, what: str) -> Finding:
    part, whole = TOLERATED
    bad = number >= FLOORS[rule] and failed * whole > number * part
    share = failed / number if number else 0.0
    sentence = f"{failed:,} of {number:,} {what} ({share:.1%})"
    return Finding(rule, source, Level.CRITICAL if bad else Level.NOTHING, sentence)


def _latency(facts: Facts) -> Finding:
    bad = facts.requests >= FLOORS["latency"] and facts.p95_seconds > SLOW_SECONDS
    sentence = f"95 % of {facts.requests:,} requests took up to {facts.p95_seconds:.1f} s; {SLOW_SECONDS:g} s are slow"
    return Finding("latency", facts.source, Level.WARNING if bad else Level.NOTHING, sentence)


def _core(facts: Facts) -> Finding:
    level = Level.WARNING if facts.differs else Level.NOTHING
    return Finding("core", facts.source, level, facts.differs or "core is what the source said")


def _token(facts: Facts) -> Finding:
    level, sentence = ending(facts.days_left)
    return Finding("token", facts.source, level, sentence)


def days_left(last: date | None, now: datetime) -> int | None:
    """Days until credentials end, 0 on their last day, by UTC's calendar; None where nobody knows."""
    return None if last is None else (last - now.astimezone(UTC).date()).days


def ending(left: int | None) -> tuple[Level, str]:
    """How bad it is that credentials end in so many days, and a sentence."""
    if left is None:
        return Level.NOTHING, "nobody said until when its credentials are valid"
    if left < 0:
        return Level.CRITICAL, "its credentials have ended: put new ones in place, and their last day into valid_until"
    soon = left <= ENDS_SOON_DAYS
    renew = "; renew them, and correct valid_until" if soon else ""
    return Level.WARNING if soon else Level.NOTHING, f"its credentials end in {left:,} days{renew}"


def judge(state: State | None, finding: Finding, now: datetime) -> tuple[State, Message | None]:
    """What is to be remembered of a rule, and what people are told now.

    Args:
        state: what was remembered; None where the rule never looked at the subject.
        finding: how it stands.
        now: the clock.
    """
    before = state or State(Level.NOTHING, Level.NOTHING, now)
    found = finding.level
    after = before if found == before.found else replace(before, found=found, since=now)
    lasting = now - after.since >= HOLDS.get(finding.rule, timedelta(0))
    if found > before.told and lasting:
        return replace(after, told=found), Message(found, f"{finding.subject}: {finding.rule}", finding.sentence)
    if found is Level.NOTHING and before.told:
        title = f"{finding.subject}: {finding.rule} is well again"
        return replace(after, told=found), Message(before.told, title, finding.sentence)
    return after, None
