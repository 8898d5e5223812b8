"""What waits for a person, as the digest counts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.database.connection import scalar
from connector_pipelines.mapping.cases import RULES
from connector_pipelines.sync.digest import TO_DO, Waiting, waiting

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection


def test_cases_of_identity_are_those_that_a_person_can_accept(connection: Connection) -> None:
    """A letter of each rule that `accept_identity` takes is a case of identity; any other is a dead letter."""
    run = "INSERT INTO connector.sync_runs (source, entity) VALUES ('alpha', 'students') RETURNING id"
    read = scalar(connection, run)
    for rule in (*RULES, "schema"):
        connection.execute(
            "INSERT INTO connector.dead_letters (source, entity, external_id, rule, reason, first_run_id, last_run_id)"
            " VALUES ('alpha', 'students', %(rule)s::text, %(rule)s::text, '', %(read)s, %(read)s)",
            {"rule": rule, "read": read},
        )
    assert waiting(connection) == [
        Waiting("cases of identity", "alpha", "students", len(RULES)),
        Waiting("dead letters", "alpha", "students", 1),
    ]
    assert {one.what for one in waiting(connection)} <= set(TO_DO)
