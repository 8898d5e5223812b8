"""A report that a person built in Finale: a table, read by the labels of its header (contract 5, "Reporting").

Its address is opaque. It comes as CSV, as JSON with rows of cells, or as JSON with an object for each row; numbers are
formatted, "1,234.50", and nothing is a blank or "--".
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

from connector_pipelines.errors import BrokenPage
from connector_pipelines.external import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NUMBER = re.compile(
    r"(?P<sign>-?)(?P<open>\(?)\$?(?P<digits>\d{1,3}(,\d{3})+|\d+|(?=\.))(?P<rest>(\.\d+)?)(?P<close>\)?)"
)
_NOTHING = frozenset(("", "-", "--"))
_LOOK = "Look at the landed page, and at the report in Finale."


def rows(body: bytes, labels: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The cells under these labels, as texts, row by row.

    Raises:
        BrokenPage: it is no table, a label is not in its header, or a row is not as long as the header.
    """
    table = _from_json(body) if body.lstrip()[:1] in {b"[", b"{"} else _from_csv(body)
    header = [cell.strip() for cell in next(table, [])]
    if missing := [label for label in labels if label not in header]:
        raise _broken(body, f"has no column {' and no column '.join(map(repr, missing))}; it has {', '.join(header)}")
    places = [header.index(label) for label in labels]
    for number, cells in enumerate(table, 2):
        if len(cells) != len(header):
            raise _broken(body, f"has {len(cells)} cells in row {number} and {len(header)} in its header")
        yield tuple(cells[place].strip() for place in places)


def number(text: str) -> str | None:
    """A formatted number in plain digits; None for a blank. What is no number comes back as it is.

    Negative numbers are written with a minus or in parentheses.
    """
    bare = text.strip()
    if bare in _NOTHING:
        return None
    form = _NUMBER.fullmatch(bare)
    if form is None or bool(form["open"]) != bool(form["close"]):
        return bare
    sign = "-" if form["sign"] or form["open"] else ""
    return f"{sign}{form['digits'].replace(',', '') or '0'}{form['rest']}"


def _from_csv(body: bytes) -> Iterator[list[str]]:
    if body.lstrip()[:1] == b"<":
        raise _broken(body, "is HTML or XML where CSV or JSON should be")
    if not body.strip():
        raise _broken(body, "is empty, without even a header")
    try:
        yield from (
            cells for cells in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True) if cells
        )
    except UnicodeDecodeError:
        raise _broken(body, "is not UTF-8") from None
    except csv.Error as error:
        raise _broken(body, f"is damaged CSV ({error})") from None


def _from_json(body: bytes) -> Iterator[list[str]]:
    try:
        told = json.loads(body, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        raise _broken(body, "is JSON that breaks off") from None
    if (
        isinstance(told, list)
        and len(told) == 1
        and isinstance(told[0], dict)
        and isinstance(told[0].get("data"), list)
    ):
        told = told[0]["data"]
    if not isinstance(told, list) or not all(isinstance(row, type(told[0])) for row in told):
        raise _broken(body, "is JSON, but no table")
    if told and isinstance(told[0], dict):
        names = list(told[0])
        yield names
        yield from ([_cell(row.get(name)) for name in names] for row in told)
    elif told and isinstance(told[0], list):
        yield from ([_cell(cell) for cell in row] for row in told)
    else:
        raise _broken(body, "is JSON without a header")


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _broken(body: bytes, what: str) -> BrokenPage:
    return BrokenPage(f"the report {what}; it begins: {redact.excerpt(body)!r}.", remedy=_LOOK)
