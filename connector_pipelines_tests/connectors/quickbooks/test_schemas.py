"""What is accepted, and what becomes a dead letter with its reason."""

from __future__ import annotations

from typing import Any

import pytest

BAD: dict[str, list[tuple[dict[str, Any], str]]] = {
    "vendors": [
        ({"DisplayName": None}, "Name is required"),
        ({"DisplayName": "  "}, "Name must not be blank"),
        ({"DisplayName": "x" * 1_001}, "Name must have at most 1,000 characters and no NUL"),
        ({"DisplayName": "a\x00b"}, "Name must have at most 1,000 characters and no NUL"),
        ({"Id": None}, "Id is required"),
        ({"Id": "x" * 256}, "Id must have at most 255 characters and no NUL"),
        ({"MetaData": {"LastUpdatedTime": "0001-01-01T00:00:00-08:00"}}, "LastUpdatedTime must be an ISO 8601 time"),
        ({"MetaData": {"LastUpdatedTime": "yesterday"}}, "LastUpdatedTime must be an ISO 8601 time"),
        ({"AcctNum": "x" * 256}, "AcctNum must have at most 255 characters"),
    ],
    "inventory_items": [
        ({"Name": None}, "Name is required"),
        ({"UnitPrice": "NaN"}, "UnitPrice must be a number"),
        ({"UnitPrice": 1e300}, "UnitPrice must be a number"),
        ({"QtyOnHand": "Infinity"}, "QtyOnHand must be a number"),
        ({"Description": "x" * 4_001}, "Description must have at most 4,000 characters"),
    ],
    "purchase_orders": [
        ({"TxnDate": "2026-02-30"}, "TxnDate must be a day from 1900 to 2200"),
        ({"TxnDate": "0001-01-01"}, "TxnDate must be a day from 1900 to 2200"),
        ({"POStatus": "Lost"}, "POStatus must be one of Open, Closed"),
        ({"TotalAmt": "NaN"}, "TotalAmt must be a number"),
    ],
}
CASES = [(entity, change, rule) for entity, cases in BAD.items() for change, rule in cases]


@pytest.mark.parametrize(("entity", "change", "rule"), CASES)
def test_a_bad_record_is_refused_and_its_neighbor_is_not(
    accepted_of: Any, entity: str, change: dict[str, Any], rule: str
) -> None:
    """A record that breaks a rule is rejected by that rule; the record beside it is accepted."""
    good = {"Id": "1", "Name": "Pump", "DisplayName": "Acme", "MetaData": {"LastUpdatedTime": "2026-01-01T00:00:00Z"}}
    accepted = accepted_of(entity, [good, good | {"Id": "2"} | change])
    assert accepted.frame["external_id"].tolist() == ["1"]
    assert accepted.rejections[0].reason.startswith(rule)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ({"Id": None}, "Id is required"),
        ({"Id": "2", "LineNum": -1}, "LineNum"),
        ({"Id": "2", "LineNum": 2**31}, "LineNum"),
        ({"Id": "2", "Amount": "NaN"}, "Amount must be a number"),
    ],
)
def test_a_bad_line_is_refused_alone(accepted_of: Any, line: dict[str, Any], rule: str) -> None:
    """A line that breaks a rule is rejected by that rule; the other lines of its order are accepted."""
    good = {"Id": "1", "LineNum": 1, "Amount": 5, "DetailType": "AccountBasedExpenseLineDetail"}
    accepted = accepted_of("purchase_order_lines", [{"Id": "7", "Line": [good, good | line]}])
    assert accepted.frame["external_id"].tolist() == ["7:1"]
    assert accepted.rejections[0].reason.startswith(rule)


def test_a_record_with_little_in_it(accepted_of: Any) -> None:
    """A record with nothing but id and name is accepted."""
    assert len(accepted_of("inventory_items", [{"Id": "1", "Name": "Pump"}]).frame) == 1
    assert len(accepted_of("purchase_orders", [{"Id": "1"}]).frame) == 1
