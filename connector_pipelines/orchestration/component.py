"""What every connector's component is: settings and a timetable in YAML; assets, jobs and schedules in Dagster."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import dagster as dg
from pydantic import BaseModel, Field, create_model, model_validator

from connector_pipelines.model import Connector, Source
from connector_pipelines.orchestration import environment
from connector_pipelines.orchestration.assets import source_assets
from connector_pipelines.orchestration.events import event_sensors
from connector_pipelines.orchestration.exports import export_assets, export_jobs, export_schedules, export_sensors
from connector_pipelines.orchestration.health import source_sensors
from connector_pipelines.orchestration.jobs import reading_jobs, test_job
from connector_pipelines.orchestration.parks import resume_sensor
from connector_pipelines.orchestration.schedules import frequent_sensors, source_schedules
from connector_pipelines.orchestration.sources import Declaration, component_name, why_off
from connector_pipelines.orchestration.timetable import Timetable
from connector_pipelines.policy import SyncPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ModelWrapValidatorHandler


class _References(BaseModel):
    """Puts references to the environment in before anything is validated; Dagster's templates see no secret."""

    @model_validator(mode="wrap")
    @classmethod
    def _put_in(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(values, dict):
            return handler(values)
        put, unset = environment.put_in(cls, values, os.environ)
        if unset:
            message = "; ".join(f"{'.'.join(map(str, u.path))} names {u.variable}, which is not set" for u in unset)
            raise ValueError(message)
        return handler(put)


class SourceComponent(dg.Component):
    """A source of one connector. Its subclasses, one for each connector, are made by `component_class`."""

    connector: ClassVar[Connector]

    def __init__(self, config: BaseModel, timetable: Timetable, policy: SyncPolicy, *, enabled: bool | None) -> None:
        self._config = config
        self._off = why_off(self.connector, enabled=enabled)
        self._timetable = timetable
        self._policy = policy

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The schema of `attributes`: the connector's settings, when to read, and what it may do to core."""
        return attributes_model(cls.connector)

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:  # noqa: ARG003 -- Dagster's signature
        """The component from validated attributes."""
        given = attributes or cls.get_model_cls()()
        fields = cls.connector.config.model_fields
        config = {name: getattr(given, name) for name in given.model_fields_set if name in fields}
        settings = cls.connector.config(**_by_alias(cls.connector.config, config))
        return cls(settings, given.schedule, given.policy, enabled=given.enabled)  # type: ignore[attr-defined]

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The source's two layers of assets, its jobs and schedules. What it shares with others is made once."""
        file = context.path / "defs.yaml"
        source = Source(context.path.name, self.connector, self._config, self._policy, self._off)
        return source_definitions(Declaration(source, self._timetable, file))


def source_definitions(declaration: Declaration) -> dg.Definitions:
    """All that belongs to one source alone; a system that only takes records is never read."""
    both = dg.Definitions(
        assets=[*source_assets(declaration), *export_assets(declaration)],
        jobs=[test_job(declaration.source), *export_jobs(declaration.source)],
        schedules=export_schedules(declaration),
        sensors=[*source_sensors(declaration), *export_sensors(declaration)],
    )
    return dg.Definitions.merge(both, _reading(declaration)) if declaration.source.streams else both


def _reading(declaration: Declaration) -> dg.Definitions:
    return dg.Definitions(
        jobs=reading_jobs(declaration),
        schedules=source_schedules(declaration),
        sensors=[*frequent_sensors(declaration), *event_sensors(declaration), resume_sensor(declaration)],
    )


@cache
def attributes_model(connector: Connector) -> type[BaseModel]:
    """The connector's settings, the timetable and the policy as one model, which refuses unknown fields."""
    described = Field(default_factory=Timetable, description="When the source is read by itself.")
    may = Field(default_factory=SyncPolicy, description="What the source may do to core.")
    on = Field(
        default=None,
        description="False: nothing of it runs by itself, and a launch by hand is refused. Unset: as the environment"
        " says, true but for Moodle.",
    )
    model = create_model(
        f"{component_name(connector)}Attributes",
        __base__=(connector.config, _References),
        __cls_kwargs__={"extra": "forbid"},
        schedule=(Timetable, described),
        policy=(SyncPolicy, may),
        enabled=(bool | None, on),
    )
    return cast("type[BaseModel]", model)


@cache
def component_class(connector: Connector) -> type[SourceComponent]:
    """The component of one connector."""
    text = f"A source that is read through {connector.title}."
    name = component_name(connector)
    where = f"{__package__}.components"
    return type(name, (SourceComponent,), {"connector": connector, "__doc__": text, "__module__": where})


def _by_alias(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    return {model.model_fields[name].alias or name: value for name, value in values.items()}
