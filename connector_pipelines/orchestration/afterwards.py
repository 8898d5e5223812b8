"""The jobs for after a sync: undo, replay, reconcile, explain, and what to do with dead letters.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

import getpass
from collections.abc import Iterator, Mapping

import dagster as dg
from pydantic import Field

from connector_pipelines.model import Source
from connector_pipelines.orchestration import metadata, names
from connector_pipelines.orchestration.decisions import known, show_applied
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.sync import explaining, letters, planning, reconciling, replaying, retrying, undoing, whole

_SOURCE = "The source."
_WHO = "Who decides, for the audit log."


class Undo(dg.Config):
    """What to undo, and whether to do it."""

    source: str = Field(description=_SOURCE)
    what: str = Field(
        min_length=8,
        description="The hash of an applied plan, or its first 8 characters; or the id of a run that applied several.",
    )
    apply: bool = Field(default=False, description="Do it. Without, only a preview is made, with its hash.")
    hash: str = Field(default="", description="To apply: the hash that the preview showed.")
    who: str = Field(default_factory=getpass.getuser, description=_WHO)
    why: str = Field(default="", description="The reason, for the audit log.")


class Replay(dg.Config):
    """Which stored read."""

    source: str = Field(description=_SOURCE)
    read: int = Field(description="The number of the read, as its external asset shows it.")


class Compared(dg.Config):
    """What to compare."""

    source: str = Field(description=_SOURCE)
    entities: list[str] = Field(default=[], description="Only these; none named is all the source provides.")


class Value(dg.Config):
    """Which value of core."""

    entity: str = Field(description="The core table.")
    id: int = Field(description="The row's id in core.")
    field: str = Field(description="The column.")


class Letters(dg.Config):
    """Which dead letters. Nothing named means all that are open."""

    source: str = Field(description=_SOURCE)
    entity: str = Field(default="", description="Only of this entity.")
    rule: str = Field(default="", description="Only those refused by this rule.")
    ids: list[int] = Field(default=[], description="Only these, by their numbers in the list.")

    def choice(self) -> letters.Choice:
        """The same for the engine."""
        return letters.Choice(tuple(self.ids), self.entity or None, self.rule or None)


class Cleared(Letters):
    """Which dead letters to settle, who decides, and why."""

    who: str = Field(default_factory=getpass.getuser, description=_WHO)
    why: str = Field(min_length=1, description="The reason, for the audit log.")


def afterwards_jobs(sources: Mapping[str, Source]) -> list[dg.JobDefinition]:
    """All of them, for the declared sources."""
    return [
        _undo_job(sources),
        _replay_job(sources),
        _reconcile_job(sources),
        _explain_job(sources),
        _list_job(sources),
        _retry_job(sources),
        _clear_job(sources),
    ]


def _undo_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def undo_now(context: dg.OpExecutionContext, config: Undo, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            source = known(sources, config.source)
            if config.apply:
                for done in undoing.undo(
                    surroundings, source, config.what, config.hash, who=config.who, why=config.why
                ):
                    show_applied(context, surroundings, done)
                return
            preview = undoing.preview(surroundings, source, config.what)
            for amendment in preview.amendments:
                changes = planning.sample_changes(surroundings, amendment.plan)
                shown = metadata.of_amendment(amendment, changes) | {
                    "hash to apply": preview.hash[: metadata.HASH_SHOWN]
                }
                key = names.mapping(source.name, amendment.plan.entity)
                context.log_event(dg.AssetObservation(key, metadata=shown, description="the preview of an undo"))
            context.log.info(
                "to do it, launch again with apply: true and hash: %s", preview.hash[: metadata.HASH_SHOWN]
            )

    @dg.job(
        description="Shows what undoing an applied plan, or all of a run, would change; with apply and the hash it"
        " showed, does it. What a person or a later sync wrote since is left and named. Nothing is deleted."
    )
    def undo() -> None:
        undo_now()

    return undo


def _replay_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def replay_now(context: dg.OpExecutionContext, config: Replay, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            plan = replaying.replay(surroundings, known(sources, config.source), config.read)
            shown = metadata.of_plan(plan, planning.sample_changes(surroundings, plan))
        key = names.mapping(plan.source, plan.entity)
        context.log_event(dg.AssetObservation(key, metadata=shown, description=f"a replay of read {config.read}"))

    @dg.job(
        description="Plans a stored read anew from its landed pages, under today's code and without asking the source."
        " Nothing moves; the plan can be approved by its hash."
    )
    def replay_read() -> None:
        replay_now()

    return replay_read


def _reconcile_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op(out={})
    def reconcile_now(
        context: dg.OpExecutionContext, config: Compared, engine: Engine
    ) -> Iterator[dg.AssetObservation]:
        alarms = 0
        with opened(context, engine) as surroundings:
            source = known(sources, config.source)
            for entity in whole.in_order(source, config.entities or None):
                found = reconciling.reconcile(surroundings, source, entity)
                alarms += found.alarms
                shown = metadata.of_reconciliation(found)
                # Yielded, because what is logged by a step that fails is lost.
                yield dg.AssetObservation(names.core(entity), metadata=shown, description=source.name)
        if alarms:
            sentence = f"{alarms:,} differences between {config.source} and core that nothing explains"
            raise dg.Failure(description=sentence, allow_retries=False)

    @dg.job(
        description="Compares what a source said last, from its landed pages, with core. Each difference is named with"
        " core's asset, and the run fails when nothing explains one. Nothing is written."
    )
    def reconcile() -> None:
        reconcile_now()

    return reconcile


def _explain_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def explain_now(context: dg.OpExecutionContext, config: Value, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            found = explaining.explain(surroundings, sources, config.entity, config.id, config.field)
        shown = metadata.of_explanation(found)
        context.log_event(dg.AssetObservation(names.core(config.entity), metadata=shown, description=found.sentence))

    @dg.job(
        description="Says which plan, read, page and record gave a field of a core row its value, by which rule, or who"
        " edited it. The record itself is shown by the command line alone."
    )
    def explain() -> None:
        explain_now()

    return explain


def _list_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def list_now(context: dg.OpExecutionContext, config: Letters, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            source = known(sources, config.source)
            found = letters.listed(surroundings.connection, source.name, config.choice())
        for entity in dict.fromkeys(letter.entity for letter in found):
            shown = metadata.of_listed([letter for letter in found if letter.entity == entity])
            key = names.external(source.name, entity)
            context.log_event(dg.AssetObservation(key, metadata=shown, description="dead letters"))

    @dg.job(description="Lists dead letters one by one with reason, read and page, with the external asset.")
    def list_dead_letters() -> None:
        list_now()

    return list_dead_letters


def _retry_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def retry_now(context: dg.OpExecutionContext, config: Letters, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            source = known(sources, config.source)
            for done in retrying.retry(surroundings, source, config.choice()):
                shown = metadata.of_plan(done.plan, ()) | {"letters": done.letters}
                key = names.planned(source.name, done.plan.entity)
                context.log_event(dg.AssetObservation(key, metadata=shown, description="a retry of dead letters"))

    @dg.job(
        description="Accepts and plans the records of dead letters again, under today's code. What is accepted is"
        " applied with a receipt; the others stay, with one more attempt."
    )
    def retry_dead_letters() -> None:
        retry_now()

    return retry_dead_letters


def _clear_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def clear_now(context: dg.OpExecutionContext, config: Cleared, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            source = known(sources, config.source)
            count = letters.clear(surroundings.connection, source.name, config.choice(), who=config.who, why=config.why)
        context.log.info("%s dead letters of %s are cleared", count, source.name)

    @dg.job(description="Settles dead letters without accepting their records; who and why stand in the audit log.")
    def clear_dead_letters() -> None:
        clear_now()

    return clear_dead_letters
