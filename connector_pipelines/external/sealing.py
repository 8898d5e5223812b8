"""Seals what is kept, with keys that are in no database and no bucket (requirements K16, E18, M62).

The keys come from CONNECTOR_PIPELINES_SECRET_KEYS, the newest first: it seals, all of them open. So a key is replaced
by putting a new one in front, rotating, and taking the old one away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

VARIABLE = "CONNECTOR_PIPELINES_SECRET_KEYS"


def seal(plain: bytes, *, what: str) -> bytes:
    """What is to be kept, sealed with the newest key.

    Args:
        plain: it.
        what: what is sealed so, for the error.

    Raises:
        ConfigurationError: there is no key, or one is none.
    """
    return _keys(what)[0].encrypt(plain)


def unseal(sealed: bytes, *, what: str, remedy: str) -> bytes:
    """What was kept.

    Args:
        sealed: as it was kept.
        what: which one it is, for the error.
        remedy: what can be done without its key, for the error.

    Raises:
        ConfigurationError: none of the keys opens it.
    """
    from cryptography.fernet import InvalidToken, MultiFernet

    try:
        return MultiFernet(_keys(what)).decrypt(sealed)
    except InvalidToken:
        raise ConfigurationError(
            f"none of the keys opens {what}.", remedy=f"Add the key it was sealed with to {VARIABLE}, or {remedy}"
        ) from None


def newest_opens(sealed: bytes, *, what: str) -> bool:
    """Whether it needs no other key than the newest."""
    from cryptography.fernet import InvalidToken

    try:
        _keys(what)[0].decrypt(sealed)
    except InvalidToken:
        return False
    return True


def _keys(what: str) -> list[Fernet]:
    from cryptography.fernet import Fernet

    keys = [key.get_secret_value() for key in settings().secret_keys]
    if not keys:
        raise ConfigurationError(
            f"without a key nobody can seal or open {what}.",
            remedy=f"Put the output of connector-pipelines new-key into {VARIABLE}, and into a safe place.",
        )
    try:
        return [Fernet(key) for key in keys]
    except ValueError:
        raise ConfigurationError(
            f"a key in {VARIABLE} is no key.", remedy="Make one with connector-pipelines new-key."
        ) from None
