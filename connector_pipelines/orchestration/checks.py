"""What an asset check says, from the records. Pure: a record in, a verdict out; the thresholds stand here.

on external   connection     the source answers and takes our credentials; at what it is read into first
              schema         rows that break a rule of the source's schema: any warns, 5 % is an error
              completeness   the source was read to its end
              shape          fields that are new, changed or gone since earlier reads: warns for a week
on mapping    mass_change    the guard held the plan; blocking, so core of this run stays as it was
              accounted_for  every fetched row is in exactly one outcome
              dead_letters   rows that will not come to core: any warns, 5 % is an error
on export     mass_change, accounted_for, dead_letters, receipts: the same of what is written to the source
              success        records that do not stand there as they should: 0.5 % warns
              arrival        how long changes of core were on their way: a mean of 30 s warns
              needs          records without a field that people need: any warns; of exports that name such fields
              answers        how long the source takes to answer: a mean of 2 s warns
on core       receipts       what was applied adds up and was read back as planned
              orphans        rows that wait for their parents longer than a day
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from dagster import AssetCheckEvaluation, AssetCheckResult, AssetCheckSeverity, AssetCheckSpec

from connector_pipelines.model import PlanState
from connector_pipelines.sync.figures import GOAL, USUAL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dagster import AssetKey

    from connector_pipelines.model import Plan, Read, Receipt
    from connector_pipelines.orchestration.look import Waiting
    from connector_pipelines.sync.figures import Figures, Lacking
    from connector_pipelines.validation.shapes import Drift

CONNECTION = "connection"
"""Said by every read that succeeds, by the connection test, and by the health sensor in between."""

NEEDS = "needs"
"""Said of exports that name fields which their records need."""

TOLERATED = 0.05
"""The share of refused rows from which a check is an error instead of a warning."""

ARRIVAL_SECONDS = 30.0
"""From a change in core to the source that it is written to it shall take less, on average (M131, K21)."""

FIGURES_OF = timedelta(days=7)
"""What an export's figures are of."""

PATIENCE = timedelta(days=1)
"""How long a row may wait for its parents."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: whether all is well, how bad it is otherwise, a sentence, and numbers."""

    name: str
    passed: bool
    sentence: str
    error: bool = True
    numbers: Mapping[str, int | float | str] = field(default_factory=dict)

    def result(self, asset: AssetKey) -> AssetCheckResult:
        """The verdict in Dagster's words, for the step of the asset itself."""
        return AssetCheckResult(
            asset_key=asset,
            check_name=self.name,
            passed=self.passed,
            severity=self._severity,
            description=self.sentence,
            metadata=dict(self.numbers),
        )

    def evaluation(self, asset: AssetKey) -> AssetCheckEvaluation:
        """The same, for any other step that finds it out."""
        return AssetCheckEvaluation(
            asset_key=asset,
            check_name=self.name,
            passed=self.passed,
            severity=self._severity,
            description=self.sentence,
            metadata=dict(self.numbers),
        )

    @property
    def _severity(self) -> AssetCheckSeverity:
        return AssetCheckSeverity.ERROR if self.error else AssetCheckSeverity.WARN


def schema(read: Read) -> Verdict:
    """Whether the source sends what its schema promises."""
    share = _share(read.rejected, read.rows)
    return Verdict(
        "schema",
        passed=not read.rejected,
        sentence=f"{read.rejected:,} of {read.rows:,} rows break a rule"
        if read.rejected
        else "every row keeps the rules",
        error=share >= TOLERATED,
        numbers={"rejected": read.rejected, "rows": read.rows, "rejected share": share},
    )


def connection(read: Read) -> Verdict:
    """A source that was read is there, and takes our credentials."""
    return Verdict(CONNECTION, passed=True, sentence="answered while it was read", numbers={"pages": read.pages})


