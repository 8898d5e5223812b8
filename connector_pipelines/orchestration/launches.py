"""How often people may launch a sync of one source: a stuck button must not spend the source's budget (G122)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.errors import RateLimited
from connector_pipelines.external import surroundings
from connector_pipelines.external.gate import Gate, Verdict
from connector_pipelines.external.limits import MINUTE, Budget, Rate

if TYPE_CHECKING:
    from collections.abc import Mapping

BY_HAND = Budget("launches by hand", (Rate(10, MINUTE),))

_BY_ITSELF = ("dagster/schedule_name", "dagster/sensor_name", "dagster/backfill", "dagster/parent_run_id")


LANE = "connector_pipelines/lane"
"""The tag that says whose share of a source's budget a run spends; see `external.limits.LANES`."""

_RANGE = ("dagster/backfill", "dagster/asset_partition_range_start")


def lane(tags: Mapping[str, str]) -> str:
    """Whose share of a source's budget a run spends: as its tag says; a backfill's, where it fills days; a sync's.

    Args:
        tags: of the run.
    """
    return tags.get(LANE) or ("backfill" if any(tag in tags for tag in _RANGE) else "sync")


def count(source: str, tags: Mapping[str, str]) -> None:
    """Count a launch, unless Dagster made it by itself.

    Args:
        source: what is to be read.
        tags: of the run.

    Raises:
        RateLimited: it is the eleventh within a minute; nothing was sent.
    """
    if any(tag in tags for tag in _BY_ITSELF):
        return
    admission = Gate(surroundings.needed().line, f"launches of {source}").admit([BY_HAND], patience=0)
    if admission.verdict is Verdict.LATE:
        raise RateLimited(
            f"{source} was launched by hand {BY_HAND.rates[0].requests} times within a minute.",
            remedy=f"Launch it again in {admission.seconds:.0f} s; what was launched before goes on.",
        ).located(source, None)
