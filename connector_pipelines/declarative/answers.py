"""What an answer means where its status alone does not say it: errors inside a 200, a 403 that is a 429, a 404 that is
an empty list (requirements K1, K2). Rules are tried in order; the first that fits counts, else the common table does.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from connector_pipelines.declarative import paths
from connector_pipelines.declarative.bodies import nothing
from connector_pipelines.declarative.mapping import Strict
from connector_pipelines.declarative.paginators import at
from connector_pipelines.declarative.paging import Place
from connector_pipelines.errors import RefusedBySource
from connector_pipelines.external import redact, retry
from connector_pipelines.external.retry import HUNDREDS, STATUSES, Do

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from connector_pipelines.external.messages import Response
    from connector_pipelines.external.retry import Rule

Then = Literal["accept", "empty", "split", "smaller", "restart", "retry", "wait", "refresh", "deny", "refuse"]

_DO: dict[str, Do] = {name: Do(name) for name in ("accept", "retry", "wait", "refresh", "deny", "refuse")} | {
    "empty": Do.ACCEPT,
    "split": Do.ACCEPT,
    "smaller": Do.ACCEPT,
    "restart": Do.ACCEPT,
}
_SAYS = ("message", "error_description", "error", "detail", "title", "description", "msg")


class Answer(Strict):
    """A rule: answers that fit all its conditions, and what they mean."""

    status: tuple[int, ...] = Field(min_length=1, description="The statuses it is about, e.g. [403].")
    contains: str | None = Field(default=None, description="Text in the body, in any case.")
    where: str | None = Field(default=None, description="A JMESPath expression on the body that gives something true.")
    header: str | None = Field(default=None, description="A header that is there and not empty.")
    then: Then = Field(
        description="accept: a page. empty: a page without rows. retry: again after a moment. wait: a rate limit. "
        "split: the span is too large, ask for its halves. smaller: the page is too large, ask for half as many rows. "
        "restart: the source knows no changes since then any more, "
        "read everything. refresh: log in again. deny: a person must look at the "
        "credentials. refuse: the request is wrong."
    )
    after: Place | None = Field(
        default=None,
        description="For wait: where the answer says how long, in seconds or as a time since 1970. Unset: the headers "
        "Retry-After, RateLimit-Reset and X-RateLimit-Reset are looked at; without any, a minute.",
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if self.where:
            paths.in_json(self.where)
        if self.after and self.then != "wait":
            message = "`after` is for answers that mean: wait"
            raise ValueError(message)
        if self.then in {"empty", "accept"} and any(status >= 500 for status in self.status):  # noqa: PLR2004 -- server errors
            message = "an error of the server cannot be taken for a page"
            raise ValueError(message)
        return self

    def fits(self, response: Response) -> bool:
        """Whether the rule is about this answer."""
        return (
            response.status in self.status
            and (self.contains is None or self.contains.lower().encode() in response.body.lower())
            and (self.header is None or bool(response.headers.get(self.header)))
            and (self.where is None or _truth(self.where, response.body))
        )


def overrides(rules: Sequence[Answer]) -> dict[int, Rule]:
    """What statuses mean by these rules, before the common table."""
    return {status: _judge(rules) for rule in rules for status in rule.status}


def _judge(rules: Sequence[Answer]) -> Callable[[Response], Do]:
    def judge(response: Response) -> Do:
        fitting = next((rule for rule in rules if rule.fits(response)), None)
        if fitting:
            return _DO[fitting.then]
        usual = STATUSES.get(response.status)
        return usual if isinstance(usual, Do) else HUNDREDS.get(response.status // 100, Do.REFUSE)

    return judge


def lifted(rules: Sequence[Answer]) -> Callable[[Response, datetime], float | None]:
    """How long an answer that means a limit says to wait, by the rule that fits, else by its headers."""

    def seconds(response: Response, now: datetime) -> float | None:
        fitting = next((rule for rule in rules if rule.fits(response)), None)
        if fitting is None or fitting.after is None:
            return retry.lifted(response, now)
        said = at(fitting.after, response, document)
        return None if said is None or isinstance(said, bool) else retry.until(str(said), now)

    return seconds


class SpanTooLarge(RefusedBySource):
    """The source does not take so long a span; it may take its halves."""


class PageTooLarge(RefusedBySource):
    """The source does not give so many rows at once; it may give half of them."""


class Forgotten(RefusedBySource):
    """The source no longer knows what changed since then; it may be read whole."""


_REFUSALS: dict[str, tuple[type[RefusedBySource], str, str]] = {
    "split": (
        SpanTooLarge,
        "the span is too large",
        "Such a span can be halved where `incremental` has an end; a full read has no span. Ask for less.",
    ),
    "smaller": (
        PageTooLarge,
        "the page is too large",
        "It can be halved down to one row in pages by received offset, cursor or last_record that have a `size_param`.",
    ),
    "restart": (
        Forgotten,
        "it knows no changes since then",
        "That is no answer to a read of everything; correct the rule in `answers`.",
    ),
}


def taken(rules: Sequence[Answer], response: Response) -> Response:
    """The answer, as `emptied` leaves it.

    Raises:
        SpanTooLarge, PageTooLarge, Forgotten: a rule says so.
    """
    fitting = next((rule for rule in rules if rule.fits(response)), None)
    if fitting and fitting.then in _REFUSALS:
        kind, what, remedy = _REFUSALS[fitting.then]
        said = explained(response)
        problem = f"{response.url} answered {response.status}{f' ({said})' if said else ''}: {what}."
        raise kind(problem, remedy=remedy)
    return emptied(rules, response)


def emptied(rules: Sequence[Answer], response: Response) -> Response:
    """The answer; where a rule calls it empty, with a note in its place that says so, also to a replay."""
    fitting = next((rule for rule in rules if rule.fits(response)), None)
    return replace(response, body=nothing(response.status)) if fitting and fitting.then == "empty" else response


def explained(response: Response) -> str:
    """The source's own words in an error answer, without credentials; "" for none."""
    try:
        told = json.loads(response.body)
    except (ValueError, RecursionError):
        return redact.excerpt(response.body) if response.body[:1] not in {b"<", b"{", b"["} else ""
    return explained_in(told)


def explained_in(told: object) -> str:
    """The source's own words in a document, without credentials; "" for none."""
    return redact.text("; ".join(dict.fromkeys(_words(told))))[:300]


def _words(told: object, depth: int = 0) -> list[str]:
    """Every text under a name that carries a message, outer ones first."""
    if depth > 4:  # noqa: PLR2004 -- deeper than any error
        return []
    if isinstance(told, list):
        return [word for item in told[:10] for word in _words(item, depth + 1)]
    if not isinstance(told, dict):
        return []
    here = [text for name in _SAYS if isinstance(text := told.get(name), str) and text]
    return here + [word for value in told.values() for word in _words(value, depth + 1)]


def document(body: bytes) -> object:
    """A body as JSON; None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _truth(expression: str, body: bytes) -> bool:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return bool(paths.in_json(expression).get(document))
