"""Fields to core columns: the examples of the requirements, every kind of column, and what is refused, and why."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from connector_pipelines.connectors.csv_api.config import CsvApiConfig
from connector_pipelines.connectors.json_api.client import KIND, streams
from connector_pipelines.connectors.json_api.config import JsonApiConfig, JsonEntity
from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.declarative import settings
from connector_pipelines.errors import Category, FieldMissing
from connector_pipelines.pages import Rows
from connector_pipelines.series import plain
from connector_pipelines.validation.accept import Accepted, accept

ITEMS = {
    "sku": "productCode",
    "name": "name",
    "quantity_on_hand": "qtyOnHand",
    "reorder_point": "reorderLevel",
    "preferred_vendor_id": "defaultSupplierId",
}
VENDORS = {"name": "supplierName", "contact_email": "email", "lead_time_days": "leadTimeDays"}
STATES = {"status": {"path": "state", "values": {"A": "active", "X": "inactive"}}}


def config(entity: str, mapping: dict[str, Any], **more: Any) -> JsonApiConfig:
    """A source of one entity whose pages are lists."""
    declared = {"path": "things", "id": "key", "mapping": mapping} | more
    return JsonApiConfig.model_validate({"base_url": "https://api.example", "entities": {entity: declared}})


def mapped(entity: str, mapping: dict[str, Any], *records: Any, **more: Any) -> Accepted:
    """What becomes of records on one page."""
    [stream] = streams(config(entity, mapping, **more))
    rows = stream.split(json.dumps(list(records)).encode())
    return accept(stream, [Rows(1, range(len(rows)), rows, ["0" * 32] * len(rows))])


def core(entity: str, mapping: dict[str, Any], record: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The core columns of one record that is accepted, without nulls."""
    found = mapped(entity, mapping, {"key": "1"} | record, **more)
    assert [row.reason for row in found.rejections] == []
    values = found.frame.iloc[0].drop(["page", "row", "fingerprint", "external_id"])
    return {str(name): value for name, value in values.dropna().items()}


def reasons(entity: str, mapping: dict[str, Any], record: dict[str, Any], **more: Any) -> list[str]:
    """Why a record is a dead letter."""
    return [row.reason for row in mapped(entity, mapping, {"key": "1"} | record, **more).rejections]


def test_inventory_as_in_the_requirements() -> None:
    """The mapping of products that the requirements give feeds these columns (E45-E48)."""
    product = {"productCode": "A-1", "name": "Chalk", "qtyOnHand": 12, "reorderLevel": 2.50, "defaultSupplierId": 7}
    assert core("inventory_items", ITEMS, product) == {
        "sku": "A-1",
        "name": "Chalk",
        "quantity_on_hand": "12",
        "reorder_point": "2.5",
        "preferred_vendor": "7",
        "status": "active",
        "deleted": False,
    }


def test_vendors_as_in_the_requirements() -> None:
    """The mapping of suppliers that the requirements give feeds these columns (E49-E51)."""
    supplier = {"supplierName": "  Chalk & Co ", "email": "", "leadTimeDays": "14"}
    found = core("vendors", VENDORS, supplier)
    assert found == {"name": "Chalk & Co", "lead_time_days": 14, "status": "active", "deleted": False}


@pytest.mark.parametrize(
    ("entity", "mapping", "gone"),
    [("inventory_items", ITEMS, name) for name in ITEMS] + [("vendors", VENDORS, name) for name in VENDORS],
)
def test_a_field_that_is_not_there_is_named(entity: str, mapping: dict[str, str], gone: str) -> None:
    """A mapping that names a field which no record has is a MAPPING_ERROR with path and column (E45-E51)."""
    record = {"key": "1"} | {path: "1" for name, path in mapping.items() if name != gone}
    with pytest.raises(FieldMissing, match=f"'{mapping[gone]}', which feeds {gone}; it has key") as caught:
        mapped(entity, mapping, record)
    assert caught.value.category is Category.MAPPING_ERROR


