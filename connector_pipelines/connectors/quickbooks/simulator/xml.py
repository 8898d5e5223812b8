"""The same answers in XML, which is what QuickBooks sends to whoever does not ask for JSON.

Records are built in the order of Intuit's schema, so that both forms say the same and the XML is valid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, tostring

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMESPACE = "http://schema.intuit.com/finance/v3"

_ATTRIBUTES = {
    "IntuitResponse": {"time", "requestId", "status"},
    "QueryResponse": {"startPosition", "maxResults", "totalCount"},
    "BatchItemResponse": {"bId"},
    "Fault": {"type"},
    "Error": {"code", "element"},
}
_OF_RECORDS = {"domain", "sparse", "status"}
_OF_REFERENCES = {"name", "type"}


def as_xml(document: Mapping[str, Any]) -> bytes:
    """An answer, or a fault of either spelling, as an IntuitResponse."""
    root = Element("IntuitResponse", xmlns=NAMESPACE)
    _fill(root, {name: value for name, value in document.items() if value not in (None, [])})
    body: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return body


def _fill(element: Element, value: Any) -> None:
    if not isinstance(value, dict):
        element.text = _text(value)
        return
    reference = "value" in value
    attributes = _OF_REFERENCES if reference else _ATTRIBUTES.get(element.tag, _OF_RECORDS)
    for name, part in value.items():
        if name == "value":
            element.text = _text(part)
        elif name in attributes:
            element.set(name, _text(part))
        else:
            for one in part if isinstance(part, list) else [part]:
                _fill(SubElement(element, name), one)


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
