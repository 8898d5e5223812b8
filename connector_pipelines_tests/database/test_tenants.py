from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from connector_pipelines.connectors import connector
from connector_pipelines.model import Source
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.sync.sources import register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.database.connection import Connection

CONFIG = {"account": "x", "auth": {"type": "api_key", "key": "env:K", "secret": "env:S"}}


def feed(connection: Connection, name: str, tenant: str) -> None:
    """A source of a tenant, with a row in every table that says whose its rows are."""
    finale = connector("finale")
    register(connection, Source(name, finale, finale.config.model_validate(CONFIG), SyncPolicy(tenant=tenant)))
    connection.execute(
        sql.SQL(
            """
            WITH
            r AS (INSERT INTO connector.sync_runs (source, entity) VALUES ({0}, 'vendors') RETURNING id),
            p AS (INSERT INTO connector.sync_plans (run_id, source, entity, state, hash, counts, chunk_rows, chunks)
                SELECT id, {0}, 'vendors', 'accepted', '', '{{}}', 1, 1 FROM r RETURNING id),
            c AS (INSERT INTO connector.sync_changes SELECT id, 1, 'a', '{{}}' FROM p),
            t AS (INSERT INTO connector.sync_receipts
                SELECT id, {0}, 'vendors', '{{}}', 0, 0, '[]', true, 0 FROM p),
            u AS (INSERT INTO connector.sync_cursors (source, entity, cursor, plan_id)
                SELECT {0}, 'vendors', now(), id FROM p),
            d AS (INSERT INTO connector.dead_letters (source, entity, rule, reason, first_run_id, last_run_id)
                SELECT {0}, 'vendors', '', '', id, id FROM r RETURNING id),
            i AS (INSERT INTO connector.accepted_identities
                (source, entity, external_id, content, letter_id, who, why)
                SELECT {0}, '', 'a', '{{}}', id, '', '' FROM d),
            f AS (INSERT INTO connector.conflicts
                (source, entity, external_id, internal_id, field, core_value, source_value, reason, plan_id, run_id)
                SELECT {0}, '', 'a', 1, 'x', '1', '2', '', p.id, r.id FROM p, r),
            m AS (INSERT INTO connector.external_system_mappings (connector_id, entity_type, external_id, sync_status)
                VALUES ({0}, 'vendors', 'a', 'pending')),
            g AS (SELECT id FROM connector.integrations WHERE name = {0}),
            s AS (INSERT INTO connector.integration_status_logs (integration_id, status) SELECT id, 'error' FROM g),
            w AS (INSERT INTO connector.integration_webhooks (integration_id, name) SELECT id, 'w' FROM g),
            e AS (INSERT INTO connector.integration_webhook_events (integration_id, event_id, event_type, payload)
                SELECT id, '1', 'x', '{{}}' FROM g),
            x AS (INSERT INTO connector.exports (source, entity, key, state) VALUES ({0}, 'users', 'a', 'wanted')),
            y AS (INSERT INTO connector.export_watches (source, export, entity) VALUES ({0}, 'users', 'students')),
            z AS (INSERT INTO connector.export_outbox (source, export, entity, internal_id)
                VALUES ({0}, 'users', 'students', 1)),
            q AS (INSERT INTO connector.export_figures (source, entity) VALUES ({0}, 'users')),
            o AS (INSERT INTO connector.job_runs (run_id, source, job, state, ended_at)
                VALUES ({0}, {0}, 'sync', 'failed', now())),
            k AS (INSERT INTO connector.parked (run_id, source, until, assets, tags)
                VALUES ({0}, {0}, now(), '{{}}', '{{}}')),
            b AS (INSERT INTO connector.erased (source, entity, salt, digest, subject_entity)
                VALUES ({0}, 'students', '', '', 'students')),
            l AS (INSERT INTO connector.alert_states (rule, subject, found, told, since)
                VALUES ('runs', {0}, 2, 2, now())),
            h AS (INSERT INTO connector.api_calls (source, scope, endpoint, requests, seconds, histogram)
                VALUES ({0}, '', '', 1, 1, '{{}}'))
            INSERT INTO connector.integration_audit_logs (who, action, source) VALUES ('', '', {0})
            """
        ).format(sql.Literal(name))
    )


