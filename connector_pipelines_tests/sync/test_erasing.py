"""A person who was erased is nowhere any more, comes back by no sync, and everything else stays as it was."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from connector_pipelines.errors import AnotherRunIsActive, ApprovalRefused, BrokenPage, ConfigurationError
from connector_pipelines.model import Mode
from connector_pipelines.pages import Page, Stability
from connector_pipelines.sync import receipts, veil
from connector_pipelines.sync.deciding import approve_and_apply
from connector_pipelines.sync.erasing import Erasure, erase
from connector_pipelines.sync.explaining import explain
from connector_pipelines.sync.locks import hold
from connector_pipelines.sync.reconciling import reconcile_all
from connector_pipelines.sync.replaying import replay
from connector_pipelines.sync.subjects import Subject, export
from connector_pipelines.sync.undoing import preview, undo
from connector_pipelines_tests.kept import kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_pipelines.model import Plan
    from connector_pipelines_tests.sync.conftest import Record, Records, Toy

WHO = {
    "given_name": "Canaria",
    "family_name": "Serinus",
    "middle_name": "Fringilla",
    "preferred_name": "Kanarie",
    "username": "cserinus",
    "email": "canaria@serinus.example",
    "phone": "+1 555 0177",
    "student_number": "N-77001",
}
IDS = ("sid-canary-77", "enr-canary-77", "enr-canary-78", "grd-canary-77")
CANARIES = (*WHO.values(), *IDS, "Canaria sings")


def canary(**changes: object) -> Record:
    """The student who is to be erased."""
    return {"id": IDS[0], "status": "active", **WHO} | changes


def grade(number: object, student: str, **changes: object) -> Record:
    """A grade of a student."""
    given = {"student": student, "section": "c1", "score": "7.5", "comment": f"{student} did well"}
    return {"id": f"g{number}", "grade_type": "section_total", "status": "active"} | given | changes


@pytest.fixture
def school(toy: Toy, make: Records) -> Toy:
    """A school where she is in every place that keeps something: core, history, edits, conflicts, letters, cache,
    events, alerts.
    """
    toy = replace(toy, entities=(*toy.entities, "grades"), stability=Stability.STABLE)
    toy.may(drops=["students", "enrollments"], conflicts={"students": {"phone": "manual"}})
    toy.sends["organizations"] = [[make.organization(1)]]
    toy.sends["sections"] = [[make.section(1)]]
    toy.sends["students"] = [[make.student(1), canary()], [make.student(2, phone="1")]]
    toy.sends["enrollments"] = [[enrolled(1, "s1"), enrolled(IDS[1], IDS[0]), enrolled(2, "s2")]]
    toy.sends["grades"] = [[grade(1, "s1"), grade(2, IDS[0], id=IDS[3], comment="Canaria sings")]]
    toy.sync()
    toy.execute(
        "UPDATE core.students SET phone = '+1 555 0177 0', notes = 'Canaria sings' WHERE username = 'cserinus'",
        "INSERT INTO connector.response_cache VALUES ('k', 200, '{}', 'canaria@serinus.example', 'toy://sid-canary-77')",
        "INSERT INTO connector.alerts (level, title, body) VALUES (1, 'toy', 'look at sid-canary-77, N-77001.')",
        "INSERT INTO connector.integration_webhook_events (integration_id, event_id, event_type, payload)"
        """ SELECT id, 'e1', 'user.updated', '{"ids": ["sid-canary-77"]}' FROM connector.integrations""",
    )
    toy.sends["students"] = [[make.student(1), canary(phone="+1 555 0177 1", email="canaria@serinus.example.org")]]
    toy.sends["students"].append([make.student(2, phone="2")])
    toy.sends["enrollments"][0] += [  # type: ignore[operator]
        enrolled(IDS[2], IDS[0], section="c9"),
        enrolled("3", IDS[0], status=None),
    ]
    toy.sync()
    return toy


def enrolled(number: object, student: str, *, section: str = "c1", **changes: object) -> Record:
    """An enrollment."""
    named = {"id": number if str(number).startswith("enr") else f"e{number}"}
    return named | {"student": student, "section": section, "status": "enrolled"} | changes


def erased(toy: Toy, subject: Subject, *, apply: bool = True) -> Erasure:
    """Erase them."""
    with toy.open() as context:
        return erase(context, subject, {"toy": toy.source}, who="ann", why="a request of 1 May", apply=apply)


def her(toy: Toy) -> Subject:
    """The canary, by her row in core."""
    return Subject("students", toy.rows("SELECT id FROM core.students WHERE username = 'cserinus'")[0][0])


def dump(toy: Toy) -> Iterator[tuple[str, str]]:
    """Every row of every table as text, and every landed file unpacked, by place."""
    tables = toy.rows(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace IN ('core'::regnamespace, 'connector'::regnamespace, 'staging'::regnamespace)"
    )
    with kept(toy.url) as connection:
        connection.execute("SET bytea_output = 'escape'")
        for (table,) in tables:
            for (row,) in connection.execute(f"SELECT t::text FROM {table} t").fetchall():
                yield table, str(row)
    for path in Path(toy.landing.root).rglob("*"):
        if path.is_file():
            body = path.read_bytes()
            if path.suffix == ".zst":
                body = pa.CompressedInputStream(pa.BufferReader(body), "zstd").read()
            yield str(path), body.decode()


def hits(toy: Toy) -> dict[str, set[str]]:
    """Where which canary stands."""
    found: dict[str, set[str]] = {}
    for place, text in dump(toy):
        for word in CANARIES:
            if word.lower() in text.lower():
                found.setdefault(place, set()).add(word)
    return found


OTHERS = (
    "SELECT c::text FROM core.synced_students c WHERE external_id IN ('s1', 's2') ORDER BY id",
    "SELECT c::text FROM core.synced_enrollments c WHERE external_id IN ('e1', 'e2') ORDER BY id",
    "SELECT c::text FROM core.synced_grades c WHERE external_id = 'g1' ORDER BY id",
    "SELECT c::text FROM core.sections c",
    "SELECT s::text FROM connector.sync_changes s WHERE external_id IN ('s1', 's2')",
    "SELECT r::text FROM connector.sync_receipts r ORDER BY plan_id",
)


def others(toy: Toy) -> list[list[tuple[Any, ...]]]:
    """Everybody else, and the books."""
    return [toy.rows(statement) for statement in OTHERS]


def test_nothing_of_them_is_left_and_everybody_else_is_as_before(school: Toy) -> None:
    """Before, each canary stands in many tables and pages; afterwards in none. Others, their history and all receipts
    are unchanged, her row is there under a pseudonym, and what points to it still does.
    """
    before, untouched = hits(school), others(school)
    assert {word for words in before.values() for word in words} == set(CANARIES)
    assert len(before) > 10
    subject = her(school)
    done = erased(school, subject)
    assert hits(school) == {}
    assert others(school) == untouched
    assert done.records == {"toy/students": 2, "toy/enrollments": 4, "toy/grades": 2}
    assert done.unread == []
    row = "SELECT given_name, family_name, email, phone, notes, status, enabled FROM core.students WHERE id = %s"
    assert school.rows(row, subject.id) == [("erased", "erased", None, None, None, "inactive", False)]
    assert school.rows("SELECT score, comment FROM core.grades WHERE student_id = %s", subject.id) == [(7.5, None)]
    assert school.rows("SELECT count(*) FROM core.enrollments WHERE student_id = %s", subject.id) == [(1,)]


def test_a_preview_counts_and_leaves_everything(school: Toy) -> None:
    """It tells the same counts that erasing tells, of tables and of pages, and changes nothing, nowhere."""
    subject, before = her(school), sorted(dump(school))
    looked = erased(school, subject, apply=False)
    assert sorted(dump(school)) == before
    assert erased(school, subject).counts == looked.counts


@pytest.mark.parametrize("mode", [Mode.FULL, Mode.INCREMENTAL])
def test_no_sync_brings_them_back(school: Toy, make: Records, mode: Mode) -> None:
    """Her record comes changed, with old and new enrollments, one of which breaks a rule: all are skipped and counted,
    nothing waits, nothing is absent or dropped, and no canary is anywhere.
    """
    subject = her(school)
    erased(school, subject)
    row = school.rows("SELECT c::text FROM core.students c WHERE id = %s", subject.id)
    school.sends["students"] = [
        [make.student(1, phone="9"), canary(phone="+1 555 0177 2")],
        [make.student(2, phone="2")],
    ]
    school.sends["enrollments"][0] += [enrolled("enr-canary-79", IDS[0]), enrolled("4", IDS[0], status=None)]  # type: ignore[operator]
    counts = {entity: one.plan.counts for entity, one in school.sync(mode=mode).items()}
    assert all(one.accounted_for for one in counts.values())
    assert (counts["students"].skipped, counts["students"].updated) == (1, 1)
    assert counts["enrollments"].skipped == 5
    assert counts["grades"].skipped == 1
    assert [(one.absent, one.dropped, one.dead_lettered, one.created) for one in counts.values()] == [(0, 0, 0, 0)] * 5
    assert hits(school) == {}
    assert school.rows("SELECT c::text FROM core.students c WHERE id = %s", subject.id) == row
    reason = "SELECT skipped FROM connector.sync_runs WHERE entity = 'students' ORDER BY id DESC LIMIT 1"
    assert school.rows(reason) == [({veil.REASON: 1},)]


def test_a_full_read_without_changes_writes_nothing(school: Toy) -> None:
    """Once the others are known again, they are recognized by their bytes as ever, and hers are skipped."""
    erased(school, her(school))
    school.sync()
    school.decoded.clear()
    counts = school.sync("students")["students"].plan.counts
    assert (counts.fetched, counts.unchanged, counts.skipped) == (3, 2, 1)
    assert [json.loads(raw)["id"] for raw in school.decoded if b"canar" not in raw.lower()] == []


def test_doing_it_again_does_no_harm(school: Toy) -> None:
    """By the row or by the id of a source: nothing changes but the audit log."""
    subject = her(school)
    erased(school, subject)
    before = [pair for pair in dump(school) if "audit" not in pair[0]]
    for again in (subject, Subject("students", source="toy", external_id=IDS[0])):
        done = erased(school, again)
        assert (done.records, done.unread) == ({}, [])
    assert sorted(pair for pair in dump(school) if "audit" not in pair[0]) == sorted(before)


def test_who_erased_and_why_is_in_the_audit_log(school: Toy) -> None:
    """Its entries name the row of core and counts. What an earlier entry said of the ids is gone, too."""
    with school.open() as context:
        asked = Subject("students", source="toy", external_id=IDS[0])
        export(context, asked, {"toy": school.source}, who="ann", why="she asked")
    subject = her(school)
    erased(school, subject)
    rows = school.rows("SELECT who, action, entity, detail FROM connector.integration_audit_logs ORDER BY id")
    assert [(who, action, entity) for who, action, entity, _ in rows] == [
        ("ann", "subject exported", "students"),
        ("ann", "subject erased", "students"),
        ("ann", "pages erased", "students"),
    ]
    assert rows[0][3]["external_id"] == "erased"
    assert (rows[1][3]["id"], rows[1][3]["why"]) == (subject.id, "a request of 1 May")
    assert rows[1][3]["history"]["changes"] == 1
    with school.open() as context, pytest.raises(ConfigurationError, match="nobody is erased without a reason"):
        erase(context, subject, {}, who="ann", why=" ", apply=True)


def test_history_stays_closed_to_everybody_else(school: Toy) -> None:
    """The triggers that refuse any change stand as before."""
    erased(school, her(school))
    for table in ("sync_changes", "sync_receipts", "integration_audit_logs", "sync_plans"):
        with pytest.raises(Exception, match="append-only"):
            school.execute(f"DELETE FROM connector.{table}")
    guarded = "SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O' AND NOT tgisinternal"
    assert school.rows(guarded) == [(0,)]


def test_receipts_that_named_a_record_are_signed_again(school: Toy) -> None:
    """A receipt lists the records that core did not hold as planned; without her id it has a new signature, and the
    audit log has both.
    """
    school.execute(
        "SET session_replication_role = replica",
        """UPDATE connector.sync_receipts SET differences = '["s1", "sid-canary-77"]' WHERE entity = 'students'""",
    )
    with school.open() as context:
        [kept_one] = [one for one in receipts.kept(context.connection, "toy") if one.entity == "students"]
        with context.connection.transaction():
            context.connection.execute("SET LOCAL session_replication_role = replica")
            sign = "UPDATE connector.sync_runs SET receipt = %s WHERE id = %s"
            context.connection.execute(sign, [kept_one.found, kept_one.run])
        erased(school, her(school))
        [now] = [one for one in receipts.kept(context.connection, "toy") if one.entity == "students"]
    assert now.receipt is not None
    assert (now.seal, now.receipt.differences) == (receipts.Seal.INTACT, ("s1", "erased"))
    detail = school.rows("SELECT detail FROM connector.integration_audit_logs WHERE action = 'subject erased'")[0][0]
    assert {"plan": now.plan, "was": kept_one.found, "is": now.signed} in detail["signed again"]


def test_stored_reads_are_replayed_and_compared_without_them(school: Toy) -> None:
    """The same reads give plans that know nothing of her, core is what they say, and her row has no story."""
    reads = school.landing.reads("toy", "students")
    subject = her(school)
    erased(school, subject)
    with school.open() as context:
        plans = [replay(context, school.source, read) for read in reads]
        assert [(one.counts.fetched, one.counts.skipped) for one in plans] == [(3, 1)] * len(reads)
        assert [one.alarms for one in reconcile_all(context, school.source)] == [0] * 5
        told = explain(context, {"toy": school.source}, "students", int(subject.id or 0), "email")
    assert (told.value, told.writing) == (None, None)
    assert hits(school) == {}


def held(toy: Toy, make: Records) -> Plan:
    """A plan that waits for a person and holds her record."""
    toy.may(guard={"limits": {"floor": 1, "updated": 0.1}})
    toy.sends["students"] = [[make.student(1, phone="5"), canary(phone="+1 555 0177 3"), make.student(2, phone="5")]]
    plan = toy.sync("students")["students"].plan
    assert plan.state == "held"
    return plan


def test_open_plans_are_made_anew_without_them(school: Toy, make: Records) -> None:
    """A held plan has lost her: approved, it is held again under another hash, and that one leaves her out."""
    plan, subject = held(school, make), her(school)
    school.pull("enrollments")
    erased(school, subject)
    assert hits(school) == {}
    with school.open() as context:
        with pytest.raises(ApprovalRefused, match="core changed since"):
            approve_and_apply(context, school.source, plan.hash, who="ann", why="looks right")
        [(fresh,)] = school.rows("SELECT hash FROM connector.sync_plans WHERE state = 'held'")
        [receipt] = approve_and_apply(context, school.source, fresh, who="ann", why="looks right").receipts
    assert (receipt.counts.updated, receipt.counts.skipped) == (2, 1)
    assert receipt.verified
    assert hits(school) == {}


@pytest.mark.parametrize("which", ["first", "newest"])
def test_undoing_an_older_plan_does_not_touch_them(school: Toy, which: str) -> None:
    """What a plan created or changed goes back for the others; her row stays as it is, and no value of hers returns."""
    order = "ASC" if which == "first" else "DESC"
    [(plan,)] = school.rows(
        "SELECT hash FROM connector.sync_plans WHERE entity = 'students' AND state = 'applied'"
        f" ORDER BY id {order} LIMIT 1"
    )
    subject = her(school)
    erased(school, subject)
    row = school.rows("SELECT c::text FROM core.students c WHERE id = %s", subject.id)
    with school.open() as context:
        seen = preview(context, school.source, plan)
        undo(context, school.source, plan, seen.hash, who="ann", why="oops")
    assert school.rows("SELECT c::text FROM core.students c WHERE id = %s", subject.id) == row
    assert hits(school) == {}


def test_what_was_cut_off_is_finished(school: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash between database and pages no sync lets her in, and erasing again cleans the pages."""
    subject = her(school)
    with monkeypatch.context() as patch:
        patch.setattr(type(school.landing), "keep", lambda *_: (_ for _ in ()).throw(OSError("the disk is gone")))
        with pytest.raises(OSError, match="the disk is gone"):
            erased(school, subject)
    assert {place.rpartition(".")[2] for place in hits(school)} == {"zst"}
    assert school.sync("students")["students"].plan.counts.skipped == 1
    assert erased(school, subject).records["toy/students"] == 2
    assert hits(school) == {}


