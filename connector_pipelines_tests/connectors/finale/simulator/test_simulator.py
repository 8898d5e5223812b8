"""The simulator keeps the contract: what a client may rely on is here whether or not our client uses it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
import requests

from connector_pipelines.connectors.finale.simulator import COLLECTIONS, FAULTS, Simulator, World
from connector_pipelines.connectors.finale.simulator.collections import FIELDS
from connector_pipelines.connectors.finale.simulator.faults import KNOWN
from connector_pipelines.connectors.finale.simulator.service import Service
from connector_pipelines.connectors.finale.simulator.world import SCENARIOS, START, Size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    """One small account for the whole file."""
    with Simulator(scenario="small", seed=7, control=True) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    """The account, behaving, without a past."""
    running.requests.clear()
    yield running
    running.clear_faults()


@pytest.fixture
def get(simulator: Simulator) -> Callable[..., requests.Response]:
    """Asks for something below the account, signed."""

    def ask(path: str, **params: Any) -> requests.Response:
        wanted = params.pop("filter", None)
        if wanted is not None:
            params["filter"] = base64.b64encode(json.dumps(wanted).encode()).decode()
        auth = (simulator.api_key, simulator.api_secret)
        return requests.get(f"{simulator.url}/demo/{path}", params=params, auth=auth, timeout=30)

    return ask


def rows(response: requests.Response) -> list[dict[str, Any]]:
    """An answer's arrays as rows."""
    arrays = response.json()
    return [dict(zip(arrays, cells, strict=True)) for cells in zip(*arrays.values(), strict=True)]


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_collections_are_arrays(simulator: Simulator, get: Any, collection: str) -> None:
    """Each collection is one array for each of its fields, row by row the truth; with a slash at the end or without."""
    for path in (f"api/{collection}", f"api/{collection}/"):
        answer = get(path)
        assert answer.headers["Content-Type"].startswith("application/json")
        assert tuple(answer.json()) == FIELDS[collection]
        assert rows(answer) == list(simulator.expected(collection))


def test_the_same_seed_gives_the_same_bytes(get: Any) -> None:
    """Two accounts of one seed answer alike, those of another seed do not."""
    with Simulator(seed=7) as same, Simulator(seed=8) as other:
        bodies = [
            requests.get(f"{s.url}/demo/api/product", auth=(s.api_key, s.api_secret), timeout=30).content
            for s in (same, other)
        ]
    assert bodies[0] == get("api/product").content != bodies[1]


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("product", {"lastUpdatedDate": [None, "2026-01-01T00:00:00Z"]}),
    ("product", {"lastUpdatedDate": ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]}),
    ("product", {"lastUpdatedDate": ["2026-01-01T00:00:00Z", None]}),
    ("product", {"lastUpdatedDate": ["2026-01-01", "2026-01-02", "2026-01-03"]}),
    ("product", {"lastUpdatedDate": ["soon", None]}),
    ("product", {"supplierList": "x"}),
    ("product", {"nonsense": "x"}),
    ("inventoryitem", {"productUrl": "/demo/api/product/100001"}),
]


@pytest.mark.parametrize(("collection", "wanted"), REFUSED)
def test_bad_filters_are_refused(get: Any, collection: str, wanted: dict[str, Any]) -> None:
    """A range without a beginning or of over 30 days, an unknown field, a list and a filter on stock are 400s."""
    answer = get(f"api/{collection}", filter=wanted)
    assert answer.status_code == 400
    assert answer.json()["msg"]


def test_a_filter_that_is_no_base64_is_refused(simulator: Simulator) -> None:
    """The filter's wrapping is checked, too."""
    url = f"{simulator.url}/demo/api/product?filter=%7B%7D"
    assert requests.get(url, auth=(simulator.api_key, simulator.api_secret), timeout=30).status_code == 400


