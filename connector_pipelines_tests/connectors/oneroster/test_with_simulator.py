"""The connector against the simulator, which misbehaves as real servers do."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import stamina

from connector_pipelines.connectors.oneroster import CONNECTOR
from connector_pipelines.connectors.oneroster.config import OneRosterConfig
from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.connectors.oneroster.simulator.csv_zip import write_zip
from connector_pipelines.errors import AuthFailed, BrokenPage, NetworkError, SyncError
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.model import Window
from connector_pipelines.validation.accept import Accepted, accept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A small school district that behaves, for now."""
    stamina.set_testing(True)
    with Simulator(scenario="small", seed=7) as running:
        monkeypatch.setenv("SIS_ID", running.client_id)
        monkeypatch.setenv("SIS_SECRET", running.client_secret)
        yield running
    stamina.set_testing(False)


def config_of(simulator: Simulator, **more: Any) -> OneRosterConfig:
    """A source that reads the simulator in pages of 50."""
    auth = {
        "type": "oauth2",
        "token_url": simulator.token_url,
        "client_id": "env:SIS_ID",
        "client_secret": "env:SIS_SECRET",
    }
    return OneRosterConfig.model_validate({"base_url": simulator.url, "auth": auth, "page_size": 50} | more)


def read(config: OneRosterConfig, entity: str, window: Window | None = None) -> Accepted:
    """What of an entity is accepted."""
    stream = next(stream for stream in CONNECTOR.streams(config) if stream.entity == entity)
    with CONNECTOR.open(config) as client:
        return accept(stream, [Sieve(0, None).sift(page) for page in stream.read(client, window or Window()).pages])


def truth(simulator: Simulator, collection: str, role: str | None = None) -> list[str]:
    """The ids there are, sorted."""
    return sorted(r["sourcedId"] for r in simulator.expected(collection) if role is None or r["role"] == role)


COLLECTIONS = [
    ("organizations", "orgs", None),
    ("terms", "academicSessions", None),
    ("courses", "courses", None),
    ("sections", "classes", None),
    ("enrollments", "enrollments", "student"),
    ("teaching_assignments", "enrollments", "teacher"),
]


@pytest.mark.parametrize(("entity", "collection", "role"), COLLECTIONS, ids=[row[0] for row in COLLECTIONS])
def test_every_record_arrives(simulator: Simulator, entity: str, collection: str, role: str | None) -> None:
    """A full read accepts exactly the records there are."""
    accepted = read(config_of(simulator), entity)
    assert sorted(accepted.frame["external_id"]) == truth(simulator, collection, role)
    assert accepted.rejections == []


HARMLESS = [
    ["clamp=7", "no-total", "no-link"],
    ["clamp=7"],
    ["no-link"],
    ["no-link", "total-estimate=-30"],
    ["no-link", "total-estimate=40"],
    ["link-other-host"],
    ["lower-case-headers"],
    ["trailing-slash-redirect"],
    ["unknown-fields"],
    ["bool-real"],
    ["gzip"],
    ["500@3"],
    ["503=2"],
    ["429-every=5"],
    ["reset@3"],
    ["truncated@1:orgs"],
    ["token-expiry=12"],
]


@pytest.mark.parametrize("faults", HARMLESS, ids=[" ".join(faults) for faults in HARMLESS])
@pytest.mark.parametrize("in_flight", [1, 8])
def test_harmless_faults_lose_nothing(simulator: Simulator, faults: list[str], in_flight: int) -> None:
    """Clamped pages, wrong totals, odd headers, passing failures and dying tokens change nothing in what is read."""
    simulator.set_faults(faults)
    accepted = read(config_of(simulator, in_flight=in_flight), "enrollments")
    assert sorted(accepted.frame["external_id"]) == truth(simulator, "enrollments", "student")


@pytest.mark.parametrize("auth", ["HMAC-SHA1", "HMAC-SHA256"])
def test_version_1p1_with_signatures(simulator: Simulator, auth: str) -> None:
    """The same students arrive by 1.1 with OAuth 1.0a as by 1.2 with OAuth 2."""
    signed = {"type": "oauth1", "key": "env:SIS_ID", "secret": "env:SIS_SECRET", "signature_method": auth}
    old = read(config_of(simulator, version="1.1", auth=signed), "students").frame
    new = read(config_of(simulator), "students").frame
    assert old.drop(columns=["page", "row", "fingerprint", "preferred_name"]).equals(
        new.drop(columns=["page", "row", "fingerprint", "preferred_name"])
    )


def test_timeback(simulator: Simulator) -> None:
    """TimeBack's dialect gives the same sections."""
    with Simulator(scenario="small", seed=7, flavour="timeback") as other:
        accepted = read(config_of(other, flavour="timeback"), "sections")
    assert sorted(accepted.frame["external_id"]) == truth(simulator, "classes")


