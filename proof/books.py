"""The gradebook exports of some chaos runs: a school's assessments go back to it while core is synced and exported.

Whether a run has one, and what is drawn for it, comes from a generator of its own, so that the syncs and the other
exports of a seed are what they were without.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from connector_pipelines.database.connection import connect
from proof import gradebook
from proof.stages import ASSESSED, KNOWN
from proof.wire import Strike

if TYPE_CHECKING:
    import random

    from connector_pipelines.database.connection import Connection
    from proof.gradebook import Gradebook
    from proof.work import Job

SHARE = 0.35
"""So many runs have a gradebook."""

# What the client must heal or live with.
HARMLESS = ("delay=5", "slow-body=1", "gzip", "lower-case-headers", "token-expiry=3", "503=1")
# What must end the export with an error that says so; at one call of many, before or after it took effect.
LOUD = ("500", "reset", "truncated", "html-200", "auth-down", "forbidden", "missing-envelope", "null-envelope")
COLLECTIONS = ("", ":lineItems", ":results")
THEIRS = "Theirs"
"""What people there write beside our fields."""

# What people do in core meanwhile.
_EDITS = (
    "UPDATE core.grades SET score = {n} WHERE assessment_id IS NOT NULL AND id % 4 = {n} % 4",
    "UPDATE core.grades SET status = 'inactive' WHERE assessment_id IS NOT NULL AND id % 7 = {n} % 7",
    "UPDATE core.grades SET status = 'active' WHERE assessment_id IS NOT NULL AND id % 3 = {n} % 3",
    "UPDATE core.assessments SET status = 'inactive' WHERE id = (SELECT min(id) + {n} % 2 FROM core.assessments)",
    "UPDATE core.assessments SET status = 'active'",
    "UPDATE core.assessments SET is_finalized = true WHERE id % 10 = 3",
    "UPDATE core.assessments SET title = title || ' {n}' WHERE id % 2 = {n} % 2 AND length(title) < 40",
)

# Of line items and results: the id, whether it should stand there (null: it must not be there), and our fields.
_ITEMS = """
    SELECT 'core-assessments-' || id, CASE WHEN status <> 'active' THEN false WHEN is_finalized THEN true END,
        title, max_score::float8
    FROM core.assessments
"""
_RESULTS = """
    SELECT 'core-grades-' || g.id,
        CASE WHEN g.status <> 'active' OR a.status <> 'active' THEN false WHEN a.is_finalized THEN true END,
        g.score::float8, CASE g.achievement WHEN 'Exceeded' THEN 'A' WHEN 'Met' THEN 'B' WHEN 'Partially Met' THEN 'C'
            WHEN 'Not Met' THEN 'D' END
    FROM core.grades g JOIN core.assessments a ON a.id = g.assessment_id
"""
_BOOKS = {"lineItems": (_ITEMS, ("title", "resultValueMax")), "results": (_RESULTS, ("score", "textScore"))}


@dataclass(slots=True)
class Books:
    """The gradebook of one run.

    Attributes:
        url: of the database.
        faults: of the gradebook, as they are just now.
        theirs: ids of results beside which people there wrote something.
    """

    dice: random.Random
    there: Gradebook
    url: str
    source: str = gradebook.SOURCE
    faults: list[str] = field(default_factory=list)
    theirs: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Assessments and grades of the school that is in core."""
        with connect(self.url) as connection:
            connection.execute((ASSESSED + KNOWN).encode())

    def job(self, result: str) -> Job:
        """One export of all."""
        return gradebook.job(self.there, self.url, result)

    def draw(self, job: Job) -> tuple[Job, Strike] | None:
        """Whether core is exported in this step, and what strikes it; people here and there do their own work."""
        self._work()
        kinds = self.dice.choices((HARMLESS, LOUD), (2, 1), k=self.dice.choice((0, 1, 1, 2)))
        self.faults = [self._fault(kind) for kind in kinds]
        self.there.set_faults(self.faults)
        self.there.recount()
        how = self.dice.choice(("none", "kill", "cut", "call", "effect"))
        at = self.dice.randint(1, 80)
        if self.dice.random() < 0.2:
            return None
        where = self.there if how == "effect" else None
        job = replace(job, die_at=at if how == "call" else 0)
        return job, Strike({"call": "none", "effect": "kill"}.get(how, how), at, where)

    def _fault(self, kind: tuple[str, ...]) -> str:
        name = self.dice.choice(kind)
        place = self.dice.choice(COLLECTIONS) if kind is LOUD and name not in {"auth-down", "forbidden"} else ""
        return f"{name}@{self.dice.randint(1, 30)}{place}" if kind is LOUD else name

    def _work(self) -> None:
        """People change grades in core, and write beside ours in the gradebook."""
        with connect(self.url) as connection:
            for edit in self.dice.sample(_EDITS, 2):
                connection.execute(edit.format(n=self.dice.randint(1, 20)).encode())
        ours = [one for one in self.there.expected("results") if str(one["sourcedId"]).startswith("core-grades-")]
        for one in ours:
            if self.dice.random() < 0.2:
                self.there.put("results", one | {"comment": THEIRS})
                self.theirs.add(one["sourcedId"])

    def calm(self) -> None:
        """No more faults."""
        self.faults = []
        self.there.clear_faults()

    def recount(self) -> None:
        """Count writes from here."""
        self.there.recount()

    def wrong(self) -> list[str]:
        """What was done twice so far, each told once."""
        found = [f"done twice: {one}" for one in self.there.idle]
        self.there.idle.clear()
        return found

    def unlike(self, connection: Connection) -> list[str]:
        """What is wrong after an export that ended well, while nobody changes core or the gradebook."""
        found = []
        for name, (statement, fields) in _BOOKS.items():
            stands = {str(one["sourcedId"]): one for one in self.there.expected(name)}
            wrong = [
                number
                for number, should, *values in connection.execute(statement.encode()).fetchall()
                if not _agrees(stands.get(str(number)), should, dict(zip(fields, values, strict=True)))
            ]
            if wrong:
                found.append(f"the gradebook's {name} are not what core says: {len(wrong)}, {wrong[:3]}")
            lost = [number for number in self.theirs & stands.keys() if stands[number].get("comment") != THEIRS]
            found += [f"a comment of theirs is gone: {sorted(lost)[:3]}"] if lost else []
        return found

    def again(self, _connection: Connection) -> list[str]:
        """What is wrong after one more such export, before which the calls were forgotten."""
        return [f"an export without changes writes: {self.there.calls[:3]}"] if self.there.calls else []


def _agrees(there: dict[str, Any] | None, should: object, wanted: dict[str, Any]) -> bool:
    """Whether what stands there is what core says; what was never sent need not be withdrawn."""
    if should is None:
        return there is None
    if not should:
        return there is None or there["status"] == "tobedeleted"
    return there is not None and there["status"] == "active" and all(there.get(n) == v for n, v in wanted.items())
