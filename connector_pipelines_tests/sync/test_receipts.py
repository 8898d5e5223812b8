from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from connector_pipelines_tests.sync.conftest import Records, Toy

ALTERS = (
    "CREATE FUNCTION core.alter_value() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN IF new.phone = 'odd' THEN new.phone = 'altered'; END IF; RETURN new; END $$;"
    " CREATE TRIGGER alter_value BEFORE INSERT OR UPDATE ON core.students"
    " FOR EACH ROW EXECUTE FUNCTION core.alter_value()"
)


@pytest.mark.parametrize("known", [True, False])
def test_value_that_core_altered_is_named(toy: Toy, make: Records, known: bool) -> None:  # noqa: FBT001 -- a parameter
    """When core does not hold what was planned, the receipt is not verified and names the rows."""
    toy.execute(ALTERS)
    if known:
        toy.sends["students"] = [[make.student(1), make.student(2)]]
        toy.sync("students")
    toy.sends["students"] = [[make.student(1, phone="odd"), make.student(2, phone="fine")]]
    receipt = toy.sync("students")["students"].receipt
    assert receipt is not None
    assert (receipt.verified, receipt.differences, receipt.counts.accounted_for) == (False, ("s1",), True)
    assert receipt.planned_checksum != receipt.core_checksum
    assert toy.rows("SELECT verified, differences FROM connector.sync_receipts ORDER BY plan_id DESC LIMIT 1") == [
        (False, ["s1"])
    ]


def test_row_that_core_lost_is_named(toy: Toy, make: Records) -> None:
    """A row that somebody deletes while the plan is applied is a difference, too."""
    toy.chunk_rows = 1
    toy.sends["students"] = [[make.student(1), make.student(2)]]
    toy.report = lambda _: toy.execute("DELETE FROM core.students WHERE given_name = 'Given1'")
    receipt = toy.sync("students")["students"].receipt
    assert receipt is not None
    assert (receipt.verified, receipt.differences) == (False, ("s1",))


def test_at_most_twenty_differences_are_named(toy: Toy, make: Records) -> None:
    """The receipt names twenty rows at most, in order."""
    toy.execute(ALTERS)
    toy.sends["students"] = [[make.student(n, phone="odd") for n in range(10, 40)]]
    receipt = toy.sync("students")["students"].receipt
    assert receipt is not None
    assert receipt.differences == tuple(f"s{n}" for n in range(10, 30))


def test_counts_that_do_not_add_up_are_not_verified(toy: Toy, make: Records) -> None:
    """A plan whose counts lost a row is applied and its receipt says that it is not accounted for."""
    toy.sends["students"] = [[make.student(1)]]
    toy.prepare("students")
    toy.execute("UPDATE connector.sync_plans SET counts = counts || '{\"fetched\": 2}'")
    (receipt,) = toy.apply("students")
    assert (receipt.verified, receipt.counts.accounted_for, receipt.differences) == (False, False, ())


def test_receipt_is_kept(toy: Toy, make: Records) -> None:
    """Every applied plan has one receipt with its counts and equal checksums; a plan of nothing has sums of zero."""
    toy.sends["students"] = [[make.student(1)]]
    for _ in range(2):
        toy.sync("students")
    first, second = toy.rows(
        "SELECT planned_checksum = core_checksum, core_checksum = 0, verified, counts -> 'created'"
        " FROM connector.sync_receipts ORDER BY plan_id"
    )
    assert (first, second) == ((True, False, True, 1), (True, True, True, 0))