def test_increment_reads_what_changed(simulator: Simulator) -> None:
    """After an evolution, a window from its time gives the changed enrollments alone, deleted ones included."""
    before = {r["sourcedId"]: r for r in simulator.expected("enrollments")}
    simulator.evolve(5)
    after = {r["sourcedId"]: r for r in simulator.expected("enrollments")}
    changed = {i for i, r in after.items() if r["role"] == "student" and before.get(i) != r}
    config = config_of(simulator)
    everything = read(config, "enrollments").frame
    newest = everything["modified_at"].max().to_pydatetime()
    frame = read(config, "enrollments", Window(since=newest - timedelta(hours=1))).frame
    assert set(frame["external_id"]) == changed
    assert changed
    assert frame["deleted"].any() == any(after[i]["status"] == "tobedeleted" for i in changed)


def test_row_removed_while_reading_hides_no_other(simulator: Simulator) -> None:
    """A row that vanishes between two pages moves another over the edge; a shrinking total has it read again."""
    simulator.set_faults(["shift=remove@2:enrollments"])
    accepted = read(config_of(simulator), "enrollments")
    there = set(truth(simulator, "enrollments", "student"))
    assert there <= set(accepted.frame["external_id"])


SPOILT = ["big-string", "nul-byte", "year-0001", "missing-field=givenName", "missing-field=sourcedId", "wrong-type"]


@pytest.mark.parametrize("fault", SPOILT)
def test_bad_row_is_a_dead_letter(simulator: Simulator, fault: str) -> None:
    """One spoilt row in each page is rejected with a reason; all others are accepted."""
    good = len(read(config_of(simulator), "students").frame)
    simulator.set_faults([fault])
    accepted = read(config_of(simulator), "students")
    assert 0 < len(accepted.rejections) <= 4
    assert len(accepted.frame) + len(accepted.rejections) == good
    assert all(rejection.reason and rejection.payload for rejection in accepted.rejections)


FATAL: list[tuple[str, type[SyncError]]] = [
    ("html-200:students", BrokenPage),
    ("truncated:students", BrokenPage),
    ("missing-envelope", BrokenPage),
    ("null-envelope", BrokenPage),
    ("repeat-page", BrokenPage),
    ("auth-down", AuthFailed),
    ("forbidden", AuthFailed),
    ("500", NetworkError),
]


@pytest.mark.parametrize(("fault", "error"), FATAL, ids=[fault for fault, _ in FATAL])
def test_fatal_faults_are_errors(simulator: Simulator, fault: str, error: type[SyncError]) -> None:
    """What is no page ends the read with the error that says what happens next; the secret is not in it."""
    simulator.set_faults([fault])
    with pytest.raises(error) as caught:
        read(config_of(simulator), "students")
    assert simulator.client_secret not in str(caught.value)


@pytest.mark.parametrize("spelling", ["string", "lower", "none", "errors", "statusinfoset"])
def test_error_spellings_reach_the_message(simulator: Simulator, spelling: str) -> None:
    """Whichever way the server spells an error, its words are in ours."""
    simulator.set_faults(["forbidden", f"error-spelling={spelling}"])
    with pytest.raises(AuthFailed, match=r"answered 403 \(.+\)"):
        read(config_of(simulator), "students")


def test_wrong_secret(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong credentials fail at the token endpoint, naming the variables to look at."""
    monkeypatch.setenv("SIS_SECRET", "wr0ng-secret")
    with pytest.raises(AuthFailed, match="env:SIS_ID and env:SIS_SECRET") as caught:
        read(config_of(simulator), "students")
    assert "wr0ng-secret" not in str(caught.value)


@pytest.mark.parametrize("send_as", ["basic", "body"])
def test_connection_test(simulator: Simulator, send_as: str) -> None:
    """The connection test succeeds with either way of sending the credentials."""
    auth = config_of(simulator).model_dump(mode="json")["auth"] | {"send_as": send_as}
    config = config_of(simulator, auth=auth)
    with CONNECTOR.open(config) as client:
        assert CONNECTOR.check(client).ok


ZIPS: list[dict[str, Any]] = [{}, {"version": "1.1"}, {"dirty": True}]


@pytest.mark.parametrize("written", ZIPS, ids=["1.2", "1.1", "dirty"])
@pytest.mark.parametrize("entity", ["organizations", "sections", "students", "teaching_assignments"])
def test_zip_gives_what_the_service_gives(
    simulator: Simulator, tmp_path: Path, written: dict[str, Any], entity: str
) -> None:
    """A bulk zip of the same school, in either version and also a dirty one, feeds the same active rows as REST."""
    write_zip(simulator.world, tmp_path / "bulk.zip", **written)
    zipped = read(OneRosterConfig(version="csv", path=str(tmp_path / "bulk.zip")), entity).frame
    served = read(config_of(simulator), entity).frame
    active = served[~served["deleted"]].set_index("external_id").sort_index()
    unknown = ["page", "row", "fingerprint", "modified_at"] + (
        ["preferred_name"] if written.get("version") == "1.1" else []
    )
    found = zipped.set_index("external_id").sort_index()
    shown = [name for name in active.columns if name not in unknown]
    assert found[shown].equals(active[shown])
