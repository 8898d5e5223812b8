from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector_pipelines.connectors.oneroster.paging import OffsetPaging
from connector_pipelines.external.http import Request
from connector_pipelines.external.messages import Response
from connector_pipelines.external.paginate import paginate

if TYPE_CHECKING:
    from threading import Event


@dataclass
class Server:
    """Pages of the numbers below `rows`, by offset and limit.

    Attributes:
        clamp: it sends at most so many, without saying so.
        total: what it says there are; None to say nothing.
        link: how it links: not, rightly, with the limit asked for as the step, or by another host's name.
    """

    rows: int
    clamp: int
    total: int | None
    link: str
    asked: int = 0

    def fetch(self, request: Request, _stop: Event) -> Response:
        """Answer a request."""
        self.asked += 1
        offset, limit = int(request.param("offset") or 0), int(request.param("limit") or 0)
        sent = list(range(offset, min(offset + min(limit, self.clamp), self.rows)))
        headers = {} if self.total is None else {"X-Total-Count": str(self.total)}
        if self.link != "none":
            step = limit if self.link == "skips" else len(sent)
            links = ['<https://x/users?offset=0>; rel="first"']
            if offset + len(sent) < self.rows:
                links.insert(0, f'<http://inside:81/users?limit={limit}&offset={offset + step}>; rel="next"')
            headers["Link"] = ", ".join(links)
        return Response(200, headers, json.dumps(sent).encode(), request.full_url)

    def read(self, *, limit: int, in_flight: int) -> list[int]:
        """Everything, by our paging."""
        first = Request("users", (("limit", str(limit)), ("offset", "0")))
        pages = paginate(self.fetch, _split, first, OffsetPaging(), in_flight=in_flight)
        return [int(row) for page in pages for row in page.rows]


def _split(body: bytes) -> list[bytes]:
    return [json.dumps(row).encode() for row in json.loads(body)]


@settings(deadline=None, max_examples=300)
@given(
    rows=st.integers(0, 60),
    clamp=st.integers(1, 30),
    limit=st.integers(1, 30),
    total=st.sampled_from(["none", "right", "low", "high", "zero"]),
    link=st.sampled_from(["none", "right", "skips"]),
    in_flight=st.sampled_from([1, 8]),
)
def test_every_row_once_and_in_order(
    *, rows: int, clamp: int, limit: int, total: str, link: str, in_flight: int
) -> None:
    """Whatever a server clamps, counts and links, all rows are read, in order, one at a time or eight."""
    stated = {"none": None, "right": rows, "low": rows * 2 // 3, "high": rows + 7, "zero": 0}[total]
    assert Server(rows, clamp, stated, link).read(limit=limit, in_flight=in_flight) == list(range(rows))


@pytest.mark.parametrize(
    ("rows", "total", "link", "asked"),
    [
        (0, None, "none", 1),
        (0, 0, "none", 1),
        (7, 7, "right", 1),
        (7, None, "right", 1),
        (7, 7, "none", 2),
        (7, None, "none", 2),
        (25, 25, "right", 3),
        (25, 25, "none", 4),
    ],
)
def test_proof_costs_at_most_one_request(rows: int, total: int | None, link: str, asked: int) -> None:
    """The page that proves the end is asked for only where no Link says it, and never behind an empty page."""
    server = Server(rows, 10, total, link)
    assert server.read(limit=10, in_flight=1) == list(range(rows))
    assert server.asked == asked


def test_guesses_stay_within_the_total() -> None:
    """Where the total is known, reading ahead asks for no more pages than reading one by one."""
    one, eight = Server(95, 10, 95, "right"), Server(95, 10, 95, "right")
    assert one.read(limit=10, in_flight=1) == eight.read(limit=10, in_flight=8)
    assert one.asked == eight.asked == 10


def _follow(link: str, *, rows: int = 2, params: dict[str, str] | None = None) -> Request | None:
    first = Request(
        "users", tuple({"limit": "5", "offset": "10", "filter": "status='active'", **(params or {})}.items())
    )
    return OffsetPaging().after(first, Response(200, {"Link": link}, b"", "u"), rows)


@pytest.mark.parametrize(
    ("link", "offset", "limit"),
    [
        ('<https://x/users?limit=5&offset=12>; rel="next"', "12", "5"),
        ("<https://x/users?limit=5&offset=12>; rel=next", "12", "5"),
        ('<https://x/users?offset=12>; rel="last next"', "12", "5"),
        (
            '<https://x/a?offset=0>; rel="first", <https://x/users?offset=12&limit=2>; rel="next"; title="a, b"',
            "12",
            "2",
        ),
        ('<http://inside:8080/other/users?offset=12&limit=5&filter=status%3D%27x%27>; rel="next"', "12", "5"),
        ('<https://x/users?limit=5&offset=15>; rel="next"', "12", "5"),
        ('<https://x/users?page=3>; rel="next"', "12", "5"),
        ('</users?offset=12>; REL="NEXT"', "12", "5"),
    ],
)
def test_link_gives_the_position_and_nothing_else(link: str, offset: str, limit: str) -> None:
    """Of a Link only offset and limit count; host, path and filter stay ours, and no row is skipped."""
    following = _follow(link)
    assert following is not None
    assert (following.url, following.param("offset"), following.param("limit")) == ("users", offset, limit)
    assert following.param("filter") == "status='active'"


def test_empty_page_with_a_next_is_followed() -> None:
    """A server that filters after paging may send an empty page in the middle; its Link goes on."""
    following = _follow('<https://x/users?limit=5&offset=15>; rel="next"', rows=0)
    assert following is not None
    assert following.param("offset") == "15"


@pytest.mark.parametrize(
    "body",
    [
        b'{"users": [1], "totalCount": 40, "offset": 0}',
        b'{"totalCount":40,"users":[' + b"1," * 2000 + b"1]}",
        b'{"a":"' + b"x" * 900 + b'","totalCount":40,"users":[' + b"1," * 2000 + b"1]}",
    ],
)
def test_timeback_states_the_total_in_the_body(body: bytes) -> None:
    """`totalCount` beside the list is found wherever it stands, and bounds reading ahead."""
    first, paging = Request("users/", (("limit", "5"), ("offset", "38"))), OffsetPaging(total_in_body=True)
    answer = Response(200, {}, body, "u")
    assert paging.ahead(first, answer, 2) is None
    assert paging.ahead(first.with_params({"offset": "0"}), answer, 2) is not None


def test_total_that_is_no_number_is_ignored() -> None:
    """A header such as `X-Total-Count: unknown` does not end a read."""
    first: Any = Request("users", (("limit", "5"), ("offset", "0")))
    following = OffsetPaging().after(first, Response(200, {"X-Total-Count": "unknown"}, b"", "u"), 5)
    assert following is not None
