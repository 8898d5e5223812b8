"""Answers that people may be shown again for a while: previews, look-ups, reports. A sync never reads them (K15).

Kept in the database, so that all processes have them, and for the source that asked: another one never sees them.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connector_pipelines.external import surroundings
from connector_pipelines.external.messages import Response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.external.messages import Request
    from connector_pipelines.external.surroundings import Surroundings
    from connector_pipelines.model import Source

HOUR_SECONDS = 3_600.0
"""How long an answer is fresh, if the source does not say otherwise (E31)."""

STALE_SECONDS = 86_400.0
"""How long a stale one is kept for the case that the source's limits are spent (E41)."""

LARGEST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cached:
    """An answer, and how old it is."""

    response: Response
    age_seconds: float


def key(request: Request, *, connector: str, source: str) -> str:
    """`connector:{source_type}:{user_id}:{method}:{hash}` (E32): the hash is of URL, query and body."""
    asked = json.dumps([request.url, sorted(request.params), (request.body or b"").hex(), request.header("Accept")])
    return f"connector:{connector}:{source}:{request.method}:{hashlib.sha256(asked.encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Cache:
    """One client's view of what is kept."""

    around: Surroundings

    def find(self, request: Request) -> Cached | None:
        """What is kept for a request, fresh or stale."""
        row = self.around.line.row(
            "SELECT status, headers, body, url, extract(epoch FROM now() - stored_at)::float8"
            " FROM connector.response_cache WHERE key = %s",
            self._key(request),
        )
        if row is None:
            return None
        status, headers, body, url, age = row
        return Cached(Response(status, _any_case(headers), bytes(body), url), age)

    def keep(self, request: Request, response: Response) -> None:
        """Keep an answer, unless it is large; and forget what is too old for anybody."""
        if len(response.body) > LARGEST_BYTES:
            return
        headers = {name: value for name, value in response.headers.items() if name.lower() != "set-cookie"}
        self.around.line.rows(
            "WITH gone AS (DELETE FROM connector.response_cache"
            " WHERE stored_at < now() - make_interval(secs => %s::float8) AND key <> %s)"
            " INSERT INTO connector.response_cache AS c (key, status, headers, body, url) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (key) DO UPDATE SET status = excluded.status, headers = excluded.headers,"
            " body = excluded.body, url = excluded.url, stored_at = now()",
            *(STALE_SECONDS, self._key(request), self._key(request)),
            *(response.status, json.dumps(headers), response.body, response.url),
        )

    def _key(self, request: Request) -> str:
        return key(request, connector=self.around.connector, source=self.around.source)


@dataclass(slots=True)
class Looks:
    """What a person looks at.

    Attributes:
        fresh: nothing that is kept will do; what comes is kept all the same.
        oldest_seconds: the age of the oldest answer that was shown again; 0 where none was.
        answers: what was asked, to be kept once the look has ended well: some systems say 200 and mean an error.
    """

    fresh: bool = False
    oldest_seconds: float = 0.0
    answers: list[tuple[Request, Response]] = field(default_factory=list)

    def again(self, kept: Cached) -> Response:
        """An answer that is shown again."""
        self.oldest_seconds = max(self.oldest_seconds, kept.age_seconds)
        return kept.response


@contextmanager
def looked_at(source: Source, *, fresh: bool = False) -> Iterator[tuple[Any, Looks]]:
    """A source's client for a person who looks: earlier answers will do, and what it is answered is kept.

    Never for a sync: what is absent in an old answer proves nothing. Outside `surroundings.share` nothing is kept.

    Raises:
        ConfigurationError: the configuration in force is not usable.
    """
    looks = Looks(fresh)
    with surroundings.opened(source, looks=looks) as client:
        yield client, looks
        for asked, answer in looks.answers:
            Cache(surroundings.needed()).keep(asked, answer)


def _any_case(headers: dict[str, str]) -> dict[str, str]:
    from requests.structures import CaseInsensitiveDict

    return CaseInsensitiveDict(headers)  # type: ignore[return-value]  # a mapping like any other to its readers
