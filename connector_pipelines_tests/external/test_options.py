from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.external.cache import Looks
from connector_pipelines.external.http import Request
from connector_pipelines.external.limits import Budget, Rate
from connector_pipelines.external.options import HttpOptions
from connector_pipelines.external.surroundings import needed, restored, share
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from threading import Event


def test_own_limits_come_on_top_of_the_vendors() -> None:
    """A user's limit is one more budget, for everything; without one there are the vendor's alone."""
    vendor = Budget("GET", (Rate(120, 60),), methods=("GET",))
    both = HttpOptions(requests_per_minute=30, requests_per_hour=300, requests_at_once=4).limits([vendor], "realm 1")
    assert both.budgets == (vendor, Budget("all", (Rate(30, 60), Rate(300, 3_600)), 4))
    assert both.scope == "realm 1"
    assert HttpOptions().limits([vendor]).budgets == (vendor,)


def test_limits_say_what_they_are() -> None:
    """A budget reads as people write it: so many in so many seconds, so many at once."""
    assert str(Budget("all", (Rate(500, 60), Rate(10, 1)), at_once=10)) == "500 in 60 s, 10 in 1 s, 10 at once"
    assert str(Budget("reports", (Rate(300, 3_600),))) == "300 in 3600 s"


@pytest.mark.parametrize(("given", "own", "expected"), [(1, 5, 2), (None, 5, 6), (None, None, 3), (0, 5, 1)])
def test_the_nearest_word_on_retries_counts(
    stand: Any, monkeypatch: pytest.MonkeyPatch, *, given: int | None, own: int | None, expected: int, answer: Any
) -> None:
    """The source's setting, else the connector's default, else the environment's (K1); waits are 1, 2, 4, 8, 16 s."""
    monkeypatch.setenv("INTEGRATION_MAX_RETRIES", "2")
    settings.cache_clear()
    slept: list[float] = []
    server = stand(lambda _: answer(503))

    def sleep(seconds: float, _: Event) -> None:
        slept.append(seconds)

    with (
        HttpOptions(max_retries=given).client(server.url, retries=own, sleep=sleep) as client,
        pytest.raises(Exception, match="503"),
    ):
        client.get("a")
    settings.cache_clear()
    assert (len(server.asked), slept) == (expected, [1.0, 2.0, 4.0, 8.0, 16.0][: expected - 1])


def test_each_option_reaches_the_client(stand: Any, answer: Any, database: str) -> None:
    """Cache off: every look is a request; two requests a minute: the third one waits for its turn."""
    server = stand(lambda _: answer())
    slept: list[float] = []
    options, looks = HttpOptions(requests_per_minute=2, cache_seconds=0), Looks()
    with (
        share(database),
        restored(replace(needed(), looks=looks)),
        options.client(server.url, sleep=lambda seconds, _: slept.append(seconds)) as client,
    ):
        for _ in range(3):
            client.send(Request("a"))
    assert (len(server.asked), looks.answers) == (3, [])
    assert 55 < slept[0] < 62
