"""Decisions and repairs as a person types them: each command through the entry point, on a database where it does
something.
"""

from __future__ import annotations

import getpass
import json
import sys
from typing import TYPE_CHECKING

import pytest

from connector_pipelines import cli
from connector_pipelines.model import Mode
from connector_pipelines.orchestration import sources
from connector_pipelines.pages import Stability
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from connector_pipelines_tests.sync.conftest import Records, Row, Toy

    Call = Callable[..., tuple[int, str]]

TOO_LONG = "x" * 300
STANDING = (
    "SELECT id, given_name, family_name, phone, status, updated_at FROM core.students ORDER BY id",
    "SELECT m.* FROM connector.external_system_mappings m ORDER BY external_id",
    "SELECT * FROM connector.sync_cursors ORDER BY id",
    "SELECT * FROM connector.dead_letters ORDER BY id",
    "SELECT * FROM connector.sync_changes ORDER BY plan_id, internal_id",
)
"""All that a look must leave as it is."""


@pytest.fixture
def call(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Call]:
    """`connector-pipelines` with these words, for the toy on this test's database: exit code and output."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_DATABASE_URL", toy.url)
    monkeypatch.setenv("CONNECTOR_PIPELINES_LOCAL_DIR", str(tmp_path))
    monkeypatch.setattr(sources, "declared_source", lambda _: toy.source)
    monkeypatch.setattr(sources, "declared_sources", lambda: {toy.name: toy.source})
    settings.cache_clear()

    def call(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["connector-pipelines", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capsys.readouterr().out

    yield call
    settings.cache_clear()


@pytest.fixture
def school(toy: Toy, make: Records) -> Toy:
    """A toy with ten students in core, and a guard that looks at every row."""
    toy.may(guard={"limits": {"floor": 1}})
    toy.sends["students"] = [[make.student(n) for n in range(10)]]
    toy.sync("students")
    return toy


@pytest.fixture
def refused(toy: Toy, make: Records) -> Toy:
    """A toy with one student in core; of two others core refuses the phone, as letters 1 and 2."""
    toy.execute("ALTER TABLE core.students ADD CONSTRAINT no_nine CHECK (phone <> '9')")
    toy.sends["students"] = [[make.student(1), make.student(2, phone="9"), make.student(3, phone="9")]]
    toy.sync("students")
    return toy


def held(school: Toy, make: Records) -> str:
    """The hash of a plan that the guard holds: half of the students are gone, one has a phone."""
    school.may(drops=["students"])
    school.stability = Stability.STABLE
    school.sends["students"] = [[make.student(0, phone="7"), *(make.student(n) for n in range(1, 5))]]
    return school.sync("students")["students"].plan.hash


def standing(toy: Toy) -> list[list[Row]]:
    """What a look must leave as it is."""
    return [toy.rows(statement) for statement in STANDING]


def audited(toy: Toy) -> list[Row]:
    """What the audit log says: who, what and why."""
    return toy.rows("SELECT who, action, detail ->> 'why' FROM connector.integration_audit_logs ORDER BY id")


def test_plan_approve_applies_what_was_held(school: Toy, make: Records, call: Call) -> None:
    """An approved plan is written and proven: the phone stands in core, who is gone is inactive, the log says why."""
    plan = held(school, make)
    assert school.core("students", "phone", "status")[0] == (None, "active")
    code, said = call("plan", "approve", "toy", plan[:12], "--why", "they moved away")
    assert (code, "students: applied and verified" in said) == (0, True)
    assert school.core("students", "phone", "status") == [
        ("7", "active"),
        *[(None, "active")] * 4,
        *[(None, "inactive")] * 5,
    ]
    newest = "SELECT hash, state FROM connector.sync_plans ORDER BY id DESC LIMIT 1"
    assert school.rows(newest) == [(plan, "applied")]
    assert audited(school) == [(getpass.getuser(), "plan accepted", "they moved away")]


def test_plan_reject_discards_what_was_held(school: Toy, make: Records, call: Call) -> None:
    """A rejected plan writes nothing and waits no more: it cannot be approved afterwards."""
    plan, before = held(school, make), standing(school)
    code, said = call("plan", "reject", "toy", plan[:12], "--why", "the export was cut off")
    assert (code, f"plan {plan[:12]} is discarded" in said) == (0, True)
    assert standing(school) == before
    assert school.rows("SELECT state FROM connector.sync_plans WHERE hash = %s", plan) == [("refused",)]
    assert audited(school) == [(getpass.getuser(), "plan refused", "the export was cut off")]
    code, said = call("plan", "approve", "toy", plan[:12], "--why", "after all")
    assert (code, "0 waiting plans" in said, standing(school) == before) == (1, True, True)


def test_sync_dry_run_moves_nothing(school: Toy, make: Records, call: Call) -> None:
    """A dry run shows each change and leaves core, mappings, letters and the cursor; the same sync moves them all."""
    school.sends["students"] = [[*(make.student(n, phone=f"{n}") for n in range(9)), make.student(TOO_LONG)]]
    school.may(guard={"limits": {"floor": 1, "updated": 1.0}})
    before = standing(school)
    code, said = call("sync", "toy", "--entity", "students", "--dry-run")
    assert (code, standing(school)) == (0, before)
    assert [line.split()[:4] for line in said.splitlines() if "phone" in line] == [
        [f"s{n}", "update", "phone", f"{n}"] for n in range(9)
    ]
    assert school.rows("SELECT state FROM connector.sync_plans ORDER BY id") == [("applied",), ("planned",)]
    assert call("sync", "toy", "--entity", "students")[0] == 0
    moved = [now != then for now, then in zip(standing(school), before, strict=True)]
    assert moved == [True] * len(STANDING)
    assert school.core("students", "phone")[:9] == [(f"{n}",) for n in range(9)]


def test_replay_plans_stored_pages_and_moves_nothing(school: Toy, make: Records, call: Call) -> None:
    """A replay plans the pages of a read whose plan was rejected, without asking the source, and can be approved."""
    school.may(guard={"limits": {"floor": 1, "updated": 0.1}})
    school.sends["students"] = [[make.student(n, phone="8") for n in range(3)]]
    rejected = school.prepare("students", mode=Mode.INCREMENTAL).hash
    assert call("plan", "reject", "toy", rejected, "--why", "a mistake")[0] == 0
    school.sends["students"] = [RuntimeError("nobody may ask the source")]
    before = standing(school)
    code, said = call("replay", "toy", "2")
    assert (code, standing(school), said.count("phone")) == (0, before, 3)
    ((plan, state),) = school.rows("SELECT hash, state FROM connector.sync_plans ORDER BY id DESC LIMIT 1")
    assert (plan, state, f"hash {plan[:12]}" in said) == (rejected, "planned", True)
    assert call("plan", "approve", "toy", plan[:8], "--why", "as it was read")[0] == 0
    assert school.core("students", "phone")[:4] == [("8",)] * 3 + [(None,)]


def test_resync_mends_what_looked_unchanged(school: Toy, call: Call) -> None:
    """A row that was spoiled behind everybody's back stays so until a re-sync that applies; the log says who did it."""
    school.execute(
        "SET session_replication_role = replica", "UPDATE core.students SET family_name = 'lost' WHERE id < 4"
    )
    lost = "SELECT count(*) FROM core.students WHERE family_name = 'lost'"
    for words in (("sync", "toy"), ("resync", "toy")):
        assert (call(*words)[0], school.rows(lost), audited(school)) == (0, [(3,)], [])
    code, said = call("resync", "toy", "--entity", "students", "--apply")
    assert (code, school.rows(lost)) == (0, [(0,)])
    assert (
        " ".join(next(line for line in said.splitlines() if line.startswith("students")).split()[:4])
        == "students 10 0 3"
    )
    assert audited(school) == [(getpass.getuser(), "full re-sync", None)]


