"""Offsets against sources that count in their own way: whatever a source counts, no record is left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.declarative import paginators
from connector_pipelines.declarative.paging import Offset
from connector_pipelines.external.messages import Request, Response
from connector_pipelines.external.paginate import paginate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def rows_of(body: bytes) -> list[bytes]:
    """The records of a page."""
    return [json.dumps(row).encode() for row in json.loads(body)["rows"]]


def read(serve: Callable[[int, int], list[list[int]]], size: int, total: int | None) -> set[bytes]:
    """All records that offset paging finds where `serve` answers with the rows from an offset on."""

    def fetch(request: Request, _stop: object) -> Response:
        document = {"rows": serve(int(request.param("offset") or 0), size), "total": total}
        return Response(200, {}, json.dumps(document).encode(), request.full_url)

    paging = Offset(type="offset", size=size, total=None if total is None else "total")

    def said(place: object, response: Response) -> object:
        return json.loads(response.body)[str(place)]

    pages = paginators.Pages(paginators.Counting(paging, said), said, paging.total, 1_000, rows_of, size)
    first = Request("rows", (("limit", str(size)), ("offset", "0")))
    found: Sequence[Sequence[bytes]] = [page.rows for page in paginate(fetch, rows_of, first, pages, in_flight=1)]
    return {row for rows in found for row in rows}


@given(
    times=st.lists(st.integers(1, 3), min_size=1, max_size=30),
    size=st.integers(1, 7),
    counts=st.sampled_from(["records", "rows"]),
    alike=st.booleans(),
    totals=st.booleans(),
)
def test_every_record_comes_whatever_the_source_counts(
    times: list[int], size: int, counts: str, *, alike: bool, totals: bool
) -> None:
    """Where records come several times, alike or not, each is read, be it that the source counts them once or each."""
    records = [[[number, 0 if alike else copy] for copy in range(many)] for number, many in enumerate(times)]
    rows = [row for record in records for row in record]

    def serve(offset: int, limit: int) -> list[list[int]]:
        if counts == "rows":
            return rows[offset : offset + limit]
        return [row for record in records[offset : offset + limit] for row in record]

    if counts == "rows" and alike and max(times) >= size:
        return  # a page of one row again and again cannot be told from one that repeats: an error, and so no loss
    total = (len(rows) if counts == "rows" else len(records)) if totals else None
    assert read(serve, size, total) == {json.dumps(row).encode() for row in rows}