def test_a_field_that_some_records_lack_is_nothing() -> None:
    """A field that at least one record of the page has, or that is optional, may be missing."""
    found = mapped(
        "vendors",
        VENDORS,
        {"key": "1", "supplierName": "A", "email": "a@b.c", "leadTimeDays": 1},
        {"key": "2", "supplierName": "B"},
    )
    assert list(found.frame["name"]) == ["A", "B"]
    optional = {"name": "supplierName", "website": {"path": "www", "optional": True}}
    assert "website" not in core("vendors", optional, {"supplierName": "A"})
    with pytest.raises(FieldMissing, match="'www'"):
        mapped("vendors", {"name": "supplierName", "website": "www"}, {"key": "1", "supplierName": "A"})


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("lead_time_days", "+7", 7),
        ("lead_time_days", 7.0, 7),
        ("lead_time_days", " 2147483647 ", 2_147_483_647),
        ("account_number", 9_007_199_254_740_993, "9007199254740993"),
        ("account_number", 0.1, "0.1"),
        ("account_number", True, "true"),
        ("account_number", ["a", 1, None], "a,1"),
    ],
)
def test_values_are_turned_into_their_column(column: str, value: Any, expected: Any) -> None:
    """Numbers, flags and lists become what their column holds, without losing a digit."""
    assert core("vendors", {"name": "n", column: "v"}, {"n": "A", "v": value})[column] == expected


@pytest.mark.parametrize(
    ("value", "more", "expected"),
    [
        ("1.234,50", {"decimal": ",", "thousands": "."}, "1234.5"),
        ("1 000", {"thousands": " "}, "1000"),
        (1e-7, {}, "0.0000001"),
        ("-0.00", {}, "0"),
        (123456789.123456789, {}, "123456789.12345679"),
    ],
)
def test_numbers_are_read_as_written(value: Any, more: dict[str, str], expected: str) -> None:
    """A decimal number has one spelling in core, however the source writes it."""
    mapping = {"name": "n", "unit_cost": {"path": "v"} | more}
    assert core("inventory_items", mapping, {"n": "A", "v": value})["unit_cost"] == expected


def test_long_decimals_of_json_keep_their_digits() -> None:
    """A number in JSON is not squeezed through a double."""
    [stream] = streams(config("inventory_items", {"name": "n", "unit_cost": "v"}))
    [raw] = stream.split(b'[{"key": 1, "n": "A", "v": 12345678901234567890.12}]')
    assert stream.decode(raw)[-1] == "12345678901234567890.12"


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        ("2026-03-01", None, date(2026, 3, 1)),
        ("2026-03-01T23:30:00-05:00", None, date(2026, 3, 1)),
        ("01.03.2026", "%d.%m.%Y", date(2026, 3, 1)),
        ("3/1/26", "%m/%d/%y", date(2026, 3, 1)),
        (1_772_323_200, "epoch", date(2026, 3, 1)),
        (1_772_323_200_000, "epoch_ms", date(2026, 3, 1)),
    ],
)
def test_days_are_read_as_declared(value: Any, form: str | None, expected: date) -> None:
    """A day may be written in any declared way."""
    mapping = {"order_date": {"path": "v", "format": form}}
    assert core("purchase_orders", mapping, {"v": value})["order_date"] == expected


def test_flags_and_words_are_translated() -> None:
    """Flags are read in many spellings, words are looked up, constants and defaults stand in."""
    people = {"given_name": "g", "family_name": "f", "enabled": "e", "grades": {"path": "c", "default": "1"}} | STATES
    person = {"g": "Zoe\u0308", "f": "Li", "e": "Yes", "state": "X", "c": None}
    found = core("students", people, person)
    assert (found["given_name"], found["enabled"], found["status"], found["grades"]) == ("Zoë", True, "inactive", "1")
    other = {"name": "n", "currency": {"value": "EUR"}, "status": STATES["status"] | {"otherwise": "active"}}
    assert core("vendors", other, {"n": "A", "state": "?"})["currency"] == "EUR"


