from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.errors import BrokenPage, RateLimited
from connector_pipelines.external.cache import key, looked_at
from connector_pipelines.external.http import Client, Request
from connector_pipelines.external.limits import Budget, Limits, Rate
from connector_pipelines.external.surroundings import opened, share
from connector_pipelines.model import Connector, Health, Source

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection

ONE = Limits((Budget("all", (Rate(1, 3_600),)),), patience_seconds=1)


def _fine(_: object) -> Health:
    return Health(ok=True, detail="", latency_seconds=0)


@dataclass
class Numbered:
    """Answers 1, 2, 3 …, and opens clients for sources of any name."""

    url: str

    def source(self, name: str, **how: Any) -> Source:
        """A source that asks here."""
        connector = Connector("toy", "Toy", object, lambda _: Client(self.url, **how), lambda _: (), _fine)  # type: ignore[arg-type]
        return Source(name, connector, None)  # type: ignore[arg-type]


@pytest.fixture
def numbered(stand: Any, answer: Any) -> Numbered:
    """A server that never says the same thing twice."""
    numbers = itertools.count(1)
    return Numbered(stand(lambda _: answer(body=str(next(numbers)).encode(), headers={"Set-Cookie": "s=1"})).url)


def test_key_is_that_of_the_specification() -> None:
    """The key names connector, source and verb, and hashes URL and query, whose order does not matter (E32)."""
    asked = Request("https://x.example/a", (("b", "1"), ("a", "2")))
    made = key(asked, connector="finale", source="acme")
    assert made == "connector:finale:acme:GET:" + made.rpartition(":")[2]
    assert made == key(asked.with_params({}), connector="finale", source="acme")
    assert made == key(Request(asked.url, asked.params[::-1]), connector="finale", source="acme")
    assert len({made, key(asked.with_params({"a": "3"}), connector="finale", source="acme")}) == 2


def looks(source: Source, *paths: str, fresh: bool = False) -> list[bytes]:
    """What a person is shown who looks at some pages."""
    with looked_at(source, fresh=fresh) as (client, _):
        return [client.get(path).body for path in paths]


def test_a_look_is_answered_again_until_it_is_old(numbered: Numbered, database: str, connection: Connection) -> None:
    """Within the hour a second look asks nobody, also from another client; after it, one request is made."""
    acme = numbered.source("acme")
    with share(database):
        assert looks(acme, "a", "a?page=2") == [b"1", b"2"]
        connection.execute("UPDATE connector.response_cache SET stored_at = now() - interval '59 minutes'")
        assert looks(acme, "a", "a?page=2") == [b"1", b"2"]
        with looked_at(acme) as (client, seen):
            client.get("a")
        assert seen.oldest_seconds == pytest.approx(3_540, abs=60)
        connection.execute("UPDATE connector.response_cache SET stored_at = now() - interval '61 minutes'")
        assert looks(acme, "a") == [b"3"]
    headers = connection.execute("SELECT headers ? 'Set-Cookie' FROM connector.response_cache").fetchall()
    assert set(headers) == {(False,)}


def test_who_wants_to_know_asks_now(numbered: Numbered, database: str) -> None:
    """A fresh look asks, and what it is told is what others are shown next."""
    acme = numbered.source("acme")
    with share(database):
        assert [*looks(acme, "a"), *looks(acme, "a", fresh=True), *looks(acme, "a")] == [b"1", b"2", b"2"]


def test_what_does_something_is_always_sent(numbered: Numbered, database: str) -> None:
    """Asking for a report, or how far it is, is no look: each time it is asked."""
    with share(database), looked_at(numbered.source("acme")) as (client, _):
        assert [client.send(Request("a"), fresh=True).body for _ in range(2)] == [b"1", b"2"]


def test_a_look_that_failed_is_not_kept(numbered: Numbered, database: str) -> None:
    """Some systems say 200 and mean an error: what came is kept only when it could be shown."""

    def fail() -> None:
        with looked_at(numbered.source("acme")) as (client, _):
            client.get("a")
            raise BrokenPage("not what it should be")

    with share(database):
        with pytest.raises(BrokenPage):
            fail()
        assert looks(numbered.source("acme"), "a") == [b"2"]


def test_a_sync_never_reads_it(numbered: Numbered, database: str) -> None:
    """What a client is told elsewhere was asked for now, whatever is kept: only that proves that something is gone."""
    acme = numbered.source("acme")
    with share(database):
        assert looks(acme, "a") == [b"1"]
        with opened(acme) as client:
            assert [client.get("a").body, client.send(Request("a")).body] == [b"2", b"3"]


def test_sources_do_not_see_each_others_answers(numbered: Numbered, database: str) -> None:
    """Two sources that ask the same URL have answers of their own, and a source may do without."""
    with share(database):
        asked = [("acme", 3_600), ("other", 3_600), ("acme", 0), ("other", 3_600)]
        seen = [looks(numbered.source(name, cache_seconds=seconds), "a") for name, seconds in asked]
    assert seen == [[b"1"], [b"2"], [b"3"], [b"2"]]


def test_over_the_limit_an_older_answer_will_do(numbered: Numbered, database: str, connection: Connection) -> None:
    """Where no turn is free, a look gets what is kept, however old, and an error where nothing is (E41)."""
    limited = numbered.source("acme", limits=ONE)
    with share(database):
        assert looks(limited, "a") == [b"1"]
        connection.execute("UPDATE connector.response_cache SET stored_at = now() - interval '2 hours'")
        assert looks(limited, "a") == [b"1"]
        with pytest.raises(RateLimited, match="are spent"):
            looks(limited, "b")


def test_what_is_too_old_for_anybody_is_forgotten(numbered: Numbered, database: str, connection: Connection) -> None:
    """A day later an answer is removed with the next one that is kept."""
    with share(database):
        looks(numbered.source("acme"), "a")
        connection.execute("UPDATE connector.response_cache SET stored_at = now() - interval '25 hours'")
        looks(numbered.source("acme"), "b")
    assert connection.execute("SELECT url LIKE '%%/b' FROM connector.response_cache").fetchall() == [(True,)]


def test_without_a_run_nothing_is_kept(numbered: Numbered) -> None:
    """A client outside a run has no database, so each look is a request."""
    assert [looks(numbered.source("acme"), "a") for _ in range(2)] == [[b"1"], [b"2"]]
