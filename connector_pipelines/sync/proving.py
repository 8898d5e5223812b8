"""Shows a run's receipts to whoever asks: the accounting, what was read back, whether anybody changed them since; and,
asked for it, whether core still holds what the source said last (S3, G40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector_pipelines.errors import ConfigurationError, at
from connector_pipelines.outward import is_export
from connector_pipelines.sync.receipts import Seal, kept
from connector_pipelines.sync.reconciling import NAMED, reconcile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connector_pipelines.model import Source
    from connector_pipelines.sync.context import Context
    from connector_pipelines.sync.receipts import Kept
    from connector_pipelines.sync.reconciling import Reconciliation


@dataclass(frozen=True, slots=True)
class Shown:
    """A receipt, and what core holds now.

    Attributes:
        now: core compared with what the source said last; None where nobody asked, and for exports.
    """

    kept: Kept
    now: Reconciliation | None = None

    @property
    def sound(self) -> bool:
        """The receipt proves what was applied, nobody changed it, and nothing in core is unexplained."""
        verified = self.kept.receipt is not None and self.kept.receipt.verified
        return verified and self.kept.seal in {Seal.INTACT, Seal.UNSIGNED} and not (self.now and self.now.alarms)


def receipts(
    context: Context,
    source: Source,
    what: str = "",
    *,
    entities: Sequence[str] | None = None,
    check: bool = False,
    limit: int = NAMED,
) -> Iterator[Shown]:
    """The receipts of a run, in the order in which they were written; each as soon as it is looked at.

    Args:
        context: the run's surroundings.
        source: whose.
        what: which; see `kept`.
        entities: only of these; all by default.
        check: whether to compare core with what the source said last, from its landed pages, too.
        limit: at most so many differences of an entity are named in that; 0 names all.

    Raises:
        AnotherRunIsActive, BrokenPage, ConfigurationError: see `reconcile`; the last also when nothing that was applied
            answers to `what`.
    """
    found = [one for one in kept(context.connection, source.name, what) if not entities or one.entity in entities]
    if what and not found:
        raise ConfigurationError(
            f"{source.name} applied nothing by {what[:40]!r}.",
            remedy="Give a plan's hash, the id of a run in Dagster, or a read's number, as the assets show them.",
        )
    for one in found:
        with at(source.name, one.entity):
            compare = check and not is_export(one.entity)
            yield Shown(one, reconcile(context, source, one.entity, limit=limit) if compare else None)
