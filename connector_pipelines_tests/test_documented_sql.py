"""Every statement of SQL that the documentation tells people to run does so in a migrated database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from connector_pipelines.connectors import connector
from connector_pipelines.model import Source
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.sync.sources import register

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("connector_pipelines/**/README.md")])
STATEMENT = r"(?:SELECT .* FROM|SELECT connector\.|SET |CREATE |UPDATE |DELETE |INSERT |ALTER |GRANT )"


def documented() -> list[str]:
    """The statements of blocks and of prose."""
    found = []
    for page in PAGES:
        told = page.read_text(encoding="utf-8")
        for block in re.findall(r"^ *```sql\n(.*?)^ *```$", told, re.DOTALL | re.MULTILINE):
            found += [line.partition(" --")[0].strip() for line in block.splitlines()]
        prose = re.sub(r"^ *```.*?^ *```$", "", told, flags=re.DOTALL | re.MULTILINE)
        found += [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    return [one.rstrip(";") for one in found if re.match(STATEMENT, one)]


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    """A transaction that is taken back, also the roles it makes: they belong to the whole server."""
    with psycopg.connect(database) as connected:
        yield connected
        connected.rollback()


def test_statements_were_found() -> None:
    """The pages have statements of each kind, so the test below is about something."""
    kinds = {statement.split()[0] for statement in documented()}
    assert {"SELECT", "SET", "CREATE"} <= kinds
    assert len(documented()) >= 6


def test_each_statement_runs(connection: psycopg.Connection) -> None:
    """In the order of the pages, none is refused: tables, columns, functions and settings are there."""
    for statement in documented():
        connection.execute(statement.encode())


def test_the_runbook_finds_what_waits_and_what_was_refused(connection: psycopg.Connection) -> None:
    """The messages that nobody took, and the calls that were refused, are among what its statements find."""
    connection.execute(
        "INSERT INTO connector.alerts (level, title, body, sent_at)"
        " VALUES (1, 'sent', '', now()), (1, 'unsent', '', NULL);"
        "INSERT INTO connector.integration_audit_logs (action, who)"
        " VALUES ('call refused: no such webhook', 'webhook receiver'), ('plan accepted', 'ann')"
    )
    for table in ("alerts", "integration_audit_logs"):
        [statement] = [one for one in documented() if f"FROM connector.{table}" in one]
        assert len(connection.execute(statement.encode()).fetchall()) == 1


def test_a_tenant_that_was_let_in_sees_its_own_rows_alone(connection: psycopg.Connection) -> None:
    """With the runbook's statements a role reads its tenant's sources, none without saying for whom, and never core."""
    finale = connector("finale")
    config = {"account": "x", "auth": {"type": "api_key", "key": "env:K", "secret": "env:S"}}
    for name, tenant in (("ours", "acme"), ("theirs", "other")):
        settings = finale.config.model_validate(config)
        register(connection, Source(name, finale, settings, SyncPolicy(tenant=tenant)))
    let_in = [one for one in documented() if "acme_reader" in one]
    [speak_for] = [one for one in documented() if one.startswith("SET LOCAL app.tenant")]
    for statement in [*let_in, "SET ROLE acme_reader"]:
        connection.execute(statement.encode())
    seen = "SELECT name FROM connector.integrations"
    assert connection.execute(seen).fetchall() == []
    connection.execute(speak_for.encode())
    assert connection.execute(seen).fetchall() == [("ours",)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT 1 FROM core.students")
