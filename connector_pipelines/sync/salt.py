"""What decides what becomes of a record, in one number: after a change of code or settings no fingerprint is known."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from connector_pipelines.core.entities import entity as core_entity
from connector_pipelines.core.extracts import extract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from connector_pipelines.model import Source, Stream
    from connector_pipelines.outward import Export

_OURS = Path(__file__).parents[1]


def salt_of(source: Source, stream: Stream) -> int:
    """A hash over the connector's code, the code that validates, the core entity, the source's configuration, and the
    rules of who wins: where one changed, the records that core kept its own value of are judged anew.

    Nobody has to remember to raise a version: any edited line gives another salt, and costs one sync that decodes all.

    Returns:
        63 bits, so that PostgreSQL's bigint holds them.
    """
    rules = sorted(source.conflicts.get(stream.entity, {}).items())
    return _salt(source, repr(core_entity(stream.entity)), stream.entity, repr(rules))


def salt_of_export(source: Source, export: Export) -> int:
    """The same for what is written: over the connector's code, the source's configuration, extract and rules."""
    rules = sorted(source.conflicts.get(export.name, {}).items())
    return _salt(source, repr(extract(export.of)), export.name, repr(rules))


def _salt(source: Source, *words: str) -> int:
    code = _code(frozenset(_folders(source.connector.config)))
    told = (code, source.config.model_dump_json(), *words)
    digest = hashlib.sha256("\0".join(told).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def _folders(config: type[BaseModel]) -> Iterator[Path]:
    """The connector's folder, and those of the models its configuration builds upon: declared sources share theirs."""
    for model in config.__mro__:
        file = getattr(sys.modules.get(model.__module__), "__file__", None)
        if file and model.__module__.partition(".")[0] not in {"pydantic", "builtins"}:
            yield Path(file).parent


@cache
def _code(folders: frozenset[Path]) -> str:
    """A hash of the Python files of these folders, and of ours that records pass through."""
    passed = (_OURS / "assessed.py", _OURS / "series.py", _OURS / "validation" / "accept.py")
    files = [*sorted(file for folder in folders for file in folder.glob("*.py")), *passed]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
