from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.database.connection import connect
from connector_pipelines.errors import SyncError
from connector_pipelines.external import meter as module
from connector_pipelines.external.http import Client
from connector_pipelines.external.latency import added, at_most, class_of, endpoint, percentile
from connector_pipelines.external.messages import Request
from connector_pipelines.external.retry import Do, Policy
from connector_pipelines.external.surroundings import Surroundings, restored, share

if TYPE_CHECKING:
    from collections.abc import Callable


@given(st.floats(min_value=0.001, max_value=7_000))
def test_a_class_is_never_too_low_and_a_fifth_too_high_at_most(seconds: float) -> None:
    """The longest time of a request's class is at least its own, and at most a fifth more."""
    assert seconds <= at_most(class_of(seconds)) * 1.000001
    assert at_most(class_of(seconds)) < seconds * 1.21


@given(st.lists(st.floats(min_value=0.001, max_value=60), min_size=1), st.sampled_from([0.5, 0.95, 0.99]))
def test_percentiles_are_those_of_the_times(times: list[float], share: float) -> None:
    """A percentile from the classes is that of the exact times, as exactly as classes can say."""
    rank = max(0, -(-int(share * 100) * len(times) // 100) - 1)
    exact = sorted(times)[rank]
    histogram = added({str(class_of(time)): 1} for time in times)
    assert exact <= percentile(histogram, share) * 1.000001
    assert percentile(histogram, share) < exact * 1.21


@pytest.mark.parametrize(("seconds", "slow"), [(4.999, False), (5.0, False), (5.001, True)])
def test_five_seconds_are_a_border(seconds: float, slow: bool) -> None:  # noqa: FBT001 -- the expected verdict
    """Whether something took more than five seconds is told exactly, though times are kept in classes."""
    assert (at_most(class_of(seconds)) > 5) is slow
    assert percentile({}, 0.95) == 0


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://sis.example/ims/oneroster/rostering/v1p2/students", "GET /ims/oneroster/rostering/v1p2/students"),
        ("https://q.example/v3/company/4620816365/query", "GET /v3/company/{id}/query"),
        ("https://s.example/users/0a7b1c2d-0000-4000-8000-123456789abc/grades", "GET /users/{id}/grades"),
        ("https://s.example", "GET /"),
    ],
)
def test_ids_are_no_part_of_an_endpoint(url: str, name: str) -> None:
    """Requests for different records count as one endpoint; versions in a path stay."""
    assert endpoint(Request(url)) == name


def test_a_request_may_say_what_it_counts_as() -> None:
    """Where one path serves for all calls each function is an endpoint of its own."""
    url = "https://m.example/webservice/rest/server.php"
    assert endpoint(Request(url, method="POST", counts_as="core_user_get_users")) == "POST core_user_get_users"


class Counted:
    """Stands for the line to the database: keeps what is written."""

    def __init__(self) -> None:
        self.written: list[tuple[Any, ...]] = []

    def rows(self, _: str, *values: Any) -> None:
        """Keep it."""
        self.written.append(values)


def test_many_requests_are_few_rows() -> None:
    """A thousand requests to two hundred endpoints within three minutes are written in three statements."""
    line, now = Counted(), [0.0]
    meter = module.Meter(line, "alpha", "here", clock=lambda: now[0])  # type: ignore[arg-type]  # stands for it
    for number in range(1_000):
        with meter.timed(Request(f"https://s.example/list{number % 200}x")) as answered:
            answered.append(module.Heard(200, Do.ACCEPT))
        now[0] += 0.15
    meter.write()
    assert len(line.written) == 3
    assert sum(sum(values[3]) for values in line.written) == 1_000
    assert "other" in line.written[0][2]


@pytest.mark.usefixtures("no_waiting")
def test_a_client_leaves_what_its_requests_took(
    database: str, stand: Callable[..., Any], answer: Callable[..., Any]
) -> None:
    """After a client is closed the table says how many requests went where, which failed, and that they took time."""

    def handle(asked: Any) -> Any:
        return answer(status=500 if "broken" in asked.path else 403 if "closed" in asked.path else 200)

    with share(database) as _:
        here = module_surroundings()
        with restored(Surroundings(here.line, "alpha", "toy")), Client(stand(handle).url) as client:
            client.get("/students")
            client.get("/students")
            for path in ("/broken", "/closed"):
                with pytest.raises(SyncError):
                    client.get(path)
    with connect(database) as connection:
        rows = connection.execute(
            "SELECT endpoint, requests, failed, refused, seconds > 0 FROM connector.api_calls"
            " WHERE source = 'alpha' ORDER BY endpoint"
        ).fetchall()
    assert rows == [
        ("GET /broken", 4, 4, 0, True),
        ("GET /closed", 1, 0, 1, True),
        ("GET /students", 2, 0, 0, True),
    ]


@pytest.mark.usefixtures("no_waiting")
def test_what_an_answer_means_is_counted(database: str, stand: Callable[..., Any], answer: Callable[..., Any]) -> None:
    """Errors that come with status 200 count as what the source means by them: failed, refused, or too often."""
    meant = {b"later": Do.RETRY, b"denied": Do.DENY, b"often": Do.WAIT}
    policy = Policy(max_retries=0, max_waits=0, overrides={200: lambda said: meant.get(said.body, Do.ACCEPT)})
    with share(database) as _:
        here = module_surroundings()
        site = stand(lambda asked: answer(body=asked.path.strip("/").encode()))
        with restored(Surroundings(here.line, "alpha", "toy")), Client(site.url, policy=policy) as client:
            client.get("/fine")
            for path in ("/later", "/denied", "/often"):
                with pytest.raises(SyncError):
                    client.get(path)
    with connect(database) as connection:
        rows = connection.execute(
            "SELECT endpoint, failed, refused, limited FROM connector.api_calls ORDER BY endpoint"
        ).fetchall()
    assert rows == [("GET /denied", 0, 1, 0), ("GET /fine", 0, 0, 0), ("GET /later", 1, 0, 0), ("GET /often", 0, 0, 1)]


def module_surroundings() -> Surroundings:
    """What is shared here."""
    from connector_pipelines.external import surroundings

    return surroundings.needed()
