"""The place in the UI of a source that cannot be used.

Dagster reads the annotations of steps as objects, so they are not postponed here.
"""

from collections.abc import Iterator

import dagster as dg

from connector_pipelines.orchestration import names
from connector_pipelines.orchestration.sources import Invalid


def invalid_asset(invalid: Invalid) -> dg.AssetsDefinition:
    """The place of a source that cannot be used: it says why, and fails when it is materialized."""
    key = names.invalid(_plain(invalid.name))
    check = dg.AssetCheckSpec("usable", asset=key, description=invalid.reason)

    @dg.asset(
        key=key,
        group_name=_plain(invalid.name),
        description=f"This source is not usable:\n\n{_listed(invalid.reason)}",
        kinds={"invalid"},
        tags={"invalid": "true"},
        metadata={"reason": dg.MetadataValue.md(_listed(invalid.reason)), "file": "/".join(invalid.file.parts[-3:])},
        check_specs=[check],
    )
    def not_usable() -> Iterator[dg.AssetCheckResult]:
        yield dg.AssetCheckResult(check_name=check.name, passed=False, description=invalid.reason)
        raise dg.Failure(description=invalid.reason, allow_retries=False)

    return not_usable


def _listed(reason: str) -> str:
    """One point for each line: Markdown would run them together."""
    return "\n".join(f"- {line}" for line in reason.splitlines())


def _plain(name: str) -> str:
    """A folder's name as Dagster takes it for keys and groups."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)
