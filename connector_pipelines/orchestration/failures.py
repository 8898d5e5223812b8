"""How an error of ours ends a step in Dagster: with what is wrong, where, and what to do; never with a row's values."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from dagster import Failure, RetryRequested

from connector_pipelines.errors import AnotherRunIsActive, Category, DatabaseUnavailable, PlanOutdated, SyncError
from connector_pipelines.external import redact

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a step is tried again, and how long after. HTTP has its own retries beneath."""

    times: int = 2
    seconds: float = 30


_AGAIN = (AnotherRunIsActive, DatabaseUnavailable, PlanOutdated)

RETRIES = Retries()
"""For what may succeed later, and for steps that crashed.

Not a Dagster `RetryPolicy`: with one, a step that is terminated counts as failed and starts again, and so a run could
not be cancelled.
"""


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors into Dagster failures, and ask for a retry where the step itself may go better later.

    A source that does not answer is not among them: its requests were repeated already, and trying all of that again
    would multiply the attempts (requirement K1).
    """
    try:
        yield
    except SyncError as error:
        failure = _failure(error)
        if isinstance(error, _AGAIN):
            raise _later() from failure
        raise failure from None
    except psycopg.Error as error:
        # The server's DETAIL quotes rows, and its traceback their parameters: neither may reach the event log (M62).
        first = error.diag.message_primary or type(error).__name__
        category = {"category": Category.DATABASE_ERROR.value}
        raise _later() from Failure(description=f"PostgreSQL: {first}", metadata=category)
    except Exception as error:  # noqa: BLE001 -- whatever it is, its words are redacted before Dagster keeps them
        raise _later() from _told(error)


class Unexpected(Exception):
    """An error that is none of ours, as it may be shown: its name and its words, redacted."""


def _told(error: BaseException) -> Unexpected:
    """An error in whose words anything may stand, with its trace, and so what it came of."""
    told = Unexpected(redact.text(f"{type(error).__name__}: {error}")).with_traceback(error.__traceback__)
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    told.__cause__ = None if before is None else _told(before)
    return told


def _later() -> RetryRequested:
    return RetryRequested(max_retries=RETRIES.times, seconds_to_wait=RETRIES.seconds)


def _failure(error: SyncError) -> Failure:
    what = {
        "category": error.category.value,
        "source": error.source or "",
        "entity": error.entity or "",
        "problem": redact.text(error.problem),
        "what to do": redact.text(error.remedy),
    }
    return Failure(
        description=redact.text(str(error)),
        metadata={name: text for name, text in what.items() if text},
        allow_retries=False,
    )
