"""Accepted texts to core columns, by the kind of each. Pure: frames in, frames out, no row is added or left out.

Text is trimmed, an empty text is missing, and characters are in Unicode's composed form (NFC), so that the same name
from two systems is the same bytes. Numbers become decimal texts without padding zeros: 12.50 and 12.5 are one price.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from connector_pipelines.declarative.mapping import GONE, PRESENT, targets
from connector_pipelines.declarative.schemas import TRUE
from connector_pipelines.series import MOMENT, TEXT, arrow, day, number, text

if TYPE_CHECKING:
    from connector_pipelines.model import Entity


def core_frame(entity: Entity, frame: pd.DataFrame) -> pd.DataFrame:
    """The core columns of an entity from the texts that decoding gives; what is not mapped is null.

    A record that the source calls deleted has the status of the entity's gone ones, whatever it says.
    """
    gone = frame["deleted"].eq("true").fillna(value=False).to_numpy(dtype=bool)
    kinds = {column.name: column.kind for column in entity.columns}
    fed = {
        inner: _converted(kinds.get(outer, "TEXT"), frame[outer])
        if outer in frame
        else _nothing(kinds.get(outer), frame)
        for outer, inner in targets(entity).items()
    }
    status = fed["status"] if "status" in frame else _constant(PRESENT.get(entity.name, "active"), frame)
    fed["status"] = status.mask(gone, GONE.get(entity.name, "inactive")).astype(TEXT)
    head = {
        "external_id": text(frame["external_id"]),
        "modified_at": _moment(frame["modified_at"]),
        "deleted": pd.Series(gone, index=frame.index, dtype=bool),
        "skip": text(frame["skip"]),
    }
    return pd.DataFrame(head | fed)


def _converted(kind: str, texts: pd.Series) -> pd.Series:
    convert = {"DATE": day, "INTEGER": _whole, "BIGINT": _whole, "NUMERIC": number, "BOOLEAN": _flag}
    return convert.get(kind, text)(texts)


def _nothing(kind: str | None, frame: pd.DataFrame) -> pd.Series:
    return _converted(kind or "TEXT", pd.Series(None, index=frame.index, dtype=TEXT))


def _constant(word: str, frame: pd.DataFrame) -> pd.Series:
    return pd.Series(word, index=frame.index, dtype=TEXT)


def _series(array: Any, dtype: Any, like: pd.Series) -> pd.Series:
    return pd.Series(pd.array(array, dtype=dtype), index=like.index)


def _whole(texts: pd.Series) -> pd.Series:
    numbers = [None if text is None else int(text.partition(".")[0]) for text in arrow(texts).to_pylist()]
    return _series(numbers, pd.Int64Dtype(), texts)


def _flag(texts: pd.Series) -> pd.Series:
    said = pc.is_in(pc.utf8_lower(arrow(texts)), pa.array(TRUE))
    known = pc.if_else(pc.is_valid(arrow(texts)), said, pa.scalar(None, pa.bool_()))
    return _series(known.to_pylist(), pd.BooleanDtype(), texts)


def _moment(texts: pd.Series) -> pd.Series:
    """A time without zone is UTC."""
    trimmed = text(texts)
    moments: pd.Series = pd.to_datetime(trimmed, format="ISO8601", utc=True, errors="coerce")
    return moments.astype(MOMENT)
