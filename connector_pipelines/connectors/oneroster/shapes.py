"""One row of core to the record that should stand in a gradebook, and its way over the wire. Pure.

A record is flat: names are those of the contract (1.1, "Data types"), a reference is the id it holds, times are spelled
in one way. `learningObjective` is the one identifier in a `learningObjectiveSet`. What is None is not said.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector_pipelines.assessed import called
from connector_pipelines.outward import Skipped
from connector_pipelines.pages import BadRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector_pipelines.connectors.oneroster.config import Gradebook, OneRosterConfig
    from connector_pipelines.outward import Record, Unwanted

    Row = Mapping[str, Any]
    Choose = Callable[[Row], Skipped | Unwanted | None]
    Shape = Callable[[Row], Record | Skipped | Unwanted]

ACTIVE, DELETED = "active", "tobedeleted"
_NO_CLASS = Skipped("its class is none of this system")
_NO_STUDENT = Skipped("its class or its student is none of this system")

REFERENCES = {
    "class": ("classes", "class"),
    "school": ("orgs", "org"),
    "category": ("categories", "category"),
    "lineItem": ("lineItems", "lineItem"),
    "student": ("users", "user"),
}
"""Fields that hold a reference: the collection it leads to, and the type that stands in it."""

_ROSTERED = {"classes", "orgs", "users"}
_INSTANTS = {"assignDate", "dueDate"}
_NUMBERS = {"score", "resultValueMin", "resultValueMax"}
_OBJECTIVE = "learningObjective"
_NEWER = {"school", "textScore", _OBJECTIVE}
"""What 1.1 does not know (contract 1.2)."""


def category(row: Row) -> Record:
    """A kind of assessments as a category."""
    return {"title": row["title"].capitalize(), "status": ACTIVE}


def choose_items(book: Gradebook) -> Choose:
    """The assessments that are finalized, and of which something was graded within the dates (G49)."""

    def choose(row: Row) -> Skipped | Unwanted | None:
        if not row["section"]:
            return _NO_CLASS
        if not book.meet(row["first_graded_at"], row["last_graded_at"]):
            return Skipped("nothing of it was graded within the dates")
        return book.final(row, "the assessment is inactive")

    return choose


def choose_results(book: Gradebook) -> Choose:
    """The grades on finalized assessments that were given within the dates, to students of this system (G49, G50)."""
    return lambda row: book.choose_result(row) if row["section"] and row["person"] else _NO_STUDENT


def choose_outcome_items(book: Gradebook) -> Choose:
    """The outcomes that were shown in a class of this system within the dates."""

    def choose(row: Row) -> Skipped | None:
        if not row["section"]:
            return _NO_CLASS
        shown = book.meet(row["first_graded_at"], row["last_graded_at"])
        return None if shown else Skipped("nothing of it was shown within the dates")

    return choose


def choose_outcomes(book: Gradebook) -> Choose:
    """What students of this system have shown within the dates."""
    return lambda row: book.choose_shown(row) if row["section"] and row["person"] else _NO_STUDENT


def line_item(config: OneRosterConfig) -> Shape:
    """An assessment as a line item of its class."""

    def shape(row: Row) -> Record:
        assigned = row["available_at"] or row["due_at"] or row["first_graded_at"]
        if assigned is None:
            raise BadRow("date is required", "was never given out, is never due, and nothing of it was graded")
        record = _item(row, row["title"], assigned, row["due_at"] or assigned)
        bounds = {"resultValueMin": _number(row["min_score"] or 0), "resultValueMax": _number(row["max_score"])}
        return _known(config, record | bounds)

    return shape


def outcome_item(config: OneRosterConfig) -> Shape:
    """A learning outcome as a line item of a class in which it was shown; its results are percentages."""

    def shape(row: Row) -> Record:
        if row["first_graded_at"] is None:
            raise BadRow("date is required", "nobody says when it was shown")
        record = _item(row, f"Outcome {row['learning_outcome']}", row["first_graded_at"], row["last_graded_at"])
        return _known(config, record | {"resultValueMin": 0.0, "resultValueMax": 100.0})

    return shape


def _item(row: Row, title: str, assigned: datetime, due: datetime) -> dict[str, Any]:
    return {
        "title": title,
        "class": row["section"],
        "school": row["school"],
        "category": row["kind"],
        "assignDate": instant(assigned),
        "dueDate": instant(due),
        _OBJECTIVE: row["learning_outcome"],
        "status": ACTIVE,
    }


def result(config: OneRosterConfig) -> Shape:
    """A grade as a result: its points, its day, and the letter of the outcome that was reached (G51)."""
    return lambda row: _result(config, row, row["assessment"], row["score"], row["due_at"])


def outcome_result(config: OneRosterConfig) -> Shape:
    """What a student has shown of an outcome, as a result of its line item; points in percent."""

    def shape(row: Row) -> Record:
        share = None if row["share"] is None else row["share"] * 100
        return _result(config, {**row, "letter_grade": None, "finalized": True}, row["item"], share, None)

    return shape


def _result(config: OneRosterConfig, row: Row, item: str, score: Any, otherwise: datetime | None) -> Record:
    day, letter = row["graded_at"] or otherwise, letter_of(config.gradebook, row, item)
    if day is None:
        raise BadRow("date is required", f"nobody says when {item} was graded")
    if score is None and config.version == "1.1":
        raise BadRow("score is required", f"{item} was graded without points, and OneRoster 1.1 knows no letters")
    record = {
        "lineItem": item,
        "student": row["person"],
        "scoreStatus": "fully graded" if row["finalized"] else "partially graded",
        "score": _number(score),
        "textScore": letter,
        "scoreDate": day.astimezone(UTC).date().isoformat(),
        "status": ACTIVE,
    }
    return _known(config, record)


def letter_of(book: Gradebook, row: Row, item: str) -> str | None:
    """The letter of the outcome; where none was reached, the one that was given.

    Raises:
        BadRow: an outcome that the configuration gives no letter.
    """
    if row["achievement"] is None:
        return row["letter_grade"] or None
    return str(called(book.letters, row, item))


def _known(config: OneRosterConfig, record: Record) -> Record:
    return {name: value for name, value in record.items() if config.version != "1.1" or name not in _NEWER}


def _number(value: Any) -> float | None:
    """As JSON has it. Systems keep single precision at the least, so what is beyond it is not told."""
    return None if value is None else round(float(value), 4)


def instant(moment: datetime) -> str:
    """A moment as the contract spells it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def body(record: Record, *, rosters: str, books: str) -> dict[str, Any]:
    """A record as it travels.

    Args:
        record: as shaped.
        rosters: root of the service that holds classes, organizations and users.
        books: root of the gradebook.
    """
    told: dict[str, Any] = {}
    for name, value in record.items():
        if value is None:
            continue
        if name == _OBJECTIVE:
            told["learningObjectiveSet"] = [{"source": "unknown", "learningObjectiveIds": [value]}]
        elif name in REFERENCES:
            collection, kind = REFERENCES[name]
            root = rosters if collection in _ROSTERED else books
            told[name] = {"href": f"{root}/{collection}/{value}", "sourcedId": value, "type": kind}
        else:
            told[name] = value
    return told


def stands(told: Mapping[str, Any]) -> Record:
    """What stands there, in the terms of our records. Servers spell times and numbers in their own way."""
    return {name: _read(name, value) for name, value in told.items()} | {_OBJECTIVE: _objective(told)}


def _read(name: str, value: Any) -> Any:
    if name in REFERENCES:
        return value.get("sourcedId") if isinstance(value, dict) else value
    if name == "scoreDate" and isinstance(value, str):
        return value[:10]
    if name in _INSTANTS and isinstance(value, str):
        return _respelled(value)
    return _number(value) if name in _NUMBERS and isinstance(value, int | float | str) else value


def _respelled(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    return instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _objective(told: Mapping[str, Any]) -> str | None:
    sets = told.get("learningObjectiveSet") or []
    ids = [one for held in sets if isinstance(held, dict) for one in held.get("learningObjectiveIds", [])]
    return ids[0] if len(ids) == 1 else None
