"""From a failed run to a mail: the watch sensor, alerts, and the daily digest."""

from __future__ import annotations

import email
import re
import socketserver
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external.notify import Place, places
from connector_pipelines.orchestration import validate
from connector_pipelines.orchestration.operations import verdicts
from connector_pipelines.orchestration.sources import Declaration, read_all
from connector_pipelines.orchestration.watching import look, source_of
from connector_pipelines.settings import settings
from connector_pipelines.sync.digest import Changed, Digest, Runs, Waiting, message

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")  # one of apprise's hundred plug-ins

TODAY = datetime.now(UTC).date().isoformat()


class _Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs to hand over a message."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.got.append(b"".join(lines))  # type: ignore[attr-defined]  # set below
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")
            if verb == b"QUIT":
                return


@contextmanager
def mail_server() -> Iterator[tuple[str, list[bytes]]]:
    """The apprise URL of a mail server on this machine, and what it got."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail) as server:
        server.got = []  # type: ignore[attr-defined]  # what its handlers write to
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        port = server.server_address[1]
        yield f"mailto://127.0.0.1:{port}?from=sync@school.example&to=ops@school.example&mode=insecure", server.got  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What a mail server got to which alerts are sent."""
    with mail_server() as (url, got):
        monkeypatch.setenv("CONNECTOR_PIPELINES_ALERT_URLS", url)
        settings.cache_clear()
        yield got


def subjects(got: list[bytes]) -> list[str]:
    """The subjects of mails."""
    return [str(make_header(decode_header(email.message_from_bytes(one)["Subject"]))) for one in got]


def declarations(project: Any) -> list[Declaration]:
    """What is declared."""
    return [one for one in read_all(project.folder) if isinstance(one, Declaration)]


def watched(project: Any) -> None:
    """Two looks, the second of which must not repeat anything."""
    now = datetime.now(UTC)
    for _ in range(2):
        look(project.instance, project.engine(), declarations(project), now, after=now - timedelta(days=1))


def test_three_failures_are_two_mails_and_recovery_is_one(project: Any, students: Any, mails: list[bytes]) -> None:
    """A first failure is one mail with its reason, the third one more, the fourth none, and the recovery one (G125)."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=["broken"])
    counts = []
    for number in range(5):
        if number == 4:
            project.send("alpha", students=[students])
        project.run("sync_alpha", partition_key=TODAY)
        watched(project)
        counts.append(len(mails))
    assert counts == [1, 1, 2, 2, 3]
    assert subjects(mails) == ["alpha: runs", "alpha: runs", "alpha: runs is well again"]
    assert b"page 1 of students is not JSON" in mails[0]
    assert project.rows("SELECT state, count(*) FROM connector.job_runs GROUP BY 1 ORDER BY 1") == [
        ("failed", 4),
        ("succeeded", 1),
    ]


def test_a_token_that_ends_is_a_mail_and_a_yellow_check(project: Any, mails: list[bytes]) -> None:
    """Moodle does not say until when a token is valid; a declaration that does is told of two weeks before (M58)."""
    last = datetime.now(UTC).date() + timedelta(days=14)
    attributes = f"attributes: {{base_url: 'https://moodle.school.example', valid_until: {last}}}"
    kind = "type: connector_pipelines.orchestration.components.MoodleSource"
    project.declare("campus", text=f"{kind}\n{attributes}\n")
    watched(project)
    assert subjects(mails) == ["campus: token"]
    assert b"end in 14 days" in mails[0]
    [declared] = declarations(project)
    with project.engine().open(launched_by="a test", report=lambda _: None) as surroundings:
        found = verdicts(surroundings.connection, declared, datetime.now(UTC))
    assert [one.name for one in found if not one.passed] == ["credentials"]


def test_the_digest_is_mailed_once_a_day(project: Any, students: Any, mails: list[bytes]) -> None:
    """The digest says what changed and what waits, without a value of a record; asked for twice it is sent once."""
    project.declare("alpha", "entities: [students]")
    project.send("alpha", students=[students])
    full = {"ops": {"alpha__external__students": {"config": {"mode": "full"}}}}
    project.run("sync_alpha", partition_key=TODAY, run_config=full)
    project.send("alpha", students=[])
    project.run("sync_alpha", partition_key=TODAY, run_config=full)
    assert project.run("daily_digest").success
    assert project.run("daily_digest").success
    [mail] = mails
    text = email.message_from_bytes(mail).as_string()
    assert "alpha/students: 30 created, 0 updated" in text
    assert "alpha/students: 1 held plans (approve_plan or reject_plan)" in text
    assert "Secretname" not in text


def test_the_digest_bears_the_date_of_its_time_zone(
    project: Any, mails: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest is due by the clock of its time zone, and is sent once for each date there, not for each of UTC."""
    dates = []
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):  # 26 hours apart: never the same date
        monkeypatch.setenv("CONNECTOR_PIPELINES_DIGEST_TIMEZONE", zone)
        settings.cache_clear()
        assert project.definitions().resolve_schedule_def("daily_digest_schedule").execution_timezone == zone
        dates.append(datetime.now(ZoneInfo(zone)).date().isoformat())
        assert project.run("daily_digest").success
    assert [subject[:10] for subject in subjects(mails)] == dates


