"""Raw records to the texts of their mapped columns: one record at a time, and only those that are not known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from connector_pipelines.declarative.bodies import LOOK
from connector_pipelines.errors import BrokenPage
from connector_pipelines.pages import BadRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_pipelines.declarative.mapping import Fed
    from connector_pipelines.declarative.paths import Path
    from connector_pipelines.declarative.settings import Declared

HEAD = ("external_id", "modified_at", "deleted", "skip")
"""What every decoded record begins with; the mapped columns follow."""

LEFT_OUT = "left out by `keep`"
_LONGEST_SHOWN = 255

Texts = tuple[str | None, ...]
Spell = Callable[[object], str | None]


@dataclass(frozen=True, slots=True)
class _Column:
    """How one column is read: the value at a path, spelled out."""

    name: str
    get: Callable[[Any], object]
    spell: Spell


def decoder(declared: Declared, null_tokens: Sequence[str] = ()) -> Callable[[bytes], Texts]:
    """A function that decodes one raw record to its texts, in the order of `HEAD` and the mapping.

    Args:
        declared: the entity.
        null_tokens: texts that mean that there is nothing.

    Returns:
        a pure function; it raises `BadRow`.
    """
    path_in = type(declared).path_in
    nulls = frozenset(("", *null_tokens))
    ids = [path_in(text).get for text in declared.id]
    modified, deleted = declared.modified, declared.deleted
    head = (
        None if modified is None else _Column("modified", path_in(modified.path).get, _moments(modified.format, nulls)),
        None if deleted is None else _Column("deleted", path_in(deleted.path).get, _flags(deleted.values, nulls)),
    )
    keep = None if declared.keep is None else path_in(declared.keep).get
    columns = [_column(name, fed, path_in, nulls) for name, fed in declared.mapping.items()]
    exact = all(path_in(text).names for text in declared.own_paths())  # JMESPath's functions know floats alone
    record = msgspec.json.Decoder(float_hook=Decimal) if exact else msgspec.json.Decoder()

    def decode(raw: bytes) -> Texts:
        found = _read(record, raw)
        key = _key(ids, found)
        if found.__class__ is not dict:
            raise _unreadable(found)
        try:
            when, gone = (None if one is None else one.spell(one.get(found)) for one in head)
            skip = None if keep is None or keep(found) else LEFT_OUT
            return (key, when, gone, skip, *[column.spell(column.get(found)) for column in columns])
        except BadRow:
            raise _placed(columns, found, key) from None

    return decode


def _read(record: msgspec.json.Decoder[Any], raw: bytes) -> Any:
    try:
        return record.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if isinstance(error, UnicodeDecodeError) or "invalid utf-8" in str(error).lower():
            problem = "a record is not in the character set that its page should have."
            raise BrokenPage(problem, remedy=LOOK) from None
        raise BadRow("record: unreadable", f"is not readable: {error}") from None


def key_of(declared: Declared) -> Callable[[bytes], str | None]:
    """A function that gives the id in a raw record; None where it has none."""
    ids = [type(declared).path_in(text).get for text in declared.id]
    read = msgspec.json.Decoder().decode

    def key(raw: bytes) -> str | None:
        try:
            return _key(ids, read(raw))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BadRow):
            return None  # a dead letter

    return key


def unreadable(line: int, why: str, cells: Sequence[str]) -> bytes:
    """A stand-in for what is no record; decoding refuses it and gives the reason. No record of a source is a list."""
    return msgspec.json.encode([f"line {line} {why}", *cells])


def _unreadable(found: object) -> BadRow:
    if isinstance(found, list) and found and isinstance(found[0], str) and found[0].startswith("line "):
        return BadRow("record: unreadable row", found[0])
    return BadRow("record: not an object", f"is {_kind(found)} where an object with fields is expected")


def _key(ids: Sequence[Callable[[Any], object]], found: Any) -> str | None:
    """The id; null where any part of it is missing. Parts may hold slashes themselves: they are escaped."""
    if found.__class__ is not dict:
        return None
    parts = [_plain(get(found)) for get in ids]
    if any(part is None or not part.strip() for part in parts):
        return None
    texts = [str(part).strip() for part in parts]
    return texts[0] if len(texts) == 1 else "/".join(text.replace("~", "~0").replace("/", "~1") for text in texts)


def _placed(columns: Sequence[_Column], found: Any, key: str | None) -> BadRow:
    """The first column that cannot be spelled, by name: looked for only when one is wrong."""
    usable = key if key and len(key) <= _LONGEST_SHOWN and key.isprintable() else None
    for column in columns:
        try:
            column.spell(column.get(found))
        except BadRow as row:
            return BadRow(f"{column.name} {row.rule}", f"{column.name} {row.reason}", usable)
    return BadRow("record: unreadable", "has a time or a mark of deletion that is a list or an object", usable)


def _column(name: str, fed: Fed, path_in: Callable[[str], Path], nulls: frozenset[str]) -> _Column:
    if fed.path is None:
        return _Column(name, lambda _: fed.value, _plain)
    spell = _spelled(fed, nulls)
    return _Column(name, path_in(fed.path).get, spell)


def _spelled(fed: Fed, nulls: frozenset[str]) -> Spell:
    """What a field's value becomes, step by step: text, nothing, another word, another way of writing."""
    write = _written(fed)

    def spell(value: object) -> str | None:
        text = _plain(value)
        if text is None or text.strip() in nulls:
            return fed.default
        if fed.values:
            text = _translated(fed.values, fed.otherwise, text.strip())
        return write(text) if write else text

    return spell


