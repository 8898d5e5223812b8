from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector_pipelines.errors import BrokenPage, NetworkError, SyncError

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Toy


@pytest.mark.parametrize(
    ("error", "category"),
    [(BrokenPage("page 2 is not JSON."), "DATA_ERROR"), (NetworkError("no answer."), "NETWORK_ERROR")],
)
def test_failed_read_is_recorded_and_not_planned(toy: Toy, make: Records, error: SyncError, category: str) -> None:
    """A read that fails at page 2 names its place and category, plans nothing and leaves core as it was."""
    toy.chunk_rows = 1
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(2)], error]
    with pytest.raises(type(error), match=f"^toy/students: {error.problem}$"):
        toy.sync("students")
    assert toy.rows("SELECT state, error_category, error, complete FROM connector.sync_runs WHERE id = 2") == [
        ("failed", category, f"toy/students: {error.problem}", False)
    ]
    assert toy.rows("SELECT id FROM connector.sync_plans WHERE run_id = 2") == []
    assert toy.core("students", "external_id") == [("s1",)]
    assert toy.rows("SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace") == []


def test_pages_of_a_failed_read_stay(toy: Toy, make: Records) -> None:
    """The pages that came before the read failed are landed, to be looked at."""
    toy.sends["students"] = [[make.student(1)], BrokenPage("page 2 is not JSON.")]
    with pytest.raises(BrokenPage):
        toy.pull("students")
    ((run_id,),) = toy.rows("SELECT id FROM connector.sync_runs")
    assert [page.number for page in toy.landing.pages("toy", "students", run_id)] == [1]


def test_next_read_after_a_failed_one_is_whole(toy: Toy, make: Records) -> None:
    """A failed read leaves nothing that the next one trips over."""
    toy.chunk_rows = 1
    toy.sends["students"] = [[make.student(1), make.student("", id="")], NetworkError("no answer.")]
    with pytest.raises(NetworkError):
        toy.sync("students")
    toy.sends["students"] = [[make.student(1)]]
    outcome = toy.sync("students")["students"]
    assert (outcome.plan.counts.fetched, outcome.plan.counts.created, outcome.verified) == (1, 1, True)
    assert toy.letters("state") == [("resolved",)]


def test_entities_before_the_failed_one_are_done(toy: Toy, make: Records) -> None:
    """When an entity fails, those before it are in core and later ones were not begun."""
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sends["sections"] = [NetworkError("no answer.")]
    toy.sends["students"] = [[make.student(1)]]
    with pytest.raises(NetworkError):
        toy.sync()
    assert (toy.core("organizations", "name"), toy.core("students", "external_id")) == ([("School 1",)], [])


def test_read_that_was_cut_off_before_planning_is_planned_later(toy: Toy, make: Records) -> None:
    """A complete read without a plan is planned with the next one, in its order."""
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.pull("students")
    toy.sends["students"] = [[make.student(1, phone="2")]]
    toy.sync("students")
    assert toy.core("students", "phone", "sync_version") == [("2", 2)]
