"""From the simulator through the engine into PostgreSQL: core is the truth, and who left is treated as told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import BufferReader, CompressedInputStream

from connector_pipelines.connectors.canvas import CONNECTOR
from connector_pipelines.connectors.canvas.client import kept
from connector_pipelines.connectors.canvas.simulator import Simulator, rubrics
from connector_pipelines.database.connection import connect
from connector_pipelines.errors import SyncError
from connector_pipelines.external.landing import Landing
from connector_pipelines.external.surroundings import share
from connector_pipelines.external.vault import new_key
from connector_pipelines.model import Mode, Source
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.settings import settings
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.erasing import erase
from connector_pipelines.sync.subjects import Subject
from connector_pipelines.sync.whole import Outcome, sync
from connector_pipelines_tests.kept import Kept
from proof import held

if TYPE_CHECKING:
    from collections.abc import Callable

ROSTER = ("organizations", "terms", "courses", "sections", "students", "enrollments")
Rows = dict[str, dict[str, Any]]


@dataclass
class Place(Kept):
    """A database, a landing folder, and the site that is synced there."""

    url: str
    landing: Landing
    site: Any

    def sync(self, *entities: str, drops: tuple[str, ...] = (), **more: Any) -> dict[str, Outcome]:
        """Sync as the command line does, and return the outcome per entity."""
        source = Source("lms", CONNECTOR, self.site.config(**more), SyncPolicy.model_validate({"drops": drops}))
        with connect(self.url) as connection:
            context = Context(connection, self.landing, url=self.url)
            return {done.entity: done for done in sync(context, source, mode=Mode.FULL, entities=entities or None)}

    def core(self, entity: str, *, absent: bool = False) -> Rows:
        """What core holds of the site."""
        with connect(self.url) as connection:
            return held.core(connection, entity, "lms", absent=absent)

    def differences(self) -> list[tuple[Any, ...]]:
        """Entity, external id, what core holds and what it should hold, wherever these differ."""
        with connect(self.url) as connection:
            return held.differences(connection, self.site.truth(), "lms")

    def checksum(self) -> list[Any]:
        """Of every core row with all its columns, and of every mapping."""
        tables = [f"core.{entity}" for entity in self.site.truth()] + ["connector.external_system_mappings"]
        digest = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"
        return [self.rows(digest.format(table)) for table in tables]

    def letters(self) -> int:
        """How many dead letters there are."""
        return int(self.rows("SELECT count(*) FROM connector.dead_letters WHERE state <> 'resolved'")[0][0])


@pytest.fixture
def place(database: str, tmp_path: Path, site: Any) -> Place:
    """This test's own database and landing folder, and the tiny site."""
    return Place(database, Landing(str(tmp_path / "landing")), site)


def written(done: dict[str, Outcome]) -> int:
    """How many rows a sync created or updated."""
    return sum(outcome.plan.counts.created + outcome.plan.counts.updated for outcome in done.values())


def test_core_is_the_truth_and_stays_it(database: str, tmp_path: Path, site_of: Callable[[Simulator], Any]) -> None:
    """After one sync core is the site, row by row, the course of 250 among it; a second one writes nothing."""
    with Simulator(scenario="small", seed=7) as simulator:
        place = Place(database, Landing(str(tmp_path / "landing")), site_of(simulator))
        first = place.sync()
        truth = place.site.truth()
        assert place.differences() == []
        assert [outcome.verified for outcome in first.values()] == [True] * 12
        assert written(first) == sum(map(len, truth.values())) > 1_000
        assert sum(row["section"] == "1" for row in place.core("enrollments").values()) == 250
        assert place.letters() == 0
        before = place.checksum()
        assert written(place.sync()) == 0
        assert place.checksum() == before


def test_what_changed_is_written_and_nothing_else(place: Place) -> None:
    """After people moved, left and came and courses ended, core is the site again, and what left it is absent."""
    place.sync()
    before = place.site.truth()
    place.site.simulator.evolve(30)
    done = place.sync()
    after = place.site.truth()
    assert all(outcome.verified for outcome in done.values())
    for entity, rows in after.items():
        core = place.core(entity)
        assert {key: core[key] for key in rows} == rows
        gone = place.core(entity, absent=True)
        assert gone.keys() | core.keys() >= before[entity].keys() | rows.keys()
    differing = sum(before[entity].get(key) != row for entity, rows in after.items() for key, row in rows.items())
    deleted = [one for one in place.core("enrollments").values() if one["status"] == "dropped"]
    assert 0 < differing <= written(done)
    assert deleted


