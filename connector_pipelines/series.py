"""Columns as sources send them, in the one spelling that core takes: what the `transform.py` of connectors share.

Text is pandas' `str` (missing: NaN), trimmed, an empty text is missing, and characters are in Unicode's composed form
(NFC), so that the same name from two systems is the same bytes. Numbers are text in plain digits without zeros at the
end, so that 1234.50 and 1.2345E3 are the same bytes. Days are Arrow `date32`, moments are UTC in microseconds. Pure.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
DAY = pd.ArrowDtype(pa.date32())
MOMENT = pd.DatetimeTZDtype("us", "UTC")

_PLAIN = r"^(0|-?[1-9][0-9]*|-?(0|[1-9][0-9]*)\.[0-9]*[1-9])$"  # what `plain` would leave as it is


def arrow(values: pd.Series) -> pa.Array:
    """Text trimmed and composed, an empty one as null."""
    array = pa.array(values, type=pa.string(), from_pandas=True)
    trimmed = pc.utf8_trim_whitespace(array)
    if not pc.all(pc.string_is_ascii(trimmed), skip_nulls=True).as_py():
        trimmed = pc.utf8_normalize(trimmed, form="NFC")
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def of_text(array: pa.Array, index: pd.Index) -> pd.Series:
    """Arrow text as a column."""
    return pd.Series(pd.array(array, dtype=TEXT), index=index)


def text(values: pd.Series) -> pd.Series:
    """Text as core takes it."""
    return of_text(arrow(values), values.index)


def nothing(frame: pd.DataFrame) -> pd.Series:
    """Text that the source does not send."""
    return pd.Series(None, index=frame.index, dtype=TEXT)


def mapped(values: pd.Series, words: dict[str, str]) -> pd.Series:
    """One word for another; null for those that are not known."""
    known = pa.array(words.values(), pa.string())
    return of_text(known.take(pc.index_in(arrow(values), pa.array(words, pa.string()))), values.index)


def number(values: pd.Series) -> pd.Series:
    """Decimal numbers in their one spelling. Each different one is spelled once: prices and grades repeat; and most
    have been sent so.
    """
    coded = arrow(values).dictionary_encode()
    other = pc.invert(pc.match_substring_regex(coded.dictionary, _PLAIN))
    respelled = [plain(said) for said in coded.dictionary.filter(other).to_pylist()]
    spelled = pc.replace_with_mask(coded.dictionary, other, pa.array(respelled, pa.string()))
    return of_text(spelled.take(coded.indices), values.index)


def plain(said: str) -> str:
    """A decimal number in its one spelling: no exponent, no padding zeros, no plus."""
    digits = format(Decimal(said), "f")
    bare = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if bare in {"-0", ""} else bare


def day(values: pd.Series) -> pd.Series:
    """Of a day, or of the time stamp that some servers send for one, the day as it was written."""
    days = pc.utf8_slice_codeunits(arrow(values), 0, 10).cast(pa.date32())
    return pd.Series(pd.array(days, dtype=DAY), index=values.index)


def moment(values: pd.Series) -> pd.Series:
    """A time without zone is UTC."""
    moments: pd.Series = pd.to_datetime(values.replace("", None), format="ISO8601", utc=True, errors="coerce")
    return moments.astype(MOMENT)
