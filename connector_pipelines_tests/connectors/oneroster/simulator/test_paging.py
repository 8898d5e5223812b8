"""Pages: their union is the truth, their bytes are reproducible, their headers lead on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connector_pipelines.connectors.oneroster.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("limit", [1, 7, 33, 199, 200, 201, 1000])
def test_pages_add_up_to_the_truth(simulator: Simulator, api: Any, limit: int) -> None:
    """Whatever the page size, all pages together are exactly the records of the world."""
    assert api.everything("users", limit) == list(simulator.expected("users"))


@pytest.mark.parametrize(
    "collection", ["orgs", "academicSessions", "courses", "classes", "enrollments", "demographics"]
)
def test_every_collection_can_be_paged_through(simulator: Simulator, api: Any, collection: str) -> None:
    """The union of the pages of every rostering collection is its truth, after evolution, too."""
    simulator.evolve(10)
    simulator.evolve(10, vanish=True)
    assert api.everything(collection, 97) == list(simulator.expected(collection))


def test_the_same_seed_gives_the_same_bytes(api_of: Callable[[Simulator], Any]) -> None:
    """Two simulators with one seed answer with the same bytes, on different ports and after evolution (F39)."""
    pages = []
    for _ in range(2):
        with Simulator(scenario="school", seed=11) as simulator:
            simulator.evolve(5)
            api = api_of(simulator)
            pages.append([api.get(name, limit=50, offset=900).content for name in ("users", "enrollments", "classes")])
    assert pages[0] == pages[1]


def test_another_seed_gives_other_people(simulator: Simulator, api: Any, api_of: Callable[[Simulator], Any]) -> None:
    """A different seed fills the same shape with different data."""
    with Simulator(scenario="small", seed=8) as other:
        ours, theirs = api.rows("users", limit=50), api_of(other).rows("users", limit=50)
    assert [u["sourcedId"] for u in ours] == [u["sourcedId"] for u in theirs]
    assert sum(a["familyName"] == b["familyName"] for a, b in zip(ours, theirs, strict=True)) < 10
    assert simulator.world.seed == 7


def test_total_and_links_lead_through_all_pages(api: Any) -> None:
    """X-Total-Count counts the selection, and following rel=next reaches every record and ends."""
    response = api.get("users", limit=30, filter="status='active'", sort="familyName")
    total, seen = int(response.headers["X-Total-Count"]), list(response.json()["users"])
    while "next" in response.links:
        response = api.session.get(response.links["next"]["url"], timeout=20)
        seen += response.json()["users"]
    assert len(seen) == total == len({user["sourcedId"] for user in seen})


def test_links_are_absolute_and_keep_the_question(simulator: Simulator, api: Any) -> None:
    """Links carry the host, the filter and the new offset; the first page has no prev, the last no next."""
    first = api.get("users", limit=150, filter="familyName!='O'Neil'").links
    last = api.get("users", limit=150, offset=150, filter="familyName!='O'Neil'").links
    parts = urlsplit(first["next"]["url"])
    assert f"{parts.scheme}://{parts.netloc}" == simulator.url
    assert parse_qs(parts.query) == {"filter": ["familyName!='O'Neil'"], "limit": ["150"], "offset": ["150"]}
    assert (set(first), set(last)) == ({"first", "last", "next"}, {"first", "last", "prev"})


def test_beyond_the_end_is_an_empty_page(api: Any) -> None:
    """An offset past the last record is answered with an empty collection, not with an error."""
    assert api.get("users", offset=10_000).json() == {"users": []}


def test_the_default_page_has_a_hundred_records(api: Any) -> None:
    """Without a limit a page has 100 records (contract 1.1)."""
    assert len(api.rows("users")) == 100
