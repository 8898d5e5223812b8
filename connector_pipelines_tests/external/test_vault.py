from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from connector_pipelines.errors import AuthFailed, ConfigurationError, SecretMissing
from connector_pipelines.external import vault
from connector_pipelines.external.http import Client
from connector_pipelines.external.oauth import RefreshToken
from connector_pipelines.external.secrets import Secret
from connector_pipelines.external.surroundings import share
from connector_pipelines.external.tokens import Endpoint
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector_pipelines.database.connection import Connection

PLAIN = "c4nary-s3cret"
KEYS = [vault.new_key() for _ in range(2)]


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Puts keys into the environment; the first one is there already."""

    def use(*these: str) -> None:
        monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", ",".join(these))
        settings.cache_clear()

    use(KEYS[0])
    yield use
    settings.cache_clear()


def dump(connection: Connection) -> str:
    """Every row of every table of ours, as text."""
    tables = connection.execute(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('connector', 'core')"
    ).fetchall()
    rows = [
        str(connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(*map(str, table)))).fetchall())
        for table in tables
    ]
    return "\n".join(rows)


@pytest.mark.usefixtures("keys")
def test_a_dump_holds_no_plaintext(connection: Connection, database: str) -> None:
    """A kept secret is found again by its reference, and stands nowhere in the database."""
    vault.put(connection, "qbo/realm.1", PLAIN, who="ada")
    with share(database):
        assert Secret("vault:qbo/realm.1").reveal() == PLAIN
    assert "qbo/realm.1" in dump(connection)
    assert PLAIN not in dump(connection)


def test_keys_are_rotated_in_three_steps(connection: Connection, keys: Callable[..., None]) -> None:
    """A new key in front, rotate, the old key away: every secret stays readable, and it is audited who did it."""
    vault.put(connection, "a", PLAIN, who="ada")
    vault.put(connection, "b", PLAIN, who="ada")
    keys(KEYS[1], KEYS[0])
    assert vault.get(connection, "a") == PLAIN
    assert vault.rotate(connection, who="ada") == 2
    keys(KEYS[1])
    assert [vault.get(connection, name) for name in "ab"] == [PLAIN, PLAIN]
    audited = connection.execute("SELECT who, action, detail FROM connector.integration_audit_logs ORDER BY id")
    assert audited.fetchall()[-1] == ("ada", "keys rotated", {"secrets": 2})


def test_rotation_is_all_or_nothing(connection: Connection, keys: Callable[..., None]) -> None:
    """A secret whose key is lost is named, and the others stay as they were."""
    vault.put(connection, "a", PLAIN, who="ada")
    keys(KEYS[1])
    vault.put(connection, "b", PLAIN, who="ada")
    before = connection.execute("SELECT * FROM connector.secrets ORDER BY name").fetchall()
    with pytest.raises(ConfigurationError, match="none of the keys opens the kept secret a"):
        vault.rotate(connection, who="ada")
    assert connection.execute("SELECT * FROM connector.secrets ORDER BY name").fetchall() == before


@pytest.mark.parametrize(("given", "remedy"), [("", "new-key"), ("n0-key", "is no key")])
def test_without_a_key_nothing_is_kept(
    connection: Connection, keys: Callable[..., None], given: str, remedy: str
) -> None:
    """Without a usable key a secret is refused instead of written down, and the message says how to make one."""
    keys(given)
    with pytest.raises(ConfigurationError, match=remedy):
        vault.put(connection, "a", PLAIN, who="ada")
    assert connection.execute("SELECT count(*) FROM connector.secrets").fetchone() == (0,)


@pytest.mark.usefixtures("keys")
def test_names_and_missing_secrets_are_said(connection: Connection) -> None:
    """A name that is none, and one under which nothing is kept, are errors that name it."""
    with pytest.raises(ConfigurationError, match="cannot name a secret"):
        vault.put(connection, "1 2", PLAIN, who="ada")
    with pytest.raises(SecretMissing, match="keep-secret nobody"):
        vault.get(connection, "nobody")
    with pytest.raises(ConfigurationError, match="not a run that has one"):
        Secret("vault:a").reveal()


def test_the_database_takes_no_plaintext(connection: Connection) -> None:
    """Whatever is written past us must be sealed, too."""
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("INSERT INTO connector.secrets (name, sealed) VALUES ('a', %s)", [PLAIN])


@pytest.mark.usefixtures("keys")
def test_only_the_owner_reads_sealed_secrets(connection: Connection, database: str) -> None:
    """Another role of the database is refused at the table and at the function, also where it may look around (E34)."""
    vault.put(connection, "a", PLAIN, who="ada")
    role = sql.Identifier(f"visitor_{psycopg.conninfo.conninfo_to_dict(database)['dbname']}")
    connection.execute(sql.SQL("CREATE ROLE {}").format(role))
    try:
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA connector TO {}").format(role))
        assert connection.execute("SELECT connector.get_external_source_credentials('a') LIKE 'gAAAA%%'").fetchone()
        connection.execute(sql.SQL("SET ROLE {}").format(role))
        for statement in (
            "SELECT sealed FROM connector.secrets",
            "SELECT connector.get_external_source_credentials('a')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    finally:
        connection.execute("RESET ROLE")
        connection.execute(sql.SQL("DROP OWNED BY {0}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


class Rotating:
    """Replaces the refresh token with every use, and takes an old one for the end of the authorization.

    Its tokens have a letter that no sealed secret has, so that they are never found in one by chance.
    """

    def __init__(self, answer: Any) -> None:
        self.answer, self.good, self.number = answer, "R~0", 0
        self.access = ""
        self.spy: Callable[[], None] = lambda: None

    def __call__(self, asked: Any) -> Any:
        """A pair of tokens, or a page."""
        if asked.path != "/token":
            self.spy()
            return self.answer(200 if asked.headers.get("Authorization") == f"Bearer {self.access}" else 401)
        if f"refresh_token={self.good}".encode() not in asked.body:
            return self.answer(400, b'{"error":"invalid_grant"}')
        self.number += 1
        self.good, self.access = f"R~{self.number}", f"A{self.number}"
        told = {"access_token": self.access, "refresh_token": self.good, "expires_in": 3600}
        return self.answer(body=json.dumps(told).encode())


def signing(url: str, first: str = "R~0") -> RefreshToken:
    """A client's way to sign, as each process has one of its own."""
    endpoint = Endpoint(f"{url}/token", Secret.literal("me"), Secret.literal("s"))
    return RefreshToken(endpoint, Secret.literal(first), vault.VaultKeep("qbo"))


