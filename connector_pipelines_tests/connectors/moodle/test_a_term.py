"""A whole term from its first day to its last, and two sites that are written from one core."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from connector_pipelines.connectors.moodle import CONNECTOR
from connector_pipelines.connectors.moodle.config import MoodleConfig
from connector_pipelines.connectors.moodle.simulator import Simulator, grading
from connector_pipelines.database.connection import connect
from connector_pipelines.model import Source
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.push import push

pytestmark = pytest.mark.phase2

LAB = "courses/1@terms/2"


def writes(site: Simulator, before: int) -> list[str]:
    """What was written since."""
    return [effect.function for effect in site.ledger[before:]]


def test_a_term_from_start_to_archive(campus: Any) -> None:
    """Term start, add and drop, grades both ways, archive: each day's second export finds nothing to do (M97)."""
    campus.more = {"final_grade_activity": "FINAL"}
    site = campus.simulator.site

    def until_quiet(day: date) -> None:
        campus.push(today=day)
        before = len(campus.simulator.ledger)
        assert all(outcome.verified for outcome in campus.push(today=day).values())
        assert writes(campus.simulator, before) == []

    until_quiet(date(2026, 8, 15))
    lab = campus.course(LAB)
    assert lab["visible"] == 1
    assert {name: row["suspended"] for name, row in campus.enrolled(LAB).items()} == {
        "ada": 0,
        "ghopper": 0,
        "soren@school.example": 0,
    }

    campus.execute(
        "UPDATE core.enrollments SET status = 'dropped' WHERE id = 2;"
        "ALTER TABLE core.enrollments ALTER id RESTART WITH 100;"
        "INSERT INTO core.enrollments (status, student_id, section_id) VALUES ('enrolled', 2, 3)"
    )
    until_quiet(date(2026, 9, 10))
    assert campus.enrolled(LAB)["soren@school.example"]["suspended"] == 1
    assert campus.enrolled("courses/2@terms/2")["soren@school.example"]["suspended"] == 0

    homework = grading.assignment(site, lab["id"], "Homework")
    grading.assignment(site, lab["id"], "Final grade", idnumber="FINAL")
    ada = campus.user("ada")["id"]
    grading.save(site, {"assignmentid": homework["instance"], "grades": [{"userid": ada, "grade": 81.5}]})
    assert all(outcome.verified for outcome in campus.sync().values())
    read = "SELECT student_id, score FROM core.grades WHERE grade_type = 'assignment_grade'"
    assert [(student, float(score)) for student, score in campus.rows(read)] == [(1, 81.5)]
    campus.execute(
        "INSERT INTO core.grades (grade_type, status, student_id, section_id, score)"
        " VALUES ('course_total', 'active', 1, 1, 90)"
    )
    until_quiet(date(2026, 12, 20))
    (final,) = site.where("items", courseid=lab["id"], idnumber="FINAL")
    assert site["grades"][final["id"], ada]["value"] == 90

    until_quiet(date(2026, 12, 21))
    assert campus.course(LAB)["visible"] == 0
    assert campus.enrolled(LAB)["ada"]["suspended"] == 0
    assert site["grades"][final["id"], ada]["value"] == 90
    assert len(site.where("courses", idnumber=LAB)) == 1


def test_two_sites_at_once(campus: Any) -> None:
    """Two sites, each with a mapping of its own, are written at the same time, each as it is told (M119, M120)."""
    with Simulator(scenario="empty", clock=campus.simulator.site.clock) as other:
        other.site.profile_fields = ("sub",)
        sites = {"north": campus.simulator, "south": other}
        how: dict[str, dict[str, Any]] = {
            "north": {"layout": "groups", "auth_plugin": "manual"},
            "south": {
                "layout": "courses",
                "auth_plugin": "oidc",
                "idnumber": "email",
                "profile_fields": {"sub": "kind"},
            },
        }

        def written(name: str) -> bool:
            config = MoodleConfig.model_validate({"base_url": sites[name].url, "max_retries": 0} | how[name])
            policy = SyncPolicy.model_validate({"exports": ["*"], "guard": {"limits": {"floor": 1_000}}})
            source = Source(name, CONNECTOR, config, policy)
            with connect(campus.url) as connection:
                done = push(Context(connection, campus.landing), source, today=date(2026, 10, 1))
                return all(outcome.verified for outcome in done)

        def both() -> dict[str, list[str]]:
            before = {name: len(site.ledger) for name, site in sites.items()}
            with ThreadPoolExecutor(2) as pool:
                assert list(pool.map(written, sites)) == [True, True]
            return {name: writes(site, before[name]) for name, site in sites.items()}

        first = both()
        assert all(first.values())
        numbers = {name: [row["idnumber"] for row in site.site["courses"].values()] for name, site in sites.items()}
        assert sorted(filter(None, numbers["north"])) == ["courses/1@terms/2", "courses/2@terms/2"]
        assert sorted(filter(None, numbers["south"])) == ["sections/1", "sections/2", "sections/3"]
        ada = {name: site.site.where("users", username="ada")[0] for name, site in sites.items()}
        assert (ada["north"]["idnumber"], ada["north"]["auth"], ada["north"]["customfields"]) == ("S1", "manual", {})
        assert (ada["south"]["idnumber"], ada["south"]["auth"]) == ("Ada@School.example", "oidc")
        assert list(ada["south"]["customfields"]) == ["sub"]
        assert both() == {"north": [], "south": []}
        campus.execute("UPDATE core.students SET family_name = 'King' WHERE id = 1")
        assert both() == {"north": ["core_user_update_users"], "south": ["core_user_update_users"]}
        kept = campus.rows(
            "SELECT source, count(*) FROM connector.exports WHERE entity = 'users' GROUP BY 1 ORDER BY 1"
        )
        assert kept == [("north", 3), ("south", 3)]
