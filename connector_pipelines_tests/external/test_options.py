from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

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


def test_a_user_may_limit_endpoints_and_verbs() -> None:
    """A budget of one's own counts what it names, in its own span, beside the vendor's of the same name."""
    asked = {"name": "reports", "requests": 30, "seconds": 10, "methods": ["POST"], "path": "/reports/", "at_once": 2}
    limits = HttpOptions.model_validate({"budgets": [asked]}).limits([Budget("reports", (Rate(300, 3_600),))])
    assert [str(budget) for budget in limits.of(Request("/reports/7", method="POST"))] == [
        "300 in 3600 s",
        "30 in 10 s, 2 at once",
    ]
    assert [budget.name for budget in limits.of(Request("/reports/7"))] == ["reports"]
    assert len({budget.name for budget in limits.budgets}) == 2


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([{"name": "a"}], "needs requests or at_once"),
        ([{"name": "a", "requests": 1, "path": "("}], "no regular expression"),
        ([{"name": "a", "requests": 1}] * 2, "the same name"),
        ([{"name": "a", "requests": 1, "methods": ["LOOK"]}], "GET"),
    ],
)
def test_budgets_that_cannot_be_are_refused(wrong: list[dict[str, Any]], says: str) -> None:
    """A budget that limits nothing, or cannot be told from another, is a mistake of the declaration."""
    with pytest.raises(ValidationError, match=says):
        HttpOptions.model_validate({"budgets": wrong})


def test_limits_say_what_they_are() -> None:
    """A budget reads as people write it: so many in so many seconds, so many at once."""
    assert str(Budget("all", (Rate(500, 60), Rate(10, 1)), at_once=10)) == "500 in 60 s, 10 in 1 s, 10 at once"
    assert str(Budget("reports", (Rate(300, 3_600),))) == "300 in 3600 s"


@pytest.mark.parametrize(
    ("given", "environment", "own", "expected"),
    [
        (1, "2", 5, 2),
        (0, "2", 5, 1),
        (None, "2", 5, 3),
        (None, "2", None, 3),
        (None, None, 5, 6),
        (None, None, None, 4),
    ],
)
def test_the_nearest_word_on_retries_counts(
    stand: Any,
    monkeypatch: pytest.MonkeyPatch,
    *,
    given: int | None,
    environment: str | None,
    own: int | None,
    expected: int,
    answer: Any,
) -> None:
    """The source's setting, else the environment's, else the connector's default (K1); waits are 1, 2, 4, 8, 16 s."""
    monkeypatch.delenv("INTEGRATION_MAX_RETRIES", raising=False)
    if environment:
        monkeypatch.setenv("INTEGRATION_MAX_RETRIES", environment)
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
