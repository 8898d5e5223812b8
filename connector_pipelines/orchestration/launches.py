"""How often people may launch what asks a source: a stuck button must not spend the source's budget (G122)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.errors import RateLimited
from connector_pipelines.external import surroundings
from connector_pipelines.external.gate import Gate, Verdict
from connector_pipelines.external.limits import MINUTE, Budget, Rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster import AssetExecutionContext, OpExecutionContext

BY_HAND = Budget("launches by hand", (Rate(10, MINUTE),))

COUNTED = "connector_pipelines/launch_of_{source}"
"""The tag that says what became of a launch by hand: `counted`, or when to launch again. All its steps read it."""

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


def count(context: AssetExecutionContext | OpExecutionContext, source: str) -> None:
    """Count a run as one launch of a source, unless Dagster made it by itself.

    The first step that asks the source counts it. What it was told holds for every step of the run: one that was
    refused sends nothing, whichever entities it was launched for.

    Args:
        context: the step's.
        source: what is to be asked.

    Raises:
        RateLimited: it is the eleventh within a minute; nothing was sent.
    """
    run = context.instance.get_run_by_id(context.run.run_id) or context.run  # as the steps before left it
    if any(tag in run.tags for tag in _BY_ITSELF):
        return
    tag = COUNTED.format(source=source)
    said = run.tags.get(tag)
    if said is None:
        said = admit(source)
        context.instance.add_run_tags(run.run_id, {tag: said})
    if said != "counted":
        raise RateLimited(
            f"{source} was launched by hand {BY_HAND.rates[0].requests} times within a minute.", remedy=said
        ).located(source, None)


def admit(source: str) -> str:
    """Take a place among this minute's launches of a source: `counted`, or what to do where none is left."""
    admission = Gate(surroundings.needed().line, f"launches of {source}").admit([BY_HAND], patience=0)
    if admission.verdict is Verdict.LATE:
        return f"Launch it again in {admission.seconds:.0f} s; what was launched before goes on."
    return "counted"
