"""From the simulator through the engine into PostgreSQL: core is the truth, and nobody is dropped without proof."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pyarrow as pa
import pytest

from connector_pipelines.connectors.google_classroom import CONNECTOR
from connector_pipelines.connectors.google_classroom.config import Gradebook
from connector_pipelines.connectors.google_classroom.transform import STATUSES
from connector_pipelines.database.connection import connect
from connector_pipelines.external.landing import Landing
from connector_pipelines.external.surroundings import share
from connector_pipelines.model import PlanState, Source
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.erasing import erase
from connector_pipelines.sync.replaying import replay, stored_reads
from connector_pipelines.sync.subjects import Subject
from connector_pipelines.sync.whole import Outcome, sync
from connector_pipelines_tests.kept import Kept, kept
from proof import held

if TYPE_CHECKING:
    from collections.abc import Iterator

Record = dict[str, Any]
Truth = dict[str, dict[str, Record]]
FED = ("courses", "sections", "students", "instructors", "enrollments", "teaching_assignments")


@dataclass
class Place(Kept):
    """A database, a landing folder, and the domain that is synced there."""

    url: str
    landing: Landing
    domain: Any
    drops: tuple[str, ...] = ()
    entities: tuple[str, ...] = FED

    @property
    def source(self) -> Source:
        """The domain in pages of 5."""
        policy = SyncPolicy.model_validate({"drops": self.drops})
        return Source(
            "classroom", CONNECTOR, self.domain.config(page_size=5, in_flight=4, entities=self.entities), policy
        )

    def sync(self, *entities: str) -> dict[str, Outcome]:
        """Sync as the command line does; the outcome of each entity."""
        with share(self.url), connect(self.url) as connection:
            context = Context(connection, self.landing, url=self.url)
            return {done.entity: done for done in sync(context, self.source, entities=entities or None)}

    def core(self, *, absent: bool = False) -> Truth:
        """What core holds of the source, by entity and external id."""
        with kept(self.url) as connection:
            return {entity: held.core(connection, entity, "classroom", absent=absent) for entity in FED}

    def checksum(self) -> list[Any]:
        """Of every core row with all its columns, and of every mapping."""
        tables = [f"core.{entity}" for entity in FED] + ["connector.external_system_mappings"]
        digest = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"
        return [self.rows(digest.format(table)) for table in tables]

    def differences(self) -> list[Any]:
        """Where core is not what the domain says."""
        with kept(self.url) as connection:
            return held.differences(connection, truth(self.domain), "classroom")

    def breaches(self) -> list[str]:
        """What must never be so."""
        with kept(self.url) as connection:
            return list(held.breaches(connection))

    def status(self, entity: str, key: str) -> str:
        """The status of a row, absent or not."""
        both = self.core()[entity] | self.core(absent=True)[entity]
        return str(both[key]["status"])


@pytest.fixture
def place(database: str, tmp_path: Path, domain: Any) -> Place:
    """This test's own database and landing folder."""
    return Place(database, Landing(str(tmp_path / "landing")), domain)


def truth(domain: Any) -> Truth:
    """What core must hold: worked out from the domain itself, without our schemas and transforms."""
    world = domain.simulator.world
    found: Truth = {entity: {} for entity in FED}
    for one in domain.simulator.expected("courses"):
        status = STATUSES[one["courseState"]]
        shared = {"grades": one.get("levels"), "subjects": one.get("subject"), "status": status, "organization": None}
        title = f"{one['name']} ({one['section']})" if "section" in one else one["name"]
        none = dict.fromkeys(("section_code", "section_type", "periods", "term"))
        found["courses"][one["id"]] = shared | {"title": one["name"], "course_code": None}
        place = {"title": title, "location": one.get("room"), "course": one["id"]}
        found["sections"][one["id"]] = shared | place | none
    for roster, people, places, who in (
        ("students", "students", "enrollments", "student"),
        ("teachers", "instructors", "teaching_assignments", "instructor"),
    ):
        for one in domain.simulator.expected(roster):
            found[people][one["userId"]] = _person(one["profile"], people)
            status = "enrolled" if who == "student" else "active"
            row = {"status": status, "start_date": None, "end_date": None, "section": one["courseId"]}
            owns = world.courses[one["courseId"]]["ownerId"] == one["userId"]
            primary = {"is_primary": owns} if who == "instructor" else {}
            found[places][f"{one['courseId']}:{one['userId']}"] = row | {who: one["userId"]} | primary
    return found


def _person(profile: Record, entity: str) -> Record:
    none = ("middle_name", "preferred_name", "username", "phone", "enabled", "organization")
    more = ("student_number", "grades") if entity == "students" else ("staff_number",)
    name = profile["name"]
    known = {"given_name": name["givenName"], "family_name": name["familyName"], "email": profile["emailAddress"]}
    return dict.fromkeys(none + more) | known | {"status": "active"}


def test_core_is_what_the_domain_says(place: Place) -> None:
    """Core holds every course twice, every person once in each part they play, and every place, and nothing else."""
    done = place.sync()
    assert set(done) == set(FED)
    assert place.differences() == []
    assert place.breaches() == []
    assert all(one.plan.counts.accounted_for and one.plan.counts.dead_lettered == 0 for one in done.values())


def test_a_second_sync_writes_nothing(place: Place) -> None:
    """Nothing changed, so nothing is written, and what the first sync wrote stands as it was."""
    place.sync()
    before = place.checksum()
    done = place.sync()
    assert place.checksum() == before
    assert {(one.plan.counts.created, one.plan.counts.updated) for one in done.values()} == {(0, 0)}