@pytest.mark.parametrize(
    ("entity", "mapping", "record", "reason"),
    [
        ("vendors", VENDORS, {"supplierName": " "}, "name is required"),
        ("vendors", {"name": {"path": "state", "values": {"A": ""}}}, {}, "name must not be blank"),
        ("vendors", VENDORS, {"supplierName": None}, "name is required"),
        ("vendors", VENDORS, {"leadTimeDays": "soon"}, r"lead_time_days must be a whole number \(from leadTimeDays\)"),
        ("vendors", VENDORS, {"leadTimeDays": 2.5}, "lead_time_days must be a whole number"),
        ("vendors", VENDORS, {"leadTimeDays": 2**31}, "lead_time_days must be a whole number"),
        ("vendors", VENDORS, {"leadTimeDays": {"d": 3}}, "lead_time_days is an object where a text or number is"),
        ("vendors", VENDORS, {"supplierName": "a\x00b"}, "name must have no NUL character"),
        ("vendors", VENDORS, {"supplierName": "a" * 10_001}, "name must have at most 10,000 characters"),
        ("vendors", VENDORS, {"key": None}, "external_id is required"),
        ("vendors", VENDORS, {"key": "k" * 256}, "external_id its id must have at most 255 characters"),
        ("vendors", VENDORS | STATES, {"state": "Q"}, "status has a value that `values` does not list"),
        ("inventory_items", ITEMS, {"qtyOnHand": "1,5"}, r"quantity_on_hand must be a number \(from qtyOnHand\)"),
        ("inventory_items", ITEMS, {"qtyOnHand": "1e400"}, "quantity_on_hand must be a number"),
    ],
)
def test_bad_values_are_dead_letters(entity: str, mapping: dict[str, Any], record: dict[str, Any], reason: str) -> None:
    """A value that its column cannot hold is a dead letter that names column, rule and field."""
    good = {"supplierName": "A", "email": "a", "leadTimeDays": 1, "state": "A"}
    good |= dict.fromkeys(ITEMS.values(), "1")
    [found] = reasons(entity, mapping, good | record)
    assert pd.Series([found]).str.contains(reason)[0], found


@pytest.mark.parametrize("value", ["31.02.2026", "0001-01-01", "9999-12-31", "tomorrow", "2026-1-1", "20260301"])
def test_days_that_are_none_are_dead_letters(value: str) -> None:
    """A day that does not exist, or is not plausible, is refused with the way it should be written."""
    mapping = {"order_date": {"path": "v", "format": "%d.%m.%Y"}}
    assert reasons("purchase_orders", mapping, {"v": value}) == [
        "order_date must be a day from 1900 to 2200, as %d.%m.%Y (from v)"
    ]


def test_records_that_are_none_are_dead_letters() -> None:
    """What is no object among the records is a dead letter, and its neighbors go on."""
    found = mapped("vendors", {"name": "n"}, {"key": "1", "n": "A"}, "text", [1], None, {"key": "2", "n": "B"})
    assert list(found.frame["external_id"]) == ["1", "2"]
    assert [row.rule for row in found.rejections] == ["record: not an object"] * 3


def test_records_not_kept_are_skipped() -> None:
    """Records that `keep` leaves out are skipped with the reason, and counted."""
    found = mapped("vendors", {"name": "n"}, {"key": "1", "n": "A"}, {"key": "2", "n": "B"}, keep="n != 'B'")
    assert list(found.frame["external_id"]) == ["1"]
    assert found.skipped == {"left out by `keep`": 1}


