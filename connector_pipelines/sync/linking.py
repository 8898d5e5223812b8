"""A person's word on which record of another system belongs to a row of core, where a look-up was in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from connector_pipelines.database import ledger
from connector_pipelines.errors import ConfigurationError, at
from connector_pipelines.external.surroundings import opened
from connector_pipelines.mapping.extracting import BY_A_PERSON
from connector_pipelines.sync import records
from connector_pipelines.sync.exporting import export_of
from connector_pipelines.sync.locks import hold

if TYPE_CHECKING:
    from connector_pipelines.model import Source
    from connector_pipelines.sync.context import Context


def link(
    context: Context, source: Source, entity: str, key: str, external_id: str | None, *, who: str, why: str
) -> None:
    """Say which record it is, or that a new one shall be made. The next export acts on it; nothing is sent now.

    Args:
        context: the run's surroundings.
        source: the other system.
        entity: the export.
        key: the row of core, as the dead letter names it: "students/17".
        external_id: the record there; None to have one created.
        who: who decides.
        why: the reason, for the audit log.

    Raises:
        AnotherRunIsActive: the export is being planned or sent just now.
        ConfigurationError: no reason is given, there is no such record, it belongs to another row, or the row stands
            there already.
    """
    export, connection = export_of(source, entity), context.connection
    with at(source.name, export.name), hold(connection, f"{source.name}/{export.name}"):
        records.demand_reason(why, f"{key} is not linked")
        stands = ledger.external_id_of(connection, source.name, export.entity, key)
        if stands:
            raise ConfigurationError(f"{key} is kept up as {stands} already.", remedy="Nothing needs to be decided.")
        record: dict[str, object] = {}
        if external_id:
            if ledger.taken(connection, source.name, export.entity, {key: external_id}):
                raise ConfigurationError(
                    f"{external_id} is kept up for another row of core.", remedy="Name another record, or a new one."
                )
            with opened(source) as client:
                found = dict(export.read_back(client, [external_id])).get(external_id)
            if found is None:
                raise ConfigurationError(
                    f"there is no {external_id} there.", remedy="Take the id from the dead letter."
                )
            record = cast("dict[str, object]", dict(found))
        with connection.transaction():
            ledger.decide(
                connection, source.name, export.entity, key, external_id=external_id, record=record, by=BY_A_PERSON
            )
            records.audit(
                connection,
                "record linked" if external_id else "record to be created",
                who=who,
                source=source.name,
                entity=export.name,
                key=key,
                external_id=external_id,
                why=why,
            )
