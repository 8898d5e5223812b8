from __future__ import annotations

import threading
from collections import Counter, defaultdict
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.finale import CONNECTOR
from connector_pipelines.connectors.finale.answers import Answers
from connector_pipelines.connectors.finale.columnar import whole
from connector_pipelines.errors import RefusedBySource
from connector_pipelines.external.http import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.external.http import Client, Response

PARTIES, PRODUCTS, ORDERS = Request("partygroup/"), Request("product/"), Request("order/")


class Watched:
    """A client of the simulator that tells what was asked, and when it was answered."""

    def __init__(self, http: Client) -> None:
        self._http = http
        self.asked: Counter[str] = Counter()
        self.answered: defaultdict[str, Event] = defaultdict(Event)
        self.files: list[Any] = []

    def send(self, request: Request, stop: Event) -> Response:
        """Pass it on."""
        self.asked[request.url] += 1
        self.files.append(request.into)
        response = self._http.send(request, stop)
        self.answered[request.url].set()
        return response


@pytest.fixture
def watched(account: Any) -> Iterator[Any]:
    """A watched client of a small account."""
    with CONNECTOR.open(account.config()) as opened:
        yield Watched(opened.http)


def test_the_next_is_asked_for_meanwhile(watched: Any) -> None:
    """While one answer is worked through the next one comes, and it is asked for once, also if others go before it."""
    with Answers(watched) as answers:
        with answers.to(PARTIES, then=PRODUCTS) as parties:
            assert watched.answered[PRODUCTS.url].wait(30)
            assert b"partyId" in whole(parties.file)
        with answers.to(ORDERS, then=PRODUCTS) as orders:
            assert b"orderId" in whole(orders.file)
        with answers.to(PRODUCTS) as products:
            assert b"productId" in whole(products.file)
    assert watched.asked == {"partygroup/": 1, "product/": 1, "order/": 1}


def test_who_leaves_early_leaves_nothing(watched: Any) -> None:
    """A read that ends halfway gives the files of its answers back, and that of the one under way."""
    before = set(threading.enumerate())
    with Answers(watched) as answers, answers.to(PARTIES, then=PRODUCTS):
        assert watched.answered[PRODUCTS.url].wait(30)
    for thread in set(threading.enumerate()) - before:  # which close the files
        thread.join(30)
    assert [file.closed for file in watched.files] == [True, True]


def test_an_error_comes_in_its_turn(account: Any, watched: Any) -> None:
    """What goes wrong with the next answer does no harm to the one that is there."""
    account.simulator.set_faults(["404:product"])
    with Answers(watched) as answers:
        with answers.to(PARTIES, then=PRODUCTS) as parties:
            assert b"partyId" in whole(parties.file)
        with pytest.raises(RefusedBySource), answers.to(PRODUCTS):
            pass
