"""What the fault matrix is about: for each connector a simulator, a source that reads it, and how each fault is tried.

Most faults need nothing but to be switched on. Some concern only a certain way of asking: `Trial` says which. Some are
of another way than ours, and are told as such (`BESIDE`).
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from connector_pipelines.connectors import connector
from connector_pipelines.connectors.canvas.simulator import FAULTS as CANVAS_FAULTS
from connector_pipelines.connectors.canvas.simulator import Simulator as Canvas
from connector_pipelines.connectors.finale.simulator import FAULTS as FINALE_FAULTS
from connector_pipelines.connectors.finale.simulator import Simulator as Finale
from connector_pipelines.connectors.google_classroom.simulator import FAULTS as CLASSROOM_FAULTS
from connector_pipelines.connectors.google_classroom.simulator import Simulator as Classroom
from connector_pipelines.connectors.moodle.simulator import FAULTS as MOODLE_FAULTS
from connector_pipelines.connectors.moodle.simulator import Simulator as Moodle
from connector_pipelines.connectors.moodle.simulator import grading
from connector_pipelines.connectors.oneroster.simulator import FAULTS as ONEROSTER_FAULTS
from connector_pipelines.connectors.oneroster.simulator import Simulator as OneRoster
from connector_pipelines.connectors.quickbooks.simulator import Simulator as QuickBooks
from connector_pipelines.connectors.quickbooks.simulator.switches import FAULTS as QUICKBOOKS_FAULTS
from connector_pipelines.declarative.simulator import FAULTS as WAREHOUSE_FAULTS
from connector_pipelines.declarative.simulator import Simulator as Warehouse
from connector_pipelines.model import Mode, Source
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.sync.push import push
from proof import school

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from connector_pipelines.simulating.faults import Kind, Switchboard
    from connector_pipelines.sync.context import Context

Settings = dict[str, Any]
SECRETS = {
    "PROOF_ID": "simulator",
    "PROOF_KEY": "simulator-secret",
    "PROOF_USER": "simulated-user",
    "PROOF_PASSWORD": "simulated-password",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A simulator that runs, and the source that reads it.

    Attributes:
        source: the source, with settings put over the usual ones.
        switchboard: counts what each fault could have struck.
        evolve: lets some records change.
        prepare: what core must hold before anything is read.
        since: between the first reads and what changed afterwards.
    """

    source: Callable[[Settings], Source]
    set_faults: Callable[[list[str]], None]
    switchboard: Switchboard
    evolve: Callable[[], None]
    since: datetime
    prepare: Callable[[Context], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Trial:
    """How a fault is tried.

    Attributes:
        switched: the faults as they are switched on, where not by the mere name.
        over: settings of the source, put over the usual ones.
        entity: that is read, where not the usual one.
    """

    switched: tuple[str, ...] = ()
    over: Mapping[str, Any] = field(default_factory=dict)
    entity: str = ""
    mode: Mode = Mode.FULL


@dataclass(frozen=True, slots=True)
class Subject:
    """One connector.

    Attributes:
        entity: that is read, after those before it.
        beside: faults of ways of asking that the sample does not take, and why.
    """

    name: str
    title: str
    faults: Mapping[str, Kind]
    start: Callable[[], AbstractContextManager[Stage]]
    entity: str
    parents: tuple[str, ...] = ()
    trials: Mapping[str, Trial] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)

    def trial(self, fault: str) -> Trial:
        """How a fault is tried."""
        return self.trials.get(fault) or WIRE.get(fault) or Trial((fault,))


INCREMENT = Mode.INCREMENTAL
WIRE = {
    "delay": Trial(("delay=5",)),
    "slow-body": Trial(("slow-body=1",)),
    "stall": Trial(("stall",), {"timeout_seconds": 1, "max_retries": 0}),
    "ignore-filter": Trial(("ignore-filter",), mode=INCREMENT),
    "strict-greater": Trial(("strict-greater",), mode=INCREMENT),
}
"""What is tried alike everywhere: quickly, and filters where something is filtered."""


