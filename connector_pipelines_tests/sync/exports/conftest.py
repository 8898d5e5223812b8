"""A small system behind real HTTP, with a ledger of effects and switches for its traps, and a source for it."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from connector_pipelines.database.connection import connect
from connector_pipelines.external.http import Client, Request
from connector_pipelines.external.landing import Landing
from connector_pipelines.external.retry import Policy
from connector_pipelines.model import Connector, Health, Source
from connector_pipelines.outward import Action, Done, Export, Found, NotDone, Order, Record, Skipped, Unwanted, Wanted
from connector_pipelines.pages import BadRow
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.sync import deciding
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.push import push
from connector_pipelines_tests.kept import kept
from connector_pipelines_tests.mortal import Mortal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from connector_pipelines.sync.whole import Outcome

Row = tuple[Any, ...]


@dataclass
class Campus:
    """What the other system holds, what was done to it, and how it misbehaves.

    Attributes:
        holds: records by what they are called and their id.
        effects: every write that took effect: action, what it is called, the record's name.
        calls: how many calls of each path came.
        lose: the answers of these write calls (from 1) are lost after their effect.
        refuses: names of records that it does not take, one by one.
        breaks: names of records for which it refuses the whole call.
        silent: names of records of which it says nothing.
        caps: the largest score it keeps.
        most: writes of more rows take so long that nobody waits for the answer, and are given up.
        sizes: how many rows came with each write call.
        strike: called with the path of every call before anything is done, and with "done" after the effect of a write;
            when it says so, the call is lost there.
    """

    holds: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    effects: list[tuple[str, str, str]] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    lose: set[int] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)
    breaks: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    caps: int | None = None
    most: int | None = None
    sizes: list[int] = field(default_factory=list)
    strike: Callable[[str], bool] = lambda _: False
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    url: str = ""

    def names(self, entity: str) -> list[str]:
        """The names of what stands there and is not suspended."""
        return sorted(one["name"] for one in self.holds.get(entity, {}).values() if not one.get("suspended"))

    def put(self, entity: str, **record: Any) -> str:
        """Something that stood there before anybody synced."""
        number = str(next(self.numbers))
        self.holds.setdefault(entity, {})[number] = record
        return number

    def answer(self, path: str, asked: dict[str, Any]) -> tuple[int, Any]:
        """Status and body of one call."""
        self.calls[path] = self.calls.get(path, 0) + 1
        if self.strike(path):
            return 0, None
        if path == "/write":
            return self._write(asked["entity"], asked["action"], asked["rows"])
        there = self.holds.setdefault(asked["entity"], {})
        if path == "/read":
            return 200, {number: there.get(number) for number in asked["ids"]}
        return 200, [
            {"key": key, "id": number, "by": by, "record": record}
            for key, wanted in asked["wanted"].items()
            for number, record in there.items()
            for by in ("name", "email")
            if wanted.get(by) and record.get(by) == wanted[by]
        ]

    def _write(self, entity: str, action: str, rows: list[dict[str, Any]]) -> tuple[int, Any]:
        self.sizes.append(len(rows))
        if self.most is not None and len(rows) > self.most:
            return 0, None
        if any(row["record"]["name"] in self.breaks for row in rows):
            return 422, {"problem": "one of them is wrong"}
        answers = {}
        for row in rows:
            name = row["record"]["name"]
            if name in self.refuses:
                answers[row["key"]] = {"problem": "unknown name"}
                continue
            number = row["id"] or str(next(self.numbers))
            self._take(entity, action, number, row["record"])
            self.effects.append((action, entity, name))
            if name not in self.silent:
                answers[row["key"]] = {"id": number}
        lost = self.strike("done") or self.calls["/write"] in self.lose
        return (0, None) if lost else (200, answers)

    def _take(self, entity: str, action: str, number: str, record: dict[str, Any]) -> None:
        there = self.holds.setdefault(entity, {}).setdefault(number, {})
        if action == "withdraw":
            there["suspended"] = True
            return
        there.update(record)
        if self.caps is not None and "score" in there:
            there["score"] = min(there["score"], self.caps)


def _handler(campus: Campus) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = campus.answer(self.path, json.loads(body))
            if not status:
                self.close_connection = True
                return
            told = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    return Handler


@pytest.fixture
def campus() -> Iterator[Campus]:
    """The other system, served on loopback."""
    campus = Campus()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(campus))
    campus.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield campus
    server.shutdown()
    server.server_close()
    thread.join()


class Settings(BaseModel):
    """Where the other system is, and how many rows it takes in one call."""

    url: str
    batch: int = 3


def _post(client: Client, path: str, **asked: Any) -> Any:
    request = Request(path, method="POST", body=json.dumps(asked).encode())
    return json.loads(client.send(request.with_headers({"Content-Type": "application/json"})).body)


def _find(entity: str) -> Callable[[Client, Sequence[Wanted]], Iterable[Found]]:
    def find(client: Client, wanted: Sequence[Wanted]) -> Iterator[Found]:
        for one in _post(client, "/find", entity=entity, wanted={one.key: dict(one.record) for one in wanted}):
            yield Found(one["key"], one["id"], one["by"], one["record"])

    return find


def _send(entity: str) -> Callable[[Client, Action, Sequence[Order]], Iterable[Done | NotDone]]:
    def send(client: Client, action: Action, orders: Sequence[Order]) -> Iterator[Done | NotDone]:
        rows = [{"key": one.key, "id": one.external_id, "record": dict(one.record)} for one in orders]
        for key, told in _post(client, "/write", entity=entity, action=action, rows=rows).items():
            if "id" in told:
                yield Done(key, told["id"])
            else:
                yield NotDone(key, "unknown name", told["problem"])

    return send


def _read_back(entity: str) -> Callable[[Client, Sequence[str]], Iterable[tuple[str, Record | None]]]:
    return lambda client, ids: list(_post(client, "/read", entity=entity, ids=list(ids)).items())


def _user(row: Mapping[str, Any]) -> Record | Skipped | Unwanted:
    if row["username"] is None:
        return Skipped("has no username")
    if row["username"] == "!":
        raise BadRow("username", "the username cannot be said there")
    if row["status"] != "active":
        return Unwanted("left")
    user = {"name": row["username"].lower(), "email": row["email"], "suspended": False}
    return user | ({"score": int(row["phone"])} if row["phone"] else {})


def _grade(row: Mapping[str, Any]) -> Record:
    return {"name": row["key"], "user": row["person"], "grade": float(row["score"])}


def _group(row: Mapping[str, Any]) -> Record | Skipped:
    return {"name": row["title"], "hidden": row["ended"]}


def _category(row: Mapping[str, Any]) -> Record:
    return {"name": row["title"], "parent": row["parent"], "hidden": row["ended"]}


def _inside(row: Mapping[str, Any]) -> Unwanted | None:
    return None if row["active"] else Unwanted("left")


def _member(row: Mapping[str, Any]) -> Record:
    return {"name": f"{row['person']} in {row['section']}", "role": row["role"], "suspended": False}


def _exports(settings: Settings) -> list[Export]:
    def export(entity: str, of: str, shape: Any, **more: Any) -> Export:
        return Export(
            entity,
            of,
            shape,
            find=_find(entity),
            send=_send(entity),
            read_back=_read_back(entity),
            batch=settings.batch,
            sure=("name",),
            **more,
        )

    return [
        export("categories", "terms", _category, refers={"parent": "categories"}),
        export("users", "people", _user),
        export("grades", "final_grades", _grade, refers={"person": "users"}, times=("graded_at", "changed")),
        export("groups", "sections", _group),
        export(
            "members",
            "memberships",
            _member,
            choose=_inside,
            refers={"person": "users", "section": "groups"},
            together="name",
        ),
    ]


@contextmanager
def _open(settings: Settings) -> Iterator[Client]:
    with Client(settings.url, policy=Policy(max_retries=0)) as client:
        yield client


CONNECTOR = Connector(
    name="campus",
    title="Campus",
    config=Settings,
    open=_open,
    streams=lambda _: (),
    check=lambda _: Health(ok=True, detail="here", latency_seconds=0.0),
    exports=_exports,
)


@dataclass
class Outward(Mortal):
    """Core, and the way out of it."""

    url: str
    campus: Campus
    landing: Landing
    batch: int = 3
    policy: SyncPolicy = field(default_factory=lambda: SyncPolicy(exports=("*",)))
    child: int = 0

    @property
    def source(self) -> Source:
        """The other system as a declared source."""
        return Source("campus", CONNECTOR, Settings(url=self.campus.url, batch=self.batch), self.policy)

    def may(self, **policy: Any) -> None:
        """Say what may be done to the other system, as in YAML."""
        self.policy = SyncPolicy.model_validate({"exports": ["*"]} | policy)

    @contextmanager
    def open(self) -> Iterator[Context]:
        """A context of its own, as every run has."""
        with connect(self.url) as connection:
            yield Context(connection, self.landing)

    def push(self, *entities: str, today: date = date(2026, 1, 1), **how: Any) -> dict[str, Outcome]:
        """Push; the last outcome of each export."""
        with self.open() as context:
            done = push(context, self.source, entities=entities or None, today=today, **how)
            return {outcome.entity.removeprefix("export/"): outcome for outcome in done}

    def approve(self, plan_hash: str) -> deciding.Applied:
        """Release a plan that waits."""
        with self.open() as context:
            return deciding.approve_and_apply(context, self.source, plan_hash, who="ann", why="looked at")

    def students(self, *numbers: int, **columns: object) -> None:
        """Put students `s<number>` into core."""
        names = ("username", "email", "status", "phone")
        with kept(self.url) as connection:
            for number in numbers:
                told: dict[str, object] = {
                    "username": f"S{number}",
                    "email": f"s{number}@x.example",
                    "status": "active",
                    "phone": None,
                }
                told |= columns
                connection.execute(
                    "INSERT INTO core.students (id, given_name, family_name, username, email, status, phone)"
                    " OVERRIDING SYSTEM VALUE VALUES (%s, 'Given', 'Family', %s, %s, %s, %s)",
                    [number, *(told[name] for name in names)],
                )

    def ledger(self, *columns: str) -> list[Row]:
        """Columns of the ledger, by what it is called there and key."""
        return self.rows(f'SELECT {", ".join(columns)} FROM connector.exports ORDER BY entity, key COLLATE "C"')

    def letters(self) -> list[Row]:
        """Unsettled dead letters: key, state and rule."""
        return self.rows(
            "SELECT external_id, state, rule FROM connector.dead_letters WHERE state <> 'resolved' ORDER BY id"
        )

    def kill_at(self, place: str, time: int, *, lost: bool = False) -> Callable[[str], bool]:
        """A strike that kills the child at the n-th call of a place, and loses that very call if asked to."""
        left = [time]

        def strike(at: str) -> bool:
            left[0] -= at == place
            if left[0] or at != place:
                return False
            self.kill()
            return lost

        return strike


@pytest.fixture
def outward(database: str, campus: Campus, tmp_path: Path) -> Outward:
    """Core on this test's own database, and the other system."""
    return Outward(database, campus, Landing(str(tmp_path / "landing")))
