"""The simulator as a command, and the school in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from connector_pipelines.connectors.moodle.simulator import Simulator
from connector_pipelines.connectors.moodle.simulator.keeping import keep
from connector_pipelines.connectors.moodle.simulator.service import PATH
from connector_pipelines.connectors.moodle.simulator.site import TABLES, Site

if TYPE_CHECKING:
    from pathlib import Path


def test_it_tells_address_and_token() -> None:
    """Whoever starts it is told what a source needs, and a call to try."""
    with Simulator() as simulator:
        said = simulator.greeting()
    assert said[0] == "Moodle simulator"
    assert said[1].startswith("  base_url  http://127.0.0.1:")
    assert "core_webservice_get_site_info" in said[-1]


def test_it_is_steered_while_it_runs() -> None:
    """Faults are switched by requests; the people of a site change by what is written to it alone."""
    with Simulator(control=True) as simulator:
        control = f"{simulator.url}/__sim__"
        state = requests.post(f"{control}/faults?fault=access", timeout=10).json()
        assert (state["faults"], state["records"]["users"]) == (["access"], len(simulator.site["users"]))
        assert requests.post(f"{control}/evolve?percent=5", timeout=10).status_code == 400


def test_the_same_seed_is_the_same_school() -> None:
    """A site follows from scenario and seed alone; another seed is another school."""
    first, second, other = (Simulator(seed=seed, clock=lambda: 1_795_252_000).site for seed in (1, 1, 2))
    assert all(first[table] == second[table] for table in TABLES)
    assert first["users"] != other["users"]


def test_unknown_scenarios_and_faults_are_refused() -> None:
    """A typing mistake does not start another simulator."""
    with pytest.raises(ValueError, match="unknown scenario 'big'; there are empty, small, school"):
        Simulator(scenario="big")
    with pytest.raises(ValueError, match="unknown fault 'nonsense'"):
        Simulator(faults=["nonsense"])


def ask(simulator: Simulator, function: str, **fields: Any) -> Any:
    """Call a function."""
    form = {"wsfunction": function, "moodlewsrestformat": "json", "wstoken": simulator.token}
    return requests.post(simulator.url + PATH, data=form | fields, timeout=10).json()


def enrolling(course: int, user: int) -> dict[str, Any]:
    """The fields that enrol a student."""
    one = {"roleid": 5, "userid": user, "courseid": course}
    return {f"enrolments[0][{name}]": value for name, value in one.items()}


def test_a_kept_site_is_found_again(tmp_path: Path) -> None:
    """What was written stands in the next simulator of the same file, whatever became of the first; its ids go on."""
    kept = tmp_path / "site"
    with Simulator(scenario="small", kept=kept) as first:
        assert ask(first, "enrol_manual_enrol_users", **enrolling(2, 5)) is None
        tables, spent = first.site.tables, first.site.spent
    second = Simulator(scenario="empty", kept=kept).site
    assert (second.tables, second.spent) == (tables, spent)


def test_a_site_that_an_older_simulator_kept_is_found_again(tmp_path: Path) -> None:
    """A table that its file has not is empty, and everything else as it was."""
    kept = tmp_path / "site"
    first = Simulator(scenario="small").site
    older = {name: rows for name, rows in first.tables.items() if name not in {"attempts", "forms", "fillings"}}
    keep(Site(first.clock, older, first.spent), kept)
    second = Simulator(scenario="empty", kept=kept).site
    assert second.tables == older | {"attempts": {}, "forms": {}, "fillings": {}}


def test_people_work_once_they_are_enrolled() -> None:
    """Homework is given where people come into a course, and handed in and graded; once more changes nothing."""
    with Simulator(scenario="small", at_work=True) as simulator:
        site = simulator.site
        before = len(site["submissions"])
        for user in range(4, 16):
            ask(simulator, "enrol_manual_enrol_users", **enrolling(2, user))
        assert len(site["submissions"]) > before
        tables = {name: dict(rows) for name, rows in site.tables.items()}
        ask(simulator, "enrol_manual_enrol_users", **enrolling(2, 4))
        assert site.tables == tables


def test_enrolling_again_without_times_resets_them(exchanges: Any) -> None:
    """As observed on a running Moodle, dates that are not sent again are gone: who was past the end is let in again."""
    with Simulator(scenario="small", clock=lambda: 1_795_252_000) as simulator:
        asked = {"courseid": 2, "options[0][name]": "onlyactive", "options[0][value]": 1}

        def active() -> bool:
            return 4 in {user["id"] for user in ask(simulator, "core_enrol_get_enrolled_users", **asked)}

        times = {"enrolments[0][timestart]": 1_000, "enrolments[0][timeend]": 2_000, "enrolments[0][suspend]": 0}
        assert ask(simulator, "enrol_manual_enrol_users", **enrolling(2, 4), **times) is None
        row = simulator.site.enrolled(2)[4]
        assert (row["start"], row["end"], active()) == (1_000, 2_000, False)
        again = exchanges["enrol_again_without_timeend"]
        assert ask(simulator, again.function, **again.encoded) == again.response
        row = simulator.site.enrolled(2)[4]
        assert (row["start"], row["end"], row["suspended"], active()) == (0, 0, 0, True)
