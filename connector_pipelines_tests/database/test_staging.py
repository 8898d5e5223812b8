from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations_with_replacement, product
from typing import TYPE_CHECKING

import pandas as pd

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.database import staging
from connector_pipelines.database.connection import query
from connector_pipelines.database.tables import rows_table

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection

TEXTS = (None, "", "a", "b", "(a,b)")


def test_rows_have_one_hash_exactly_if_they_say_the_same(connection: Connection) -> None:
    """Two rows have the same hash when the source says the same of both, wherever they came from, and only then."""
    staging.create(connection, ENTITIES["sections"], 1)
    said = list(product(TEXTS, TEXTS))
    insert = query(
        "INSERT INTO {t} (page, row, external_id, title, course) VALUES (%s, 0, %s, %s, %s)", t=rows_table(1)
    )
    for page in (1, 2):
        connection.cursor().executemany(insert, [(page, f"c{n}", *texts) for n, texts in enumerate(said)])
    found = connection.execute(query("SELECT title, course, row_hash FROM {t}", t=rows_table(1))).fetchall()
    for (*one, its_hash), (*other, other_hash) in combinations_with_replacement(found, 2):
        assert (its_hash == other_hash) == (one == other)


def test_rows_of_every_entity_have_a_hash(connection: Connection) -> None:
    """Whatever kinds of columns an entity has, a row that says nothing but its id has a hash."""
    for number, entity in enumerate(ENTITIES.values(), 1):
        staging.create(connection, entity, number)
        connection.execute(query("INSERT INTO {t} (external_id) VALUES ('x')", t=rows_table(number)))
        found = connection.execute(query("SELECT row_hash IS NOT NULL FROM {t}", t=rows_table(number))).fetchall()
        assert (entity.name, found) == (entity.name, [(True,)])


def test_times_are_those_of_the_source_whatever_zone_the_connection_has(connection: Connection) -> None:
    """A connection that takes times for those of another zone, as behind some poolers, stages the same moments."""
    organizations = ENTITIES["organizations"]
    staging.create(connection, organizations, 1)
    moment = datetime(2026, 7, 1, 12, 30, 0, 250, tzinfo=UTC)
    text = dict.fromkeys((column.name for column in organizations.columns), "x")
    row = {"page": 1, "row": 0, "fingerprint": None, "external_id": "o", "modified_at": moment, "deleted": False}
    frame = pd.DataFrame([row | text | {"parent": None}])
    connection.execute("SET TimeZone = 'America/New_York'")
    assert staging.copy_rows(connection, organizations, 1, frame) == []
    found = connection.execute(query("SELECT modified_at FROM {t}", t=rows_table(1))).fetchone()
    assert found is not None
    assert found[0] == moment