@pytest.mark.parametrize("step", ["write_bytes", "replace", "unlink"])
def test_pages_are_whole_wherever_the_process_dies(school: Toy, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Between a new page, its manifest and the old page's end every read can be read, as it was or as it shall be."""
    subject, path = her(school), type(school.landing._folder("toy", "students", 1))
    real, calls = getattr(path, step), []

    def dies(*given: Any, **named: Any) -> Any:
        calls.append(given)
        if len(calls) > 1:
            raise OSError("the process died")
        return real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(path, step, dies)
        with pytest.raises(OSError, match="the process died"):
            erased(school, subject)
    for entity in school.entities:
        for read in school.landing.reads("toy", entity):
            told = school.landing.manifest("toy", entity, read)
            assert len(list(school.landing.pages("toy", entity, read))) == told["pages"]
    erased(school, subject)
    assert hits(school) == {}


def test_pages_that_nobody_can_read_are_removed_whole(school: Toy) -> None:
    """A damaged read, and the reads of a source that is declared no more, may hold her: they are named, then removed,
    and say by what.
    """
    read = school.landing.reads("toy", "students")[0]
    (school.landing._folder("toy", "students", read) / "page-000001.zst").write_bytes(b"damaged")
    subject = her(school)
    assert erased(school, subject, apply=False).unread == [("toy", "students", read)]
    assert erased(school, subject).unread == [("toy", "students", read)]
    with pytest.raises(BrokenPage, match=f"pages of read {read} were removed by erase_subject, 20"):
        list(school.landing.pages("toy", "students", read))
    with school.open() as context:
        gone = erase(context, subject, {}, who="ann", why="the rest, too", apply=True)
    assert {entity for _, entity, _ in gone.unread} == {"students", "enrollments", "grades"}


def test_a_broken_page_is_not_landed_any_more(school: Toy) -> None:
    """Of a page that cannot be taken apart nobody can say whom it names: where people were erased it is withheld."""
    erased(school, her(school))
    stream = school.source.stream("students")

    def broken(_: bytes) -> list[bytes]:
        raise BrokenPage("is no page.", remedy="none")

    with school.open() as context:
        over = veil.load(context.connection, "toy")
    page = Page(1, "toy://students", 200, b"<html>Canaria", [])
    assert [one.body for one in over.over(replace(stream, split=broken), [page])] == [b""]
    empty = Page(1, "toy://students", 200, b"[]", [])
    assert [one.body for one in over.over(stream, [empty])] == [b"[]"]


@pytest.mark.parametrize("busy", ["toy/students", "toy/grades", "core/enrollments"])
def test_nobody_is_erased_while_their_source_is_at_work(school: Toy, busy: str) -> None:
    """While an entity that may hold them is read, planned or applied, nothing is done."""
    subject, before = her(school), sorted(dump(school))
    with school.open() as other, hold(other.connection, busy), pytest.raises(AnotherRunIsActive, match=busy):
        erased(school, subject)
    assert sorted(dump(school)) == before


def test_only_people_are_erased_and_only_those_that_are_there(school: Toy) -> None:
    """A mistyped id of core is an error, and nothing happens."""
    before = sorted(dump(school))
    with pytest.raises(ConfigurationError, match="core has no students 999999"):
        erased(school, Subject("students", 999_999))
    assert sorted(dump(school)) == before


def test_somebody_whom_core_does_not_have(school: Toy, make: Records) -> None:
    """A record that was refused is erased by its source's id: its letter and its pages; and it stays away."""
    school.sends["students"] = [[make.student(1), make.student("-refused", status=None, email="no@where.example")]]
    school.sync("students")
    erased(school, Subject("students", source="toy", external_id="s-refused"))
    assert [text for _, text in dump(school) if re.search("s-refused|no@where", text)] == []
    counts = school.sync("students")["students"].plan.counts
    assert (counts.skipped, counts.dead_lettered) == (1 + counts.fetched - 2, 0)
