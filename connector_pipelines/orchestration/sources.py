"""Reads the declared sources from their folders. Without Dagster, so that the command line starts at once.

A source is a folder with a `defs.yaml`; its name is the folder's. One that is wrong becomes an `Invalid` with the
file, the line and the field, and takes no other down.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from connector_pipelines import connectors as registry
from connector_pipelines.capabilities import require_realtime
from connector_pipelines.errors import ConfigurationError
from connector_pipelines.model import Connector, Source
from connector_pipelines.orchestration import environment
from connector_pipelines.orchestration.policies import findings
from connector_pipelines.orchestration.timetable import Frequency, Timetable
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DEFS = Path(__file__).parents[1] / "defs"
"""Where sources are declared."""

COMPONENTS = "connector_pipelines.orchestration.components"
"""The module whose classes a `defs.yaml` names as its type."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_RESERVED = {"core", "operations", "overview"}

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Declaration:
    """A source as its folder declares it."""

    source: Source
    timetable: Timetable
    file: Path

    @property
    def by_itself(self) -> bool:
        """Whether anything of it runs without being started."""
        return self.timetable.enabled and not self.source.off


@dataclass(frozen=True, slots=True)
class Invalid:
    """A declared source that cannot be used.

    Attributes:
        reason: what is wrong and where, one line for each finding; without values.
    """

    name: str
    file: Path
    reason: str


def component_name(connector: Connector) -> str:
    """The name of a connector's component class: its title's spelling where that fits, e.g. OneRosterSource."""
    plain = connector.name.replace("_", "")
    letters = re.sub(r"[^A-Za-z0-9]", "", connector.title)
    fits = letters.lower().startswith(plain)
    spelled = letters[: len(plain)] if fits else "".join(part.title() for part in connector.name.split("_"))
    return f"{spelled}Source"


def by_type() -> dict[str, Connector]:
    """The connectors by what a `defs.yaml` calls them."""
    return {f"{COMPONENTS}.{component_name(connector)}": connector for connector in registry.connectors().values()}


def read_all(folder: Path = DEFS) -> list[Declaration | Invalid]:
    """Every source declared below a folder, by name; those that the settings do not enable are left out (F57)."""
    found = [read(file) for file in sorted(folder.glob("*/defs.yaml")) if is_ours(file)]
    enables = settings().enables
    return [one for one in found if enables(*(known_as(one.source) if isinstance(one, Declaration) else (one.name,)))]


def known_as(source: Source) -> tuple[str, ...]:
    """By which names a source is enabled: its own, its connector's, and what its system is called there (F57)."""
    return (source.name, *filter(None, (source.connector.name, source.connector.dialect(source.config))))


def declared_sources(folder: Path = DEFS) -> dict[str, Source]:
    """The usable sources by name."""
    return {one.source.name: one.source for one in read_all(folder) if isinstance(one, Declaration)}


def declared_source(name: str, folder: Path = DEFS) -> Source:
    """The source of that name.

    Raises:
        ConfigurationError: it is not declared, not enabled, or not usable; the message says which.
    """
    found = {name_of(one): one for one in read_all(folder)}
    match found.get(name):
        case Declaration(source=source):
            return source
        case Invalid(reason=reason):
            raise ConfigurationError(f"the source {name} is not usable: {reason}", remedy="Correct its defs.yaml.")
    if (folder / name / "defs.yaml").exists():
        raise ConfigurationError(
            f"the source {name} is not enabled.", remedy="Add it to INTEGRATION_ENABLED_PROVIDERS."
        )
    known = ", ".join(found) or "none"
    raise ConfigurationError(f"no source {name!r} is declared; there are: {known}.", remedy=f"Look into {folder}.")


def default_source(folder: Path = DEFS) -> Source | None:
    """The source that commands use when none is named (F58).

    Raises:
        ConfigurationError: the default is not among the enabled sources.
    """
    default = settings().default_provider
    if default is None:
        return None
    if default not in {name_of(one) for one in read_all(folder)}:
        raise ConfigurationError(
            f"INTEGRATION_DEFAULT_PROVIDER is {default}, which is no enabled source.",
            remedy="Declare it, list it in INTEGRATION_ENABLED_PROVIDERS, or choose another default.",
        )
    return declared_source(default, folder)


def name_of(one: Declaration | Invalid) -> str:
    """The name of a declared source, usable or not."""
    return one.name if isinstance(one, Invalid) else one.source.name


def is_ours(file: Path) -> bool:
    """Whether a `defs.yaml` declares a source; what is not readable is taken for one, so that it is shown."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return True
    kind = document.get("type") if isinstance(document, dict) else None
    return not isinstance(kind, str) or kind.startswith("connector_pipelines.")


def read(file: Path, environ: Mapping[str, str] | None = None) -> Declaration | Invalid:
    """One declaration from its file.

    Args:
        file: the `defs.yaml`; its folder names the source.
        environ: the variables that other fields than secrets may name; the process's by default.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return Invalid(file.parent.name, file, f"{_place(file)}: not in UTF-8")
    return judge(file, text, environ)


def judge(file: Path, text: str, environ: Mapping[str, str] | None = None) -> Declaration | Invalid:
    """What a declaration says, whether it stands in its file already or not."""
    name = file.parent.name
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        return Invalid(name, file, f"{_place(file)}{line}: no YAML: {error.problem}")
    except yaml.YAMLError:
        return Invalid(name, file, f"{_place(file)}: no YAML")
    try:
        return _declare(name, file, document, os.environ if environ is None else environ)
    except _Wrong as wrong:
        return _invalid(file, root, wrong.findings)


