"""Every fault of every simulator, tried: a good read, some changes, a read with the fault, and a good one again.

    python -m proof.matrix                 writes docs/fault-matrix.md
    python -m proof.matrix --of quickbooks writes one section of it anew

A read with a fault may end in five ways and no other. Whatever it was, the next good read must leave core as if there
never had been a fault, record by record; a fault after which that is not so is `LOST`, and no page is written. After
reads that were stopped, the good one is that of a later trial.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString
from unittest.mock import patch

import stamina

from connector_pipelines import errors
from connector_pipelines.database.connection import connect
from connector_pipelines.errors import SyncError
from connector_pipelines.external.landing import Landing
from connector_pipelines.model import PlanState
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.whole import sync
from proof import held, school
from proof.databases import server
from proof.subjects import SECRETS, SUBJECTS, Subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.model import Source
    from proof.school import Rows
    from proof.subjects import Stage, Trial

PAGE = Path(__file__).parents[1] / "docs/fault-matrix.md"
MOVING = "shift"
"""The fault that changes the simulated world. It is tried last, and what core must hold is worked out anew."""


class End(StrEnum):
    """What becomes of a read with a fault."""

    HEALED = "healed"
    SET_ASIDE = "set aside"
    HELD = "held"
    STOPPED = "stopped"
    CATCHES_UP = "catches up"
    LOST = "LOST"


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one fault: `tried` as it was switched on."""

    fault: str
    tried: str
    does: str
    end: End
    told: str = ""

    def __str__(self) -> str:
        cells = (f"`{self.tried}`", self.does, f"**{self.end}**", self.told)
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


_KEEP: LiteralString = """
    DO $$ DECLARE one regclass; BEGIN
        CREATE SCHEMA kept;
        FOR one IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relname <> 'alembic_version'
            AND relnamespace IN ('core'::regnamespace, 'connector'::regnamespace)
        LOOP EXECUTE format('CREATE TABLE kept.%I AS TABLE %s', one::oid::text, one); END LOOP;
    END $$
"""
_RETURN: LiteralString = """
    DO $$ DECLARE one record; BEGIN
        SET LOCAL session_replication_role = replica;  -- nobody takes note of it
        FOR one IN SELECT c.oid::regclass AS held, k.oid::regclass AS kept,
            string_agg(quote_ident(a.attname), ', ') AS columns
        FROM pg_class k JOIN pg_class c ON c.oid::text = k.relname
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        WHERE k.relnamespace = 'kept'::regnamespace GROUP BY 1, 2
        LOOP
            EXECUTE format('DELETE FROM %s', one.held);
            EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM %3$s',
                one.held, one.columns, one.kept);
        END LOOP;
        FOR one IN SELECT oid::regclass AS held FROM pg_class
            WHERE relkind = 'r' AND relnamespace = 'staging'::regnamespace
        LOOP EXECUTE format('DROP TABLE %s', one.held); END LOOP;
    END $$
"""
"""As it was kept. Copying a database takes longer than all of a trial."""


@dataclass(slots=True)
class Bench:
    """A database with what a source brought before, and to which it returns.

    Attributes:
        truths: what core must hold, by entity and settings.
        breaches: of invariants, by rows that no source brought.
    """

    context: Context
    subject: Subject
    stage: Stage
    truths: dict[str, Rows] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)

    def ready(self) -> None:
        """One good read; then some records change, and the parents of what is read are core's already."""
        connection = self.context.connection
        self.stage.prepare(self.context)
        list(sync(self.context, self.stage.source({}), entities=[*self.subject.parents, self.subject.entity]))
        self.stage.evolve()
        list(sync(self.context, self.stage.source({}), entities=self.subject.parents))
        connection.execute("UPDATE connector.sync_cursors SET cursor = %s", [self.stage.since])
        self.breaches = held.breaches(connection)
        connection.execute(_KEEP)

    def line(self, fault: str) -> Line:
        """Try a fault."""
        trial = self.subject.trial(fault)
        end, told = self._tried(trial)
        return Line(fault, " ".join(trial.switched), self.subject.faults[fault].does, end, told)

    def _tried(self, trial: Trial) -> tuple[End, str]:
        """The database is as it was afterwards; where the read was stopped, because nothing came of it."""
        entity, source = trial.entity or self.subject.entity, self.stage.source(dict(trial.over))
        before = self._core(source, entity)
        self.stage.set_faults(list(trial.switched))
        end, told = _ended(self.context, source, entity, trial)
        switched = self.stage.switchboard
        if not all(switched.asked[fault] for fault in switched.faults):
            raise AssertionError(f"{trial.switched} could strike nothing that was asked")
        self.stage.set_faults([])
        if any(name.startswith(MOVING) for name in trial.switched):
            self.truths.clear()
        after = mended = self._core(source, entity)
        breaches = [breach for breach in held.breaches(self.context.connection) if breach not in self.breaches]
        kept_still = end not in {End.HELD, End.STOPPED} or after == before
        if end is End.STOPPED and kept_still and not breaches:
            return end, told
        if end is not End.HEALED or after != self.truths.get(entity + str(trial.over)):
            list(sync(self.context, source, entities=[entity]))
            mended = self._core(source, entity)
        self._return()
        truth = self.truth(source, entity, str(trial.over))
        if mended != truth or breaches or not kept_still:
            return End.LOST, "; ".join(breaches) or f"{_differing(mended, truth)} records"
        if end is End.HEALED and after != truth:
            return End.CATCHES_UP, f"{_differing(after, truth)} of {len(truth)} records differ until then"
        return end, told

    def truth(self, source: Source, entity: str, key: str = "") -> Rows:
        """What core holds of an entity after a read without faults."""
        if entity + key not in self.truths:
            list(sync(self.context, source, entities=[entity]))
            self.truths[entity + key] = self._core(source, entity)
            self._return()
        return self.truths[entity + key]

    def end(self) -> None:
        """A good read after all that was stopped.

        Raises:
            AssertionError: it did not bring everything.
        """
        source, entity = self.stage.source({}), self.subject.entity
        list(sync(self.context, source, entities=[entity]))
        mended = self._core(source, entity)
        self._return()
        lost = _differing(mended, self.truth(source, entity))
        if lost:
            raise AssertionError(f"{lost} records of {entity} did not come after reads that were stopped")

    def _core(self, source: Source, entity: str) -> Rows:
        return held.core(self.context.connection, entity, source.name)

    def _return(self) -> None:
        self.context.connection.execute(_RETURN)