@contextmanager
def _oneroster() -> Iterator[Stage]:
    now = datetime.now(UTC)
    with OneRoster(scenario="small", seed=7) as simulator:

        def source(over: Settings) -> Source:
            return _source("oneroster", school.config(simulator, page_size=50, in_flight=1) | over)

        yield Stage(
            source,
            simulator.set_faults,
            simulator.service.switchboard,
            lambda: simulator.evolve(10, at=now - timedelta(days=3)),
            now - timedelta(days=4),
        )


@contextmanager
def _finale() -> Iterator[Stage]:
    now = datetime.now(UTC)
    auth = {"type": "api_key", "key": "env:PROOF_ID", "secret": "env:PROOF_KEY"}
    with Finale(scenario="small", seed=7) as simulator:

        def source(over: Settings) -> Source:
            report = {"report": over["report"] | {"url": simulator.report_url()}} if "report" in over else {}
            usual = {"base_url": simulator.url, "account": simulator.account, "auth": auth}
            return _source("finale", usual | over | report)

        yield Stage(
            source,
            simulator.set_faults,
            simulator.service.switchboard,
            lambda: simulator.evolve(10, at=now - timedelta(days=3)),
            now - timedelta(days=4),
        )


class _InMemory:
    """Keeps a rotated token while everything else is taken back."""

    def __init__(self) -> None:
        self._held: Settings | None = None

    @contextmanager
    def alone(self) -> Iterator[_InMemory]:
        yield self

    def read(self) -> Settings | None:
        return self._held

    def write(self, held: Settings) -> None:
        self._held = held


@contextmanager
def _quickbooks() -> Iterator[Stage]:
    now = datetime.now(UTC).replace(microsecond=0)
    client, keep = "connector_pipelines.connectors.quickbooks", _InMemory()
    with (
        QuickBooks(scenario="small", seed=7, start=now - timedelta(days=2)) as simulator,
        patch(f"{client}.client.kept", lambda _: keep),
        patch(f"{client}.asking.CDC_LIMIT", 5),
        patch.dict("os.environ", {"PROOF_TOKEN": simulator.refresh_token}),
    ):
        auth = {
            "client_id": "env:PROOF_ID",
            "client_secret": "env:PROOF_KEY",
            "refresh_token": "env:PROOF_TOKEN",
            "token_url": simulator.token_url,
        }

        def source(over: Settings) -> Source:
            usual = {"realm_id": simulator.realm_id, "base_url": simulator.url, "auth": auth, "page_size": 50}
            return _source("quickbooks", usual | over)

        yield Stage(
            source,
            simulator.set_faults,
            simulator.service.switchboard,
            lambda: simulator.evolve(10, at=now - timedelta(days=1)),
            now - timedelta(hours=36),
        )


_MOODLE_CORE = """
    INSERT INTO core.terms (id, title, start_date, end_date, status) OVERRIDING SYSTEM VALUE
        VALUES (1, 'Fall', '2026-08-15', '2026-12-20', 'active');
    INSERT INTO core.courses (id, title, course_code, status) OVERRIDING SYSTEM VALUE
        VALUES (1, 'Biology', 'BIO', 'active');
    INSERT INTO core.sections (id, title, section_code, status, course_id, term_id) OVERRIDING SYSTEM VALUE
        VALUES (1, 'Biology A', 'BIO-A', 'active', 1, 1);
    INSERT INTO core.students (id, given_name, family_name, username, email, student_number, status)
        OVERRIDING SYSTEM VALUE VALUES (1, 'Ada', 'Toy', 'ada', 'ada@school.example', 'S1', 'active');
    INSERT INTO core.enrollments (id, status, student_id, section_id) OVERRIDING SYSTEM VALUE
        VALUES (1, 'enrolled', 1, 1);
"""