def refuse(declaration: Declaration, *findings: tuple[environment.Path, str]) -> Invalid:
    """A declaration that reads well and still cannot be used: for what only Dagster can judge.

    Args:
        declaration: as it was read.
        findings: for each thing that is wrong the path below `attributes`, and a sentence.
    """
    root = yaml.compose(declaration.file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    return _invalid(
        declaration.file, root, [(("attributes", *path), f"{_dotted(path)}: {why}") for path, why in findings]
    )


def _invalid(file: Path, root: yaml.Node | None, findings: Sequence[tuple[environment.Path, str]]) -> Invalid:
    found = sorted((_line(root, path), why) for path, why in findings)
    lines = [f"{_place(file)}, line {line}: {why}" for line, why in found]
    return Invalid(file.parent.name, file, "\n".join(lines))


class _Wrong(Exception):
    """What is wrong with a document: for each finding its path and a sentence."""

    def __init__(self, *findings: tuple[environment.Path, str]) -> None:
        super().__init__()
        self.findings = findings


def _declare(name: str, file: Path, document: object, environ: Mapping[str, str]) -> Declaration:
    if why := why_no_name(name):
        raise _Wrong(((), why))
    if not isinstance(document, dict):
        raise _Wrong(((), "a mapping with `type` and `attributes` is expected, one document to a file"))
    known, kind = by_type(), document.get("type")
    if kind not in known:
        raise _Wrong((("type",), f"type is {kind!r}; a source's type is one of {', '.join(sorted(known))}"))
    attributes = document.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise _Wrong((("attributes",), "attributes must be a mapping"))
    connector = known[kind]
    values, unset = environment.put_in(connector.config, attributes, environ)
    if unset:
        raise _Wrong(
            *((("attributes", *u.path), f"{_dotted(u.path)} names {u.variable}, which is not set") for u in unset)
        )
    timetable, wrong = _validated(Timetable, values.pop("schedule", None) or {}, ("schedule",))
    policy, unfit = _validated(SyncPolicy, values.pop("policy", None) or {}, ("policy",))
    enabled = values.pop("enabled", None)
    if not isinstance(enabled, bool | None):
        raise _Wrong((("attributes", "enabled"), "enabled must be true or false"))
    config, more = _validated(connector.config, values, ())
    if config is None or timetable is None or policy is None:
        raise _Wrong(*wrong, *unfit, *more)
    source = Source(name, connector, config, policy, why_off(connector, enabled=enabled))
    if strange := list(findings(source) if policy != SyncPolicy() else ()):
        raise _Wrong(*((("attributes", "policy", *at), f"{_dotted(('policy', *at))}: {why}") for at, why in strange))
    _refuse_realtime(source, timetable)
    return Declaration(source, timetable, file)


def why_no_name(name: str) -> str:
    """Why a folder of that name cannot be a source; empty where it can."""
    form = f"lower-case letters, digits and underscores, and none of {', '.join(sorted(_RESERVED))}"
    fits = _NAME.fullmatch(name) and name not in _RESERVED
    return "" if fits else f"the folder {name!r} cannot name a source; use {form}"


def why_off(connector: Connector, *, enabled: bool | None) -> str:
    """Why a source may not be read; empty where it may. The environment speaks where the declaration says nothing."""
    if enabled is None:
        return settings().why_off(connector.name)
    return "" if enabled else "its defs.yaml says enabled: false"


def _refuse_realtime(source: Source, timetable: Timetable) -> None:
    """A source whose system can neither be asked often nor tell us is not declared realtime (E11)."""
    if timetable.frequency is not Frequency.REALTIME:
        return
    try:
        require_realtime(source)
    except ConfigurationError as error:
        raise _Wrong((("attributes", "schedule", "frequency"), f"schedule.frequency: {error}")) from None


def _validated(
    model: type[Model], values: object, path: environment.Path
) -> tuple[Model | None, list[tuple[environment.Path, str]]]:
    """The model, or what is wrong with each field: unknown ones are refused, whatever the model itself allows."""
    if not isinstance(values, dict):
        return None, [(("attributes", *path), f"{_dotted(path)} must be a mapping")]
    names = {alias for key, field in model.model_fields.items() for alias in (key, field.alias) if alias}
    unknown = [(*path, key) for key in values if key not in names]
    wrong = [(at, f"{_dotted(at)} is no field; there are {', '.join(sorted(names))}") for at in unknown]
    valid = None
    try:
        valid = model.model_validate({key: value for key, value in values.items() if key in names})
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        places = [(*path, *one["loc"]) for one in found]
        wrong += [
            (at, f"{_dotted(at)}: {one['msg'].removeprefix('Value error, ')}")
            for at, one in zip(places, found, strict=True)
        ]
    return (None if wrong else valid), [(("attributes", *at), why) for at, why in wrong]


def _dotted(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path))


def _place(file: Path) -> str:
    return "/".join(file.parts[-2:])


def _line(root: yaml.Node | None, path: Sequence[str | int]) -> int:
    """The line of the field, or of the innermost one around it that the file has."""
    line = root.start_mark.line if root else 0
    for key in path:
        found = next(((at, item) for name, at, item in _items(root) if name == str(key)), None)
        if found:  # pydantic's path names the variants of a union, too
            line, root = found
    return line + 1


def _items(node: yaml.Node | None) -> Iterator[tuple[str, int, yaml.Node]]:
    """Key or index, line, and node of what a mapping or list holds."""
    if isinstance(node, yaml.MappingNode):
        yield from ((str(key.value), key.start_mark.line, item) for key, item in node.value)
    if isinstance(node, yaml.SequenceNode):
        yield from ((str(index), item.start_mark.line, item) for index, item in enumerate(node.value))
