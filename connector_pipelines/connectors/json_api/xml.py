"""Pages in XML: elements become objects, without namespaces.

    <Product id="7"><name>Chalk</name><tag>a</tag><tag>b</tag></Product>
    {"id": "7", "name": "Chalk", "tag": ["a", "b"]}

A child hides an attribute of the same name. An element with attributes or children has its text as `_text`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.declarative.bodies import broken

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def document_of_xml(body: bytes) -> Any:
    """The whole page as an object.

    Raises:
        ValueError: it is no XML.
    """
    return _value(_root(body))


def records_of_xml(body: bytes, path: str, missing_is_empty: bool) -> list[object]:  # noqa: FBT001 -- as declared
    """The elements at a path of tags below the root, as objects; what holds them may be there and empty.

    Raises:
        BrokenPage: it is no XML, or has nothing at the path.
    """
    try:
        root = _root(body)
    except ValueError:
        raise broken(body, "is no XML, or breaks off") from None
    *way, last = [part for part in path.split("/") if part]
    holders = [root]
    for tag in way:
        holders = [child for holder in holders for child in holder if _tag(child) == tag]
    if not holders and not missing_is_empty:
        raise broken(body, f"has no {'/'.join(way)!r} below its root {_tag(root)!r}")
    found = [child for holder in holders for child in holder if _tag(child) == last]
    others = {_tag(child) for holder in holders for child in holder}
    if not found and others and not missing_is_empty:
        raise broken(body, f"has no {last!r} at {path!r}, but {', '.join(sorted(others)[:5])}")
    return [_record(element) for element in found]


def _root(body: bytes) -> Element:
    """The root element; entities and external references are refused (defusedxml)."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, LookupError, UnicodeError) as error:
        message = "no XML"
        raise ValueError(message) from error
    return root


def _record(element: Element) -> dict[str, object]:
    value = _value(element)
    return value if isinstance(value, dict) else {"_text": value}


def _value(element: Element) -> Any:
    text = (element.text or "").strip()
    if len(element) == 0 and not element.attrib:
        return text or None
    found: dict[str, Any] = {_bare(name): value for name, value in element.attrib.items()}
    children: dict[str, list[object]] = {}
    for child in element:
        children.setdefault(_tag(child), []).append(_value(child))
    found |= {tag: values[0] if len(values) == 1 else values for tag, values in children.items()}
    return found | ({"_text": text} if text else {})


def _tag(element: Element) -> str:
    return _bare(element.tag)


def _bare(name: str) -> str:
    return name.rpartition("}")[2]