def test_resync_may_be_the_first_sync(toy: Toy, make: Records, call: Call) -> None:
    """A source that was never read is read by a re-sync like by any sync."""
    toy.sends["students"] = [[make.student(1)]]
    assert (call("resync", "toy", "--apply")[0], toy.core("students", "external_id")) == (0, [("s1",)])


def test_one_dead_letter_is_retried_and_then_all(refused: Toy, call: Call) -> None:
    """What core takes by now comes with a retry, the one that is named and then the others; the log says why."""
    assert call("dead-letters", "retry", "toy")[0] == 0
    assert refused.letters("state", "attempts") == [("open", 2), ("open", 2)]
    refused.execute("ALTER TABLE core.students DROP CONSTRAINT no_nine")
    code, said = call("dead-letters", "retry", "toy", "--number", "2", "--why", "the rule was wrong")
    assert (code, "students: 1 of 1 accepted; the plan is applied" in said) == (0, True)
    assert (refused.core("students", "external_id"), refused.letters("state")) == (
        [("s1",), ("s3",)],
        [("open",), ("resolved",)],
    )
    code, said = call("dead-letters", "retry", "toy", "--why", "the others, too")
    assert (code, "students: 1 of 1 accepted" in said) == (0, True)
    assert refused.core("students", "external_id", "phone") == [("s1", None), ("s2", "9"), ("s3", "9")]
    assert refused.letters("state") == [("resolved",), ("resolved",)]
    assert [why for _, _, why in audited(refused)] == ["", "the rule was wrong", "the others, too"]


