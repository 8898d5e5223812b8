"""The jobs for after a sync: undo, replay, reconcile, explain, and what to do with dead letters.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

import getpass
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import dagster as dg
from pydantic import Field

from connector_pipelines.mapping.amend import Amendment
from connector_pipelines.model import PlanState, Source
from connector_pipelines.orchestration import checks, metadata, names
from connector_pipelines.orchestration.decisions import known, show_applied
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.outward import is_export
from connector_pipelines.sync import explaining, letters, planning, reconciling, replaying, retrying, undoing

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
    why: str = Field(default="", description="The reason, for the audit log; needed to do it.")


class Replay(dg.Config):
    """Which stored read."""

    source: str = Field(description=_SOURCE)
    read: int = Field(description="The number of the read, as its external asset shows it.")


class Compared(dg.Config):
    """What to compare."""

    source: str = Field(description=_SOURCE)
    entities: list[str] = Field(default=[], description="Only these; none named is all the source provides.")
    limit: int = Field(
        default=reconciling.NAMED, ge=0, description="Name at most so many differences of an entity; 0 names all."
    )


class Value(dg.Config):
    """Which value of core."""

    entity: str = Field(description="The core table.")
    id: int = Field(description="The row's id in core.")
    field: str = Field(description="The column.")
    at: str = Field(
        default="",
        description="As of this time, such as 2026-11-05T08:00+01:00; UTC without a zone. Nothing: as it is.",
    )


class Letters(dg.Config):
    """Which dead letters. Nothing named means all that are open."""

    source: str = Field(description=_SOURCE)
    entity: str = Field(default="", description="Only of this entity.")
    rule: str = Field(default="", description="Only those refused by this rule.")
    ids: list[int] = Field(default=[], description="Only these, by their numbers in the list.")

    def choice(self) -> letters.Choice:
        """The same for the engine."""
        return letters.Choice(tuple(self.ids), self.entity or None, self.rule or None)


class Listed(Letters):
    """Which dead letters to list, and how many at once."""

    limit: int = Field(default=letters.LISTED, ge=0, description="At most so many; 0 lists all.")
    after: int = Field(default=0, ge=0, description="Only those with greater numbers: where the list before ended.")


class Retried(Letters):
    """Which dead letters to retry, who does it, and maybe why."""

    who: str = Field(default_factory=getpass.getuser, description=_WHO)
    why: str = Field(default="", description="The reason, for the audit log.")


class Cleared(Letters):
    """Which dead letters to settle, whether to do it, who decides, and why."""

    apply: bool = Field(default=False, description="Do it. Without, they are only counted and listed.")
    who: str = Field(default_factory=getpass.getuser, description=_WHO)
    why: str = Field(default="", description="The reason, for the audit log; needed to do it.")


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
                _show_undo(context, source, preview, amendment, planning.sample_changes(surroundings, amendment.plan))
            if not preview.held:
                context.log.info(
                    "to do it, launch again with apply: true, why, and hash: %s", preview.hash[: metadata.HASH_SHOWN]
                )

    @dg.job(
        description="Shows what undoing an applied plan, or all of a run, would change; with apply and the hash it"
        " showed, does it. What a person or a later sync wrote since is left and named. Nothing is deleted. More than"
        " the mass-change guard lets pass waits for approve_plan."
    )
    def undo() -> None:
        undo_now()

    return undo


def _show_undo(
    context: dg.OpExecutionContext,
    source: Source,
    preview: undoing.Undo,
    amendment: Amendment,
    changes: Sequence[planning.Change],
) -> None:
    """One entity of a preview at its mapping. What the guard holds turns its check red, like any plan that is held."""
    key, shown = names.mapping(source.name, amendment.plan.entity), metadata.of_amendment(amendment, changes)
    if not preview.held:
        shown |= {"hash to apply": preview.hash[: metadata.HASH_SHOWN]}
    context.log_event(dg.AssetObservation(key, metadata=shown, description="the preview of an undo"))
    if amendment.plan.state is PlanState.HELD:
        verdict = checks.mass_change([amendment.plan], [])
        context.log_event(verdict.evaluation(key))  # type: ignore[arg-type]  # its signature forgot what it takes


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
            for found in reconciling.reconcile_all(surroundings, source, config.entities or None, limit=config.limit):
                alarms += found.alarms
                shown = metadata.of_reconciliation(found)
                # Yielded, because what is logged by a step that fails is lost.
                yield dg.AssetObservation(names.core(found.entity), metadata=shown, description=source.name)
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
            moment = explaining.instant(config.at)
            found = explaining.explain(surroundings, sources, config.entity, config.id, config.field, at=moment)
        shown = metadata.of_explanation(found)
        context.log_event(dg.AssetObservation(names.core(config.entity), metadata=shown, description=found.sentence))

    @dg.job(
        description="Says which plan, read, page and record gave a field of a core row its value, by which rule, or who"
        " edited it; now, or at a time in the past. The record itself is shown by the command line alone."
    )
    def explain() -> None:
        explain_now()

    return explain


def _list_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def list_now(context: dg.OpExecutionContext, config: Listed, engine: Engine) -> None:
        choice = replace(config.choice(), waiting=True)
        with opened(context, engine) as surroundings:
            source, connection = known(sources, config.source), surroundings.connection
            found = letters.page(connection, source.name, choice, limit=config.limit, after=config.after, payloads=True)
        _show_letters(context, source, found, "dead letters")

    @dg.job(
        description="Lists dead letters one by one with reason, rule, read and page, with the external asset; all, or"
        " so many at once. Of their records the fields' names and kinds are shown; the command line shows them whole."
    )
    def list_dead_letters() -> None:
        list_now()

    return list_dead_letters


def _show_letters(context: dg.OpExecutionContext, source: Source, found: letters.Page, description: str) -> None:
    """Each letter at the asset that met it: what was read, or what is written to another system."""
    if found.left:
        context.log.info("%d more of %d; the next: after: %d", found.left, found.count, found.letters[-1].id)
    for entity in dict.fromkeys(letter.entity for letter in found.letters):
        shown = metadata.of_listed(found, entity)
        key = names.planned(source.name, entity) if is_export(entity) else names.external(source.name, entity)
        context.log_event(dg.AssetObservation(key, metadata=shown, description=description))


def _retry_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def retry_now(context: dg.OpExecutionContext, config: Retried, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            source = known(sources, config.source)
            for done in retrying.retry(surroundings, source, config.choice(), who=config.who, why=config.why):
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
            source, connection = known(sources, config.source), surroundings.connection
            count = letters.clear(
                connection, source.name, config.choice(), who=config.who, why=config.why, apply=config.apply
            )
            if not config.apply:
                found = letters.page(connection, source.name, config.choice(), payloads=True)
                _show_letters(context, source, found, "dead letters that would be cleared")
        did = "cleared" if config.apply else "would be cleared; to do it, launch again with apply: true and why"
        context.log.info("%d dead letters of %s %s", count, source.name, did)
        context.add_output_metadata({"dead letters": count})

    @dg.job(
        description="Settles dead letters without accepting their records; who and why stand in the audit log. Without"
        " apply it counts and lists them."
    )
    def clear_dead_letters() -> None:
        clear_now()

    return clear_dead_letters
