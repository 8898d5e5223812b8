"""The job that shows a run's receipts, and whether Dagster's own record of the run has them as they stand.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

from collections.abc import Iterator, Mapping

import dagster as dg
from pydantic import Field

from connector_pipelines.model import Source
from connector_pipelines.orchestration import metadata, names
from connector_pipelines.orchestration.decisions import known
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.outward import is_export
from connector_pipelines.sync import proving, receipts, reconciling

_RUN = "dagster run "


class Proof(dg.Config):
    """Which receipts, and whether to look at core, too."""

    source: str = Field(description="The source.")
    what: str = Field(
        default="",
        description="The hash of an applied plan, or its first 8 characters; the id of a run in Dagster; or the number"
        " of a read. Nothing: the newest receipt of each entity.",
    )
    entities: list[str] = Field(default=[], description="Only of these; none named is all.")
    check: bool = Field(default=False, description="Compare core as it is now with what the source said last, too.")
    limit: int = Field(
        default=reconciling.NAMED, ge=0, description="Name at most so many rows of a receipt; 0 names all."
    )


def receipt_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    """Show the receipts of a run; it fails where one proves nothing, or was changed."""

    @dg.op(out={})
    def show_now(context: dg.OpExecutionContext, config: Proof, engine: Engine) -> Iterator[dg.AssetObservation]:
        wrong = []
        with opened(context, engine) as surroundings:
            source = known(sources, config.source)
            for shown in proving.receipts(
                surroundings,
                source,
                config.what,
                entities=config.entities or None,
                check=config.check,
                limit=config.limit,
            ):
                kept, recorded = shown.kept, _recorded(context.instance, shown.kept)
                told = metadata.of_kept(shown, limit=config.limit) | {"in Dagster's record of the run": recorded}
                if not shown.sound or recorded == receipts.Seal.CHANGED:
                    wrong.append(f"{kept.entity} (plan {kept.plan}, {kept.seal})")
                # Yielded, because what is logged by a step that fails is lost.
                yield dg.AssetObservation(_place(kept), metadata=told, description="receipt")
        if wrong:
            raise dg.Failure(description=f"not proven: {', '.join(wrong)}", allow_retries=False)

    @dg.job(
        description="Shows the receipts of a run: the accounting of each entity, every row that core did not take as"
        " planned, the checksums, and whether the receipt is as it was written. With check, core is compared with what"
        " the source said last. Fails where something is not proven."
    )
    def show_receipt() -> None:
        show_now()

    return show_receipt


def _place(kept: receipts.Kept) -> dg.AssetKey:
    """Where what was applied shows."""
    return names.planned(kept.source, kept.entity) if is_export(kept.entity) else names.core(kept.entity)


def _recorded(instance: dg.DagsterInstance, kept: receipts.Kept) -> str:
    """Whether the digest that the run materialized is that of the receipt as it stands."""
    if not kept.applied_by.startswith(_RUN):
        return "applied without Dagster"
    logged = instance.all_logs(kept.applied_by.removeprefix(_RUN), of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    for entry in logged:
        said = entry.asset_materialization.metadata.get(metadata.DIGESTS) if entry.asset_materialization else None
        if isinstance(said, dg.JsonMetadataValue) and isinstance(said.data, dict) and str(kept.plan) in said.data:
            same = said.data[str(kept.plan)] == kept.found
            return str(receipts.Seal.INTACT if same else receipts.Seal.CHANGED)
    return "not kept any more"