@contextmanager
def visitor(connection: Connection, name: str) -> Iterator[None]:
    """A role that was let in to look, for the duration."""
    database = connection.info.dbname
    role = sql.Identifier(f"{name}_{database}")
    connection.execute(sql.SQL("CREATE ROLE {}").format(role))
    try:
        connection.execute(sql.SQL("SELECT connector.let_look({}::regrole)").format(sql.Literal(f"{name}_{database}")))
        connection.execute(sql.SQL("SET ROLE {}").format(role))
        yield
    finally:
        connection.execute("RESET ROLE")
        connection.execute(sql.SQL("DROP OWNED BY {0}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def seen(connection: Connection, tenant: str | None) -> dict[str, int]:
    """How many rows of each kept table a transaction sees that speaks for a tenant."""
    tables = connection.execute("SELECT polrelid::regclass::text FROM pg_policy WHERE polname = 'of_tenant'").fetchall()
    with connection.transaction():
        if tenant is not None:
            connection.execute("SELECT set_config('app.tenant', %s, true)", [tenant])
        counts = {}
        for (table,) in tables:
            statement = sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(*str(table).split(".")))
            counts[str(table)] = len(connection.execute(statement).fetchall())
    return counts


@pytest.fixture
def two(connection: Connection) -> Connection:
    """Two tenants, one source each, each with a row everywhere."""
    feed(connection, "acme_stock", "acme")
    feed(connection, "globex_stock", "globex")
    return connection


def test_a_tenant_sees_its_own_sources_and_no_other(two: Connection) -> None:
    """In every table that has a tenant's rows, a visiting role sees those of the tenant it speaks for alone (E37)."""
    assert set(seen(two, None).values()) == {2}  # the service itself is not bound
    with visitor(two, "someone"):
        for tenant in ("acme", "globex"):
            assert set(seen(two, tenant).values()) == {1}
        with two.transaction():
            two.execute("SET LOCAL app.tenant = 'acme'")
            assert two.execute("SELECT source FROM connector.sync_runs").fetchall() == [("acme_stock",)]


@pytest.mark.parametrize("tenant", [None, "", "nobody", "acme' OR true --"])
def test_who_does_not_say_whose_sees_nothing(two: Connection, tenant: str | None) -> None:
    """Without a tenant, with an empty or unknown one, and after the transaction that had one, nothing is there."""
    with visitor(two, "stranger"):
        with two.transaction():
            two.execute("SET LOCAL app.tenant = 'acme'")
        assert set(seen(two, tenant).values()) == {0}


FORBIDDEN = (
    "SELECT * FROM connector.secrets",
    "SELECT connector.get_external_source_credentials('a')",
    "SELECT * FROM connector.globex_stock_mappings",
    "SELECT * FROM connector.response_cache",
    "SELECT * FROM core.synced_vendors",
    "SELECT connector.let_look(current_user::regrole)",
    "UPDATE connector.integrations SET tenant = 'acme'",
    "INSERT INTO connector.sync_runs (source, entity) VALUES ('acme_stock', 'vendors')",
)


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_visitor_may_look_at_kept_tables_alone(two: Connection, statement: str) -> None:
    """Secrets, partitions, cached answers and views are closed to it, and it changes nothing."""
    with visitor(two, "nosy"), two.transaction(force_rollback=True):
        two.execute("SET LOCAL app.tenant = 'acme'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), two.transaction():
            two.execute(statement)


def test_every_table_with_sources_is_kept(connection: Connection) -> None:
    """A table of the schema that names a source or an integration has a policy."""
    left = connection.execute(
        "SELECT c.table_name FROM information_schema.columns c JOIN pg_class t ON t.relname = c.table_name"
        " WHERE c.table_schema = 'connector' AND t.relnamespace = 'connector'::regnamespace AND t.relkind IN ('r', 'p')"
        " AND NOT t.relispartition AND c.column_name IN ('source', 'integration_id', 'connector_id', 'tenant')"
        " AND NOT EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = t.oid AND p.polname = 'of_tenant')"
    ).fetchall()
    assert left == []


def test_a_source_may_change_hands(two: Connection) -> None:
    """Who declares another tenant moves the source, and all it ever brought, to that one."""
    finale = connector("finale")
    config = finale.config.model_validate(CONFIG)
    register(two, Source("globex_stock", finale, config, SyncPolicy(tenant="acme")))
    with visitor(two, "buyer"):
        assert set(seen(two, "acme").values()) == {2}
        assert set(seen(two, "globex").values()) == {0}
