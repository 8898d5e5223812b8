"""Records that a JSON API takes from core, declared in YAML alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pydantic import ValidationError

from connector_pipelines.connectors.json_api import CONNECTOR
from connector_pipelines.connectors.json_api.config import JsonApiConfig
from connector_pipelines.database.connection import connect
from connector_pipelines.errors import ConfigurationError, NetworkError
from connector_pipelines.model import Counts
from connector_pipelines.orchestration import build
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.whole import sync
from connector_pipelines_tests.connectors.json_api.conftest import PROGRAMS

if TYPE_CHECKING:
    from pathlib import Path

    from connector_pipelines_tests.connectors.json_api.conftest import There


PEOPLE = {"of": "people", "path": "kept/people/$id", "fields": {"name": "family_name"}}
SHOWN = {
    "of": "outcomes",
    "path": "kept/shown/$id",
    "fields": {"who": "person", "code": "learning_outcome", "level": {"column": "achievement", "values": {"Met": 1}}},
    "refers": {"person": "people"},
    "standing": {"field": "valid", "active": True, "withdrawn": False},
}


def test_aggregates_of_programs_have_a_place(there: There) -> None:
    """Aggregated outcomes of a program stand there as declared; those of too few persons do not (G96)."""
    done = there.push()["programs"]
    assert (done.plan.counts, done.verified) == (Counts(fetched=2, created=1, skipped=1), True)
    assert there.kept("programs", "programs/PO1") == {
        "outcome": {
            "programme": "PO1",
            "people": 2,
            "met": 0.5,
            "semester": "all",
            "kind": "aggregate",
            "status": "active",
        }
    }
    assert there.kept("programs", "programs/PO2") is None


def test_second_push_asks_nothing(there: There) -> None:
    """Without changes in core no call is made; a comparison reads, and writes nothing."""
    there.push()
    asked, written = len(there.simulator.calls), len(there.simulator.service.ledger)
    assert there.push()["programs"].plan.counts == Counts(fetched=2, unchanged=1, skipped=1)
    assert len(there.simulator.calls) == asked
    assert there.push(compare=True)["programs"].verified
    assert len(there.simulator.service.ledger) == written


def test_change_keeps_what_is_not_ours_and_withdrawal_says_so(there: There) -> None:
    """A new result replaces our fields alone; when a person leaves too few behind, the record is called withdrawn, and
    active again when they are back.
    """
    there.push()
    there.kept("programs", "programs/PO1")["outcome"]["remark"] = "theirs"
    there.execute("UPDATE core.grades SET achievement = 'Met' WHERE id = 2")
    assert there.push()["programs"].plan.counts.updated == 1
    changed = there.kept("programs", "programs/PO1")["outcome"]
    assert (changed["met"], changed["remark"]) == (1, "theirs")
    there.execute("UPDATE core.grades SET status = 'inactive' WHERE id = 2")
    assert there.push()["programs"].plan.counts.dropped == 1
    assert there.kept("programs", "programs/PO1")["outcome"]["status"] == "withdrawn"
    there.execute("UPDATE core.grades SET status = 'active' WHERE id = 2")
    assert there.push()["programs"].verified
    assert there.kept("programs", "programs/PO1")["outcome"]["status"] == "active"


def test_a_record_waits_for_what_it_refers_to(there: There) -> None:
    """What a learner has shown names the learner there; where that one is refused, it waits; an outcome without
    a word there is a dead letter; the others go on.
    """
    there.exports = {"people": PEOPLE, "shown": SHOWN}
    there.simulator.service.refused = "Hopper"
    there.push()
    assert [one for one, _, _ in there.simulator.service.ledger] == ["people", "people", "shown"]
    (shown,) = [one for (kind, _), one in there.simulator.service.kept.items() if kind == "shown"]
    assert shown == {"who": "core-students-1", "code": "M.1", "level": 1, "valid": True}
    assert there.letters() == [
        ("export/people", "students/3", "refused"),
        ("export/shown", "outcomes/M.1@sections/1@students/2", "MAPPING_ERROR: unknown value"),
        ("export/shown", "outcomes/M.2@sections/1@students/3", "waits"),
    ]


def test_lost_answer_is_looked_up(there: There) -> None:
    """When the answer to a write is lost the push stops; the next one looks, and writes nothing twice."""
    there.simulator.set_faults(["reset@2:programs"])  # the first call looks whether it is there
    with pytest.raises(NetworkError):
        there.push()
    there.simulator.set_faults([])
    assert there.push()["programs"].verified
    assert len(there.simulator.service.ledger) == 1


RESULTS = {
    "of": "grades",
    "path": "kept/results/$id",
    "fields": {"level": {"column": "achievement", "values": {"Met": "B", "Not Met": "D"}}, "given": "graded_at"},
}


@pytest.mark.parametrize(
    ("chosen", "sent"),
    [
        ({}, {1, 2, 3}),
        ({"only": {"finalized": True}}, {1, 2}),
        ({"dates": {"graded_at": {"since": "2026-09-11", "until": "2026-09-11"}}}, {1, 3}),
        ({"dates": {"graded_at": {"until": "2026-09-10"}}}, set()),
    ],
)
def test_results_are_chosen_by_what_is_final_and_by_days(there: There, chosen: dict[str, Any], sent: set[int]) -> None:
    """Only finalized results, or those of a range of days, with the letters that YAML names (G49, G51)."""
    there.execute(
        "UPDATE core.assessments SET is_finalized = false WHERE id = 2;"
        "UPDATE core.grades SET graded_at = '2026-09-12' WHERE id = 2"
    )
    there.exports = {"results": RESULTS | chosen}
    there.push()
    found = {number: there.kept("results", f"grades/{number}") for number in (1, 2, 3)}
    assert {number for number, record in found.items() if record} == sent
    assert all(one["level"] == {1: "B", 2: "D", 3: "B"}[n] for n, one in found.items() if one)


def test_what_falls_out_of_the_days_stays_there(there: There) -> None:
    """A range of days that moves on withdraws nothing that was written before."""
    there.exports = {"results": RESULTS | {"dates": {"graded_at": {"since": "2026-09-11"}}}}
    there.push()
    there.exports = {"results": RESULTS | {"dates": {"graded_at": {"since": "2026-09-12"}}}}
    assert there.push()["results"].plan.counts == Counts(fetched=3, skipped=3)
    assert there.kept("results", "grades/1")["status"] == "active"


@pytest.mark.parametrize(
    ("theirs", "level"),
    [("2026-09-10T08:00:00Z", "D"), ("2026-09-11T00:00:00+00:00", "A"), ("2026-09-12", "A"), (None, "A")],
)
def test_the_later_write_stands(there: There, theirs: str | None, level: str) -> None:
    """With both times declared, the later of two changes stands; without one a person is told, and theirs stays."""
    there.exports = {"results": RESULTS | {"last_write": {"column": "graded_at", "field": "updated"}}}
    there.conflicts = {"export/results": {"level": "last_write_wins"}}
    there.push()
    there.kept("results", "grades/1").update(level="A", updated=theirs)
    there.execute("UPDATE core.grades SET achievement = 'Not Met' WHERE id = 1")
    there.push(compare=True)
    assert there.kept("results", "grades/1")["level"] == level
    torn = [("export/results", "grades/1", "contested")]
    assert there.letters() == ([] if theirs else torn)


def test_a_system_that_is_only_written_to_is_healthy(there: There) -> None:
    """The connection test of a source without entities asks for a record that is not there."""
    with CONNECTOR.open(there.source().config) as client:
        assert CONNECTOR.check(client).ok
    assert there.simulator.calls == [("GET", "/api/kept/programs/core-none")]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Dagster's own libraries
def test_a_system_that_only_takes_is_never_read(there: There, tmp_path: Path) -> None:
    """It has no job, schedule or sensor that reads; who syncs it all the same is told to export."""
    (tmp_path / "lake").mkdir()
    attributes = {"base_url": there.simulator.api_url, "exports": there.exports, "policy": {"exports": ["*"]}}
    declared = {"type": "connector_pipelines.orchestration.components.JSONAPISource", "attributes": attributes}
    (tmp_path / "lake" / "defs.yaml").write_text(yaml.safe_dump(declared))
    assert build.invalid_sources(tmp_path) == []
    known = build.definitions(tmp_path).get_repository_def()
    assert sorted(job.name for job in known.get_all_jobs() if job.name.endswith("_lake")) == [
        "dry_run_export_lake",
        "export_lake",
        "test_connection_lake",
    ]
    assert [one.name for one in known.schedule_defs if "lake" in one.name] == ["export_lake_schedule"]
    with connect(there.url) as connection, pytest.raises(ConfigurationError, match=r"lake feeds nothing.* export to"):
        list(sync(Context(connection, there.landing), there.source()))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"of": "nothing"}, "no extract nothing; it has organizations"),
        ({"fields": {"a": "colour"}}, "no column colour; it has key, program_outcome"),
        ({"at_least": {"persons": 3}}, "no column persons"),
        ({"path": "kept/programs"}, "with $id in it"),
        ({"path": "kept/$name/$id"}, "with $id in it"),
        ({"refers": {"term": "terms"}}, "refers.term needs an export of terms"),
        ({"fields": {"status": "program_outcome"}}, "the field of `standing`"),
        ({"standing": {"active": "x", "withdrawn": "x"}}, "say the same"),
        ({"fields": {"a": {"column": "people", "value": 1}}}, "and not both"),
        ({"dates": {"graded": {}}}, "no column graded"),
        ({"dates": {"people": {"since": "2026-02-01", "until": "2026-01-01"}}}, "until is before since"),
        ({"last_write": {"column": "changed", "field": "at"}}, "no column changed"),
        ({"last_write": {"column": "people", "field": "met"}}, "a field of ours"),
    ],
)
def test_a_declaration_that_cannot_work_says_why(declared: dict[str, Any], said: str) -> None:
    """It is refused before anything is asked, in words that name the place and what there is."""
    with pytest.raises(ValidationError, match=said.replace("$", r"\$")):
        JsonApiConfig.model_validate({"base_url": "https://x.example", "exports": {"programs": PROGRAMS | declared}})


def test_a_source_feeds_or_takes_something() -> None:
    """A declaration with neither entities nor exports is refused, and exports are JSON."""
    with pytest.raises(ValidationError, match="entities or exports are needed"):
        JsonApiConfig.model_validate({"base_url": "https://x.example"})
    with pytest.raises(ValidationError, match="need format json"):
        JsonApiConfig.model_validate(
            {"base_url": "https://x.example", "format": "jsonl", "exports": {"programs": PROGRAMS}}
        )