@pytest.mark.parametrize(("drops", "status"), [((), "active"), (("students",), "inactive")])
def test_who_left(place: Place, drops: tuple[str, ...], status: str) -> None:
    """Who is deleted there is dropped from every course at once; the person stays unless drops say otherwise."""
    place.sync(*ROSTER)
    person = next(place.site.simulator.expected("student"))
    place.site.simulator.leave(person["id"])
    done = place.sync(*ROSTER, drops=drops)
    courses = [one for one in place.core("enrollments").values() if one["student"] == str(person["id"])]
    assert {one["status"] for one in courses} == {"dropped"}
    left = place.core("students", absent=True)
    assert list(left) == [str(person["id"])]
    assert left[str(person["id"])]["status"] == status
    counts = done["students"].plan.counts
    assert (counts.dropped, counts.absent) == ((1, 0) if drops else (0, 1))


def test_nobody_is_dropped_where_no_two_passes_agree(place: Place) -> None:
    """A read in each pass of which somebody comes proves nothing, so that nobody is dropped by it."""
    place.sync(*ROSTER)
    first = next(one for one in place.site.simulator.expected("enrollments") if one["type"] == "StudentEnrollment")
    del place.site.simulator.world.tables["enrollments"][first["id"]]
    place.site.simulator.set_faults([f"shift=insert@{request}:enrollments" for request in (4, 7, 10)])
    done = place.sync("enrollments", drops=("enrollments",))["enrollments"]
    assert done.plan.counts.dropped == 0
    assert any("unstable" in reason for reason in done.plan.reasons)
    done = place.sync("enrollments", drops=("enrollments",))["enrollments"]
    assert place.core("enrollments", absent=True)[str(first["id"])]["status"] == "dropped"


def test_a_course_that_is_deleted(place: Place) -> None:
    """A deleted course is inactive; its sections and enrollments are noted as absent, and stay as they were."""
    place.sync(*ROSTER)
    before = place.site.truth()
    place.site.simulator.world.remove_course(2)
    place.sync(*ROSTER)
    assert place.core("courses")["2"]["status"] == "inactive"
    gone = place.core("sections", absent=True)
    assert gone == {key: row for key, row in before["sections"].items() if row["course"] == "2"} != {}
    assert {row["status"] for row in place.core("enrollments", absent=True).values()} <= {
        "enrolled",
        "withdrawn",
        "dropped",
    }


def test_failing_reads_harm_nothing(place: Place) -> None:
    """A read that breaks off on a later course leaves core as it was, and the next good one is complete."""
    place.sync(*ROSTER)
    place.site.simulator.evolve(20)
    before = place.checksum()
    for fault in ("404@2:enrollments", "no-link@2:enrollments", "403@3:enrollments", "truncated@3:enrollments"):
        place.site.simulator.set_faults([fault])
        with pytest.raises(SyncError, match="lms/enrollments: ") as caught:
            place.sync("enrollments")
        assert "What to do: " in str(caught.value)
        assert place.checksum() == before
    place.site.simulator.clear_faults()
    place.sync("students", "enrollments")
    truth = place.site.truth()["enrollments"]
    core = place.core("enrollments")
    assert {key: core[key] for key in truth} == truth


def test_an_empty_answer_is_held(place: Place) -> None:
    """A site that shows nobody all of a sudden is held for a person, and core stays."""
    place.sync(*ROSTER)
    before = place.checksum()
    place.site.simulator.set_faults(["empty-list"])
    assert place.sync("students")["students"].plan.state == "held"
    assert place.core("students") == place.site.truth()["students"]
    assert place.checksum()[4] == before[4]


def test_access_tokens_are_kept_for_everybody(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a developer key two syncs share one access token, which is kept in the database, sealed."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", new_key())
    settings.cache_clear()
    monkeypatch.setattr("connector_pipelines.connectors.canvas.client.kept", kept)
    for _ in range(2):
        with share(place.url):
            place.sync("organizations", auth=place.site.oauth2)
    settings.cache_clear()
    issuer = place.site.simulator.service.issuer
    ((name, sealed),) = place.rows("SELECT name, sealed FROM connector.secrets")
    assert issuer.issued == 1
    assert name == f"canvas/{place.site.simulator.url.removeprefix('http://')}/env:CANVAS_REFRESH"
    assert not any(token in sealed for token in (*issuer.access, place.site.simulator.refresh_token))


