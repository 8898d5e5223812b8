"""What an answer means, and how often to ask again: one table and one loop (requirements K1, K2, G71, E53-E55)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from connector_pipelines.errors import AuthFailed, NetworkError, RateLimited, RefusedBySource

if TYPE_CHECKING:
    from threading import Event

    from connector_pipelines.errors import SyncError
    from connector_pipelines.external.messages import Response

LONGEST_BACKOFF_SECONDS = 60.0
LONGEST_RATE_LIMIT_SECONDS = 300.0
USUAL_RATE_LIMIT_SECONDS = 60.0  # E55: a 429 that does not say how long


class Do(StrEnum):
    """What happens next."""

    ACCEPT = "accept"
    RETRY = "retry"  # transient: 1, 2, 4, 8 … seconds
    WAIT = "wait"  # the source's limit: as long as it says, on a counter of its own
    REFRESH = "refresh"  # new credentials once, then the same request again
    DENY = "deny"  # the credentials are not enough: a person must mend that
    REFUSE = "refuse"  # the request is not taken, and would not be taken again


Rule = Do | Callable[["Response"], Do]
"""An action, or a function that finds it: Canvas throttles with a 403 that only its text tells from a real one (K2)."""

STATUSES: Mapping[int, Rule] = MappingProxyType(
    {
        401: Do.REFRESH,
        403: Do.DENY,
        407: Do.DENY,
        408: Do.RETRY,
        425: Do.RETRY,
        429: Do.WAIT,
        501: Do.REFUSE,
        505: Do.REFUSE,
    }
)
HUNDREDS: Mapping[int, Do] = MappingProxyType({2: Do.ACCEPT, 3: Do.REFUSE, 4: Do.REFUSE, 5: Do.RETRY})


class Unreachable(Exception):
    """No answer came, or not all of it: what the transport raises for time-outs, resets and the like."""


class _Again(NetworkError):
    """Send once more after so many seconds."""

    def __init__(self, problem: str, seconds: float) -> None:
        super().__init__(problem)
        self.seconds = seconds


def backoff(retry: int) -> float:
    """Seconds before the n-th re-send, n from 1: 1, 2, 4, 8 …, at most a minute."""
    return min(2.0 ** (retry - 1), LONGEST_BACKOFF_SECONDS)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds a `Retry-After` header asks for; None if it does not say.

    Both forms of RFC 9110 are read; a date in the past means at once, and nothing means more than five minutes.
    """
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().replace(".", "", 1).isdigit() else _until(value, now)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RATE_LIMIT_SECONDS)


RESETS = ("RateLimit-Reset", "X-RateLimit-Reset", "X-Rate-Limit-Reset")
"""Where sources without `Retry-After` say when their limit is lifted: in so many seconds, or at a time since 1970."""

_FIRST_EPOCH = 1_000_000_000  # seconds until 2001; nobody is asked to wait that long
_FIRST_EPOCH_MS = _FIRST_EPOCH * 1000


def lifted(response: Response, now: datetime) -> float | None:
    """Seconds until a source's limit is lifted, as its headers say; None if they don't."""
    told = retry_after(response.headers.get("Retry-After"), now)
    resets = (response.headers.get(name) for name in RESETS)
    return told if told is not None else next((until(text, now) for text in resets if text), None)


REMAINING = ("RateLimit-Remaining", "X-RateLimit-Remaining", "X-Rate-Limit-Remaining")
"""Where sources say how many requests are left until then."""


def spent(response: Response, now: datetime) -> float | None:
    """Seconds until the next request may be sent, where a good answer says that it was the last for now; else None.

    So the refusal that would come next is never asked for. Who says nothing of when is asked again at once.
    """
    left = next((text for name in REMAINING if (text := response.headers.get(name))), "")
    return lifted(response, now) if left.strip() == "0" else None


def usual(_wait: int) -> float:
    """Seconds to wait, for the n-th time, where a source does not say when its limit is lifted."""
    return USUAL_RATE_LIMIT_SECONDS


def until(text: str, now: datetime) -> float | None:
    """Seconds until what a number says: a moment since 1970 in seconds or milliseconds, or else so many seconds.

    None where it is no number. Nothing means more than five minutes.
    """
    try:
        number = float(text)
    except ValueError:
        return None
    moment = number / 1000 if number >= _FIRST_EPOCH_MS else number
    seconds = moment - now.timestamp() if number >= _FIRST_EPOCH else number
    return min(max(seconds, 0.0), LONGEST_RATE_LIMIT_SECONDS) if seconds == seconds else None  # noqa: PLR0124 -- "nan" is one