@contextmanager
def _moodle() -> Iterator[Stage]:
    today = datetime(2026, 10, 1, tzinfo=UTC)
    with Moodle(scenario="empty", clock=lambda: int(today.timestamp())) as simulator:
        site, switchboard = simulator.site, simulator.service.switchboard

        def source(over: Settings) -> Source:
            usual = {"base_url": simulator.url, "token": "env:PROOF_TOKEN"}
            return _source("moodle", usual | over, SyncPolicy.model_validate({"exports": ("*",)}))

        def homework(*titles: str) -> None:
            course = max(one["id"] for one in site["courses"].values())
            for title in titles:
                grading.assignment(site, course, title, due=1_793_000_000)

        def prepare(context: Context) -> None:
            context.connection.execute(_MOODLE_CORE)
            list(push(context, source({}), today=today.date()))
            homework(*(f"Reading & Writing {number}" for number in range(1, 10)))

        def evolve() -> None:
            homework("Reading & Writing 10")

        with patch.dict("os.environ", {"PROOF_TOKEN": simulator.token}):
            yield Stage(source, simulator.set_faults, switchboard, evolve, today, prepare)


@contextmanager
def _canvas() -> Iterator[Stage]:
    keep = _InMemory()
    with (
        Canvas(scenario="tiny", seed=7) as simulator,
        patch("connector_pipelines.connectors.canvas.client.kept", lambda *_: keep),
        patch.dict("os.environ", {"CANVAS_TOKEN": simulator.token} | CANVAS_KEY),
    ):

        def source(over: Settings) -> Source:
            usual = {"base_url": simulator.url, "auth": {"type": "bearer", "token": "env:CANVAS_TOKEN"}}
            return _source("canvas", usual | {"page_size": 10} | over)

        def switch(faults: Iterable[str]) -> None:
            simulator.service.buckets.clear()  # else all trials before fill it, as fast as they are
            simulator.set_faults(faults)

        switchboard, since = simulator.service.switchboard, simulator.world.now
        yield Stage(source, switch, switchboard, lambda: simulator.evolve(20), since)


CANVAS_KEY = {
    "CANVAS_ID": Canvas.client_id,
    "CANVAS_SECRET": Canvas.client_secret,
    "CANVAS_REFRESH": Canvas.refresh_token,
}
CANVAS_OAUTH = {
    "type": "oauth2",
    "client_id": "env:CANVAS_ID",
    "client_secret": "env:CANVAS_SECRET",
    "refresh_token": "env:CANVAS_REFRESH",
}


@contextmanager
def _classroom() -> Iterator[Stage]:
    now = datetime.now(UTC)
    with (
        Classroom(scenario="tiny", seed=7) as simulator,
        patch.dict("os.environ", {"PROOF_PEM": simulator.private_key}),
    ):
        auth = {
            "type": "service_account",
            "client_email": simulator.client_email,
            "private_key": "env:PROOF_PEM",
            "subject": simulator.subject,
            "token_url": simulator.token_url,
        }

        def source(over: Settings) -> Source:
            usual = {"base_url": simulator.url, "auth": auth, "page_size": 8, "in_flight": 1}
            return _source("google_classroom", usual | over)

        yield Stage(source, simulator.set_faults, simulator.service.switchboard, lambda: simulator.evolve(10), now)


VENDORS: Settings = {
    "id": "supplierId",
    "modified": "updatedAt",
    "deleted": "deleted",
    "incremental": {"since": "updated_since", "until": "updated_before"},
    "mapping": {
        "name": "supplierName",
        "contact_email": "email",
        "lead_time_days": "leadTimeDays",
        "status": {"path": "active", "values": {"true": "active", "false": "inactive"}},
    },
}


@contextmanager
def _declared(kind: str, usual: Settings) -> Iterator[Stage]:
    with Warehouse() as simulator:
        basic = {"type": "basic", "user": "env:WAREHOUSE_USER", "password": "env:WAREHOUSE_KEY"}

        def source(over: Settings) -> Source:
            whole = {"base_url": simulator.url, "auth": basic, "in_flight": 1} | usual | over
            if over.get("auth"):
                whole["auth"] = over["auth"] | {"token_url": simulator.token_url}
            return _source(kind, whole)

        with patch.dict("os.environ", {"WAREHOUSE_USER": simulator.user, "WAREHOUSE_KEY": simulator.secret}):
            since = datetime(2026, 3, 2, 12, tzinfo=UTC)
            switchboard = simulator.service.switchboard
            yield Stage(source, simulator.set_faults, switchboard, lambda: simulator.evolve(10), since)


