"""Errors, named by what happens next.

    SyncError
    ├── TryLater                the same call may succeed later; nothing was lost
    │   ├── NetworkError        time-out, DNS, refused, reset, 5xx after the retries          NETWORK_ERROR
    │   │   └── NotAsked        it failed so often that it is left alone for a while          NETWORK_ERROR
    │   ├── RateLimited         the source's limit, after waiting as told                     RATE_LIMITED
    │   ├── AnotherRunIsActive  a lock is held by another run of the same source or table     CONFLICT
    │   └── DatabaseUnavailable the connection broke; the open chunk was rolled back          DATABASE_ERROR
    ├── NeedsPerson             trying again changes nothing; the source stops until mended
    │   ├── ConfigurationError  wrong URL, wrong YAML, unknown name                           UNKNOWN
    │   │   └── SecretMissing   a `{{ env.NAME }}` that is not set                            AUTH_FAILED
    │   ├── AuthFailed          401 after one refresh, 403                                    AUTH_FAILED
    │   ├── BrokenPage          not JSON, truncated, HTML, a page that repeats                DATA_ERROR
    │   ├── RefusedBySource     400, 404, 422: the source does not take this request          DATA_ERROR
    │   ├── MappingFailed       a mapping would be re-pointed, a field does not exist         MAPPING_ERROR
    │   │   └── FieldMissing    a mapped field is on no record of a page                      MAPPING_ERROR
    │   └── ApprovalRefused     what was approved would do something else now                 CONFLICT
    └── PlanOutdated            core moved since the plan was made: plan anew                 CONFLICT

A bad *row* is never an exception: it is a `Rejection`, which becomes a dead letter, and its neighbors go on.
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator


class Category(StrEnum):
    """What kind of failure this is, for counting and alerts (requirements K23)."""

    AUTH_FAILED = "AUTH_FAILED"
    RATE_LIMITED = "RATE_LIMITED"
    NETWORK_ERROR = "NETWORK_ERROR"
    DATA_ERROR = "DATA_ERROR"
    MAPPING_ERROR = "MAPPING_ERROR"
    DATABASE_ERROR = "DATABASE_ERROR"
    CONFLICT = "CONFLICT"
    UNKNOWN = "UNKNOWN"


class SyncError(Exception):
    """Says what went wrong, where, and what to do. The place is filled in on the way up by `at`.

    Args:
        problem: one sentence, no secrets and no personal data.
        remedy: what the reader should do next.
    """

    category = Category.UNKNOWN

    def __init__(self, problem: str, *, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.source: str | None = None
        self.entity: str | None = None

    def located(self, source: str, entity: str | None) -> Self:
        """Name the source and entity, unless an inner layer already did."""
        self.source = self.source or source
        self.entity = self.entity or entity
        return self

    def __str__(self) -> str:
        place = "/".join(part for part in (self.source, self.entity) if part)
        sentence = f"{place}: {self.problem}" if place else self.problem
        return f"{sentence} What to do: {self.remedy}" if self.remedy else sentence


class TryLater(SyncError):
    """The same call may succeed later. Nothing was lost or half written."""


class NetworkError(TryLater):
    """The source could not be reached, or kept answering 5xx, after all retries."""

    category = Category.NETWORK_ERROR


class NotAsked(NetworkError):
    """Nothing was sent: the source failed too often to be asked now."""


class RateLimited(TryLater):
    """The source kept refusing for its limits, after waiting as it asked."""

    category = Category.RATE_LIMITED


class AnotherRunIsActive(TryLater):
    """Another run holds the lock of this source or core table (requirement G76)."""

    category = Category.CONFLICT


class DatabaseUnavailable(TryLater):
    """The database connection broke. The open chunk was rolled back; the run resumes at it."""

    category = Category.DATABASE_ERROR


class NeedsPerson(SyncError):
    """Trying again changes nothing until a person mended something."""


class ConfigurationError(NeedsPerson):
    """A setting or declaration is wrong."""


class SecretMissing(ConfigurationError):
    """A secret that the configuration names is not set where the run looks for it."""

    category = Category.AUTH_FAILED


class AuthFailed(NeedsPerson):
    """The source refused the credentials, also after one refresh (requirement K2)."""

    category = Category.AUTH_FAILED


class BrokenPage(NeedsPerson):
    """A page is not what the contract promises. The raw page was landed; nothing was taken as empty."""

    category = Category.DATA_ERROR


class RefusedBySource(NeedsPerson):
    """The source answers, and does not take this request (400, 404, 422)."""

    category = Category.DATA_ERROR


class MappingFailed(NeedsPerson):
    """A record cannot be given its place in core without a decision."""

    category = Category.MAPPING_ERROR


class FieldMissing(MappingFailed, BrokenPage):
    """A mapped field is on no record of a page. The page is landed like any other that breaks a read."""


class ApprovalRefused(NeedsPerson):
    """What a person approved would do something else now. An approval is for one hash, and nothing else is applied."""

    category = Category.CONFLICT


class PlanOutdated(SyncError):
    """Core moved since the plan was made; it must be planned anew."""

    category = Category.CONFLICT


@contextmanager
def at(source: str, entity: str | None = None) -> Iterator[None]:
    """Name the source and entity in every `SyncError` that passes through."""
    try:
        yield
    except SyncError as error:
        raise error.located(source, entity)  # noqa: B904 -- the same error, now with its place