@pytest.mark.usefixtures("keys", "no_waiting")
def test_replaced_token_is_kept_before_the_new_access_token_is_used(
    connection: Connection, database: str, stand: Any, answer: Any
) -> None:
    """When the first page is asked for, the successor of the spent refresh token is in the database already, sealed."""
    system = Rotating(answer)
    server, seen = stand(system), []
    system.spy = lambda: seen.append(json.loads(vault.get(connection, "qbo"))["refresh_token"])
    with share(database), Client(server.url, signing(server.url)) as client:
        client.get("page")
        system.access = "revoked"
        client.get("page")
    assert seen == ["R~1", "R~1", "R~2"]
    assert "R~2" not in dump(connection)


@pytest.mark.usefixtures("keys", "no_waiting")
def test_many_at_once_spend_one_refresh_token(database: str, stand: Any, answer: Any) -> None:
    """Eight clients that share nothing but the database cause one refresh, now and when it is refused."""
    system = Rotating(answer)
    server = stand(system)

    with share(database), ThreadPoolExecutor(8) as pool, ExitStack() as stack:
        clients = [stack.enter_context(Client(server.url, signing(server.url))) for _ in range(8)]
        statuses = list(pool.map(lambda client: client.get("page").status, clients))
    assert (statuses, system.number) == ([200] * 8, 1)


@pytest.mark.usefixtures("keys", "no_waiting")
def test_a_new_authorization_replaces_what_was_kept(database: str, stand: Any, answer: Any) -> None:
    """A kept token that died asks for a person; the one that person obtains counts from then on."""
    system = Rotating(answer)
    server = stand(system)
    with share(database):
        with Client(server.url, signing(server.url)) as client:
            client.get("page")
        system.good, system.access = "NEW", "other"
        with Client(server.url, signing(server.url)) as client, pytest.raises(AuthFailed, match="invalid_grant"):
            client.get("page")
        with Client(server.url, signing(server.url, "NEW")) as client:
            assert client.get("page").status == 200