def test_an_unknown_address_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that apprise does not know ends with the variable's name, not with what may be a password in it."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_ALERT_URLS", "nonsense://user:s3cret@there json://127.0.0.1:1")
    settings.cache_clear()
    first, second = places()
    with pytest.raises(ConfigurationError, match="CONNECTOR_PIPELINES_ALERT_URLS") as refused:
        first.send(2, "title", "body")
    assert "s3cret" not in f"{refused.value} {first} {first.name}"
    assert not second.send(2, "title", "body")  # nobody listens there
    assert isinstance(second, Place)


@pytest.mark.parametrize("cron", ["99 99 * * *", "0 7 * *", "each morning"])
def test_a_digest_at_no_time_is_refused_by_its_variable(
    declared: Any, monkeypatch: pytest.MonkeyPatch, cron: str
) -> None:
    """A cron of the digest that Dagster cannot follow ends `check` and the definitions with the variable's name."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_DIGEST_CRON", cron)
    settings.cache_clear()
    declared.declare("alpha")
    for load in (declared.definitions, lambda: validate.invalid_sources(declared.folder)):
        with pytest.raises(
            ConfigurationError, match=rf"CONNECTOR_PIPELINES_DIGEST_CRON: '{re.escape(cron)}' is no cron"
        ):
            load()


@pytest.mark.parametrize(
    ("run", "source"),
    [
        (dg.DagsterRun(job_name="sync_alpha"), "alpha"),
        (dg.DagsterRun(job_name="full_sync_alpha"), "alpha"),
        (dg.DagsterRun(job_name="test_connection_alpha"), None),
        (dg.DagsterRun(job_name="sync_now", run_config={"ops": {"sync_it": {"config": {"source": "beta"}}}}), "beta"),
        (
            dg.DagsterRun(
                job_name="__ASSET_JOB", asset_selection=frozenset([dg.AssetKey(["alpha", "external", "students"])])
            ),
            "alpha",
        ),
        (
            dg.DagsterRun(job_name="__ASSET_JOB", asset_selection=frozenset([dg.AssetKey(["core", "students"])])),
            None,
        ),
    ],
)
def test_runs_count_for_the_source_they_read(run: dg.DagsterRun, source: str | None) -> None:
    """A run belongs to the source it reads, however it was launched; tests of connections and core alone to none."""
    assert source_of(run, ["alpha", "beta"]) == source


def test_a_digest_reads_like_a_list_of_things_to_do() -> None:
    """What waits for a person stands first, with the job that decides it."""
    day = Digest(
        datetime(2026, 11, 21, 7, tzinfo=UTC),
        (Changed("alpha", "students", 3, 1200, 0, 2),),
        (Runs("alpha", 24, 1, 0, "no answer"),),
        (Waiting("dead letters", "alpha", "students", 2),),
    )
    told = message(day)
    assert (told.title, told.key) == ("2026-11-21: 1 failed runs, 2 things wait", "digest 2026-11-21")
    assert told.body.splitlines() == [
        "What waits for a person",
        "- alpha/students: 2 dead letters (list_dead_letters, then retry_dead_letters or clear_dead_letters)",
        "",
        "Runs",
        "- alpha: 24 succeeded, 1 failed, 0 cancelled; the last failure: no answer",
        "",
        "What changed",
        "- alpha/students: 3 created, 1,200 updated, 0 dropped, 2 refused",
    ]