def test_one_dead_letter_is_cleared_and_then_all(refused: Toy, call: Call) -> None:
    """Clearing settles the letter that is named, then the others, without their records, and only with --apply."""
    clear = ("dead-letters", "clear", "toy")
    before = standing(refused)
    code, said = call(*clear, "--number", "1")
    assert (code, "1 dead letters would be cleared" in said, standing(refused) == before) == (0, True, True)
    for words, states in ((("--number", "1"), ["resolved", "open"]), ((), ["resolved", "resolved"])):
        code, said = call(*clear, *words, "--apply", "--why", "test records")
        assert (code, said) == (0, "1 dead letters are cleared\n")
        assert [state for (state,) in refused.letters("state")] == states
    assert refused.core("students", "external_id") == [("s1",)]
    assert audited(refused) == [(getpass.getuser(), "dead letters cleared", "test records")] * 2
    assert [
        json.loads(staged)["phone"] for (staged,) in refused.rows("SELECT staged::text FROM connector.dead_letters")
    ] == ["9", "9"]


def test_receipt_shows_the_accounting_and_who_tampered_with_it(refused: Toy, call: Call) -> None:
    """The command shows a run's identity, checksums and seal; it fails once the receipt was changed or is gone."""
    code, said = call("receipt", "toy", "1")
    assert code == 0
    assert (
        "3 fetched + 0 retried = 1 created + 0 updated + 0 unchanged + 0 skipped + 0 conflicts + 2 dead-lettered"
        in said
    )
    ((checksum, signed),) = refused.rows(
        "SELECT core_checksum::text, r.receipt FROM connector.sync_receipts, connector.sync_runs r WHERE r.id = 1"
    )
    assert f"checksum planned {checksum}, in core {checksum}\n  verified\n" in said
    assert f"receipt: as it was written; signed {signed}" in said
    behind = "SET session_replication_role = replica"
    refused.execute(behind, "UPDATE connector.sync_receipts SET counts = counts || '{\"dead_lettered\": 1}'")
    code, said = call("receipt", "toy")
    assert (code, "3 fetched + 0 retried ≠ 1 created" in said) == (1, True)
    assert "receipt: changed since it was written" in said
    refused.execute(behind, "DELETE FROM connector.sync_receipts")
    assert (call("receipt", "toy")[0], "receipt: gone" in call("receipt", "toy")[1]) == (1, True)


def test_receipt_names_what_was_spoiled(school: Toy, call: Call) -> None:
    """With --check the command names a row that somebody spoiled since, and fails; without, it shows what was."""
    school.execute("SET session_replication_role = replica", "UPDATE core.students SET phone = '1' WHERE id = 4")
    for words, outcome in (((), (0, 0)), (("--check",), (1, 1)), (("--check", "--entity", "sections"), (0, 0))):
        code, said = call("receipt", "toy", *words)
        assert (code, said.count("  differs: s3 phone\n")) == outcome


def test_receipt_names_every_row_that_core_did_not_take(toy: Toy, make: Records, call: Call) -> None:
    """Rows that core altered are all named, or as many as a limit says, and the command fails."""
    toy.execute(
        "CREATE FUNCTION core.alter_value() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN new.phone = '0'; RETURN new; END $$",
        "CREATE TRIGGER alter_value BEFORE INSERT ON core.students FOR EACH ROW EXECUTE FUNCTION core.alter_value()",
    )
    toy.sends["students"] = [[make.student(n) for n in range(30)]]
    toy.sync("students")
    for limit, named, more in (("0", 30, 0), ("12", 12, 18)):
        code, said = call("receipt", "toy", "--limit", limit)
        assert (code, said.count("  differs: s"), f"{more} more differ; --limit 0" in said) == (1, named, bool(more))


def test_receipt_of_nothing_says_so(school: Toy, call: Call) -> None:
    """A hash, run or read that applied nothing is refused by name; a source that never was synced has no receipt."""
    code, said = call("receipt", "toy", "0123456789")
    assert (code, "toy applied nothing by '0123456789'" in said) == (1, True)
    school.name = "other"
    assert call("receipt", "other") == (0, "")