def _source(kind: str, settings: Settings, policy: SyncPolicy | None = None) -> Source:
    known = connector(kind)
    return Source("tried", known, known.config.model_validate(settings), policy or SyncPolicy())


TOTAL: Settings = {"total": "meta.total", "size": 10, "size_param": "limit"}
CURSOR: Settings = {"type": "cursor", "next": "meta.next_cursor"} | TOTAL
OFFSET: Settings = {"type": "offset"} | TOTAL
JSON: Settings = {"entities": {"vendors": VENDORS | {"path": "api/suppliers", "records": "data"}}, "paging": CURSOR}
CSV: Settings = {
    "entities": {"vendors": VENDORS | {"path": "api/suppliers.csv"}},
    "paging": {"type": "page", "size": 10, "size_param": "per_page", "total": {"header": "X-Total-Count"}},
}
OAUTH = {"type": "oauth2", "client_id": "env:WAREHOUSE_USER", "client_secret": "env:WAREHOUSE_KEY"}
DECLARED = {
    "token-expiry": Trial(("token-expiry=3",), {"auth": OAUTH}),
    "403-throttle": Trial(
        ("403-throttle@1",), {"answers": [{"status": [403], "contains": "rate limit exceeded", "then": "wait"}]}
    ),
    "429-body": Trial(("429-body=1@1",), {"answers": [{"status": [429], "then": "wait", "after": "error.wait"}]}),
    "span-limit": Trial(
        ("span-limit=1000",),
        {"answers": [{"status": [400], "contains": "span is too large", "then": "split"}]},
        mode=INCREMENT,
    ),
    "forgotten": Trial(("forgotten",), {"answers": [{"status": [410], "then": "restart"}]}, mode=INCREMENT),
}
_REPORT = VENDORS | {
    "path": "api/reports/$job/result",
    "records": "data",
    "job": {  # ten minutes between two looks are none here
        "path": "api/reports",
        "body": {"collection": "suppliers"},
        "id": "job.id",
        "poll": "api/reports/$job",
        "state": "job.state",
        "every_seconds": 600,
        "delete": "api/reports/$job",
    },
}
REPORTS = {fault: Trial((fault,), {"entities": {"vendors": _REPORT}}) for fault in WAREHOUSE_FAULTS if "job-" in fault}
_TOKEN = VENDORS | {
    "path": "api/suppliers",
    "records": "data",
    "params": {"sync": "true"},
    "incremental": {"token": "sync.token", "since": "sync_token"},
}
_SHARED = "as for the JSON API, by the same code"
_COLUMNS = VENDORS | {"path": "columns/suppliers", "layout": "columns"}