def completeness(read: Read) -> Verdict:
    """Whether the source was read to its end, and whether absence means something."""
    proof = "absence is proven" if read.snapshot else "absence is not looked at"
    return Verdict(
        "completeness",
        passed=read.complete,
        sentence=f"read to its end; {proof}" if read.complete else "the read ended before the source said so",
        numbers={"pages": read.pages, "rows": read.rows},
    )


def shape(found: Drift, fields: int) -> Verdict:
    """Whether records have the fields and kinds of values that they had before; a change fails nothing by itself.

    Args:
        found: what differs.
        fields: how many are known.
    """
    look = "Look into the source's release notes and the connector's README; what we need of it is checked apart."
    return Verdict(
        "shape",
        passed=not found,
        sentence=f"{found}. {look}" if found else f"{fields} fields as before",
        error=False,
        numbers={"new": len(found.new), "changed": len(found.changed), "gone": len(found.gone), "fields": fields},
    )


def mass_change(plans: Sequence[Plan], held: Sequence[Plan]) -> Verdict:
    """Whether the guard let the plans pass; an older one that still waits for a person is a warning.

    Args:
        plans: what this step is about.
        held: all plans of the source's entity that are held now.
    """
    now = [plan for plan in plans if plan.state is PlanState.HELD]
    waiting = now or held
    numbers = {
        name: getattr(plan.counts, name)
        for plan in plans[-1:]
        for name in ("created", "updated", "linked", "dropped", "absent")
    }
    if not waiting:
        return Verdict("mass_change", passed=True, sentence="within the limits", numbers=numbers)
    plan = waiting[-1]
    decide = f"Launch the job approve_plan or reject_plan with source {plan.source}, hash {plan.hash[:12]} and why."
    sentence = f"held: {'; '.join(plan.reasons)}. {decide}"
    return Verdict("mass_change", passed=False, sentence=sentence, error=bool(now), numbers=numbers)


def accounted_for(plans: Sequence[Plan]) -> Verdict:
    """Whether every fetched row is in exactly one outcome."""
    wrong = [plan for plan in plans if not plan.counts.accounted_for]
    sentence = (
        f"plans that do not add up: {', '.join(p.hash[:12] for p in wrong)}" if wrong else "every row is accounted for"
    )
    return Verdict("accounted_for", passed=not wrong, sentence=sentence)


def dead_letters(plans: Sequence[Plan]) -> Verdict:
    """How many of the fetched rows will not come to core; those that only wait for their parents are not counted."""
    refused = sum(plan.counts.dead_lettered - plan.counts.waiting for plan in plans)
    fetched = sum(plan.counts.fetched + plan.counts.retried for plan in plans)
    share = _share(refused, fetched)
    return Verdict(
        "dead_letters",
        passed=not refused,
        sentence=f"{refused:,} of {fetched:,} rows are dead letters" if refused else "no dead letters",
        error=share >= TOLERATED,
        numbers={"dead letters": refused, "dead-letter share": share},
    )


def receipts(applied: Sequence[Receipt]) -> Verdict:
    """Whether all that was applied adds up and was read back as planned."""
    wrong = [receipt for receipt in applied if not receipt.verified]
    places = ", ".join(f"{receipt.source} (plan {receipt.plan_id})" for receipt in wrong)
    proven = f"{len(applied)} applied and read back" if applied else "nothing to apply"
    return Verdict("receipts", passed=not wrong, sentence=f"not verified: {places}" if wrong else proven)


def of_export(plans: Sequence[Plan], sent: Sequence[Receipt], held: Sequence[Plan], found: Figures) -> list[Verdict]:
    """All that is checked of an export: the verdicts of planning and of applying in one, and how it does."""
    return [mass_change(plans, held), accounted_for(plans), dead_letters(plans), receipts(sent), *figures(found)]


