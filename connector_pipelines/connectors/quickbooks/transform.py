"""Accepted QuickBooks rows to core columns. Pure: frames in, frames out, no row is added or left out.

Types of the result: text is pandas' `str` (missing: NaN), numbers are decimal text for NUMERIC columns, days are Arrow
`date32`, `modified_at` is UTC in microseconds, `deleted` is `bool`. Text is trimmed, an empty text is missing, and
names are in Unicode's composed form (NFC), so that the same name from two systems is the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from connector_pipelines.series import TEXT, arrow, day, moment, nothing, of_text, text

if TYPE_CHECKING:
    from collections.abc import Sequence

ORDERING = ("ItemBasedExpenseLineDetail", "AccountBasedExpenseLineDetail")
"""Lines that order something; others are subtotals and remarks."""


def inventory_items(frame: pd.DataFrame, *, types: Sequence[str]) -> pd.DataFrame:
    """Of items.

    Args:
        frame: accepted items.
        types: which feed core; of the others, categories for one, the rows say why they are skipped.
    """
    return _core(
        frame,
        skip=_other_types(frame["Type"], types),
        sku=text(frame["Sku"]),
        name=text(frame["Name"]),
        description=text(frame["Description"]),
        item_type=text(frame["Type"]),
        category=text(frame["Parent"]),
        barcode=nothing(frame),
        unit_cost=text(frame["PurchaseCost"]),
        unit_price=text(frame["UnitPrice"]),
        currency=nothing(frame),
        quantity_on_hand=text(frame["QtyOnHand"]),
        quantity_on_order=text(frame["QtyOnPurchaseOrder"]),
        quantity_reserved=text(frame["QtyOnSalesOrder"]),
        reorder_point=text(frame["ReorderPoint"]),
        status=_active(frame["Active"]),
        preferred_vendor=text(frame["PrefVendor"]),
    )


def vendors(frame: pd.DataFrame) -> pd.DataFrame:
    """Of vendors."""
    return _core(
        frame,
        name=text(frame["Name"]),
        contact_email=text(frame["Email"]),
        phone=text(frame["Phone"]),
        website=text(frame["WebAddr"]),
        address=text(frame["BillAddr"]),
        account_number=text(frame["AcctNum"]),
        lead_time_days=pd.Series(pd.NA, index=frame.index, dtype=pd.Int64Dtype()),
        currency=text(frame["Currency"]),
        status=_active(frame["Active"]),
    )


def purchase_orders(frame: pd.DataFrame) -> pd.DataFrame:
    """Of purchase orders, without their lines."""
    return _core(
        frame,
        gone="cancelled",
        order_number=text(frame["DocNumber"]),
        order_date=day(frame["TxnDate"]),
        expected_date=day(frame["ExpectedDate"]),
        total_amount=text(frame["TotalAmt"]),
        currency=text(frame["Currency"]),
        memo=text(frame["Memo"]),
        status=_order_status(frame["POStatus"]),
        vendor=text(frame["Vendor"]),
    )


def purchase_order_lines(frame: pd.DataFrame) -> pd.DataFrame:
    """Of the lines of purchase orders."""
    return _core(
        frame,
        skip=_other_lines(frame["DetailType"]),
        line_number=frame["LineNum"],
        description=text(frame["Description"]),
        quantity=text(frame["Qty"]),
        quantity_received=text(frame["Received"]),
        unit_price=text(frame["UnitPrice"]),
        amount=text(frame["Amount"]),
        status=_order_status(frame["POStatus"]),
        purchase_order=text(frame["Order"]),
        inventory_item=text(frame["Item"]),
    )


def _core(
    frame: pd.DataFrame, *, skip: pd.Series | None = None, gone: str = "inactive", **fed: pd.Series
) -> pd.DataFrame:
    """The columns every result has, and those that are fed.

    Of a deleted record nothing but the id is sent: it says its status, and nothing else.

    Args:
        frame: accepted rows.
        skip: why rows are skipped.
        gone: the status of a deleted record.
        fed: the columns.
    """
    deleted = _deleted(frame)
    every = {
        "external_id": text(frame["Id"]),
        "modified_at": moment(frame["LastUpdatedTime"]),
        "deleted": deleted,
        "skip": nothing(frame) if skip is None else skip,
    }
    said = {name: values.mask(deleted, gone if name == "status" else None) for name, values in fed.items()}
    return pd.DataFrame(every | (said if deleted.any() else fed))


def _deleted(frame: pd.DataFrame) -> pd.Series:
    """Whether a row says of itself that it was deleted; lines never do."""
    if "status" not in frame:
        return pd.Series(data=False, index=frame.index)
    said = pc.equal(pc.utf8_lower(arrow(frame["status"])), "deleted")
    return pd.Series(pc.fill_null(said, fill_value=False).to_numpy(zero_copy_only=False), index=frame.index)


def _other_types(types: pd.Series, wanted: Sequence[str]) -> pd.Series:
    """Why an item is skipped; null for those of a wanted type. An item without a type is from before there were any."""
    said = arrow(types)
    reason = pc.binary_join_element_wise("type", said, pa.scalar("is not among item_types"), " ")
    kept = pc.or_kleene(pc.is_in(said, pa.array(wanted, pa.string())), pc.is_null(said))
    return of_text(pc.if_else(kept, pa.scalar(None, pa.string()), reason), types.index)


def _other_lines(details: pd.Series) -> pd.Series:
    """Why a line is skipped; null for those that order something."""
    said = pc.coalesce(arrow(details), pa.scalar("without DetailType"))
    reason = pc.binary_join_element_wise(said, pa.scalar("orders nothing"), " ")
    kept = pc.is_in(said, pa.array(ORDERING))
    return of_text(pc.if_else(kept, pa.scalar(None, pa.string()), reason), details.index)


def _active(flags: pd.Series) -> pd.Series:
    """A record that does not say is active: QuickBooks leaves out what is as usual."""
    active = flags.astype(pd.BooleanDtype()).fillna(value=True).to_numpy(dtype=bool)
    return pd.Series(np.where(active, "active", "inactive"), index=flags.index, dtype=TEXT)


def _order_status(words: pd.Series) -> pd.Series:
    """Open or closed; an order that does not say is open."""
    said = pc.fill_null(pc.equal(pc.utf8_lower(arrow(words)), "closed"), fill_value=False)
    return of_text(pc.if_else(said, "closed", "open"), words.index)
