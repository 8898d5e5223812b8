"""What the proof sees of a gradebook that core is exported to."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from connector_pipelines.connectors.oneroster import CONNECTOR
from connector_pipelines.connectors.oneroster.config import OneRosterConfig
from connector_pipelines.connectors.oneroster.writing import Collection
from connector_pipelines.database.connection import connect
from connector_pipelines.outward import Action, Order
from proof import gradebook, school
from proof.books import Books
from proof.stages import ASSESSED

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHOOL = """
    INSERT INTO core.sections (id, title, status) OVERRIDING SYSTEM VALUE VALUES (1, 'Algebra', 'active');
    INSERT INTO core.students (id, given_name, family_name, status) OVERRIDING SYSTEM VALUE
        VALUES (1, 'Ada', 'Lovelace', 'active');
    INSERT INTO core.enrollments (status, student_id, section_id) VALUES ('enrolled', 1, 1);
"""


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[gradebook.Gradebook]:
    """The gradebook of a school."""
    for name, value in school.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with gradebook.Gradebook() as running:
        yield running


def test_what_is_done_twice_is_noticed(there: gradebook.Gradebook) -> None:
    """A write that changes nothing was done before; one that does is a change; what stood there before comes back."""
    began = there.service.store.overlays()
    config = OneRosterConfig.model_validate(gradebook.job(there, "", "").config)
    with CONNECTOR.open(config) as roster:
        for title in ("Quiz", "Quiz", "Test"):
            order = Order("kinds/quiz", "core-quiz", {"title": title})
            list(Collection("categories", "core").send(roster, Action.UPDATE, [order]))
    assert there.calls == ["PUT categories"] * 3
    assert there.idle == ["PUT categories/core-quiz"]
    assert "'Test'" in str(there.held()["there"])
    there.begin(began)
    assert there.held() == {"there": [], "effects": [], "done twice": []}


def test_the_gradebook_is_compared_with_core(there: gradebook.Gradebook, database: str) -> None:
    """What is missing, says something else, or should not stand there is told; what agrees is not (chaos)."""
    books = Books(random.Random(1), there, database)
    with connect(database) as connection:
        connection.execute((SCHOOL + ASSESSED).encode())
        items, results = books.unlike(connection)
        assert "lineItems are not what core says: 2, ['core-assessments-11', 'core-assessments-12']" in items
        assert "results are not what core says: 2, ['core-grades-1', 'core-grades-2']" in results
        for number, title in ((11, "Essay"), (12, "Exam")):
            item = {"sourcedId": f"core-assessments-{number}", "status": "active", "title": title}
            there.put("lineItems", item | {"resultValueMax": 20.0})
        graded = connection.execute("SELECT id, score::float8, achievement FROM core.grades ORDER BY id").fetchall()
        letters = {"Exceeded": "A", "Met": "B", "Partially Met": "C", "Not Met": "D"}
        for grade, score, reached in graded:
            result = {"sourcedId": f"core-grades-{grade}", "status": "active", "score": score}
            there.put("results", result | {"textScore": letters[str(reached)]})
        [draft] = books.unlike(connection)
        assert "core-grades-3" in draft  # the draft's, which nobody may see
        there.remove("results", "core-grades-3")
        assert books.unlike(connection) == []
        connection.execute("UPDATE core.grades SET status = 'inactive' WHERE id = 1")
        assert "['core-grades-1']" in books.unlike(connection)[0]