def _written(fed: Fed) -> Callable[[str], str] | None:
    if fed.format is not None:
        return _times(fed.format)
    if fed.decimal != "." or fed.thousands:
        thousands, point = fed.thousands or "", fed.decimal
        return lambda text: (text.replace(thousands, "") if thousands else text).replace(point, ".")
    return None


def _translated(values: Mapping[str, str], otherwise: str | None, text: str) -> str:
    found = values.get(text, otherwise)
    if found is None:
        raise BadRow("has a value that `values` does not list", "has a value that `values` does not list")
    return found


def _times(form: str) -> Callable[[str], str]:
    """Days and times as ISO 8601. What cannot be read stays as it is, and validation says what is wrong with it."""
    if form in {"epoch", "epoch_ms"}:
        unit = 1 if form == "epoch" else 1000

        def since_1970(text: str) -> str:
            try:
                return datetime.fromtimestamp(float(text) / unit, UTC).isoformat()
            except (ValueError, OverflowError, OSError):
                return text

        return since_1970

    def parsed(text: str) -> str:
        try:
            return datetime.strptime(text.strip(), form).isoformat()  # noqa: DTZ007 -- zone or not is the format's
        except ValueError:
            return text

    return parsed


def _moments(form: str | None, nulls: frozenset[str]) -> Spell:
    write = _times(form) if form else None

    def spell(value: object) -> str | None:
        text = _plain(value)
        if text is None or text.strip() in nulls:
            return None
        return write(text) if write else text

    return spell


def _flags(values: Sequence[str], nulls: frozenset[str]) -> Spell:
    yes = {value.lower() for value in values}

    def spell(value: object) -> str | None:
        text = _plain(value)
        return None if text is None or text.strip() in nulls else str(text.strip().lower() in yes).lower()

    return spell


def _plain(value: object) -> str | None:
    """A value as text; a list of words is joined by commas, as in the other connectors.

    Raises:
        BadRow: it is an object, or a list of other things.
    """
    if value is None or isinstance(value, str):
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return ",".join(text for item in value if (text := _plain(item)) is not None)
    if isinstance(value, list | dict):
        kind = _kind(value)
        raise BadRow(f"is {kind}", f"is {kind} where a text or number is expected; name a field of it")
    return str(value)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
