"""What checks and metadata say, from records alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from dagster import AssetCheckSeverity, AssetKey

from connector_pipelines.model import Counts, Plan, PlanState, Progress, Read, Receipt, Window
from connector_pipelines.orchestration import checks, metadata
from connector_pipelines.orchestration.look import Run, Waiting
from connector_pipelines.orchestration.steps import sentence
from connector_pipelines.sync.letters import Letters
from connector_pipelines.sync.planning import Change

AT = datetime(2026, 11, 5, 8, tzinfo=UTC)


def read(**of: Any) -> Read:
    """A read of a hundred rows."""
    given: dict[str, Any] = {"rows": 100, "staged": 100, "pages": 1, "complete": True} | of
    return Read(1, "alpha", "students", Window(), AT, **given)


def plan(state: PlanState = PlanState.ACCEPTED, reasons: tuple[str, ...] = (), **counts: int) -> Plan:
    """A plan with these counts."""
    return Plan(7, "alpha", "students", 1, state, "a" * 64, Counts(**counts), 1, reasons=reasons)


@pytest.mark.parametrize(("rejected", "passed", "error"), [(0, True, False), (4, False, False), (5, False, True)])
def test_schema_warns_first_and_fails_from_five_percent(rejected: int, passed: bool, error: bool) -> None:  # noqa: FBT001 -- a table of expectations
    """A single refused row is a warning, five of a hundred are an error."""
    verdict = checks.schema(read(rejected=rejected))
    assert (verdict.passed, verdict.error) == (passed, error)


def test_completeness_says_what_absence_means() -> None:
    """Only a snapshot proves absence, and a read that ended early is red."""
    assert "absence is proven" in checks.completeness(read(snapshot=True)).sentence
    assert "not looked at" in checks.completeness(read()).sentence
    assert not checks.completeness(read(complete=False)).passed


def test_mass_change_blocks_for_a_plan_of_now_and_warns_for_an_older_one() -> None:
    """A plan that this step made and the guard held is an error, one that waits since earlier is a warning."""
    held = plan(PlanState.HELD, ("shrunk: 30 of 40 records are gone",))
    now, older = checks.mass_change([held], [held]), checks.mass_change([plan()], [held])
    assert (now.passed, now.error, older.passed, older.error) == (False, True, False, False)
    assert "shrunk: 30 of 40" in now.sentence
    assert "approve_plan or reject_plan with source alpha, hash aaaaaaaaaaaa and why." in now.sentence
    assert checks.mass_change([plan()], []).passed


def test_mass_change_plots_the_newest_plan() -> None:
    """The numbers of the check are those of the newest plan, not a sum over plans that each count the same records."""
    verdict = checks.mass_change([plan(absent=40), plan(absent=30, created=2)], [])
    assert verdict.numbers == {"created": 2, "updated": 0, "linked": 0, "dropped": 0, "absent": 30}


def test_a_plan_shows_its_state_and_reasons_first_and_once() -> None:
    """State, reasons and what to do come before the counts, a reason that several plans share comes once."""
    held = plan(PlanState.HELD, ("empty: nothing came",))
    shown = metadata.of_plans([held, held])
    assert list(shown)[:4] == ["state", "reasons", "what to do", "plan hash"]
    assert shown["reasons"].value == "- empty: nothing came"
    assert shown["plan hash"] in shown["what to do"].value


def test_what_to_do_is_read_without_scrolling() -> None:
    """Beside a wide table of changes, reasons and what to do stand in short lines, and say all they did."""
    held = plan(PlanState.HELD, ("mass update: 890 of 920 records change (updated: limit 0.6, passes from 0.968)",))
    shown = metadata.of_plans([held])
    reasons, what_to_do = (shown[name].value for name in ("reasons", "what to do"))
    assert max(map(len, f"{reasons}\n{what_to_do}".splitlines())) < 48
    assert " ".join(reasons.split()) == f"- {held.reasons[0]}"
    assert " ".join(what_to_do.split()).endswith("or declare a season, in the source's defs.yaml.")


def test_rows_that_wait_are_no_dead_letters() -> None:
    """The dead-letter check counts rows that will never come, not those that wait for their parents."""
    assert checks.dead_letters([plan(fetched=10, unchanged=7, dead_lettered=3, waiting=3)]).passed
    verdict = checks.dead_letters([plan(fetched=10, unchanged=7, dead_lettered=3, waiting=2)])
    assert (verdict.passed, verdict.numbers["dead letters"]) == (False, 1)


def test_counts_that_do_not_add_up_are_red() -> None:
    """A plan with a row too few or too many fails the accounting check."""
    assert checks.accounted_for([plan(fetched=2, created=2)]).passed
    assert not checks.accounted_for([plan(fetched=2, created=1)]).passed


def test_a_receipt_that_differs_is_red_and_named() -> None:
    """A receipt whose checksum in core differs fails the check, with its source and plan."""
    good = Receipt(7, "alpha", "students", Counts(fetched=1, created=1), 5, 5)
    bad = Receipt(8, "beta", "students", Counts(fetched=1, created=1), 5, 6)
    assert checks.receipts([good]).passed
    assert checks.receipts([]).passed
    assert checks.receipts([good, bad]).sentence == "not verified: beta (plan 8)"


def test_orphans_warn_after_a_day() -> None:
    """Waiting rows are fine until one has waited for more than a day."""
    assert checks.orphans(Waiting(5, 0, AT)).passed
    result = checks.orphans(Waiting(5, 2, AT)).result(AssetKey(["core", "students"]))
    assert (result.passed, result.severity) == (False, AssetCheckSeverity.WARN)


def test_only_a_held_plan_blocks() -> None:
    """Of all checks, only the mass-change check stops what lies downstream."""
    key = AssetKey(["x"])
    blocking = [s.name for layer in checks.BY_LAYER.values() for s in checks.specs(key, layer) if s.blocking]
    assert set(blocking) == {"mass_change"}


def test_changes_show_no_personal_value() -> None:
    """A row for each field, with its reason: statuses, dates and ids with values, of a name only that it changed."""
    fields = [
        ("email", None, "a@b.example"),
        ("enabled", True, False),
        ("family_name", "Before", "After"),
        ("organization_id", 1, 2),
        ("status", "active", None),
    ]
    changes = [Change("students", "s1", "update", *field, "differs") for field in fields]
    table = metadata.of_changes([*changes, Change("students", "s2", "create", "", None, None, "is new")])
    assert [list(row.data.values()) for row in table["sample of changes"].records] == [
        ["students", "s1", "update", "email", "•••", "•••", "differs"],
        ["students", "s1", "update", "enabled", "True", "False", "differs"],
        ["students", "s1", "update", "family_name", "•••", "•••", "differs"],
        ["students", "s1", "update", "organization_id", "1", "2", "differs"],
        ["students", "s1", "update", "status", "active", "", "differs"],
        ["students", "s2", "create", "", "", "", "is new"],
    ]


def test_changes_in_another_system_show_no_value() -> None:
    """What an export would change there is named, field by field, without a value."""
    change = Change("export/users", "students/1", "update", "status", "a", "b", "differs")
    [row] = metadata.of_changes([change])["sample of changes"].records
    assert (row.data["field"], row.data["before"], row.data["after"]) == ("status", "•••", "•••")


def test_reasons_cannot_break_a_table() -> None:
    """A reason from the source is one cell, whatever characters it has."""
    letters = [Letters("students", "open", "name | rule", 3, "<b>bad</b>\nsecond | line")]
    table = metadata.of_letters(letters)["dead letters by reason"].md_str
    assert table.splitlines()[2:] == ["| 3 | open | name \\| rule | &lt;b>bad&lt;/b> second \\| line |"]


def test_history_is_a_chart() -> None:
    """The last runs are bars as high as their share of the greatest, and a dot where there was nothing."""
    assert metadata.bars([0, 1, 50, 100]) == "·▁▅█"
    assert metadata.bars([0]) == "·"
    runs = [Run(AT, "applied", 10, 10), Run(AT, "failed", 0, 0)]
    assert "| 2026-11-05 08:00 | failed | 0 | 0 |" in metadata.of_history(runs)["last runs"].md_str


def test_progress_is_a_sentence_with_a_share_where_the_end_is_known() -> None:
    """Reading tells rows, applying tells chunks and how much of all that is (G117)."""
    assert sentence(Progress("alpha", "students", "read", 40_000)) == "students: read 40,000 rows"
    assert sentence(Progress("alpha", "students", "apply", 3, 4, "chunks")) == "students: apply 3 of 4 (75%) chunks"
