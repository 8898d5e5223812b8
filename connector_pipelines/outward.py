"""What a connector must know to write outward: how a row of core becomes a record there, and how it gets there.

The mirror of a stream. The engine makes the rows (`core/extracts.py`), compares, plans, marks, counts and proves; a
connector only shapes records, looks for them, sends them and says what stands there. All frozen, no behavior.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

Record = Mapping[str, Any]
"""The fields of a record that are ours, in the other system's terms; JSON values only. All others are left alone."""


class Untold(Enum):
    """What `read_back` says of a field that the system takes and never tells again: it counts as it was taken."""

    UNTOLD = "untold"


class Action(StrEnum):
    """What is done to a record there. Nothing is deleted: WITHDRAW suspends, unenrols or hides; RESTORE undoes it."""

    CREATE = "create"
    UPDATE = "update"
    WITHDRAW = "withdraw"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that this system is not told of; what may stand there of it stays as it is."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unwanted:
    """A row that should not stand there (any more): it is withdrawn where it does, and skipped where it does not."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should stand there of one row.

    Attributes:
        key: which row of core it is: "students/17".
        record: as `shape` made it.
        spelled: the columns that the export's `spelled` names, as core has them; nothing of a row that was sent before.
    """

    key: str
    record: Record
    spelled: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """A record there that may be what is wanted.

    Attributes:
        key: of the wanted record.
        external_id: the other system's id.
        by: how it was recognized: "idnumber", "username", "email".
        record: what stands there now, in the terms of the wanted record. A field it lacks counts as null.
    """

    key: str
    external_id: str
    by: str
    record: Record


@dataclass(frozen=True, slots=True)
class Order:
    """One record to be written.

    Attributes:
        key: which row of core it is; some systems take it as the idempotency key of the call.
        external_id: None exactly when it is to be created.
        record: what should stand there, whole.
        changes: of an update, the fields that differ now, each with its value before and after.
    """

    key: str
    external_id: str | None
    record: Record
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """The system says that it did what an order asked for."""

    key: str
    external_id: str


@dataclass(frozen=True, slots=True)
class NotDone:
    """The system says that it did not do what one order asked for; its neighbors are not concerned.

    Attributes:
        rule: short name of what is wrong, for counting ("invalidusername").
        reason: a sentence a person understands, without personal data.
        again: the same order may succeed later without anybody mending something.
    """

    key: str
    rule: str
    reason: str
    again: bool = False


def everything(_row: Mapping[str, Any]) -> Skipped | Unwanted | None:
    """Every row is chosen."""
    return None


@dataclass(frozen=True, slots=True)
class Export:
    """How one kind of record is kept up in another system.

    What the functions raise decides what happens next. `RefusedBySource` from `send` says that nothing of the batch was
    done: it is halved until the row stands alone that is refused. Any other `SyncError` leaves open what was done: the
    orders without an outcome are looked up before they are sent again.

    Attributes:
        entity: what it is called there, and in the asset key: "users".
        of: the extract it is made of: a name in `core/extracts.py`. Its columns are what `shape` gets.
        shape: one row of the extract to the record that should stand there. Pure: no clock, no network. The row has
            the extract's columns as Python values, `key`, and under each name in `refers` the external id there, or
            None where core names nobody; the same under each name in `fed`. Raises `BadRow` for what cannot be said
            there: it becomes a dead letter.
        find: looks for records that stand there already: all candidates of each, none for what is not there. Asked for
            before anything is created. At most `batch` at a time.
        send: writes one batch of one action, and says of each order what became of it; at once where it makes several
            calls. An order without an outcome counts as not known, and is looked up before it is sent again. A write
            whose answer was lost must not be repeated here: its client asks once (`Policy(max_retries=0)`).
        read_back: what stands there now for external ids, in the terms of the wanted record; None for what is gone,
            and `Untold.UNTOLD` for a field that the system takes and never tells.
            One that is withdrawn is gone, or has a field that says so. At most `batch` at a time.
        batch: how many rows the system takes in one call.
        refers: the references of the extract that a record needs, each with the export of the same source that holds
            its external id: {"person": "users"}. A row waits until what it refers to stands there. It may name itself.
        awaits: references of the extract that its records do not name, and that the system asks for all the same, each
            with the export that writes them: a member of a group must be in its course. A row waits until what it
            awaits stands there and is not withdrawn. Where that export is switched off, nobody knows, and none waits.
        fed: references to rows that the source itself has fed, which are known there by the ids of its mappings.
            Nothing waits for them: where the source has not fed the row, `shape` gets None (G50).
        choose: whether a row's record is wanted at all; None where it is. Pure; asked with the row that `shape` gets,
            before anything is waited for, so that what is not chosen waits for nothing: in a row that has to wait, the
            external ids it waits for are None.
        sure: the ways of recognizing (`Found.by`) that need no person. A record they all point to is taken; where they
            point to several, or only another way found something, a person decides.
        together: a field of the record by which orders are sorted, and what is looked for or compared, so that one
            batch touches few of its values.
        spelled: columns of the extract that `find` is told as core spells them, where the record spells them otherwise
            and the other system looks for nothing but what it is asked for.
        needs: fields of the record that the other system takes empty and people cannot do without, each with why. Who
            has none is sent all the same, counted and named at the export.
        times: for rules that ask who wrote last: the extract's column that says when core changed the row, and the key
            under which `read_back` says when the record was changed there: seconds since 1970, or ISO 8601.
    """

    entity: str
    of: str
    shape: Callable[[Mapping[str, Any]], Record | Skipped | Unwanted]
    find: Callable[[Any, Sequence[Wanted]], Iterable[Found]]
    send: Callable[[Any, Action, Sequence[Order]], Iterable[Done | NotDone]]
    read_back: Callable[[Any, Sequence[str]], Iterable[tuple[str, Record | None]]]
    batch: int
    refers: Mapping[str, str] = field(default_factory=dict)
    awaits: Mapping[str, str] = field(default_factory=dict)
    fed: tuple[str, ...] = ()
    choose: Callable[[Mapping[str, Any]], Skipped | Unwanted | None] = everything
    sure: tuple[str, ...] = ()
    together: str = ""
    spelled: tuple[str, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    times: tuple[str, str] | None = None

    def awaited(self, written: Iterable[Export]) -> dict[str, str]:
        """Of what it awaits, what is written at all."""
        known = {one.entity for one in written}
        return {name: entity for name, entity in self.awaits.items() if entity in known}

    def follows(self, written: Iterable[Export]) -> list[str]:
        """The others that must have been written before, of those that are written at all."""
        before = (*self.refers.values(), *self.awaited(written).values())
        return [name for name in dict.fromkeys(before) if name != self.entity]

    @property
    def name(self) -> str:
        """What runs, plans and dead letters of it are called, beside those of what is read: "export/users"."""
        return PREFIX + self.entity


PREFIX = "export/"


def is_export(entity: str) -> bool:
    """Whether a run, plan or dead letter is of an export: nothing that is read is called so."""
    return entity.startswith(PREFIX)


def none(_config: Any) -> Sequence[Export]:
    """Of a connector that only reads."""
    return ()
