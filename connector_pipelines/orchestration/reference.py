"""The reference of everything that can be configured, as a page of Markdown, made from the models that validate it.

A part (a nested model) that several connectors share stands there once. A field says its type, bounds, default and
meaning just as its model does, so the page cannot be wrong about them.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from connector_pipelines.orchestration.component import attributes_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from connector_pipelines.model import Connector

Schema = dict[str, Any]

_HEAD = """\
# Configuration reference

Every variable and every field, with type, default and meaning, as the code has them. `make reference` writes this
page, and a test compares it with the code. What they are for and how they go together is told in
[Configuration](configuration.md). `connector-pipelines reference` prints the page with connectors of your own in it.

*required* has no default; *unset* means what the meaning says. A type that is a link is a group of fields with a
section of its own; `a → b` is a mapping from a to b; a *secret* is written as `"{{ env.NAME }}"` or `"vault:NAME"`.
"""
_NAMES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": ""}
_FORMATS = {
    "date": "day, as 2026-08-31",
    "password": "secret",
    "secret-reference": "secret",
    "ipv4network": "network",
    "ipv6network": "network",
}


@dataclass(frozen=True)
class _Reference:
    """The schemas of the connectors' declarations, and where each of their parts is described."""

    schemas: Mapping[str, Schema]

    @cached_property
    def common(self) -> list[str]:
        """Fields that mean the same in every source."""
        first, *others = self.schemas.values()
        return [
            name
            for name, field in first["properties"].items()
            if all(o["properties"].get(name) == field for o in others)
        ]

    @cached_property
    def headings(self) -> dict[tuple[str, str], str]:
        """The heading of each part, by its name and its schema: equal parts of several connectors share it."""
        users: dict[tuple[str, str], list[str]] = defaultdict(list)
        for title, schema in self.schemas.items():
            for name, part in schema.get("$defs", {}).items():
                users[name, _text(part)].append(title)
        return {
            part: part[0] if len(titles) == len(self.schemas) else f"{part[0]} of {' and '.join(titles)}"
            for part, titles in users.items()
        }

    def parts(self, heading_of: str) -> Iterator[tuple[str, Schema, str]]:
        """The parts of one connector: heading, schema, and the connector's title; simple choices are none."""
        schema = self.schemas[heading_of]
        for name, part in schema.get("$defs", {}).items():
            if "properties" in part:
                yield self.headings[name, _text(part)], part, heading_of

    def kind(self, field: Schema, title: str) -> str:
        """What a field takes, in words; parts are links to their headings."""
        if "$ref" in field:
            name = field["$ref"].rpartition("/")[2]
            part = self.schemas[title]["$defs"][name]
            return self._link(name, part) if "properties" in part else self.kind(part, title)
        for several in ("anyOf", "oneOf"):
            if several in field:
                return _either(self.kind(one, title) for one in field[several])
        if field.get("type") == "array":
            return f"list of {self.kind(field.get('items', {}), title)}"
        if field.get("type") == "object":
            names, values = field.get("propertyNames", {"type": "string"}), field.get("additionalProperties", {})
            values = values if isinstance(values, dict) else {}
            return f"{self.kind(names, title)} → {self.kind(values, title)}"
        return _simple(field)

    def _link(self, name: str, part: Schema) -> str:
        heading = self.headings[name, _text(part)]
        return f"[{name}](#{re.sub(r'[^a-z0-9_ -]', '', heading.lower()).replace(' ', '-')})"

    def rows(self, part: Schema, title: str, names: Sequence[str]) -> list[str]:
        """The table of some fields."""
        head = ["| field | type | default | meaning |", "|---|---|---|---|"]
        required = part.get("required", ())
        return head + [
            _row(name, self.kind(field, title), "required" if name in required else _default(field), field)
            for name, field in part["properties"].items()
            if name in names
        ]


def page(settings: type[BaseModel], connectors: Mapping[str, Connector]) -> str:
    """The page: the environment, what every source may say, what each connector adds, the parts of them.

    Args:
        settings: the model of the environment's variables.
        connectors: those that are documented, by what their declarations say as `type`.
    """
    known = _Reference({one.title: attributes_model(one).model_json_schema() for one in connectors.values()})
    environment = settings.model_json_schema()
    alone = _Reference({"": environment})
    lines = [_HEAD, "## Environment", "", *alone.rows(environment, "", list(environment["properties"]))]
    first = next(iter(known.schemas))
    lines += ["", "## Every source", "", "Under `attributes` in the source's `defs.yaml`.", ""]
    lines += known.rows(known.schemas[first], first, known.common)
    shown: set[str] = set()
    for heading, part, title in known.parts(first):
        if heading == part["title"]:
            lines += _part(known, heading, part, title, shown)
    for kind, connector in connectors.items():
        schema, title = known.schemas[connector.title], connector.title
        own = [name for name in schema["properties"] if name not in known.common]
        lines += ["", f"## {title}", "", f"{_sentence(connector.config)} `type: {kind}`", ""]
        lines += known.rows(schema, title, own)
        for heading, part, of in known.parts(title):
            lines += _part(known, heading, part, of, shown)
    return "\n".join(lines) + "\n"


def _part(known: _Reference, heading: str, part: Schema, title: str, shown: set[str]) -> list[str]:
    """A section of its own for a part that has none yet."""
    if heading in shown:
        return []
    shown.add(heading)
    said = " ".join(part.get("description", "").split())
    return ["", f"### {heading}", "", *([said, ""] if said else []), *known.rows(part, title, list(part["properties"]))]


def _row(name: str, kind: str, default: str, field: Schema) -> str:
    told = " ".join(str(field.get("description", "")).split())
    return f"| `{name}` | {_cell(kind)} | {_cell(default)} | {_cell(told)} |"


def _cell(text: str) -> str:
    """Text that means itself in a table of Markdown; what stands between backticks does so already."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(part if at % 2 else re.sub(r"([<*])", r"\\\1", part) for at, part in enumerate(parts))


def _simple(field: Schema) -> str:
    """A field without parts: its choices, or its type with bounds."""
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return _either(f"`{one}`" for one in field["enum"])
    name = _FORMATS.get(field.get("format", ""), field.get("format")) or _NAMES.get(field.get("type", ""), "anything")
    return " ".join(filter(None, [name, _bounds(field)]))


def _bounds(field: Schema) -> str:
    least, most, over = (field.get(key) for key in ("minimum", "maximum", "exclusiveMinimum"))
    if over is not None:
        return f"over {over:g}" + (f", at most {most:g}" if most is not None else "")
    if least is not None and most is not None:
        return f"{least:g} to {most:g}"
    if least is not None:
        return f"from {least:g}"
    return f"to {most:g}" if most is not None else ""


def _either(kinds: Iterator[str]) -> str:
    return " or ".join(dict.fromkeys(filter(None, kinds)))


def _default(field: Schema) -> str:
    if "default" not in field:  # made by a factory: an empty collection, or a part with its own defaults
        return "its fields' own" if "$ref" in field else "none"
    value = field["default"]
    if value is None:
        return "unset"
    if value in ("", [], {}):
        return "none"
    if isinstance(value, dict) and "reference" in value:  # a secret that is looked up unless another is named
        value = value["reference"]
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value, ensure_ascii=False)}`"


def _sentence(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _text(part: Schema) -> str:
    return json.dumps(part, sort_keys=True)
