"""Adds a source without an editor: a folder with its `defs.yaml`, and its first version in the database (E17).

The file is what declares a source, here as everywhere: it can be reviewed, versioned and changed by hand afterwards.
All is judged before anything is written, by the same rules as a file that a person wrote.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel

from connector_pipelines import connectors as registry
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external.secrets import Secret
from connector_pipelines.orchestration import environment
from connector_pipelines.orchestration.sources import (
    COMPONENTS,
    DEFS,
    Declaration,
    Invalid,
    component_name,
    judge,
    known_as,
    read_all,
    why_no_name,
)
from connector_pipelines.settings import settings
from connector_pipelines.sync import records
from connector_pipelines.sync.sources import register as note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connector_pipelines.database.connection import Connection
    from connector_pipelines.model import Source


@dataclass(frozen=True, slots=True)
class Draft:
    """A source as it would be declared. Nothing of it is written yet.

    Attributes:
        text: its `defs.yaml`; secrets stand in it as references.
    """

    declaration: Declaration
    text: str

    @property
    def source(self) -> Source:
        """What it would be."""
        return self.declaration.source

    @property
    def told(self) -> dict[str, str]:
        """What a person wants to know before saying yes, by what it is about."""
        source = self.source
        missing = [str(one) for one in secrets_in(source.config) if not _is_there(one)]
        facts = {
            "file": str(self.declaration.file),
            "feeds": ", ".join(stream.entity for stream in source.streams) or "nothing: it only takes records",
            "secrets that are not set here yet": ", ".join(dict.fromkeys(missing)),
            "off": source.off,
            "left out": ""
            if settings().enables(*known_as(source))
            else "INTEGRATION_ENABLED_PROVIDERS does not name it",
        }
        return {about: said for about, said in facts.items() if said}


def draft(
    connection: Connection, name: str, connector: str, attributes: Mapping[str, Any], folder: Path = DEFS
) -> Draft:
    """A source as it would be declared, judged by every rule that its file would be.

    Args:
        connection: to the database that knows the sources there ever were.
        name: of the source, and so of its folder.
        connector: the connector's name, e.g. oneroster.
        attributes: what stands under `attributes` in a `defs.yaml`; secrets as `{{ env.NAME }}` or `vault:NAME`.
        folder: where sources are declared.

    Raises:
        ConfigurationError: there is such a source, or the declaration is wrong; the message names line and field, and
            never shows a value that stands in a secret's place.
    """
    if why := why_no_name(name):
        raise ConfigurationError(f"{why}.", remedy="Choose another name.")
    kind = f"{COMPONENTS}.{component_name(registry.connector(connector))}"
    text = _written(kind, attributes)
    found = judge(folder / name / "defs.yaml", text)
    if isinstance(found, Declaration):
        _refuse_twice(connection, found, folder)
        with _staged(found, text) as staged:
            from connector_pipelines.orchestration import build  # it loads the job that calls us

            found = build.refused(staged) or found
    if isinstance(found, Invalid):
        raise ConfigurationError(f"{name} cannot be registered: {found.reason}", remedy="Correct these attributes.")
    return Draft(found, _with_requirements(kind, attributes, found.source))


def register(connection: Connection, wanted: Draft, *, who: str) -> int:
    """Write a source's folder, and note it with its configuration in the database and in the audit log.

    The folder comes into place at once, as the last thing before the commit. Should that fail, the source is declared
    all the same, and noted by its first run as one that a person declared.

    Returns:
        the version of its configuration, 1.

    Raises:
        ConfigurationError: there is such a source by now, or the folder cannot be written.
    """
    source, file = wanted.source, wanted.declaration.file
    with connection.transaction(), _staged(wanted.declaration, wanted.text, beside=file.parent.parent) as staged:
        _refuse_twice(connection, wanted.declaration, file.parent.parent)
        version = note(connection, source)
        records.audit(
            connection,
            "source registered",
            who=who,
            source=source.name,
            entity="",
            connector=source.connector.name,
            version=version,
        )
        try:
            staged.file.parent.rename(file.parent)
        except OSError as error:
            raise _unwritable(file, error) from None
    return version


def secrets_in(value: object) -> Iterator[Secret]:
    """The secrets that a configuration names."""
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secrets_in(getattr(value, name))
    elif isinstance(value, dict):
        yield from secrets_in(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from secrets_in(one)


def _refuse_twice(connection: Connection, wanted: Declaration, folder: Path) -> None:
    source = wanted.source
    if wanted.file.parent.exists():
        raise ConfigurationError(
            f"a source {source.name} is declared already.",
            remedy=f"Choose another name, or change {wanted.file.parent.name}/{wanted.file.name}.",
        )
    before = connection.execute(
        "SELECT title, to_char(created_at, 'YYYY-MM-DD') FROM connector.integrations WHERE name = %s", [source.name]
    ).fetchone()
    if before:
        raise ConfigurationError(
            f"the database knows a source {source.name} ({before[0]}, since {before[1]}) with records of its own.",
            remedy="Choose another name; if it is that very source, put its defs.yaml back by hand.",
        )
    same = [
        one.source.name
        for one in read_all(folder)
        if isinstance(one, Declaration)
        and (one.source.connector.name, one.source.config) == (source.connector.name, source.config)
    ]
    if same:
        raise ConfigurationError(
            f"{same[0]} is configured in just the same way, so every record would come twice.",
            remedy=f"Use {same[0]}, or say what is different.",
        )


def _written(kind: str, attributes: Mapping[str, Any], **more: Any) -> str:
    document = {"type": kind, "attributes": dict(attributes), **more}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)


def _with_requirements(kind: str, attributes: Mapping[str, Any], source: Source) -> str:
    """The text with the variables it needs, so that Dagster's own tools name those that are not set."""
    secrets = [str(one).removeprefix("env:") for one in secrets_in(source.config) if str(one).startswith("env:")]
    names = sorted({*secrets, *environment.named(attributes)})
    return _written(kind, attributes, **({"requirements": {"env": names}} if names else {}))


@contextmanager
def _staged(declaration: Declaration, text: str, beside: Path | None = None) -> Iterator[Declaration]:
    """The declaration in a folder of its name, where nobody looks for sources; gone afterwards, unless it moved."""
    file = declaration.file
    try:
        around = tempfile.TemporaryDirectory(prefix=".registering-", dir=beside)
    except OSError as error:
        raise _unwritable(file, error) from None
    with around as place:
        staged = Path(place) / file.parent.name / file.name
        staged.parent.mkdir()
        staged.write_text(text, encoding="utf-8")
        yield Declaration(declaration.source, declaration.timetable, staged)


def _unwritable(file: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{file.parent.parent} cannot be written: {error.strerror or type(error).__name__}.",
        remedy=f"Put the text that is shown into {file.parent.name}/{file.name} where the project is deployed from.",
    )


def _is_there(secret: Secret) -> bool:
    try:
        return bool(secret.reveal())
    except ConfigurationError:
        return False
