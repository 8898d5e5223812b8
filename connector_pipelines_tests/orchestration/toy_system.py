"""A system whose records lie in a JSON file: {"students": [page, …]}, each page a list of records."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pandera.pandas as pa
from pydantic import BaseModel, Field

from connector_pipelines.core.entities import ENTITIES, entity
from connector_pipelines.errors import BrokenPage
from connector_pipelines.external.secrets import Secret
from connector_pipelines.model import Connector, Health, Stream, Window
from connector_pipelines.notices import Delivery, HookOptions, Notice
from connector_pipelines.outward import Action, Done, Export, Order, Unwanted
from connector_pipelines.pages import Page, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

DEFAULT = ("organizations", "sections", "students", "enrollments")
WHOLE_ONLY = {"organizations"}


class Settings(BaseModel):
    """Where the records lie."""

    file: str = Field(description="Path of the JSON file.")
    key: Secret | None = Field(default=None, description="A secret nobody asks for.")
    entities: tuple[str, ...] = Field(default=DEFAULT, description="What to read.")
    needs: tuple[str, ...] = Field(default=(), description="What users must not lack.")
    webhook: bool = Field(default=False, description="Whether the system tells what changed.")


def _stream(name: str) -> Stream:
    core = entity(name)
    fields = [c.name for c in core.columns] + [r.name for r in core.references]
    dates = [c.name for c in core.columns if c.kind == "DATE"]
    booleans = [c.name for c in core.columns if c.kind == "BOOLEAN"]
    wire = ["id", "modified", *fields]
    required = {"id": pa.Column("str", pa.Check.str_length(1, 255, error="must have 1 to 255 characters"))}
    others = {n: pa.Column(object if n in booleans else "str", nullable=True) for n in wire[1:]}
    schema = pa.DataFrameSchema(required | others)

    def read(settings: Settings, window: Window) -> Reading:
        pages = json.loads(Path(settings.file).read_text("utf-8")).get(name, [])
        return Reading(_pages(name, pages), snapshot=window.since is None)

    def transform(frame: pd.DataFrame) -> pd.DataFrame:
        out = frame[fields].copy()
        for column in dates:
            out[column] = pd.to_datetime(out[column]).dt.date
        for column in booleans:
            out[column] = out[column].astype("boolean")
        out["external_id"] = frame["id"]
        out["modified_at"] = pd.to_datetime(frame["modified"], utc=True)
        out["deleted"] = False
        out["skip"] = pd.Series([None] * len(frame), dtype=object)
        return out

    columns = {n: (lambda r, n=n: r.get(n)) for n in wire}
    return Stream(
        name,
        read,
        split,
        json.loads,
        columns,
        lambda: schema,
        transform,
        filters_by_time=name not in WHOLE_ONLY,
        endpoint=f"GET /{name}",
    )


def _pages(name: str, pages: list[Any]) -> Iterator[Page]:
    for number, page in enumerate(pages, 1):
        if page == "broken":
            raise BrokenPage(f"page {number} of {name} is not JSON.", remedy="Show it to the owner of the source.")
        body = json.dumps(page).encode()
        yield Page(number, f"toy://{name}", 200, body, split(body))


def split(body: bytes) -> list[bytes]:
    """A page is a JSON list of records."""
    return [json.dumps(record).encode() for record in json.loads(body)]


class Told:
    """Its webhook: a JSON list of what changed."""

    options = HookOptions()
    shared = False

    def genuine(self, delivery: Delivery, now: datetime) -> bool:
        """Everything is."""
        return now is not None and bool(delivery.body)

    def notices(self, delivery: Delivery) -> list[Notice]:
        """One for each entity."""
        return [Notice(f"{name} changed", (name,)) for name in json.loads(delivery.body)]


class Telling:
    """The ability to have one."""

    def hook(self, settings: Settings) -> Told | None:
        """Where the source says so."""
        return Told() if settings.webhook else None


def _written(settings: Settings) -> Path:
    return Path(settings.file).with_suffix(".written.json")


def written(settings: Settings) -> dict[str, Any]:
    """What was written to the system: records by id."""
    file = _written(settings)
    found: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return found


def _send(settings: Settings, action: Action, orders: Sequence[Order]) -> Iterator[Done]:
    there = written(settings)
    for order in orders:
        number = order.external_id or f"w{len(there) + 1}"
        there[number] = dict(order.record) | {"gone": action is Action.WITHDRAW}
        yield Done(order.key, number)
    _written(settings).write_text(json.dumps(there))


USERS = Export(
    "users",
    "people",
    lambda row: {"name": row["family_name"], "gone": False} if row["status"] == "active" else Unwanted("left"),
    find=lambda _, __: (),
    send=_send,
    read_back=lambda settings, ids: [(number, written(settings).get(number)) for number in ids],
    batch=50,
)

STREAMS = {name: _stream(name) for name in ENTITIES}

CONNECTOR = Connector(
    name="toy",
    title="Toy",
    config=Settings,
    open=nullcontext,
    streams=lambda settings: [STREAMS[name] for name in settings.entities],
    check=lambda settings: Health(ok=Path(settings.file).exists(), detail="looked for the file", latency_seconds=0.001),
    abilities=(Telling(),),
    exports=lambda settings: [replace(USERS, needs=dict.fromkeys(settings.needs, "nobody knows them"))],
)