def _ended(context: Context, source: Source, entity: str, trial: Trial) -> tuple[End, str]:
    """How a sync ended, by itself and in the words of plan, letters or error."""
    try:
        (outcome,) = sync(context, source, mode=trial.mode, entities=[entity])
    except SyncError as error:
        name = _documented(type(error)).__name__
        return End.STOPPED, f"[{name}](errors.md#{name.lower()}) `{error.category}`"
    if outcome.plan.state is PlanState.HELD:
        return End.HELD, "; ".join(outcome.plan.reasons)
    found = context.connection.execute("SELECT reason FROM connector.dead_letters WHERE state = 'open' ORDER BY reason")
    reasons = Counter(str(reason) for (reason,) in found)
    told = "; ".join(f"{count} dead letter{'s' * (count > 1)}: {reason}" for reason, count in reasons.items())
    return (End.SET_ASIDE, told) if told else (End.HEALED, "")


def _documented(kind: type[SyncError]) -> type[SyncError]:
    """The error of `errors.py` that a connector's own one is, as its page lists it."""
    return next(one for one in kind.__mro__ if one.__module__ == errors.__name__)


def _differing(one: Rows, other: Rows) -> int:
    return sum(one.get(key) != other.get(key) for key in one.keys() | other.keys())


def lines(url: str, folder: Path, subject: Subject) -> list[Line]:
    """Try every fault of a connector's simulator.

    Args:
        url: of a migrated, empty database, which is left with a schema more.
        folder: for landed pages.
        subject: the connector.
    """
    with (
        patch.dict("os.environ", SECRETS | school.CREDENTIALS),
        stamina.set_testing(True),
        subject.start() as stage,
        connect(url) as connection,
    ):
        bench = Bench(Context(connection, Landing(str(folder))), subject, stage)
        bench.ready()
        tried = [fault for fault in subject.faults if fault not in subject.beside]
        found = {fault: bench.line(fault) for fault in sorted(tried, key=MOVING.__eq__)}
        bench.end()
    return [found[fault] for fault in tried]


def section(subject: Subject, found: list[Line]) -> str:
    """What the page says of a connector."""
    ends = Counter(line.end for line in found)
    counted = ", ".join(f"{ends[end]} {end}" for end in End if ends[end])
    reasons = {
        why: [f"`{one}`" for one in subject.beside if subject.beside[one] == why] for why in subject.beside.values()
    }
    beside = [f"{', '.join(faults)} ({why})" for why, faults in reasons.items()]
    left_out = f"\n\nNot tried: {', '.join(beside)}." if beside else ""
    table = "\n".join(map(str, found))
    return (
        f"## {subject.title}\n\n{len(found)} faults while `{subject.entity}` is read: {counted}.{left_out}\n\n"
        f"| fault | what the source does | the read is | because |\n|---|---|---|---|\n{table}\n"
    )


HEAD = """# Fault matrix

What becomes of a sync while a source misbehaves, tried with every fault that the simulators of our connectors know.
`python -m proof.matrix` writes this page; a test tries everything again and compares.

Each fault is switched on after a good read, when some records have changed, and is there for the whole of the next
read. Then it ends, and sooner or later the source is read well again. Retries do not wait here; they are as many as
usual.

| the read is | core | then |
|---|---|---|
| **healed** | is right at once | nothing to do |
| **set aside** | is right, but for some rows | they come by themselves when the source sends them well |
| **held** | is as it was | a person decides on the plan, or the next good read takes its place |
| **stopped** | is as it was | the [error](errors.md) says why; the next good read brings everything |
| **catches up** | is what the source said, which was not so | the next good full read mends it |

There is no sixth way. One good read after these faults left core as if there never had been any, record by record, and
what must never be in the database never was. The [runbook](runbook.md) says what to do about dead letters and held
plans.
"""


def page(sections: list[str]) -> str:
    """The whole page."""
    return "\n".join([HEAD, *sections])


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; fails where something was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", choices=[one.name for one in SUBJECTS], action="append", help="renew only its section")
    given = parser.parse_args(arguments)
    before = PAGE.read_text(encoding="utf-8")
    sections = {part.splitlines()[0]: part for part in re.split(r"\n(?=## )", before)[1:]}
    lost = []
    with server() as databases, tempfile.TemporaryDirectory() as folder:
        for subject in SUBJECTS:
            if given.of and subject.name not in given.of:
                continue
            with databases.fresh() as url:
                found = lines(url, Path(folder) / subject.name, subject)
            sections[f"## {subject.title}"] = section(subject, found)
            lost += [f"{subject.name}: {line}" for line in found if line.end is End.LOST]
            print(f"{subject.name}: {sections[f'## {subject.title}'].splitlines()[2]}", flush=True)
    if lost:
        print("\n".join(lost))
        return 1
    after = page([sections[f"## {subject.title}"] for subject in SUBJECTS])
    if after != before:
        PAGE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