def test_deleted_records_get_the_status_of_gone_ones() -> None:
    """A record that the source calls deleted is, and has the entity's word for it; so have those that stay."""
    deleted = {"path": "gone", "values": ["Y"]}
    gone = core("purchase_orders", {"memo": "m"}, {"m": "x", "gone": "y"}, deleted=deleted)
    there = core("purchase_orders", {"memo": "m"}, {"m": "x", "gone": ""}, deleted=deleted)
    assert (gone["deleted"], gone["status"]) == (True, "cancelled")
    assert (there["deleted"], there["status"]) == (False, "open")
    assert core("vendors", {"name": "m"}, {"m": "x", "gone": True}, deleted="gone")["status"] == "inactive"


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        ("2026-03-01T10:00:00+02:00", None, "2026-03-01T08:00:00Z"),
        ("2026-03-01 10:00", None, "2026-03-01T10:00:00Z"),
        ("01.03.2026 10:00", "%d.%m.%Y %H:%M", "2026-03-01T10:00:00Z"),
        (1_772_359_200_000, "epoch_ms", "2026-03-01T10:00:00Z"),
    ],
)
def test_times_of_change_are_utc(value: Any, form: str | None, expected: str) -> None:
    """The time of the last change is UTC, whatever zone it came in."""
    found = core("vendors", {"name": "n"}, {"n": "A", "at": value}, modified={"path": "at", "format": form})
    assert found["modified_at"] == pd.Timestamp(expected)


def test_a_composed_key_is_unambiguous() -> None:
    """Several parts make one id; parts that hold the separator themselves do not collide."""
    found = mapped(
        "vendors", {"name": "n"}, {"a": "1/2", "b": "3", "n": "A"}, {"a": "1", "b": "2/3", "n": "B"}, id=["a", "b"]
    )
    assert list(found.frame["external_id"]) == ["1~12/3", "1/2~13"]


WRONG = [
    ({"vendors": {"mapping": {"nmae": "n", "name": "n"}}}, "vendors: core/vendors has no column nmae; it has name"),
    ({"vendors": {"mapping": {"website": "w"}}}, "vendors: core/vendors needs name"),
    ({"vendors": {"mapping": {"id": "w", "name": "n"}}}, "has no column id"),
    ({"enrollments": {"mapping": {"student_id": "s"}}}, "core/enrollments needs section_id"),
    ({"gadgets": {"mapping": {"name": "n"}}}, "gadgets: core has no such entity; it has organizations"),
    ({"vendors": {"mapping": {"name": "a["}}}, "'a\\[' is no JMESPath expression"),
    ({"vendors": {"mapping": {"name": {}}}}, "either a path or a value is needed"),
    ({"vendors": {"mapping": {"name": "n"}, "path": "https://elsewhere.example/x"}}, "below base_url"),
    ({"vendors": {"mapping": {"name": "n"}, "path": "x/$id"}}, r"nothing is called \$id"),
    ({"vendors": {"mapping": {"name": "n"}, "body": {"a": 1}}}, "a body needs method POST"),
    ({"vendors": {"mapping": {"name": "n"}, "paging": {"type": "page", "into": "body"}}}, "needs method POST"),
    ({"vendors": {"mapping": {"name": "n"}, "paging": {"type": "cursor", "next": "a["}}}, "no JMESPath"),
    ({"vendors": {"mapping": {"name": "n"}, "paging": {"type": "pages"}}}, "'none', 'page', 'offset'"),
    ({"vendors": {"mapping": {"name": "n"}, "incremental": {}}}, "one of since, filter or newest_first"),
    ({"vendors": {"mapping": {"name": "n"}, "incremental": {"newest_first": True}}}, "newest_first needs modified"),
    (
        {"vendors": {"mapping": {"name": "n"}, "incremental": {"filter": "q", "expression": "a > '$sicne'"}}},
        r"may name \$since and \$until alone",
    ),
    ({"vendors": {"mapping": {"name": "n"}, "incremental": {"since": "s", "step_days": 3}}}, "step_days needs until"),
    ({"vendors": {"mapping": {"name": "n"}, "each": {"entity": "courses", "field": "x"}}}, "no other entity of this"),
    ({"vendors": {"mapping": {"name": "n"}, "each": {"values": ["a"], "carry": {"b": "c"}}}}, "carry needs parents"),
]


