"""Records that are recognized by their bytes: never decoded, always accounted for, and never trusted too long."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector_pipelines.model import Mode, Window
from connector_pipelines.sync import pull, salt

if TYPE_CHECKING:
    import pytest

FORGET = "UPDATE connector.external_system_mappings SET fingerprint = NULL"


def looked_at(toy: Any) -> list[str]:
    """The ids of the records that were decoded since the last call."""
    found = sorted(json.loads(raw)["id"] for raw in toy.decoded)
    toy.decoded.clear()
    return found


def test_only_what_changed_is_decoded(toy: Any, make: Any) -> None:
    """The second full read decodes the changed record alone, and still accounts for all."""
    toy.sends["students"] = [[make.student(1), make.student(2)], [make.student(3)]]
    toy.sync("students")
    assert looked_at(toy) == ["s1", "s2", "s3"]
    toy.sends["students"] = [[make.student(1), make.student(2, given_name="New")], [make.student(3)]]
    counts = toy.sync("students")["students"].plan.counts
    assert looked_at(toy) == ["s2"]
    assert (counts.fetched, counts.updated, counts.unchanged, counts.accounted_for) == (3, 1, 2, True)
    assert toy.rows("SELECT staged, known FROM connector.sync_runs ORDER BY id") == [(3, 0), (1, 2)]


def test_changes_on_many_pages_are_validated_together(toy: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four pages with one changed record each are two batches of two, however many known records lie between."""
    together: list[list[int]] = []
    accept = pull._accept

    def noted(stream: Any, parts: Any) -> Any:
        together.append([part.page for part in parts])
        return accept(stream, parts)

    toy.sends["students"] = [[make.student(n), make.student(n + 10)] for n in range(1, 5)]
    toy.sync("students")
    monkeypatch.setattr(pull, "_accept", noted)
    toy.chunk_rows = 2
    toy.sends["students"] = [[make.student(n, given_name="New"), make.student(n + 10)] for n in range(1, 5)]
    counts = toy.sync("students")["students"].plan.counts
    assert together == [[1, 2], [3, 4]]
    assert (counts.fetched, counts.updated, counts.unchanged) == (8, 4, 4)


def test_what_is_gone_is_noticed_among_what_is_known(toy: Any, make: Any) -> None:
    """A record that does not come is absent, though nothing was decoded; when it comes back it is looked at."""
    toy.sends["students"] = [[make.student(n) for n in range(1, 6)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(n) for n in range(1, 5)]]
    assert toy.sync("students")["students"].plan.counts.absent == 1
    toy.sends["students"] = [[make.student(n) for n in range(1, 6)]]
    looked_at(toy)
    counts = toy.sync("students")["students"].plan.counts
    assert (looked_at(toy), counts.unchanged, counts.absent) == (["s5"], 5, 0)


def test_records_that_come_twice_are_skipped_once_known(toy: Any, make: Any) -> None:
    """The same bytes twice are one unchanged record and one skipped."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1)], [make.student(1)]]
    counts = toy.sync("students")["students"].plan.counts
    assert (counts.fetched, counts.unchanged, counts.skipped) == (2, 1, 1)


def test_known_record_beside_another_of_its_id(toy: Any, make: Any) -> None:
    """When a read holds a record as core knows it and once more with other content, both are looked at."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1)], [make.student(1, given_name="Other")]]
    counts = toy.sync("students")["students"].plan.counts
    assert (counts.fetched, counts.dead_lettered, counts.skipped, counts.accounted_for) == (2, 2, 0, True)
    assert (
        toy.rows("SELECT rule FROM connector.dead_letters WHERE state = 'open'") == [("two records with one id",)] * 2
    )


def test_core_that_moved_since_the_read_began(toy: Any, make: Any) -> None:
    """What was known when a read began is looked at again when another plan was applied before this one is made."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(1, given_name="Changed")]]
    toy.prepare("students")
    toy.sends["students"] = [[make.student(1)]]
    toy.pull("students")
    toy.apply("students")
    assert toy.core("students", "given_name") == [("Changed",)]
    planned = toy.plan("students")
    toy.apply("students")
    assert (planned.counts.updated, planned.counts.accounted_for) == (1, True)
    assert toy.core("students", "given_name") == [("Given1",)]


def test_lost_staging_is_made_again(toy: Any, make: Any) -> None:
    """After the server lost what was noted of a read, the landed pages are staged whole."""
    toy.sends["students"] = [[make.student(n) for n in range(1, 4)]]
    toy.sync("students")
    toy.sends["students"] = [[make.student(n) for n in range(1, 3)]]
    read = toy.pull("students")
    toy.execute(f"TRUNCATE staging.unseen_{read.id}, staging.rows_{read.id}")
    looked_at(toy)
    planned = toy.plan("students")
    assert (looked_at(toy), planned.counts.unchanged, planned.counts.absent) == (["s1", "s2"], 2, 1)


def test_other_code_looks_at_everything_once(toy: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the connector's code changed, every record is decoded once more, and then known again."""
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.sync("students")
    monkeypatch.setattr(salt, "_code", lambda _: "another release")
    looked_at(toy)
    assert toy.sync("students")["students"].plan.counts.unchanged == 2
    assert looked_at(toy) == ["s1", "s2"]
    assert toy.core("students", "sync_version") == [(1,), (1,)]
    toy.sync("students")
    assert looked_at(toy) == []


