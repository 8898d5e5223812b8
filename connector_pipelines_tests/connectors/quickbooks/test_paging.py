"""Pages overlap, hang together, and lose nothing however records shift."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.connectors.quickbooks.asking import PURCHASE_ORDER, select, start_of
from connector_pipelines.connectors.quickbooks.paging import OVERLAP, OverlapPaging
from connector_pipelines.external.messages import Request, Response
from connector_pipelines.model import Window

SIZE = 20


def first() -> Request:
    """The first page."""
    return Request("query", (("query", select(PURCHASE_ORDER, Window(), start=1, size=SIZE)), ("minorversion", "75")))


def page_of(rows: list[str], request: Request) -> Response:
    """What a source with these rows answers."""
    start = start_of(request.param("query") or "") - 1
    return Response(200, {}, ",".join(rows[start : start + SIZE]).encode(), "u")


def paging(total: int) -> OverlapPaging:
    """A paginator over bodies that list ids."""
    return OverlapPaging(SIZE, total, lambda body: body.decode().split(",") if body else [])


def walk(rows: list[str], removed: list[int]) -> tuple[set[str], OverlapPaging]:
    """Read all pages; before each further one so many of the first rows are deleted."""
    left, read, over = list(rows), set[str](), paging(len(rows))
    request: Request | None = first()
    turn = iter(removed)
    while request is not None:
        response = page_of(left, request)
        read |= set(over.ids(response.body))
        request = over.after(request, response, 0)
        left = left[next(turn, 0) :]
    return read, over


@given(total=st.integers(0, 200))
def test_a_table_at_rest_is_read_whole(total: int) -> None:
    """Whatever its size, all records of a table at rest come, and are counted right."""
    rows = [str(number) for number in range(total)]
    read, over = walk(rows, [])
    assert (read, over.seen, over.torn) == (set(rows), total, False)


@given(total=st.integers(0, 200), removed=st.lists(st.integers(0, 40), max_size=12))
def test_nothing_is_lost_unnoticed(total: int, removed: list[int]) -> None:
    """However many of the first records are deleted between two pages, what stays is read, or the read is torn."""
    rows = [str(number) for number in range(total)]
    read, over = walk(rows, removed)
    last = rows[sum(removed) :]
    assert over.torn or set(last) <= read


@given(removed=st.lists(st.integers(0, OVERLAP - 1), max_size=8))
def test_the_overlap_is_enough_for_a_few(removed: list[int]) -> None:
    """Fewer deletions between two pages than the overlap has records tear nothing."""
    assert walk([str(number) for number in range(150)], removed)[1].torn is False


def test_guesses_end_where_the_source_counted() -> None:
    """Pages are fetched ahead as far as the source counted, and no further."""
    over, request, starts = paging(45), first(), []
    response = Response(200, {}, b"", "u")
    guess: Request | None = request
    while guess is not None:
        starts.append(start_of(guess.param("query") or ""))
        guess = over.ahead(guess, response, SIZE)
    assert starts == [1, 11, 21, 31]


def test_a_guess_is_the_page_that_follows() -> None:
    """The guessed page is the very request that a full page leads to, so that it is used."""
    over = paging(1_000)
    response = page_of([str(number) for number in range(100)], first())
    assert over.ahead(first(), response, SIZE) == over.after(first(), response, SIZE)
