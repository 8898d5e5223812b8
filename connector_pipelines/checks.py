"""Checks that the `schemas.py` of connectors are made of. Each looks at whole columns, and says what a value must be.

Lengths and years are ours where a system sets none: a name of a megabyte is a mistake, and so is the year 0001, which
.NET servers send for "no date".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pandera.pandas as pa
import pyarrow.compute as pc
from pyarrow import array

if TYPE_CHECKING:
    from pandera.typing import Series

LONGEST_ID = 255
LONGEST_TEXT = 1_000
FIRST_YEAR, LAST_YEAR = 1900, 2200
_ISO_DAY = r"\d{4}-\d{2}-\d{2}($|[T ])"
_NUMBER = r"-?(\d{1,20}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,2})?"


def optional() -> Any:
    """A field that may be null."""
    return pa.Field(nullable=True)


def text(*columns: str, longest: int) -> Any:
    """Short enough, and storable: PostgreSQL has no NUL in text. Of a column where all are, one answer is enough."""

    def check(_: type, values: Series[str]) -> Any:
        texts = array(values)
        most_bytes = pc.max(pc.binary_length(texts)).as_py() or 0
        if most_bytes <= longest and not pc.any(pc.match_substring(texts, "\x00")).as_py():
            return True
        return (values.str.len() <= longest) & ~values.str.contains("\x00", regex=False)

    return pa.check(*columns, error=f"must have at most {longest:,} characters and no NUL")(check)


def present(*columns: str) -> Any:
    """More than blanks. That it is not null is said by the column."""

    def check(_: type, values: Series[str]) -> Any:
        return values.str.strip().str.len() > 0

    return pa.check(*columns, error="must not be blank")(check)


def one_of(column: str, *allowed: str, exact: bool = False) -> Any:
    """One of these words, in any case, or none; or `exact`ly one of them."""
    words = set(allowed) if exact else {"", *map(str.lower, allowed)}

    def check(_: type, values: Series[str]) -> Any:
        return (values if exact else values.str.strip().str.lower()).isin(words)

    return pa.check(column, error=f"must be one of {', '.join(allowed)}")(check)


def number(*columns: str, blank: bool = True) -> Any:
    """A number in plain digits or, as Java writes large ones, with an exponent."""

    def check(_: type, values: Series[str]) -> Any:
        texts = values.str.strip()
        return texts.str.fullmatch(_NUMBER) | (blank & (texts == ""))

    return pa.check(*columns, error="must be a number")(check)


def day(*columns: str) -> Any:
    """A calendar day, or the beginning of a time stamp, in a plausible year."""

    def check(_: type, values: Series[str]) -> Any:
        texts = values.str.strip()
        days = pd.to_datetime(texts.str.slice(0, 10), format="%Y-%m-%d", errors="coerce")
        plausible = days.dt.year.between(FIRST_YEAR, LAST_YEAR) & texts.str.match(_ISO_DAY)
        return plausible | (texts == "")

    return pa.check(*columns, error=f"must be a day from {FIRST_YEAR} to {LAST_YEAR}, as YYYY-MM-DD")(check)


def moment(*columns: str) -> Any:
    """A time that can be read, in a plausible year."""

    def check(_: type, values: Series[str]) -> Any:
        moments = pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce")
        return moments.dt.year.between(FIRST_YEAR, LAST_YEAR) | (values.str.strip() == "")

    return pa.check(*columns, error=f"must be an ISO 8601 time from {FIRST_YEAR} to {LAST_YEAR}")(check)
