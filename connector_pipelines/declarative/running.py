"""Carries out a `job`: asks for the report, waits until it is ready, says where its result is, and tidies up."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from string import Template
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin

from connector_pipelines.declarative import answers
from connector_pipelines.declarative.asking import job_request, result_request
from connector_pipelines.declarative.jobs import NAME
from connector_pipelines.declarative.paginators import at
from connector_pipelines.errors import BrokenPage, NetworkError, SyncError
from connector_pipelines.external import redact
from connector_pipelines.external.http import Request
from connector_pipelines.external.retry import pause, retry_after, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connector_pipelines.declarative.api import Api
    from connector_pipelines.declarative.jobs import Job
    from connector_pipelines.declarative.paging import Place
    from connector_pipelines.declarative.settings import Declared
    from connector_pipelines.external.http import Response
    from connector_pipelines.model import Window

_GOES_ON = 202
_REMEDY = "Compare `job` with what the source's documentation says of its answers."


@contextmanager
def made(api: Api, declared: Declared, job: Job, span: Window, names: Mapping[str, str]) -> Iterator[Request]:
    """The first page of a report's result, while there is one: it is tidied up behind whoever reads it.

    Raises:
        NetworkError: the job failed, or was not ready in time.
        BrokenPage: an answer lacks what `job` says is in it.
        SyncError: as `Client.send`.
    """
    asked = api.http.send(job_request(api.settings, job, declared, span, names), fresh=True)
    answers.taken(api.settings.answers, asked)
    run = _Run(api, job, asked, dict(names) | _called(job, asked))
    try:
        ready = run.awaited()
        result = None if job.result is None else _told(job.result, ready, "result", "where its result is")
        url = None if result is None else urljoin(run.address, result)
        yield result_request(api.settings, declared, run.names, url)
    finally:
        run.tidy()


def _called(job: Job, asked: Response) -> dict[str, str]:
    return {} if job.id is None else {NAME: _told(job.id, asked, "id", "what it is called")}


def _told(place: Place, response: Response, key: str, what: str) -> str:
    """What an answer says; it must."""
    found = at(place, response, answers.document)
    if isinstance(found, str | int) and not isinstance(found, bool) and str(found).strip():
        return str(found)
    raise BrokenPage(f"a job's answer does not say {what}: `job.{key}` finds nothing in it.", remedy=_REMEDY)


@dataclass(frozen=True, slots=True)
class _Run:
    """One job that was asked for.

    Attributes:
        asked: the answer to that.
        names: what stands in its paths.
    """

    api: Api
    job: Job
    asked: Response
    names: Mapping[str, str]

    @property
    def address(self) -> str:
        """Where its state is asked for, as a whole URL."""
        if isinstance(self.job.poll, str):
            return self._whole(self.job.poll)
        told = _told(self.job.poll, self.asked, "poll", "where its state is")
        return urljoin(f"{self.api.http.base_url}/{self.job.path.removeprefix('/')}", told)

    def awaited(self) -> Response:
        """The answer that says that it is ready.

        Waits count as long as they are meant to be, or as they are where that is longer.
        """
        request, started, meant = Request(self.address), time.monotonic(), 0.0
        while True:
            answer = self.api.http.send(request, fresh=True)
            state = self._state(answer)
            if state.lower() in _lower(self.job.ready):
                return answer
            if state.lower() in _lower(self.job.failed):
                raise self._failed(state, answer)
            seconds = max(self.job.every_seconds, retry_after(answer.headers.get("Retry-After"), utc_now()) or 0.0)
            if max(meant, time.monotonic() - started) + seconds > self.job.deadline_seconds:
                raise NetworkError(
                    f"a job was not ready after {self.job.deadline_seconds:g} s; its state is {state!r}.",
                    remedy="Try at a quieter time, or raise `deadline_seconds`.",
                )
            pause(seconds, Event())
            meant += seconds

    def _failed(self, state: str, answer: Response) -> NetworkError:
        words = answers.explained(answer)
        ended = f"a job of /{self.job.path.removeprefix('/')} ended as {redact.excerpt(state.encode())!r}"
        return NetworkError(
            f"{ended}{f' ({words})' if words else ''}.",
            remedy="Try again later; if it stays so, compare `job` with the source's documentation.",
        )

    def _state(self, answer: Response) -> str:
        if self.job.state is not None:
            return _told(self.job.state, answer, "state", "how far it is")
        return "202 Accepted" if answer.status == _GOES_ON else self.job.ready[0]

    def tidy(self) -> None:
        """Delete it. What was read counts, also where that fails; the source forgets it sooner or later."""
        if self.job.delete is None:
            return
        try:
            self.api.http.send(Request(self._whole(self.job.delete), method="DELETE"), fresh=True)
        except SyncError as error:
            self.api.http.log.warning("a job could not be deleted: %s", error)

    def _whole(self, path: str) -> str:
        quoted = {name: quote(value, safe=",") for name, value in self.names.items()}
        return f"{self.api.http.base_url}/{Template(path).substitute(quoted).removeprefix('/')}"


def _lower(states: tuple[str, ...]) -> frozenset[str]:
    return frozenset(state.lower() for state in states)
