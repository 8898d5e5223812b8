"""Lets a person decide whose a record is, where the engine refused to guess (S8).

The decision holds for exactly what the record said when it was refused; a record that changes again is judged again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.database.connection import Connection, query, scalar
from connector_pipelines.errors import ConfigurationError, at
from connector_pipelines.mapping.candidates import Candidate, candidates
from connector_pipelines.mapping.cases import RULES
from connector_pipelines.sync import records

if TYPE_CHECKING:
    from connector_pipelines.sync.context import Context


WEIGHED = 100
"""So many cases are compared with core when they are listed: nobody decides on more at once."""


@dataclass(frozen=True, slots=True)
class Case:
    """A record that waits for a person to say whose it is.

    Attributes:
        candidates: rows of core that it may belong to, the likeliest first; looked up for the list of cases alone.
    """

    letter: int
    source: str
    entity: str
    external_id: str
    rule: str
    reason: str
    candidates: tuple[Candidate, ...] = ()


def open_cases(connection: Connection, source: str, entity: str | None = None) -> list[Case]:
    """The cases of a source that nobody decided on yet, oldest first; the first `WEIGHED` with their candidates."""
    rows = connection.execute(
        f"{_CASES} WHERE source = %s AND (%s::text IS NULL OR entity = %s) AND state = 'open' AND rule = ANY(%s)"
        " ORDER BY id",
        [source, entity, entity, list(RULES)],
    ).fetchall()
    found = [Case(*cast("tuple[int, str, str, str, str, str]", row)) for row in rows]
    weighed: dict[int, tuple[Candidate, ...]] = {}
    for name in dict.fromkeys(case.entity for case in found[:WEIGHED]):
        numbers = [case.letter for case in found[:WEIGHED] if case.entity == name]
        weighed |= candidates(connection, core_entity(name), source, numbers)
    return [replace(case, candidates=weighed.get(case.letter, ())) for case in found]


def accept_identity(context: Context, letter: int, *, who: str, why: str, onto: int | None = None) -> Case:
    """Let a refused record pass as it is; the next plan of its entity takes it up.

    Args:
        context: the run's surroundings.
        letter: number of the dead letter.
        who: who decides, for the audit log.
        why: what makes them sure, for the audit log.
        onto: for a new record, the core row it belongs to; None gives it a row of its own. A record that has a row
            keeps it either way.

    Returns:
        the case as it was.

    Raises:
        ConfigurationError: there is no such open case, no reason is given, or the row cannot be the record's.
    """
    connection = context.connection
    with connection.transaction():
        row = connection.execute(f"{_CASES} WHERE id = %s AND state = 'open' FOR UPDATE", [letter]).fetchone()
        case = Case(*cast("tuple[int, str, str, str, str, str]", row)) if row else None
        if case is None or case.rule not in RULES:
            raise ConfigurationError(
                f"dead letter {letter} is no open case of identity.", remedy="Choose one that is listed as open."
            )
        with at(case.source, case.entity):
            records.demand_reason(why, "no identity is accepted")
            if onto is not None:
                _must_be_free(connection, case, onto)
        connection.execute(
            "INSERT INTO connector.accepted_identities"
            " (source, entity, external_id, content, onto, letter_id, who, why)"
            " SELECT source, entity, external_id, staged - 'modified_at', %s, id, %s, %s"
            " FROM connector.dead_letters WHERE id = %s",
            [onto, who, why, letter],
        )
        connection.execute(
            "UPDATE connector.dead_letters SET state = 'waiting', waits_for = '[]', updated_at = now() WHERE id = %s",
            [letter],
        )
        records.audit(
            connection, "identity accepted", who=who, source=case.source, entity=case.entity,
            external_id=case.external_id, rule=case.rule, onto=onto, why=why, letter=letter,
        )  # fmt: skip
    return case


_CASES = "SELECT id, source, entity, external_id, rule, reason FROM connector.dead_letters"


def _must_be_free(connection: Connection, case: Case, onto: int) -> None:
    """A record that has a row keeps it, and one row is not two present records of one source."""
    mapped = "SELECT external_id, absent_since IS NULL FROM connector.external_system_mappings"
    mine = connection.execute(
        f"{mapped} WHERE connector_id = %s AND entity_type = %s AND external_id = %s AND internal_id IS NOT NULL",
        [case.source, case.entity, case.external_id],
    ).fetchone()
    others = connection.execute(
        f"{mapped} WHERE connector_id = %s AND entity_type = %s AND internal_id = %s AND external_id <> %s"
        " AND absent_since IS NULL",
        [case.source, case.entity, onto, case.external_id],
    ).fetchone()
    table = core_entity(case.entity).table
    there = scalar(connection, query("SELECT EXISTS (SELECT FROM core.{t} WHERE id = %s)", t=table), onto)
    if mine or others or not there:
        problem = (
            "the record has a row already, and a mapping is never pointed elsewhere"
            if mine
            else f"core row {onto} is another record's of this source, which is still there"
            if others
            else f"core has no row {onto}"
        )
        raise ConfigurationError(f"{problem}.", remedy="Accept it without a row, or name another one.")