def test_what_changes_arrives(place: Place) -> None:
    """Who joins, is renamed, or is in a course that changed is in core with the next sync; who left still stands."""
    place.sync()
    place.domain.simulator.evolve(60)
    place.sync()
    assert place.differences() == []
    assert place.core(absent=True)["enrollments"]  # who left is noted, and nothing is concluded
    assert {row["status"] for row in place.core(absent=True)["enrollments"].values()} == {"enrolled"}


def _leave(place: Place) -> str:
    """Somebody leaves a course; the external id of their place in it."""
    world = place.domain.simulator.world
    course = next(course for course, there in world.rosters["students"].items() if len(there) > 6)
    person = world.rosters["students"][course][3]
    world.leave(course, person)
    return f"{course}:{person}"


def test_who_left_is_dropped_where_the_policy_says_so_and_it_is_proven(place: Place) -> None:
    """A watched read of everything that was stable drops who left; nobody else."""
    place.drops = ("enrollments",)
    place.sync()
    left = _leave(place)
    done = place.sync()["enrollments"]
    assert (done.plan.counts.dropped, done.plan.state) == (1, PlanState.APPLIED)
    assert place.status("enrollments", left) == "dropped"
    assert place.core()["enrollments"] == truth(place.domain)["enrollments"]


@pytest.mark.parametrize(("drops", "faults"), [((), []), (("enrollments",), ["gone@1:students"])])
def test_who_left_stays_without_policy_or_proof(place: Place, drops: tuple[str, ...], faults: list[str]) -> None:
    """Nobody is dropped where nobody asked for it, or where a course went away while the rosters were read."""
    place.drops = drops
    place.sync()
    left = _leave(place)
    place.domain.simulator.set_faults(faults)
    done = place.sync("enrollments")["enrollments"]
    assert done.plan.counts.dropped == 0
    assert place.status("enrollments", left) == "enrolled"
    if faults:
        assert "nothing is dropped" in "; ".join(done.plan.reasons)
        place.domain.simulator.set_faults([])
        assert place.sync("enrollments")["enrollments"].plan.counts.dropped == 1


def test_a_course_that_is_deleted_is_absent_with_its_places(place: Place) -> None:
    """A deleted course, its section and its places are noted as absent; people who are in others stay."""
    place.sync()
    world = place.domain.simulator.world
    course = min(world.courses, key=lambda key: len(world.rosters["students"][key]) or 99)
    world.remove_course(course)
    place.sync()
    assert place.differences() == []
    gone = place.core(absent=True)
    assert (set(gone["courses"]), set(gone["sections"])) == ({course}, {course})
    assert {key.partition(":")[0] for key in gone["enrollments"]} == {course}


def test_a_replay_of_landed_pages_plans_nothing(place: Place) -> None:
    """What was landed says the same again without asking anybody."""
    place.sync()
    asked = len(place.domain.simulator.requests)
    with share(place.url), connect(place.url) as connection:
        context = Context(connection, place.landing, url=place.url)
        for stored in stored_reads(connection, "classroom"):
            plan = replay(context, place.source, stored.read.id)
            assert (plan.counts.created, plan.counts.updated, plan.counts.dead_lettered) == (0, 0, 0)
    assert len(place.domain.simulator.requests) == asked


def _everything(place: Place) -> Iterator[str]:
    """Every row of every table of ours as text, and every landed file."""
    tables = place.rows(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace IN ('core'::regnamespace, 'connector'::regnamespace, 'staging'::regnamespace)"
    )
    for (table,) in tables:
        yield from (str(row) for (row,) in place.rows(f"SELECT t::text FROM {table} t"))
    for path in Path(place.landing.root).rglob("*.*"):
        body = path.read_bytes()
        stream = pa.CompressedInputStream(pa.BufferReader(body), "zstd") if path.suffix == ".zst" else None
        yield (stream.read() if stream else body).decode()


@pytest.mark.parametrize(("people", "roster"), [("students", "students"), ("instructors", "teachers")])
def test_an_erased_person_is_nowhere(place: Place, people: str, roster: str) -> None:
    """Of the id and the address of a student, or of a teacher who owns courses, nothing is left or comes again."""
    place.entities = (*FED, *get_args(Gradebook))
    place.sync()
    world = place.domain.simulator.world
    course = max(world.courses, key=lambda key: len(world.rosters["students"][key]))
    handed = place.domain.simulator.expected("studentSubmissions")
    assessed = next(one["userId"] for one in handed if "assignedRubricGrades" in one)
    person = assessed if people == "students" else world.rosters[roster][course][0]
    words = (person, world.people[person]["emailAddress"])
    [(row,)] = place.rows(f"SELECT id FROM core.synced_{people} WHERE external_id = %s", person)

    def hits() -> set[str]:
        return {word for word in words for text in _everything(place) if word in text}

    assert hits() == set(words)
    with connect(place.url) as connection:
        context = Context(connection, place.landing, url=place.url)
        erase(context, Subject(people, row), {"classroom": place.source}, who="ann", why="asked", apply=True)
    assert hits() == set()
    done = place.sync()
    assert hits() == set()
    assert sum(one.plan.counts.skipped for one in done.values() if one.entity == people) > 0
    assert {one.plan.counts.absent for one in done.values()} == {0}
