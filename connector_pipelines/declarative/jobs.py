"""Reports that are asked for first and read when they are ready: what may be declared as `job`.

job:
path: reports                          POST, with what says which report
body: {kind: suppliers}
id: job.id                             what the answer calls it: $job
poll: reports/$job                     looked at every few seconds …
state: job.state                       … until its state is one of `ready`
delete: reports/$job                   tidied up, whatever became of it
path: reports/$job/rows                  and read like any other collection
"""

from __future__ import annotations

from string import Template
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from connector_pipelines.declarative import paths
from connector_pipelines.declarative.mapping import Strict
from connector_pipelines.declarative.paging import Header, Place

NAME = "job"
"""What a job's id is called in paths: $job."""

READY = ("done", "ready", "success", "succeeded", "complete", "completed", "finished")
FAILED = ("failed", "failure", "error", "cancelled", "canceled", "aborted", "expired")


class Job(Strict):
    """A report that is made first. Its result is what the entity's `path` leads to, or where the source says it is.

    Its answers are JSON, whatever the result is. A span of time, as `incremental` says it, is asked of the job.
    """

    path: str = Field(description="Where the report is asked for, appended to base_url, e.g. reports.")
    method: Literal["GET", "POST"] = Field(default="POST", description="How it is asked for.")
    params: dict[str, str] = Field(default_factory=dict, description="Parameters of the query, on top of the source's.")
    body: dict[str, Any] = Field(default_factory=dict, description="What the POST sends, as JSON: which report.")
    id: Place | None = Field(
        default=None, description="Where the answer says what the job is called: $job in paths and in `params`."
    )
    poll: str | Header = Field(
        description="Where its state is asked for, e.g. reports/$job; or the header of the first answer with that "
        "address, mostly {header: Location}."
    )
    state: Place | None = Field(
        default=None,
        description="Where the answer says how far the job is. Unset: status 202 means that it goes on, 200 that it is "
        "ready.",
    )
    ready: tuple[str, ...] = Field(default=READY, min_length=1, description="States that mean: ready, in any case.")
    failed: tuple[str, ...] = Field(
        default=FAILED, description="States that mean: there will be no result, in any case. All others: it goes on."
    )
    result: Place | None = Field(
        default=None, description="Where the last answer says at which address the result is, instead of the `path`."
    )
    every_seconds: float = Field(
        default=5.0, gt=0, le=3_600, description="Seconds between two looks, or more where Retry-After asks for it."
    )
    deadline_seconds: float = Field(
        default=3_600.0,
        gt=0,
        le=172_800,
        description="Seconds after which nobody waits for it any more: the read fails.",
    )
    delete: str | None = Field(
        default=None,
        description="What is sent a DELETE when the result was read, and when nobody waits for it any more.",
    )

    @field_validator("path", "delete")
    @classmethod
    def _stays(cls, value: str | None) -> str | None:
        return value if value is None else below(value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.body and self.method != "POST":
            message = "a job's body needs method POST"
            raise ValueError(message)
        if isinstance(self.poll, str):
            below(self.poll)
        for place in (self.id, self.state, self.result):
            if isinstance(place, str):
                paths.in_json(place)
        needs = [text for text in (self.poll, self.delete) if isinstance(text, str) and NAME in _names(text)]
        if needs and self.id is None:
            message = f"{needs[0]!r} holds $job; `id` says where that is in the answer"
            raise ValueError(message)
        if NAME in {name for text in (self.path, *self.params.values()) for name in _names(text)}:
            message = "a job is asked for before it has a name: no $job there"
            raise ValueError(message)
        return self

    def named(self) -> frozenset[str]:
        """What $names stand in its paths and parameters."""
        texts = (self.path, *self.params.values(), *filter(None, (self.delete,)))
        polled = (self.poll,) if isinstance(self.poll, str) else ()
        return frozenset(name for text in (*texts, *polled) for name in _names(text))


def below(path: str) -> str:
    """A path, if it stays below base_url.

    Raises:
        ValueError: it names a host.
    """
    if "://" in path or path.startswith("//"):
        message = "a path below base_url is expected, without a host"
        raise ValueError(message)
    return path


def _names(text: str) -> list[str]:
    return Template(text).get_identifiers()