def test_other_code_is_taken_up_by_the_next_full_read(toy: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the code changed, only a full read that is applied has looked at everything: no read of changes, no look,
    and no read of another entity; and after it nothing is written any more.
    """
    toy.sends |= {"students": [[make.student(1)]], "sections": [[make.section(1)]]}
    toy.sync("students", "sections")
    monkeypatch.setattr(salt, "_code", lambda _: "another release")
    toy.sync("sections")
    assert toy.sync("students", mode=Mode.INCREMENTAL)["students"].plan.counts.unchanged == 1
    assert toy.dry_run("students")["students"].plan.counts.unchanged == 1
    toy.sync("students")
    looked_at(toy)
    toy.sync("students")
    assert looked_at(toy) == []
    toy.sends["students"] = [[make.student(1, unknown="spelled anew")]]
    assert toy.sync("students")["students"].plan.chunks == 0


def test_a_record_spelled_anew_each_time_is_not_written(toy: Any, make: Any) -> None:
    """A record whose bytes change but not its content is decoded each time, and its mapping is left alone."""
    toy.sends["students"] = [[make.student(1)]]
    toy.sync("students")
    before = toy.rows("SELECT m, xmin::text FROM connector.toy_mappings m")
    for spelling in range(2):
        toy.sends["students"] = [[make.student(1, unknown=spelling)]]
        assert toy.sync("students")["students"].plan.chunks == 0
    assert looked_at(toy) == ["s1", "s1", "s1"]
    assert toy.rows("SELECT m, xmin::text FROM connector.toy_mappings m") == before


def test_a_record_that_is_not_deleted_any_more_means_what_it_leaves_empty(toy: Any, make: Any) -> None:
    """What a deleted record leaves empty stays in core; the same fields of one that is there again make it empty."""
    toy.sends["students"] = [[make.student(1, phone="1")]]
    toy.sync("students")
    for deleted, phone in ((True, "1"), (False, None)):
        toy.sends["students"] = [[make.student(1, deleted=deleted)]]
        toy.sync("students")
        assert toy.core("students", "phone") == [(phone,)]


def test_a_window_is_decoded_as_ever(toy: Any, make: Any) -> None:
    """A read of a window asks for what changed, so that nothing is looked up beforehand."""
    toy.sends["students"] = [[make.student(1, modified="2026-09-01T00:00:00+00:00")]]
    toy.sync("students")
    looked_at(toy)
    august, october = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)
    toy.sync("students", mode=Mode.INCREMENTAL, span=Window(august, october))
    assert looked_at(toy) == ["s1"]


READS = st.lists(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["Ann", "Bob", ""]), st.booleans()), max_size=6),
    min_size=2,
    max_size=4,
)


@settings(max_examples=20, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(READS)
def test_recognizing_changes_nothing_but_the_time(
    toy: Any, make: Any, reads: list[list[tuple[int, str, bool]]]
) -> None:
    """Whatever a source sends, in whatever order, the plans and core are those of a project without fingerprints."""
    found = []
    for forgetful in (False, True):
        toy.reset()
        outcomes = []
        for read in reads:
            rows = [make.student(n, given_name=name or None, deleted=gone) for n, name, gone in read]
            toy.sends["students"] = [rows[:3], rows[3:]]
            if forgetful:
                toy.execute(FORGET)
            outcome = toy.sync("students")["students"]
            outcomes.append((outcome.plan.hash, outcome.plan.counts, outcome.plan.state))
        letters = toy.rows("SELECT external_id, state, rule FROM connector.dead_letters ORDER BY 1, 2, 3")
        core = toy.rows("SELECT given_name, status FROM core.students ORDER BY id")
        found.append((outcomes, letters, core, toy.mappings("students", "external_id", "sync_status", "row_hash")))
    assert found[0] == found[1]