@pytest.mark.parametrize(("entities", "sentence"), WRONG)
def test_mistakes_are_found_at_definition(entities: dict[str, Any], sentence: str) -> None:
    """A declaration that cannot work is refused before anything is asked, in a sentence that names the place."""
    whole = {name: {"path": "things", "id": "key"} | entity for name, entity in entities.items()}
    with pytest.raises(ValidationError, match=sentence):
        JsonApiConfig.model_validate({"base_url": "https://api.example", "entities": whole})


def test_every_core_entity_can_be_fed() -> None:
    """For each core entity a mapping of all its columns is accepted, and feeds all of them."""
    for name, entity in ENTITIES.items():
        columns = [column.name for column in entity.columns] + [reference.column for reference in entity.references]
        [stream] = streams(config(name, {column: column for column in columns}))
        days = {column.name: "2026-03-01" for column in entity.columns if column.kind == "DATE"}
        raw = json.dumps([{"key": "1"} | dict.fromkeys(columns, "1") | days]).encode()
        found = accept(stream, [Rows(1, [0], stream.split(raw), ["0" * 32])])
        assert [row.reason for row in found.rejections] == []
        assert found.frame.iloc[0].notna().drop("modified_at").all()


def test_every_field_is_documented() -> None:
    """Every field of every model of the declaration has a description."""
    seen: set[type[BaseModel]] = set()

    def walk(model: type[BaseModel]) -> None:
        if model in seen:
            return
        seen.add(model)
        for field in model.model_fields.values():
            for leaf in leaves(field.annotation):
                walk(leaf)

    for root in (JsonApiConfig, CsvApiConfig, JsonEntity):
        walk(root)
    assert len(seen) > 15
    assert [f"{m.__name__}.{name}" for m in seen for name, f in m.model_fields.items() if not f.description] == []


def leaves(annotation: Any) -> list[type[BaseModel]]:
    """The models an annotation is made of."""
    inner = getattr(annotation, "__args__", ())
    found = [leaf for part in inner for leaf in leaves(part)]
    return [*found, annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else found


@examples(deadline=None, max_examples=40)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9))
def test_one_price_has_one_spelling(value: Decimal) -> None:
    """Whatever zeros pad it, a number is spelled once, and is the same number."""
    assert plain(str(value)) == plain(f"{value}000" if "." in str(value) else str(value))
    assert Decimal(plain(str(value))) == value


@examples(deadline=None, max_examples=12)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"key": st.none() | st.text(max_size=5)},
            optional={
                "n": st.none()
                | st.text(max_size=5)
                | st.integers()
                | st.booleans()
                | st.lists(st.text(max_size=2), max_size=2),
                "q": st.none() | st.text(max_size=5) | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
                "d": st.none() | st.text(max_size=10) | st.dates().map(str),
            },
        ),
        max_size=6,
    )
)
def test_no_record_is_lost(records: list[dict[str, Any]]) -> None:
    """Whatever records hold: each is accepted, rejected or skipped, exactly once, and what is accepted is typed."""
    optional = {"optional": True}
    mapping = {"name": {"path": "n"} | optional, "unit_cost": {"path": "q"} | optional}
    found = mapped("inventory_items", mapping, *records)
    assert len(found.frame) + len(found.rejections) + sum(found.skipped.values()) == len(records)
    for number in found.frame["unit_cost"].dropna():
        Decimal(number)


def test_settings_are_one_shape() -> None:
    """Both connectors share what is not about the shape of pages."""
    assert issubclass(JsonApiConfig, settings.Settings)
    assert issubclass(CsvApiConfig, settings.Settings)
    assert KIND.null_tokens(None) == ()