SUBJECTS = (
    Subject(
        "oneroster",
        "OneRoster",
        ONEROSTER_FAULTS,
        _oneroster,
        "students",
        ("organizations",),
        {
            "clamp": Trial(("clamp=7",)),
            "hide-deleted": Trial(("hide-deleted",), mode=INCREMENT),
            "error-spelling": Trial(("error-spelling", "forbidden")),
            "token-expiry": Trial(("token-expiry=3",)),
            "missing-field": Trial(("missing-field=givenName",)),
        },
        {"bool-strings": "of version 1.1", "no-dot-filter": "we filter on no nested field"},
    ),
    Subject(
        "finale",
        "Finale Inventory",
        FINALE_FAULTS,
        _finale,
        "inventory_items",
        ("vendors",),
        {
            "cap": Trial(("cap=9:product",), {"collection_cap": 9, "stock": "none"}),
            "ignore-filter": Trial(("ignore-filter",), entity="vendors", mode=INCREMENT),
            "limits": Trial(("limits=1,1,1",)),
            "report-labels": Trial(("report-labels",), {"report": {"quantity_on_hand": "QoH"}}),
            "report-ragged": Trial(("report-ragged",), {"report": {"quantity_on_hand": "QoH"}}),
            "session-expiry": Trial(
                ("session-expiry=1",),
                {"auth": {"type": "session", "username": "env:PROOF_USER", "password": "env:PROOF_PASSWORD"}},
            ),
        },
    ),
    Subject(
        "quickbooks",
        "QuickBooks Online",
        QUICKBOOKS_FAULTS,
        _quickbooks,
        "inventory_items",
        ("vendors",),
        {
            "cdc-limit": Trial(("cdc-limit=5",), mode=INCREMENT),
            "rotate": Trial(("rotate", "token-expiry=2")),
            "token-expiry": Trial(("token-expiry=2",)),
            "throttle": Trial(("throttle=2",)),
        },
        {"batch-fault": "only the connection test asks in batches"},
    ),
    Subject(
        "moodle",
        "Moodle",
        MOODLE_FAULTS,
        _moodle,
        "assessments",
        trials={"debug": Trial(("debug", "access"))},
        beside={"max-input-vars": "only writes send so many fields"},
    ),
    Subject(
        "canvas",
        "Canvas",
        CANVAS_FAULTS,
        _canvas,
        "enrollments",
        ("organizations", "terms", "courses", "sections", "students"),
        {
            "bucket": Trial(("bucket=60",), {"in_flight": 1}),
            "missing-field": Trial(("missing-field:enrollments",)),
            "no-sis": Trial(("no-sis",), entity="students"),
            "old-names": Trial(("old-names",), entity="students"),
            "shift": Trial(("shift=rename@2:enrollments",)),
            "token-expiry": Trial(("token-expiry=2",), {"auth": CANVAS_OAUTH, "in_flight": 1}),
            "wrong-type": Trial(("wrong-type:enrollments",)),
        },
    ),
    Subject(
        "google_classroom",
        "Google Classroom",
        CLASSROOM_FAULTS,
        _classroom,
        "students",
        ("courses",),
        {
            "clamp": Trial(("clamp=3",)),
            "shift": Trial(("shift:students",)),
            "quota": Trial(("quota=2",)),
            "token-expiry": Trial(("token-expiry=2",)),
            "year-0001": Trial(("year-0001",), entity="courses"),
            "missing-field": Trial(("missing-field:students",)),
            "wrong-type": Trial(("wrong-type:students",)),
            "big-string": Trial(("big-string@1:students",)),
        },
    ),
    Subject(
        "json_api",
        "JSON API",
        WAREHOUSE_FAULTS,
        lambda: _declared("json_api", JSON),
        "vendors",
        (),
        DECLARED
        | REPORTS
        | {
            "clamp": Trial(("clamp=7",)),
            "page-limit": Trial(("page-limit=4",), {"answers": [{"status": [413], "then": "smaller"}]}),
            "no-sync-token": Trial(("no-sync-token",), {"entities": {"vendors": _TOKEN}}),
            "repeat-page": Trial(("repeat-page",), {"paging": OFFSET}),
            "shift": Trial(("shift",), {"paging": OFFSET}),
            "link-other-host": Trial(("link-other-host",), {"paging": {"type": "link", "next": "links.next"} | TOTAL}),
            "empty-omits-key": Trial(("empty-list", "empty-omits-key")),
            "empty-null": Trial(("empty-list", "empty-null")),
            "error-200": Trial(
                ("error-200",), {"answers": [{"status": [200], "where": "success == `false`", "then": "refuse"}]}
            ),
            "uneven-columns": Trial(
                ("uneven-columns",), {"entities": {"vendors": _COLUMNS}, "paging": {"type": "offset", "size": 10}}
            ),
        },
        {"ragged-row": "of tables", "no-header": "of tables"},
    ),
    Subject(
        "csv_api",
        "CSV API",
        WAREHOUSE_FAULTS,
        lambda: _declared("csv_api", CSV),
        "vendors",
        (),
        DECLARED | {"clamp": Trial(("clamp=7",))},
        dict.fromkeys(("no-next", "cursor-loop", "link-other-host", "page-limit"), "pages are numbered here")
        | dict.fromkeys(("empty-omits-key", "empty-null", "uneven-columns", "not-an-object"), "of JSON")
        | dict.fromkeys((name for name in WAREHOUSE_FAULTS if re.match(r"[45]\d\d-?", name)), _SHARED)
        | dict.fromkeys(("span-limit", "token-expiry", "forgotten", "no-sync-token", *REPORTS), _SHARED),
    ),
)