def figures(found: Figures) -> list[Verdict]:
    """Whether an export does as well as people are promised. Warnings: alarms are elsewhere."""
    return [
        Verdict(
            "success",
            passed=found.success > GOAL,
            sentence=f"{found.success:.2%} of {found.standing + found.missing:,} records stand there as they should;"
            f" of {found.sent:,} sent in 7 days {found.failed:,} were not taken",
            error=False,
            numbers={"standing share": found.success, "sent": found.sent, "not taken": found.failed},
        ),
        Verdict(
            "arrival",
            passed=found.mean_seconds < ARRIVAL_SECONDS,
            sentence=f"{found.changes:,} changes of 7 days arrived within {found.mean_seconds:.1f} s on average",
            error=False,
            numbers={"mean seconds": found.mean_seconds, "longest": found.longest, "changes": found.changes},
        ),
        Verdict(
            "answers",
            passed=found.mean_answer < USUAL_SECONDS,
            sentence=f"{found.requests:,} requests of 7 days took {found.mean_answer:.2f} s on average",
            error=False,
            numbers={"mean seconds": found.mean_answer, "requests": found.requests},
        ),
    ]


def needs(found: Sequence[Lacking]) -> Verdict:
    """Whether every record that stands in the source has the fields that people need there (M1)."""
    said = [f"{one.count:,} have no {one.field}: {one.why}; {', '.join(one.keys)}" for one in found]
    return Verdict(
        NEEDS,
        passed=not found,
        sentence="; ".join(said) or "nothing lacks",
        error=False,
        numbers={f"without {one.field}": one.count for one in found},
    )


def orphans(waiting: Waiting) -> Verdict:
    """Whether rows have waited for their parents for too long."""
    return Verdict(
        "orphans",
        passed=not waiting.old,
        sentence=f"{waiting.old:,} rows have waited for their parents for more than {PATIENCE.days} day"
        if waiting.old
        else f"{waiting.count:,} rows wait for their parents",
        error=False,
        numbers={"waiting": waiting.count, "waiting too long": waiting.old},
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


AT_FIRST = {CONNECTION: "The source answers and takes our credentials; the health sensor keeps this up to date."}
"""The check at what a source is read into first."""

OF_NEEDS = {NEEDS: "Every record that stands in the source has the fields that people need there."}
"""The check of exports that name such fields."""

BY_LAYER = {
    "external": {
        "schema": "Rows keep the rules of the source's schema.",
        "completeness": "The source was read to its end by its own rule.",
        "shape": "Records have the fields and kinds of values that they had before; a change is told for a week.",
    },
    "mapping": {
        "mass_change": "The plan is within the guard's limits. A held one waits for a person; core stays as it was.",
        "accounted_for": "Every fetched row is in exactly one outcome of the plan.",
        "dead_letters": "Rows that will not come to core.",
    },
    "export": {
        "mass_change": "The plan is within the guard's limits. A held one waits for a person; nothing was sent.",
        "accounted_for": "Every row of the extract is in exactly one outcome of the plan.",
        "dead_letters": "Rows that the source does not hold as core would have it.",
        "receipts": "What was sent adds up, and the source was read back to hold it.",
        "success": f"More than {GOAL:.1%} of the records stand there as they should.",
        "arrival": f"Changes of core arrive in less than {ARRIVAL_SECONDS:g} s on average.",
        "answers": f"The source answers in less than {USUAL_SECONDS:g} s on average.",
    },
    "core": {
        "receipts": "What was applied adds up, and core was read back to hold it.",
        "orphans": "No row waits for its parents for too long.",
    },
}
"""The checks of each layer's assets, evaluated in the asset's own step."""

_BLOCKING = {"mass_change"}


def specs(asset: AssetKey, checks: Mapping[str, str]) -> list[AssetCheckSpec]:
    """The specs of checks that the asset's own step evaluates."""
    return [
        AssetCheckSpec(name, asset=asset, description=text, blocking=name in _BLOCKING) for name, text in checks.items()
    ]
