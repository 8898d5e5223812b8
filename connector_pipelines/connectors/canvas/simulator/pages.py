"""One page of a list, and the links to the others: by numbers, or by bookmarks, which stay where they are while rows
come and go.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_pipelines.connectors.canvas.simulator.world import Record
    from connector_pipelines.simulating.exchange import Call
    from connector_pipelines.simulating.faults import Struck

USUAL, MOST = 10, 100
BOOKMARK = "bookmark:"


def size_of(call: Call, struck: Struck) -> int:
    """How many rows a page has: what is asked for, from 1 to 100."""
    told = call.params.get("per_page", "")
    size = min(max(int(told), 1), MOST) if told.isdecimal() else USUAL
    return min(size, struck.number("clamp")) if "clamp" in struck else size


def page_of(rows: Sequence[Record], call: Call, struck: Struck, *, marked: bool) -> tuple[list[Record], str]:
    """The rows that are asked for, and the Link header; "" where it is dropped.

    Args:
        rows: all of the list, in order.
        call: whose `page` says which.
        struck: what goes wrong.
        marked: whether the links have bookmarks.
    """
    size, told = size_of(call, struck), call.params.get("page", "")
    begin = 0 if "repeat-page" in struck else _begin(rows, told, size)
    shown = list(rows[begin : begin + size])
    more = begin + size < len(rows)
    pages = {"current": told or (BOOKMARK if marked else "1"), "first": BOOKMARK if marked else "1"}
    if marked and more:
        pages["next"] = BOOKMARK + _mark(shown[-1])
    if not marked:
        number = begin // size + 1
        pages |= {"next": str(number + 1)} if more else {}
        pages |= {"prev": str(number - 1)} if number > 1 else {}
        pages |= {} if "no-last" in struck else {"last": str(max(1, -(-len(rows) // size)))}
    if "repeat-page" in struck and more:
        pages["next"] = f"{told or 1}{0}"  # another address each time
    return shown, "" if "no-link" in struck else _links(call, pages, size, struck)


def _begin(rows: Sequence[Record], told: str, size: int) -> int:
    if told.startswith(BOOKMARK):
        after = _read(told.removeprefix(BOOKMARK))
        return next((at for at, row in enumerate(rows) if after is None or _key(row) > after), len(rows))
    return (int(told) - 1) * size if told.isdecimal() and int(told) else 0


def _key(row: Record) -> list[Any]:
    """By what a list is sorted; every list of people by their names."""
    person = row.get("user", row)
    name = person.get("sortable_name")
    return [str(row.get("type", "")), *([str(name).casefold(), person["id"]] if name else []), row["id"]]


def _mark(row: Record) -> str:
    return base64.urlsafe_b64encode(json.dumps(_key(row)).encode()).decode().rstrip("=")


def _read(mark: str) -> list[Any] | None:
    """What a bookmark says; None for one that says nothing, which is the beginning."""
    try:
        told = json.loads(base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4)))
    except (binascii.Error, ValueError):
        return None
    return told if isinstance(told, list) else None


def _links(call: Call, pages: dict[str, str], size: int, struck: Struck) -> str:
    origin = f"https://{struck['link-other-host']}" if "link-other-host" in struck else call.origin
    address = call.raw_path if "relative-links" in struck else f"{origin}{call.raw_path}"
    others = [pair for pair in call.pairs if pair[0] not in {"page", "per_page", "access_token"}]
    queries = {rel: urlencode([*others, ("page", page), ("per_page", size)]) for rel, page in pages.items()}
    return ",".join(f'<{address}?{query}>; rel="{rel}"' for rel, query in queries.items())