def _until(date: str, now: datetime) -> float:
    moment = parsedate_to_datetime(date)
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient we are with one source.

    Attributes:
        max_retries: re-sends after the first try for transient failures.
        max_waits: re-sends after a rate limit, counted apart.
        overrides: the source's own entries of the table, by status.
        lifted: how long an answer that means a limit says to wait.
        unsaid: how long we wait for the n-th time, n from 1, where it does not say.
    """

    max_retries: int = 3
    max_waits: int = 3
    overrides: Mapping[int, Rule] = field(default_factory=dict)
    lifted: Callable[[Response, datetime], float | None] = lifted
    unsaid: Callable[[int], float] = usual

    def action(self, response: Response) -> Do:
        """What to do with an answer."""
        rule = self.overrides.get(response.status) or STATUSES.get(response.status)
        if rule is None:
            return HUNDREDS.get(response.status // 100, Do.REFUSE)
        return rule if isinstance(rule, Do) else rule(response)


def utc_now() -> datetime:
    """The clock `Retry-After` dates are compared with."""
    return datetime.now(UTC)


def pause(seconds: float, stop: Event) -> None:
    """Wait, or until `stop` is set. In stamina's test mode (`stamina.set_testing`) nothing waits."""
    import stamina

    if not stamina.is_testing():
        stop.wait(seconds)


@dataclass(frozen=True, slots=True)
class Call:
    """What the loop needs to know about one request.

    Attributes:
        endpoint: for messages, "GET /users".
        send: sends it once; raises `Unreachable`.
        refresh: gets new credentials; False where there is nothing to refresh.
        credentials: which secrets a person should look at, "env:SIS_SECRET".
        explain: the source's own words in an answer.
    """

    endpoint: str
    send: Callable[[], Response]
    refresh: Callable[[], bool] = lambda: False
    credentials: str = ""
    explain: Callable[[Response], str] = lambda _: ""


@dataclass(slots=True)
class _Ledger:
    """Counts of one call."""

    call: Call
    policy: Policy
    clock: Callable[[], datetime]
    sent: int = 0
    retries: int = 0
    waits: int = 0
    refreshed: bool = False

    def attempt(self) -> Response:
        self.sent += 1
        try:
            response = self.call.send()
        except Unreachable as error:
            raise self._transient(str(error), None) from None
        return self._judged(response)

    def _judged(self, response: Response) -> Response:
        action = self.policy.action(response)
        if action is Do.ACCEPT:
            return response
        said = self.call.explain(response)
        answer = f"answered {response.status}" + (f" ({said})" if said else "")
        match action:
            case Do.RETRY:
                raise self._transient(answer, retry_after(response.headers.get("Retry-After"), self.clock()))
            case Do.WAIT:
                raise self._limited(answer, self.policy.lifted(response, self.clock()))
            case Do.REFRESH:
                raise self._unauthorized(answer)
            case Do.DENY:
                raise self._denied(answer)
        remedy = "Check the base URL and what this source's version supports."
        raise RefusedBySource(f"{self.call.endpoint} {answer}.", remedy=remedy)

    def _transient(self, what: str, told: float | None) -> SyncError:
        if self.retries >= self.policy.max_retries:
            return NetworkError(f"{self.call.endpoint} {what}; {_times(self.sent)}.", remedy="Try again later.")
        self.retries += 1
        return _Again(what, max(backoff(self.retries), told or 0.0))

    def _limited(self, answer: str, told: float | None) -> SyncError:
        if self.waits >= self.policy.max_waits:
            problem = f"{self.call.endpoint} {answer}, after waiting as told; {_times(self.sent)}."
            return RateLimited(problem, remedy="Run it less often, or ask for a higher limit.")
        self.waits += 1
        return _Again(answer, self.policy.unsaid(self.waits) if told is None else told)

    def _unauthorized(self, answer: str) -> SyncError:
        if not self.refreshed and self.call.refresh():
            self.refreshed = True
            return _Again(answer, 0.0)
        return self._denied(answer)

    def _denied(self, answer: str) -> AuthFailed:
        after = " after its credentials were renewed" if self.refreshed else ""
        look = f"Check {self.call.credentials}" if self.call.credentials else "Check the credentials"
        return AuthFailed(f"{self.call.endpoint} {answer}{after}.", remedy=f"{look} and what they are allowed to read.")


def _times(sent: int) -> str:
    return f"tried {sent} time{'s' if sent > 1 else ''}"


def persist(
    call: Call,
    policy: Policy,
    *,
    stop: Event,
    sleep: Callable[[float, Event], None] = pause,
    clock: Callable[[], datetime] = utc_now,
) -> Response:
    """Send until an answer is accepted or there is no sense in going on.

    Args:
        call: what to send.
        policy: how often.
        stop: set by whoever does not want the answer any more; waiting ends then.
        sleep: waits so many seconds.
        clock: for `Retry-After` dates.

    Raises:
        NetworkError: no usable answer after all retries; the message names endpoint and attempts (G67).
        RateLimited: the limit did not lift.
        AuthFailed: 401 after one refresh, or 403.
        RefusedBySource: any other 4xx.
    """
    from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_when_event_set

    def seconds(state: RetryCallState) -> float:
        again = state.outcome.exception() if state.outcome else None
        return again.seconds if isinstance(again, _Again) else 0.0

    loop = Retrying(
        retry=retry_if_exception_type(_Again),
        wait=seconds,
        stop=stop_when_event_set(stop),
        sleep=lambda waiting: sleep(waiting, stop) if waiting else None,
        reraise=True,
    )
    return loop(_Ledger(call, policy, clock).attempt)
