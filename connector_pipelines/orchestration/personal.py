"""The jobs with which a person answers for what is kept about people (requirement M64).

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

import getpass
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
from pydantic import Field

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.model import Source
from connector_pipelines.orchestration.crons import refusal
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.steps import opened
from connector_pipelines.settings import settings
from connector_pipelines.sync import anonymising, erasing, retention, subjects


class Retention(dg.Config):
    """Whether to remove, who does it, and why."""

    apply: bool = Field(default=False, description="Remove it for good. Without, it is only counted.")
    who: str = Field(default_factory=getpass.getuser, description="Who does it, for the audit log.")
    why: str = Field(default="", description="The reason, for the audit log; needed to apply.")


class Copy(dg.Config):
    """Where to write a copy, and who asks for it."""

    folder: str = Field(default="", description="Where to, on this machine. Else below the local folder, by the run.")
    who: str = Field(default_factory=getpass.getuser, description="Who asks, for the audit log.")


class Person(dg.Config):
    """Who is meant, and who asks."""

    entity: str = Field(description="students or instructors.")
    id: int | None = Field(default=None, description="The person's id in core; or else a source and an external id.")
    source: str = Field(default="", description="A source that knows the person.")
    external_id: str = Field(default="", description="The person's id there.")
    who: str = Field(default_factory=getpass.getuser, description="Who asks, for the audit log.")

    @property
    def subject(self) -> subjects.Subject:
        """The person."""
        return subjects.Subject(self.entity, self.id, self.source, self.external_id)


class Asked(Person):
    """About whom it is asked, who asks, and why."""

    why: str = Field(min_length=1, description="The reason, for the audit log.")


class Erased(Person):
    """Whom to erase. Dagster keeps this: better name the id in core, which tells nobody anything afterwards."""

    apply: bool = Field(default=False, description="Erase them for good. Without, it is only counted.")
    why: str = Field(default="", description="The reason, for the audit log; needed to apply. Name nobody.")


def personal_jobs(sources: Mapping[str, Source]) -> list[dg.JobDefinition]:
    """Tell what is held about a person; erase somebody; copy core for tests; remove what was kept long enough."""
    return [_export_job(sources), _erase_job(sources), _copy_job(), _retention_job()]


def _export_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def write_held(context: dg.OpExecutionContext, config: Asked, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            held = subjects.export(surroundings, config.subject, sources, who=config.who, why=config.why)
        path = settings().local_dir.resolve() / "subjects" / f"{context.run_id}.json"
        subjects.write(held, path)
        context.log.info("all that is held is in %s on this machine; remove the file when it was handed over", path)
        context.add_output_metadata({"file": dg.MetadataValue.path(path)} | {k: len(v) for k, v in held.items()})

    @dg.job(
        description="Writes all that is held about one person as JSON to a file on this machine: core, mappings,"
        " history, dead letters, conflicts, landed records. The metadata names the file and counts."
    )
    def export_subject() -> None:
        write_held()

    return export_subject


def _erase_job(sources: Mapping[str, Source]) -> dg.JobDefinition:
    @dg.op
    def erase_now(context: dg.OpExecutionContext, config: Erased, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            done = erasing.erase(
                surroundings, config.subject, sources, who=config.who, why=config.why, apply=config.apply
            )
        did = "erased" if config.apply else "would be erased; to do it, launch again with apply: true and why"
        context.log.info("%d rows and records %s", sum(done.counts.values()), did)
        context.add_output_metadata(dict(done.counts))

    @dg.job(
        description="Erases one person: core keeps their row under a pseudonym, everything else that says who they are"
        " goes, from tables and landed pages, and no sync brings them back. Without apply it only counts."
    )
    def erase_subject() -> None:
        erase_now()

    return erase_subject


def _copy_job() -> dg.JobDefinition:
    @dg.op
    def write_copy(context: dg.OpExecutionContext, config: Copy, engine: Engine) -> None:
        usual = settings().local_dir.resolve() / "anonymised" / context.run_id
        with opened(context, engine) as surroundings:
            copied = anonymising.copy(surroundings, Path(config.folder) if config.folder else usual, who=config.who)
        context.log.info("the copy is in %s on this machine; load.sql brings it into an empty database", copied.folder)
        context.add_output_metadata({"folder": dg.MetadataValue.path(copied.folder)} | dict(copied.rows))

    @dg.job(
        description="Writes a copy of core for tests to a folder on this machine, one CSV file a table: its shape is"
        " kept, and who people are is lost."
    )
    def anonymised_copy() -> None:
        write_copy()

    return anonymised_copy


def retention_schedules() -> list[dg.ScheduleDefinition]:
    """Removes by the clock what was kept long enough, where the settings say when; none where they don't.

    Raises:
        ConfigurationError: the cron expression is none.
    """
    cron = settings().retention_cron
    if cron is None:
        return []
    if why := refusal(cron):
        raise ConfigurationError(
            f"the environment is not usable: CONNECTOR_PIPELINES_RETENTION_CRON: {why}.",
            remedy="Correct this variable.",
        )

    @dg.schedule(
        name="retention_schedule",
        job_name="retention",
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def remove(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        days = settings().retention_days
        if days is None:
            return dg.SkipReason("nothing is removed: CONNECTOR_PIPELINES_RETENTION_DAYS is not set")
        config = {"apply": True, "who": "retention schedule", "why": f"{days} days are over, as the settings say"}
        run_key = context.scheduled_execution_time.isoformat()
        return dg.RunRequest(run_key=run_key, run_config={"ops": {"remove_expired": {"config": config}}})

    return [remove]


def _retention_job() -> dg.JobDefinition:
    @dg.op
    def remove_expired(context: dg.OpExecutionContext, config: Retention, engine: Engine) -> None:
        with opened(context, engine) as surroundings:
            found = retention.retain(surroundings, who=config.who, why=config.why, apply=config.apply)
        did = "removed" if config.apply else "would be removed; to do it, launch again with apply: true and why"
        reads, letters = sum(len(one.reads) for one in found), sum(one.letters for one in found)
        context.log.info("the pages of %d reads and %d settled dead letters %s", reads, letters, did)
        rows = [
            dg.TableRecord(
                {"source": one.source, "entity": one.entity, "reads": len(one.reads), "letters": one.letters}
            )
            for one in found
        ]
        table = {"removed" if config.apply else "to be removed": dg.MetadataValue.table(rows)} if rows else {}
        context.add_output_metadata({"reads": reads, "dead letters": letters} | table)

    @dg.job(
        name="retention",
        description="Removes landed pages and settled dead letters that are older than"
        " CONNECTOR_PIPELINES_RETENTION_DAYS and that nothing needs any more; without apply it counts them.",
    )
    def job() -> None:
        remove_expired()

    return job
