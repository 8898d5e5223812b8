"""Core with a few results, a system that takes records of it, and the way from one to the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import stamina

from connector_pipelines.connectors.json_api import CONNECTOR
from connector_pipelines.connectors.json_api.config import JsonApiConfig
from connector_pipelines.database.connection import connect
from connector_pipelines.declarative.simulator import Simulator
from connector_pipelines.external.landing import Landing
from connector_pipelines.external.records import id_of
from connector_pipelines.model import Source
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.push import push

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connector_pipelines.sync.whole import Outcome

TODAY = date(2026, 10, 1)
PROGRAMS = {
    "of": "program_outcomes",
    "path": "kept/programs/$id",
    "envelope": "outcome",
    "fields": {
        "programme": "program_outcome",
        "people": "people",
        "met": "share_met",
        "semester": {"column": "term_title", "default": "all"},
        "kind": {"value": "aggregate"},
    },
    "at_least": {"people": 2},
}

# Two programs of three students: one is shown by two of them, one by the third alone.
ASSESSED = """
    INSERT INTO core.sections (id, title, status) OVERRIDING SYSTEM VALUE VALUES (1, 'Class', 'active');
    INSERT INTO core.students (id, given_name, family_name, status) OVERRIDING SYSTEM VALUE
        VALUES (1, 'Ada', 'Lovelace', 'active'), (2, 'Alan', 'Turing', 'active'), (3, 'Grace', 'Hopper', 'active');
    INSERT INTO core.assessments (id, title, learning_outcome, program_outcome, is_finalized, status, section_id)
        OVERRIDING SYSTEM VALUE VALUES (1, 'Essay', 'M.1', 'PO1', true, 'active', 1),
        (2, 'Exam', 'M.2', 'PO2', true, 'active', 1);
    INSERT INTO core.grades (id, grade_type, achievement, graded_at, status, student_id, assessment_id)
        OVERRIDING SYSTEM VALUE VALUES (1, 'assignment_grade', 'Met', '2026-09-11', 'active', 1, 1),
        (2, 'assignment_grade', 'Not Met', '2026-09-11', 'active', 2, 1),
        (3, 'assignment_grade', 'Met', '2026-09-11', 'active', 3, 2);
"""


@dataclass
class There:
    """Core, and a system that takes records of it."""

    url: str
    simulator: Simulator
    landing: Landing
    exports: dict[str, Any] = field(default_factory=lambda: {"programs": PROGRAMS})
    conflicts: dict[str, Any] = field(default_factory=dict)

    def source(self) -> Source:
        """The system as a declared source that is only written to."""
        auth = {"type": "bearer", "token": "env:WAREHOUSE_SECRET"}
        said = {"base_url": self.simulator.api_url, "auth": auth, "max_retries": 0, "exports": self.exports}
        policy = SyncPolicy.model_validate({"exports": ["*"], "conflicts": self.conflicts})
        return Source("lake", CONNECTOR, JsonApiConfig.model_validate(said), policy)

    def push(self, **how: Any) -> dict[str, Outcome]:
        """Push everything; the outcome of each export."""
        with connect(self.url) as connection:
            done = push(Context(connection, self.landing), self.source(), today=TODAY, **how)
            return {outcome.entity.removeprefix("export/"): outcome for outcome in done}

    def execute(self, statements: str) -> None:
        """What people do to core."""
        with connect(self.url) as connection:
            connection.execute(statements.encode())

    def letters(self) -> list[tuple[Any, ...]]:
        """Open dead letters: export, key and rule."""
        with connect(self.url) as connection:
            return connection.execute(
                "SELECT entity, external_id, rule FROM connector.dead_letters WHERE state <> 'resolved' ORDER BY 1, 2"
            ).fetchall()

    def kept(self, kind: str, key: str) -> Any:
        """What stands there for a row of core; None for nothing."""
        return self.simulator.service.kept.get((kind, id_of("core", key)))


@pytest.fixture
def there(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[There]:
    """Assessed students in core, nothing of them there."""
    stamina.set_testing(True)
    with Simulator() as simulator:
        monkeypatch.setenv("WAREHOUSE_SECRET", simulator.secret)
        made = There(database, simulator, Landing(str(tmp_path / "landing")))
        made.execute(ASSESSED)
        yield made
    stamina.set_testing(False)
