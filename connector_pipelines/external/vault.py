"""Secrets at rest: sealed with keys that are in no database (requirements K16, E18, E34).

The keys come from CONNECTOR_PIPELINES_SECRET_KEYS, the newest first: it seals, all of them open. So a key is replaced
by putting a new one in front, rotating, and taking the old one away. A dump of the database holds no plaintext.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from connector_pipelines.database.connection import connect
from connector_pipelines.errors import ConfigurationError, SecretMissing
from connector_pipelines.external import sealing, surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from connector_pipelines.database.connection import Connection

_WHAT = "secrets"


def new_key() -> str:
    """A new key, for the environment."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


def put(connection: Connection, name: str, value: str, *, who: str) -> None:
    """Keep a secret under a name, in place of what was there; noted in the audit log.

    Raises:
        ConfigurationError: there is no key, or the name is no name.
    """
    import psycopg

    sealed = _seal(value)
    try:
        with connection.transaction():
            _write(connection, name, sealed)
            _audit(connection, who, "secret kept", {"name": name})
    except psycopg.errors.CheckViolation:
        raise ConfigurationError(
            f"{name!r} cannot name a secret.", remedy="Use letters, digits and _ . : / - after a letter."
        ) from None


def get(connection: Connection, name: str) -> str:
    """A kept secret.

    Raises:
        SecretMissing: there is none of that name.
        ConfigurationError: none of the keys opens it.
    """
    row = connection.execute("SELECT sealed FROM connector.secrets WHERE name = %s", [name]).fetchone()
    if row is None:
        raise SecretMissing(
            f"the secret {name} is not kept here.", remedy=f"Run connector-pipelines keep-secret {name}."
        )
    return _open(name, str(row[0]))


def rotate(connection: Connection, *, who: str) -> int:
    """Seal every kept secret anew with the newest key, all or none; noted in the audit log.

    Returns:
        how many there are.

    Raises:
        ConfigurationError: none of the keys opens one of them; the message names it, and nothing has changed.
    """
    with connection.transaction():
        rows = connection.execute("SELECT name, sealed FROM connector.secrets ORDER BY name FOR UPDATE").fetchall()
        anew = [(_seal(_open(str(n), str(s))), n) for n, s in rows]
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE connector.secrets SET sealed = %s, updated_at = now() WHERE name = %s", anew)
        _audit(connection, who, "keys rotated", {"secrets": len(anew)})
    return len(anew)


def reveal(name: str) -> str:
    """A kept secret, from the run's own database.

    Raises:
        SecretMissing: there is none of that name.
        ConfigurationError: this is no run, or none of the keys opens it.
    """
    with connect(surroundings.needed().line.url) as connection:
        return get(connection, name)


class Slot(Protocol):
    """Where one changing secret is kept, while nobody else may change it."""

    def read(self) -> dict[str, Any] | None:
        """What is kept; None before the first time."""

    def write(self, held: dict[str, Any]) -> None:
        """Keep it; it is durable when this returns."""


class Keep(Protocol):
    """Keeps one changing secret for all processes."""

    def alone(self) -> AbstractContextManager[Slot]:
        """The slot, for one process at a time."""


@dataclass(frozen=True, slots=True)
class VaultSlot:
    """A slot in the database."""

    connection: Connection
    name: str

    def read(self) -> dict[str, Any] | None:
        """What is kept; None before the first time."""
        try:
            held: dict[str, Any] = json.loads(get(self.connection, self.name))
        except SecretMissing:
            return None
        return held

    def write(self, held: dict[str, Any]) -> None:
        """Keep it; the connection commits before it returns."""
        _write(self.connection, self.name, _seal(json.dumps(held)))


@dataclass(frozen=True, slots=True)
class VaultKeep:
    """Keeps a changing secret in the run's database; a lock that dies with its holder lets one process change it."""

    name: str

    @contextmanager
    def alone(self) -> Iterator[Slot]:
        """The slot, when all others are done with it.

        Raises:
            ConfigurationError: there is no key, or this is no run.
        """
        _seal("")  # a missing key is noticed before a token is spent
        with connect(surroundings.needed().line.url, application="connector_pipelines vault") as connection:
            connection.execute("SELECT pg_advisory_lock(hashtext('vault'), hashtext(%s))", [self.name])
            yield VaultSlot(connection, self.name)


def _open(name: str, sealed: str) -> str:
    return sealing.unseal(sealed.encode(), what=f"the kept secret {name}", remedy="keep the secret anew.").decode()


def _seal(value: str) -> str:
    return sealing.seal(value.encode(), what=_WHAT).decode()


def _write(connection: Connection, name: str, sealed: str) -> None:
    connection.execute(
        "INSERT INTO connector.secrets (name, sealed) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, updated_at = now()",
        [name, sealed],
    )


def _audit(connection: Connection, who: str, action: str, detail: dict[str, Any]) -> None:
    connection.execute(
        "INSERT INTO connector.integration_audit_logs (who, action, detail) VALUES (%s, %s, %s)",
        [who, action, json.dumps(detail)],
    )
