"""What a source may say, as the launchpad's typed config: made from the model that also judges its `defs.yaml`.

The launchpad offers the fields with their meaning and refuses wrong types; the model itself judges the rest, in a run.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import dagster as dg

from connector_pipelines.orchestration.component import attributes_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_pipelines.model import Connector

Schema = dict[str, Any]

_SCALARS = {"string": dg.String, "integer": dg.Int, "number": dg.Float, "boolean": dg.Bool}
_DEEPEST = 4  # parts within parts; a declared API may nest without end


@cache
def attributes(connector: Connector) -> dict[str, dg.Field]:
    """The fields that stand under `attributes` in the `defs.yaml` of a connector's source.

    Kept, because each run loads all definitions: a tenth of a second that a warm process has behind it.
    """
    schema = attributes_model(connector).model_json_schema()
    return _fields(schema, schema.get("$defs", {}), 0)


def _fields(part: Schema, parts: Mapping[str, Schema], depth: int) -> dict[str, dg.Field]:
    required = part.get("required", ())
    return {
        name: dg.Field(
            _kind(field, parts, depth), is_required=name in required, description=field.get("description", "")
        )
        for name, field in part.get("properties", {}).items()
    }


def _kind(field: Schema, parts: Mapping[str, Schema], depth: int) -> Any:
    """The config type of a field; `Any` where Dagster has none that takes all the field does."""
    if "$ref" in field:
        return _kind(parts[field["$ref"].rpartition("/")[2]], parts, depth)
    choices = field.get("anyOf") or field.get("oneOf")
    if choices:
        kinds = [_kind(one, parts, depth) for one in choices if one.get("type") != "null"]
        only = kinds[0] if len(kinds) == 1 else dg.Any
        return only if only is dg.Any or len(kinds) == len(choices) else dg.Noneable(only)
    if "properties" in field and depth < _DEEPEST:
        return _fields(field, parts, depth + 1)
    if field.get("type") == "object":
        return dict  # any keys
    if field.get("type") == "array":
        return dg.Array(dg.Any)
    return _SCALARS.get(field.get("type", ""), dg.Any)
