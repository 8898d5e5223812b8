from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.core.entities import entity
from connector_pipelines.database.migrate import migrate
from connector_pipelines.errors import ApprovalRefused, ConfigurationError
from connector_pipelines.model import Mode, PlanState
from connector_pipelines.sync.deciding import approve_and_apply, reject
from connector_pipelines.sync.replaying import rebuild, replay, stored_reads

if TYPE_CHECKING:
    from connector_pipelines.model import Plan, Source
    from connector_pipelines_tests.sync.conftest import Records, Toy

POINTS_TO = {"organization_id": "organizations", "student_id": "students", "section_id": "sections"}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket of this process connects; the database's driver has its own."""

    def refuse(*_: object) -> None:
        message = "a request went out"
        raise AssertionError(message)

    monkeypatch.setattr(socket.socket, "connect", refuse)


def mute(source: Source) -> Source:
    """The source with a client that cannot be opened."""

    def refuse(_: object) -> None:
        message = "a request went out"
        raise AssertionError(message)

    return replace(source, connector=replace(source.connector, open=refuse))  # type: ignore[arg-type]


def replayed(toy: Toy, read: int) -> Plan:
    """Replay a read without the source."""
    with toy.open() as context:
        return replay(context, mute(toy.source), read)


def contents(toy: Toy) -> dict[str, list[Any]]:
    """What core holds, but for times, with external ids in place of its own."""
    own = {(name, id_): key for name in toy.entities for key, id_ in toy.core(name, "external_id", "id")}
    found: dict[str, list[Any]] = {}
    for name in toy.entities:
        to = POINTS_TO | {"parent_id": name}
        columns = [c.name for c in entity(name).columns] + [r.column for r in entity(name).references]
        columns += ["external_id", "sync_status", "sync_version"]
        found[name] = [
            {
                name: own.get((to[name], value)) if name in to else value
                for name, value in zip(columns, row, strict=True)
            }
            for row in toy.core(name, *columns)
        ]
    return found


@pytest.fixture
def year(toy: Toy, make: Records) -> Toy:
    """A toy with a history: full and incremental reads, bad and waiting rows, plans approved and rejected."""
    toy.may(guard={"limits": {"floor": 1}})
    toy.sends["organizations"] = [[make.organization(n, parent=f"o{n // 2}" if n else None) for n in range(6)]]
    toy.sends["students"] = [[make.student(n, organization=f"o{n % 7}") for n in range(20)], [make.student("x" * 300)]]
    toy.sends["sections"] = [[make.section(1), make.section(2)]]
    toy.sends["enrollments"] = [[make.enrollment(n, f"s{n}", f"c{n % 3}") for n in range(20)]]
    toy.sync()
    toy.sends["students"] = [[make.student(3, organization="o1", phone="3"), make.student(30)]]
    toy.sync("students", mode=Mode.INCREMENTAL)
    toy.sends["students"] = [[]]
    held = toy.sync("students")["students"].plan
    with toy.open() as context:
        reject(context, toy.source, held.hash, who="ann", why="looked at")
    toy.sends["students"] = [[make.student(n, organization="o2") for n in range(12)]]
    held = toy.sync("students")["students"].plan
    with toy.open() as context:
        approve_and_apply(context, toy.source, held.hash, who="ann", why="looked at")
    toy.sends["organizations"] = [[make.organization(n, parent=f"o{n // 2}" if n else None) for n in range(7)]]
    toy.sends["sections"] = [[make.section(n) for n in range(3)]]
    toy.sync()
    return toy


@pytest.fixture
def elsewhere(empty_database: str, year: Toy) -> Toy:
    """The same toy, with the same landed pages, on an empty database."""
    migrate(empty_database)
    return replace(year, url=empty_database, sends={})


@pytest.mark.usefixtures("offline")
def test_every_stored_read_rebuilds_the_same_plan_and_the_same_core(year: Toy, elsewhere: Toy) -> None:
    """All reads in their order into an empty database, without a request: every hash and all of core are equal."""
    with year.open() as context:
        stored = stored_reads(context.connection, "toy")
    with elsewhere.open() as context:
        done = list(rebuild(context, mute(elsewhere.source), stored))
    assert len(done) == 11
    assert [one.same for one in done] == [True] * len(done)
    assert sum(one.stored.applied is not None for one in done) == 10
    assert contents(elsewhere) == contents(year)
    letters = ("external_id", "state", "rule")
    assert sorted(elsewhere.letters(*letters), key=str) == sorted(year.letters(*letters), key=str)


def test_only_an_empty_database_is_rebuilt(year: Toy) -> None:
    """A database that knows the source already is left alone."""
    with year.open() as context, pytest.raises(ConfigurationError, match="synced into this database already"):
        next(rebuild(context, year.source, stored_reads(context.connection, "toy")))


def test_replay_of_the_newest_read_changes_nothing(toy: Toy, make: Records) -> None:
    """What core holds already is unchanged in the replay, which moves nothing and counts every row."""
    toy.sends["students"] = [[make.student(1), make.student(2)], [make.student("x" * 300)]]
    toy.sync("students")
    tables = ("core.students", "connector.toy_mappings", "connector.dead_letters", "connector.sync_cursors")
    before = [toy.rows(f"SELECT t::text FROM {table} t ORDER BY 1") for table in tables]
    plan = replayed(toy, 1)
    assert (plan.state, plan.counts.fetched, plan.counts.unchanged, plan.counts.dead_lettered) == (
        PlanState.PLANNED,
        3,
        2,
        1,
    )
    assert [toy.rows(f"SELECT t::text FROM {table} t ORDER BY 1") for table in tables] == before


def test_the_same_pages_give_the_same_hash(toy: Toy, make: Records) -> None:
    """Replaying a dry run gives its hash again, as often as it is done."""
    toy.sends["organizations"] = [[make.organization(1), make.organization(2)]]
    toy.sends["students"] = [[make.student(1, organization="o1"), make.student(2)]]
    toy.sync("organizations", "students")
    toy.sends["students"] = [[make.student(1, organization="o2"), make.student(3, phone="3")]]
    looked = toy.dry_run("students")["students"].plan
    assert [replayed(toy, looked.read_id).hash for _ in range(2)] == [looked.hash] * 2


def test_an_old_read_is_not_written_over_a_newer_one(toy: Toy, make: Records) -> None:
    """The replay of an old read shows what it would put back, and cannot be approved."""
    for phone in ("1", "2"):
        toy.sends["students"] = [[make.student(1, phone=phone)]]
        toy.sync("students")
    plan = replayed(toy, 1)
    assert plan.counts.updated == 1
    with toy.open() as context, pytest.raises(ApprovalRefused, match="a later read was applied"):
        approve_and_apply(context, toy.source, plan.hash, who="ann", why="looked at")


def test_a_replay_of_the_newest_read_can_be_approved(toy: Toy, make: Records) -> None:
    """After somebody spoiled core, the newest read is planned again and written by its hash, without the source."""
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.sync("students")
    toy.execute(
        "UPDATE core.students SET phone = 'spoiled'",
        "UPDATE connector.toy_mappings SET row_hash = NULL, fingerprint = NULL",
    )
    plan = replayed(toy, 1)
    with toy.open() as context:
        assert approve_and_apply(context, mute(toy.source), plan.hash, who="ann", why="looked at").verified
    assert toy.core("students", "phone") == [("1",)]


def test_a_read_that_is_not_there_is_named(toy: Toy) -> None:
    """A number that is no complete read of the source is refused."""
    with pytest.raises(ConfigurationError, match="no complete read 7"):
        replayed(toy, 7)