def test_ranges_include_both_ends(simulator: Simulator, get: Any) -> None:
    """An entity of exactly the beginning or the end is in a range; scalars and lists of one are equality."""
    stamp = next(simulator.expected("product"))["lastUpdatedDate"]
    moment = datetime.fromisoformat(stamp).replace(tzinfo=UTC)
    day = timedelta(days=1)
    for low, high in ((moment, moment + day), (moment - day, moment)):
        found = rows(
            get("api/product", filter={"lastUpdatedDate": [f"{low:%Y-%m-%dT%H:%M:%SZ}", f"{high:%Y-%m-%dT%H:%M:%SZ}"]})
        )
        assert stamp in [row["lastUpdatedDate"] for row in found]
    for exact in ("SALES_ORDER", ["SALES_ORDER"]):
        found = rows(get("api/order", filter={"orderTypeId": exact}))
        assert {row["orderTypeId"] for row in found} == {"SALES_ORDER"}


def test_limit_comes_after_the_filter(get: Any) -> None:
    """A limit takes the first of what the filter left."""
    every = rows(get("api/order", filter={"orderTypeId": "SALES_ORDER"}))
    assert rows(get("api/order", filter={"orderTypeId": "SALES_ORDER"}, limit=2)) == every[:2]


def test_nothing_found_is_arrays_of_length_0(get: Any) -> None:
    """A filter that nothing meets leaves every array, empty."""
    assert get("api/product", filter={"productId": "none"}).json() == {name: [] for name in FIELDS["product"]}


def test_single_entities_are_objects(simulator: Simulator, get: Any) -> None:
    """Behind its address an entity is an ordinary object with its legal actions; unknown ones are 404."""
    product = next(simulator.expected("product"))
    answer = get("api/product/100001").json()
    assert answer.pop("actionUrlDeactivate")
    assert answer == product
    assert get("api/product/1").status_code == get("api/nothing").status_code == get("elsewhere").status_code == 404


def log_in(simulator: Simulator, password: str | None = None) -> requests.Response:
    """A log-in, with the right password unless told otherwise."""
    pair = {"username": simulator.username, "password": password or simulator.password}
    return requests.post(f"{simulator.url}/demo/api/auth", json=pair, timeout=30)


def test_a_log_in_opens_a_session(simulator: Simulator) -> None:
    """The right password gives a cookie and the resources' addresses; a wrong one, or none, is a 401."""
    answer = log_in(simulator)
    assert answer.json()["resourceProduct"] == "/demo/api/product/"
    url = f"{simulator.url}/demo/api/facility"
    assert requests.get(url, cookies=answer.cookies.get_dict(), timeout=30).status_code == 200
    assert requests.get(url, timeout=30).status_code == 401
    assert requests.get(url, auth=(simulator.api_key, "wrong"), timeout=30).status_code == 401
    assert log_in(simulator, "wrong").status_code == 401


def test_posts_need_the_session_in_their_body(simulator: Simulator) -> None:
    """With a cookie a POST repeats it as sessionSecret; the entity's changed fields are kept, and written down."""
    cookies = log_in(simulator).cookies.get_dict()
    url = f"{simulator.url}/demo/api/product/100003"
    changes = {"category": "New"}
    assert requests.post(url, json=changes, cookies=cookies, timeout=30).status_code == 403
    secret = {"sessionSecret": cookies["JSESSIONID"]}
    assert requests.post(url, json=changes | secret, cookies=cookies, timeout=30).json()["category"] == "New"
    assert simulator.ledger[-1].fields == changes
    kept = [record for record in simulator.expected("product") if record["category"] == "New"]
    assert [record["productUrl"] for record in kept] == ["/demo/api/product/100003"]


def test_sessions_end(simulator: Simulator) -> None:
    """A session may be good for so many calls only."""
    simulator.set_faults(["session-expiry=2"])
    cookies = log_in(simulator).cookies.get_dict()
    url = f"{simulator.url}/demo/api/facility"
    assert [requests.get(url, cookies=cookies, timeout=30).status_code for _ in range(3)] == [200, 200, 401]