def test_all_dead_letters_are_listed_however_many(toy: Toy, make: Records, call: Call) -> None:
    """Page by page, or at once, every letter is listed once, with rule, reason, read, page, record and count of all."""
    toy.sends["students"] = [[make.student(f"{TOO_LONG}{n}") for n in range(130)]]
    toy.sync("students")
    each = ("dead-letters", "list", "toy", "--each")
    code, said = call(*each)
    first = [line for line in said.splitlines() if " students " in line]
    rule = "id must have 1 to 255 characters"
    assert (
        first[0] == f"      1  students  s{TOO_LONG}0  open  {rule}  (rule {rule}, read 1 page 1 record 0, 1 attempts)"
    )
    assert (code, len(first), said.splitlines()[-1]) == (0, 100, "30 more of 130; the next: --after 100")
    said = call(*each, "--after", "100")[1]
    rest = [line for line in said.splitlines() if " students " in line]
    assert (len(rest), said.splitlines()[-1]) == (30, "30 of 130 dead letters")
    assert [line for line in call(*each, "--limit", "0")[1].splitlines() if " students " in line] == first + rest
    assert "Given" not in said
    assert f'"given_name": "Given{TOO_LONG}129"' in call(*each, "--after", "129", "--values")[1]
    assert call(*each, "--rule", "another") == (0, "")


def test_explain_answers_for_a_time(school: Toy, make: Records, call: Call) -> None:
    """The command names plan, read and value as they were at a time, and refuses what is no time."""
    ((then,),) = school.rows("SELECT clock_timestamp()")
    school.sends["students"] = [[make.student(n, given_name="Changed") for n in range(3)]]
    school.sync("students", mode=Mode.INCREMENTAL)
    told = {}
    for when, words in (("now", ()), ("then", ("--at", then.isoformat()))):
        code, told[when] = call("explain", "students", "1", "given_name", "--record", *words)
        assert code == 0
    assert ("from toy, read 2, page 1" in told["now"], "value: 'Changed'" in told["now"]) == (True, True)
    assert ("from toy, read 1, page 1" in told["then"], "value: 'Given0'" in told["then"]) == (True, True)
    assert "first byte: 1\n" in told["then"]
    code, said = call("explain", "students", "1", "given_name", "--at", "long ago")
    assert (code, "'long ago' is no time" in said) == (1, True)


def test_retention_counts_first(toy: Toy, make: Records, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command says what is old enough, leaves all as it is, and removes it with --apply and a reason."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_RETENTION_DAYS", "30")
    for phone in "12":
        toy.sends["students"] = [[make.student(1, phone=phone)]]
        toy.sync("students")
    assert call("retention") == (0, "nothing is old enough\n")
    toy.execute("UPDATE connector.sync_runs SET finished_at = finished_at - interval '60 days'")
    line = "toy/students: the pages of 1 reads, 0 dead letters\n"
    assert call("retention") == (0, f"{line}nothing is removed yet; to do it: --apply --why …\n")
    assert call("retention", "--apply")[0] == 1
    assert len(toy.landing.reads("toy", "students")) == 2
    assert call("retention", "--apply", "--why", "30 days") == (0, line)
    assert len(toy.landing.reads("toy", "students")) == 1


def test_erasing_a_person_counts_first(toy: Toy, make: Records, call: Call) -> None:
    """The command says what is held where, leaves all as it is, and erases with --apply and a reason."""
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.sync("students")
    [(row,), _] = toy.core("students", "id")
    asked = ("erase-subject", "students", str(row))
    held = "students: 1\nmappings: 1\nlanded toy/students: 1\n"
    assert call(*asked) == (0, f"{held}nobody is erased yet; to do it: --apply --why …\n")
    assert call(*asked, "--apply")[0] == 1
    assert call(*asked, "--apply", "--why", "a request of 1 May") == (0, f"{held}erased\n")
    assert call(*asked) == (0, "students: 1\nnobody is erased yet; to do it: --apply --why …\n")


def test_a_copy_without_anybody_is_written_once(toy: Toy, make: Records, call: Call, tmp_path: Path) -> None:
    """The command counts what it wrote, says how to load it, and writes over nothing."""
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.sync("students")
    folder = tmp_path / "copy"
    said = f"students: 2\nto bring it into an empty database: psql -f load.sql in {folder}\n"
    assert call("anonymised-copy", str(folder)) == (0, said)
    assert "Given1" not in (folder / "students.csv").read_text()
    assert call("anonymised-copy", str(folder))[0] == 1


def test_what_is_held_about_a_person_is_written_to_a_file(toy: Toy, make: Records, call: Call, tmp_path: Path) -> None:
    """By id or by external id, printed or to a file that only its owner may read; and not without a reason."""
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.sync("students")
    [(row,), _] = toy.core("students", "id")
    asked, file = ("export-subject", "students", str(row)), tmp_path / "handed" / "over.json"
    assert call(*asked)[0] == 2
    status, printed = call(*asked, "--why", "she asked")
    assert (status, json.loads(printed)["students"][0]["given_name"]) == (0, "Given1")
    named = ("export-subject", "students", "--source", "toy", "--external-id", "s1", "--why", "she asked")
    assert call(*named, "--to", str(file))[0] == 0
    assert json.loads(file.read_text()) == json.loads(printed)
    assert file.stat().st_mode & 0o777 == 0o600
