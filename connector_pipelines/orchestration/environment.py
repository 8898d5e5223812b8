"""What `{{ env.NAME }}` in a declaration means: in a secret's place its name, elsewhere the variable's value.

`{{ env('NAME', 'default') }}`, Dagster's spelling, gives a value for where the variable is not set; no secret has one.

Dagster's own templates would put a secret's value into the component, and so within reach of the UI. Here a secret
stays the reference `env:NAME` until a run reveals it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from connector_pipelines.external.secrets import Secret

_REFERENCE = re.compile(
    r"""\{\{\s*env(?:\.(?P<dotted>[A-Za-z_]\w*)"""
    r"""|\(\s*(['"])(?P<called>[A-Za-z_]\w*)\2\s*(?:,\s*(['"])(?P<default>.*?)\4\s*)?\))\s*\}\}"""
)

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Unset:
    """A variable that a declaration names outside a secret's place, and that is not set.

    Attributes:
        path: the field, from the model's root.
    """

    path: Path
    variable: str


def put_in(
    model: type[BaseModel], values: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[dict[str, Any], list[Unset]]:
    """The values with every reference to the environment put in, and the variables that are missing. Pure.

    Args:
        model: says which fields are secrets.
        values: as the YAML has them.
        environ: the environment's variables.
    """
    unset: list[Unset] = []
    return {key: _put(_field(model, key), value, (key,), environ, unset) for key, value in values.items()}, unset


def named(values: object) -> Iterator[str]:
    """The variables that values name and give no default for. Pure."""
    if isinstance(values, str):
        yield from (_name(found) for found in _REFERENCE.finditer(values) if found["default"] is None)
    elif isinstance(values, Mapping):
        yield from named(list(values.values()))
    elif isinstance(values, Sequence):
        for value in values:
            yield from named(value)


def _put(types: list[type], value: Any, path: Path, environ: Mapping[str, str], unset: list[Unset]) -> Any:
    if isinstance(value, str):
        return _put_text(value, path, environ, unset, secret=any(issubclass(kind, Secret) for kind in types))
    if isinstance(value, Mapping):
        return {key: _put(_inner(types, key), item, (*path, key), environ, unset) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_put(types, item, (*path, index), environ, unset) for index, item in enumerate(value)]
    return value


def _put_text(text: str, path: Path, environ: Mapping[str, str], unset: list[Unset], *, secret: bool) -> str:
    if secret:
        whole = _REFERENCE.fullmatch(text.strip())
        return f"env:{_name(whole)}" if whole and whole["default"] is None else text

    def value(found: re.Match[str]) -> str:
        name = _name(found)
        default = found["default"]
        if name not in environ and default is None:
            unset.append(Unset(path, name))
        return environ.get(name, default or "")

    return _REFERENCE.sub(value, text)


def _name(found: re.Match[str]) -> str:
    return found["dotted"] or found["called"]


def _inner(types: list[type], key: str) -> list[type]:
    """What may stand under a key: a field of one of the models, or, in a plain mapping, what the mapping holds."""
    models = [kind for kind in types if issubclass(kind, BaseModel)]
    return [leaf for model in models for leaf in _field(model, key)] or [k for k in types if issubclass(k, Secret)]


def _field(model: type[BaseModel], key: str) -> list[type]:
    for name, field in model.model_fields.items():
        if key in {name, field.alias}:
            return _leaves(field.annotation)
    return []


def _leaves(annotation: Any) -> list[type]:
    """The classes an annotation is made of, through unions, optionals, lists and `Annotated`."""
    if get_origin(annotation) is Annotated:
        return _leaves(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType, list, tuple, set, frozenset, dict}:
        return [leaf for part in get_args(annotation) for leaf in _leaves(part)]
    return [annotation] if isinstance(annotation, type) else []
