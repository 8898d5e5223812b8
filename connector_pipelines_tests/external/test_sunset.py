"""Endpoints that a source announces to end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from connector_pipelines.database.connection import connect
from connector_pipelines.external import surroundings
from connector_pipelines.external.http import Client
from connector_pipelines.external.messages import Request
from connector_pipelines.external.sunset import Announcement, announcement
from connector_pipelines.external.surroundings import restored, share
from connector_pipelines.sync.overview import announced

ASKED = Request("https://sis.example/users/17")
SUNSET = "Wed, 30 Jun 2027 23:59:59 GMT"
LINKS = '<https://sis.example/next>; rel="next", <https://sis.example/v2?token=abc>; rel="deprecation"'


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, None),
        ({"Deprecation": "false"}, None),
        ({"Deprecation": "?0"}, None),
        ({"Deprecation": "true"}, (None, None, "")),
        ({"Deprecation": "@1688169599"}, (date(2023, 6, 30), None, "")),
        ({"Deprecation": "Fri, 30 Jun 2023 23:59:59 GMT"}, (date(2023, 6, 30), None, "")),
        ({"Deprecation": "@99999999999999999999"}, (None, None, "")),
        ({"Sunset": SUNSET}, (None, date(2027, 6, 30), "")),
        ({"Sunset": "soon"}, None),
        ({"Deprecation": "true", "Sunset": "soon"}, (None, None, "")),
        ({"Sunset": SUNSET, "Link": LINKS}, (None, date(2027, 6, 30), "https://sis.example/v2?token=***")),
    ],
)
def test_headers_are_read(headers: dict[str, str], told: tuple[Any, ...] | None) -> None:
    """Both headers in their forms of today and of older drafts; what says nothing usable is no announcement."""
    assert announcement(ASKED, headers) == (Announcement("GET /users/{id}", *told) if told else None)


def test_an_announcement_is_kept_once_a_day(database: str, stand: Any, answer: Any) -> None:
    """Of many answers of an endpoint one line is kept, and none by the next run of the day; a new date is news."""
    until = [SUNSET]

    def handle(asked: Any) -> Any:
        return answer(headers={"Sunset": until[0]} if asked.path.startswith("/users") else {})

    server, now = stand(handle), datetime.now(UTC)
    with share(database):
        here = surroundings.needed()
        for last in (SUNSET, SUNSET, "Thu, 31 Dec 2026 23:59:59 GMT"):
            until[0] = last
            with restored(replace(here, source="alpha")), Client(server.url) as client:
                for path in ("users/1", "users/2", "classes"):
                    client.get(path)
    with connect(database) as connection:
        kept = connection.execute("SELECT detail ->> 'until' FROM connector.integration_audit_logs").fetchall()
        assert kept == [("2027-06-30",), ("2026-12-31",)]
        found = announced(connection, "alpha", now - timedelta(days=7))
        assert found == [Announcement("GET /users/{id}", None, date(2026, 12, 31))]
        assert found[0].sentence == "GET /users/{id} is deprecated and may end on 2026-12-31"
        assert announced(connection, "beta", now - timedelta(days=7)) == []
        assert announced(connection, "alpha", now + timedelta(days=7)) == []