def test_scores_that_are_taken_back(place: Place) -> None:
    """What is no longer assessed, or lost its criterion, is absent; excused, it is inactive."""
    place.sync()
    before = place.site.truth()["rubric_scores"]
    world = place.site.simulator.world
    scores = list(place.site.simulator.expected("rubric_scores"))
    back, excused = scores[0]["submission_id"], scores[-1]["submission_id"]
    piece = next(
        one
        for one in world.tables["assignments"].values()
        if one["id"] not in {scores[0]["assignment_id"], scores[-1]["assignment_id"]} and "rubric" in one
    )
    place.site.simulator.put("submissions", id=back, rubric_assessment={}, _scores=())
    place.site.simulator.put("submissions", id=excused, excused=True)
    rubrics.lose_criterion(world, piece)
    place.sync("grades", "rubric_scores")
    after = place.site.truth()["rubric_scores"]
    gone = {key for key in before if key not in after and not key.startswith(f"{excused}:")}
    assert any(key.startswith(f"{back}:") for key in gone)
    assert len(gone) > sum(key.startswith(f"{back}:") for key in gone)
    absent = place.core("rubric_scores", absent=True)
    assert absent == {key: before[key] for key in gone}
    statuses = {row["status"] for key, row in place.core("rubric_scores").items() if key.startswith(f"{excused}:")}
    assert statuses == {"inactive"}
    place.sync("rubric_scores", drops=("rubric_scores",))
    assert {row["status"] for row in place.core("rubric_scores", absent=True).values()} == {"inactive"}


def test_a_score_is_corrected_without_a_new_grade(place: Place) -> None:
    """Who is assessed anew where the rubric is not used for grading has the new score, though graded when before."""
    place.sync()
    one = next(
        r for r in place.site.simulator.expected("rubric_scores") if r["max_points"] is None and r["level"] == "Good"
    )
    known = place.site.simulator.world.tables["submissions"][one["submission_id"]]
    told = known["rubric_assessment"] | {one["criterion_id"]: {"rating_id": "blank", "points": 10.0, "comments": "!"}}
    meant = [s for s in known["_scores"] if s["criterion"] != one["criterion_id"]]
    now = {"criterion": one["criterion_id"], "level": "blank", "points": 10.0, "comment": "!"}
    place.site.simulator.put("submissions", id=known["id"], rubric_assessment=told, _scores=(*meant, now))
    done = place.sync("rubric_scores")["rubric_scores"]
    assert (done.plan.counts.updated, done.plan.counts.created) == (1, 0)
    assert place.differences() == []
    assert place.core("rubric_scores")[f"{known['id']}:{one['criterion_id']}"]["level"] == "Excellent"


def test_scores_of_who_is_erased(place: Place) -> None:
    """Who is erased has no comment on any score any more; no landed page of scores names them, before or after."""
    place.sync(page_size=2)
    scores = place.site.truth()["rubric_scores"].values()
    person = next(row["student"] for row in scores if row["comment"] and len(row["student"]) > 10)
    mapped = "SELECT internal_id FROM connector.external_system_mappings WHERE entity_type = 'students'"
    ((number,),) = place.rows(f"{mapped} AND external_id = %s", person)
    comments = "SELECT count(*), count(comment) FROM core.rubric_scores WHERE student_id = %s"
    ((told, commented),) = place.rows(comments, number)
    assert told >= commented > 0
    assert any(person.encode() in page for page in landed(place, "rubric_scores"))
    source = Source("lms", CONNECTOR, place.site.config(page_size=2), SyncPolicy())
    with connect(place.url) as connection:
        context = Context(connection, place.landing, url=place.url)
        erase(context, Subject("students", number), {"lms": source}, who="ann", why="a request of 1 May", apply=True)
    place.sync(page_size=2)
    assert place.rows(comments, number) == [(told, 0)]
    assert not any(person.encode() in page for page in landed(place, "rubric_scores"))


def landed(place: Place, entity: str) -> list[bytes]:
    """Every page of an entity that is kept, unpacked."""
    folder = Path(place.landing.root) / "lms" / entity
    return [CompressedInputStream(BufferReader(page.read_bytes()), "zstd").read() for page in folder.rglob("*.zst")]
