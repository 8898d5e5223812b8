"""Secrets as references: configuration holds where a secret is to be found, never the value (requirement K16)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connector_pipelines.errors import SecretMissing
from connector_pipelines.external import redact

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|vault:[A-Za-z_][A-Za-z0-9_.:/-]*")


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is to be found. The value is read when it is used, and shown nowhere.

    In YAML a secret is written `{{ env.NAME }}`, which arrives here as `env:NAME`, or `vault:NAME` for one that is kept
    in the database; a pydantic model may have fields of this type, and its dump and JSON schema show the reference.

    Attributes:
        reference: "env:NAME", "vault:NAME", or "literal" for a value given in Python.
    """

    reference: str
    _value: str | None = field(default=None, repr=False)

    @classmethod
    def env(cls, name: str) -> Secret:
        """The secret in an environment variable."""
        return cls(f"env:{name}")

    @classmethod
    def literal(cls, value: str) -> Secret:
        """A secret given as a value. For Python alone: a configuration file cannot say it."""
        return cls("literal", value)

    def reveal(self) -> str:
        """The value, read now. From then on no error and no log line of this process shows it.

        Raises:
            SecretMissing: the variable is unset or empty, or nothing is kept under the name; the message names it.
            ConfigurationError: a kept secret cannot be opened.
        """
        return redact.remember(self._found())

    def _found(self) -> str:
        if self._value is not None:
            return self._value
        if self.reference.startswith("vault:"):
            from connector_pipelines.external import vault

            return vault.reveal(self.reference.removeprefix("vault:"))
        name = self.reference.removeprefix("env:")
        value = os.environ.get(name, "")
        if not value:
            raise SecretMissing(f"the secret {name} is not set.", remedy=f"Set the environment variable {name}.")
        return value

    def __str__(self) -> str:
        return self.reference

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take references and refuse values; dump references."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls._from_configuration, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A string, for editors that complete YAML."""
        return {"type": "string", "format": "secret-reference", "examples": ["{{ env.NAME }}", "vault:NAME"]}

    @classmethod
    def _from_configuration(cls, value: object) -> Secret:
        if isinstance(value, Secret):
            return value
        if isinstance(value, str) and _REFERENCE.fullmatch(value):
            return cls(value)
        message = "a secret is written {{ env.NAME }}, or vault:NAME for a kept one, never as its value"
        raise ValueError(message)