def test_limits_are_counted(simulator: Simulator, get: Any) -> None:
    """Above so many GETs a minute, or collections an hour, comes a 429 that says how long to wait."""
    simulator.set_faults(["limits=3,120,300"])
    answers = [get("api/facility") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    simulator.set_faults(["limits=99,99,5"])
    hourly = [get("api/facility") for _ in range(2)]
    assert [answer.status_code for answer in hourly] == [200, 429]
    assert int(hourly[-1].headers["Retry-After"]) > 3_000


def test_429_has_three_forms(simulator: Simulator, get: Any) -> None:
    """Seconds, a date, or HTML without either."""
    simulator.set_faults(["429=7@1", "429=date@2", "429=html@3"])
    seconds, date, html = (get("api/facility") for _ in range(3))
    assert seconds.headers["Retry-After"] == "7"
    assert parsedate_to_datetime(date.headers["Retry-After"])
    assert "Retry-After" not in html.headers
    assert html.text.startswith("<html>")


FAULTY: dict[str, Callable[[dict[str, Any]], object]] = {
    "short-array=cost": lambda arrays: (len(arrays["cost"]), len(arrays["productId"])) == (59, 60),
    "missing-array=cost": lambda arrays: "cost" not in arrays,
    "null-array=cost": lambda arrays: arrays["cost"] is None,
    "cap=10": lambda arrays: {len(values) for values in arrays.values()} == {10},
    "empty-list": lambda arrays: {len(values) for values in arrays.values()} == {0},
    "empty-object": lambda arrays: arrays == {},
    "unknown-fields": lambda arrays: len(arrays["simExtra"]) == 60,
    "duplicate-ids": lambda arrays: arrays["productUrl"][0] == arrays["productUrl"][1],
    "no-dates": lambda arrays: arrays["lastUpdatedDate"].count(None) == 20,
    "string-numbers": lambda arrays: {type(cost) for cost in arrays["cost"]} == {str, type(None)},
    "null-lists": lambda arrays: [] not in arrays["supplierList"] and None in arrays["supplierList"],
    "missing-field": lambda arrays: arrays["productUrl"][0] is None,
    "nul-byte": lambda arrays: "\x00" in arrays["internalName"][0],
    "big-string": lambda arrays: len(arrays["internalName"][0]) == 1_000_000,
    "year-0001": lambda arrays: arrays["lastUpdatedDate"][0].startswith("0001"),
    "wrong-type": lambda arrays: isinstance(arrays["productUrl"][0], dict),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_faults_of_collections(simulator: Simulator, get: Any, fault: str) -> None:
    """Each fault does what it says to the arrays, and switched off it leaves no trace."""
    good = get("api/product").content
    simulator.set_faults([fault])
    assert FAULTY[fault](get("api/product").json())
    simulator.clear_faults()
    assert get("api/product").content == good


def test_exponents_are_the_same_numbers(simulator: Simulator, get: Any) -> None:
    """Fractions with exponents are spelled otherwise and equal."""
    good = get("api/product")
    simulator.set_faults(["exponents"])
    spelled = get("api/product")
    assert b"E" in spelled.content.partition(b'"cost"')[2][:200]
    assert spelled.json() == good.json()


@pytest.mark.parametrize("form", ["csv", "json", "jsonObject"])
def test_reports_show_labels_and_formatted_numbers(get: Any, form: str) -> None:
    """A report has display labels, thousands with commas, blanks and dashes; another form is a 400."""
    report = "doc/report/pivotTableStream/1790000000/Report.csv"
    text = get(report, format=form).text
    assert "Product ID" in text
    assert '"1,' in text
    assert "--" in text
    assert get(report, format="pdf").status_code == 400


@pytest.mark.parametrize("text", ["nonsense", "cap=0", "cap=x", "429=soon", "limits=1", "500@", "503=0"])
def test_faults_that_do_not_exist(text: str) -> None:
    """A fault that is misspelled, or has a value it cannot have, is refused with what there is."""
    with pytest.raises(ValueError, match=r"unknown fault|is no value"):
        KNOWN.parse(text)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_has_a_usable_default(name: str) -> None:
    """Each fault can be switched on by its name alone."""
    assert KNOWN.parse(name).value == (FAULTS[name].value or "")


def test_faults_strike_when_and_where_they_should(simulator: Simulator, get: Any) -> None:
    """`@k` is the k-th request for the collection that is named, and no other."""
    simulator.set_faults(["500@2:facility"])
    paths = ("facility", "product", "facility", "product", "facility")
    assert [get(f"api/{path}").status_code for path in paths] == [200, 200, 500, 200, 200]
    assert [request.faults for request in simulator.requests] == [(), (), ("500",), (), ()]


def test_worlds_are_streams() -> None:
    """The first records of a world of any size come at once; each can be had without the others."""
    world = World(7, "huge", Size(10**9, 10**9, 10**9))
    for collection in COLLECTIONS:
        assert len(list(islice(world.records(collection), 3))) == 3


def test_the_warehouse_is_below_the_cap() -> None:
    """The largest scenario has 10,000 suppliers and fewer products than an answer may hold."""
    size = SCENARIOS["warehouse"]
    assert size.parties - size.parties // 6 == 10_000
    assert size.products == 119_999


def test_worlds_evolve() -> None:
    """A step changes about its share, adds a tenth of it, and stamps both with its instant; the past stays."""
    world = World(7, "small", Size(1_000, 60, 100))
    at = START + timedelta(days=2)
    later = world.evolve(10, at)
    before, after = (list(w.records("product")) for w in (world, later))
    changed = [new for old, new in zip(before, after, strict=False) if old != new]
    assert len(after) == 1_010
    assert 60 < len(changed) < 140
    assert {record["lastUpdatedDate"] for record in changed + after[1_000:]} == {"2026-09-03T06:00:00"}
    assert list(world.records("product")) == before
    assert later.version == 1


@pytest.mark.parametrize(("percent", "at"), [(101, None), (-1, None), (5, START - timedelta(days=1))])
def test_worlds_refuse_nonsense(percent: float, at: datetime | None) -> None:
    """Shares are between 0 and 100, and time goes forward."""
    with pytest.raises(ValueError, match=r"is no share|lies before"):
        World(7, "small", SCENARIOS["small"]).evolve(percent, at)


def test_records_are_put_and_taken_away() -> None:
    """A test can replace, add and remove records; the truth follows."""
    simulator = Simulator()
    first = next(simulator.expected("facility"))
    simulator.put("facility", first["facilityUrl"], first | {"facilityName": "Moved"})
    simulator.put("facility", "/demo/api/facility/9", first | {"facilityUrl": "/demo/api/facility/9"})
    assert [r["facilityName"] for r in simulator.expected("facility")] == ["Moved", "Annex", "Zürich", "Main warehouse"]
    simulator.remove("facility", first["facilityUrl"])
    assert [r["facilityName"] for r in simulator.expected("facility")] == ["Annex", "Zürich", "Main warehouse"]
    with pytest.raises(ValueError, match="cannot be changed"):
        simulator.remove("inventoryitem", "x")
    with pytest.raises(ValueError, match="unknown collection"):
        simulator.expected("shipment")


def test_it_evolves_on_request() -> None:
    """A step that is asked for happens now."""
    with Simulator(control=True) as own:
        state = requests.post(f"{own.url}/__sim__/evolve", params={"percent": "50"}, timeout=30).json()
        refused = requests.post(f"{own.url}/__sim__/evolve", params={"vanish": "true"}, timeout=30)
    assert state["version"] == 1
    assert state["records"]["product"] == 63
    assert refused.status_code == 400


def test_a_mistake_in_the_simulator_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash is answered as a 500 with the traceback, so that it does not look like one of the client."""
    monkeypatch.setattr(Service, "answer", lambda *_: 1 / 0)
    with Simulator() as own:
        answer = requests.get(f"{own.url}/demo/api/product", timeout=30)
    assert answer.status_code == 500
    assert "ZeroDivisionError" in answer.text


def test_it_greets_with_what_a_source_needs() -> None:
    """Whoever starts it is told where it listens and how to sign in; a scenario that is none is refused."""
    with Simulator() as own:
        assert any("simulator-secret" in line for line in own.greeting())
    with pytest.raises(ValueError, match="unknown scenario"):
        Simulator(scenario="nowhere")
