"""What is accepted: for each mapped column a check by the kind of the core column it feeds.

Checks look at whole columns. Text limits are ours: a name of a megabyte is a mistake.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from connector_pipelines.declarative.decoding import HEAD
from connector_pipelines.declarative.mapping import required, targets

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    import pandera.pandas as pa

    from connector_pipelines.declarative.mapping import Fed
    from connector_pipelines.declarative.settings import Declared
    from connector_pipelines.model import Entity

LONGEST_ID = 255
LONGEST_TEXT = 10_000
LONGEST_NUMBER = 100
FIRST_YEAR, LAST_YEAR = 1900, 2200  # some systems send the year 0001 or 9999 for "no date"
TRUE = ("true", "t", "yes", "y", "1", "on")
FALSE = ("false", "f", "no", "n", "0", "off")

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?")
WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}($|[T ].*)")
_LARGEST = {"INTEGER": 2**31 - 1, "BIGINT": 2**63 - 1}


def schema_of(entity: Entity, declared: Declared) -> pa.DataFrameSchema:
    """The schema of the texts that decoding gives, the id first."""
    import pandera.pandas as pa

    names = targets(entity)
    kinds = {column.name: column.kind for column in entity.columns}
    must = required(entity)
    head = {
        "external_id": pa.Column(str, _texts("its id", LONGEST_ID), nullable=False),
        "modified_at": pa.Column(str, _check("its time of change must be a time, as ISO 8601", times), nullable=True),
        "deleted": pa.Column(str, nullable=True),
        "skip": pa.Column(str, nullable=True),
    }
    mapped = {
        name: pa.Column(str, _checks(kinds.get(name, "ID"), fed, present=name in must), nullable=name not in must)
        for name, fed in declared.mapping.items()
        if name in names
    }
    return pa.DataFrameSchema(head | mapped)


def columns_of(declared: Declared) -> tuple[str, ...]:
    """The columns of the schema, in the order in which decoding gives them."""
    return (*HEAD, *declared.mapping)


def _checks(kind: str, fed: Fed, *, present: bool) -> list[pa.Check]:
    origin = f" (from {fed.path})" if fed.path else ""
    written = f", as {fed.format}" if fed.format else ""
    checks = {
        "DATE": (f"must be a day from {FIRST_YEAR} to {LAST_YEAR}{written or ', as YYYY-MM-DD'}", days),
        "INTEGER": ("must be a whole number", lambda texts: wholes(texts, _LARGEST["INTEGER"])),
        "BIGINT": ("must be a whole number", lambda texts: wholes(texts, _LARGEST["BIGINT"])),
        "NUMERIC": ("must be a number", numbers),
        "BOOLEAN": ("must be true or false", flags),
    }
    found = [_check("must not be blank", lambda texts: texts.str.strip() != "")] if present else []
    if kind in checks:
        sentence, right = checks[kind]
        return [*found, _check(f"{sentence}{origin}", right)]
    return [*found, *_texts("", LONGEST_ID if kind == "ID" else LONGEST_TEXT)]


def _check(sentence: str, right: Callable[[pd.Series], Any]) -> pa.Check:
    import pandera.pandas as pa

    return pa.Check(right, error=sentence)


def _texts(what: str, longest: int) -> list[pa.Check]:
    must = f"{what} must".strip()
    return [
        _check(f"{must} have at most {longest:,} characters", lambda texts: texts.str.len() <= longest),
        _check(f"{must} have no NUL character", lambda texts: ~texts.str.contains("\x00", regex=False)),
    ]


def times(texts: pd.Series) -> Any:
    """Which texts are times."""
    import pandas as pd

    moments = pd.to_datetime(texts.str.strip(), format="ISO8601", utc=True, errors="coerce")
    return moments.dt.year.between(FIRST_YEAR, LAST_YEAR) | _blank(texts)


def days(texts: pd.Series) -> Any:
    """Which texts are days, or times, whose day counts."""
    import pandas as pd

    trimmed = texts.str.strip()
    moments = pd.to_datetime(trimmed.str.slice(0, 10), format="%Y-%m-%d", errors="coerce")
    return (moments.dt.year.between(FIRST_YEAR, LAST_YEAR) & trimmed.str.fullmatch(_DAY.pattern)) | _blank(texts)


def wholes(texts: pd.Series, largest: int) -> Any:
    """Which texts are whole numbers that fit."""
    trimmed = texts.str.strip()
    right = trimmed.str.fullmatch(WHOLE.pattern)
    fitting = [
        bool(ok) and abs(int(text.partition(".")[0])) <= largest for text, ok in zip(trimmed, right, strict=True)
    ]
    return _like(fitting, texts) | _blank(texts)


def numbers(texts: pd.Series) -> Any:
    """Which texts are decimal numbers."""
    trimmed = texts.str.strip()
    return (trimmed.str.fullmatch(NUMBER.pattern) & (trimmed.str.len() <= LONGEST_NUMBER)) | _blank(texts)


def flags(texts: pd.Series) -> Any:
    """Which texts are yes or no."""
    return texts.str.strip().str.lower().isin([*TRUE, *FALSE]) | _blank(texts)


def _blank(texts: pd.Series) -> Any:
    return texts.str.strip() == ""


def _like(values: list[bool], texts: pd.Series) -> pd.Series:
    import pandas as pd

    return pd.Series(values, index=texts.index, dtype=bool)
