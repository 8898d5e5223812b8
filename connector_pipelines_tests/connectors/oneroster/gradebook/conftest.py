"""A school whose rosters came to core, assessments that core has beside them, and the way back into its gradebook."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import stamina

from connector_pipelines.connectors.oneroster import CONNECTOR
from connector_pipelines.connectors.oneroster.config import OneRosterConfig
from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.database.connection import connect
from connector_pipelines.external.landing import Landing
from connector_pipelines.mapping.identities import activate
from connector_pipelines.model import Source
from connector_pipelines.policy import SyncPolicy
from connector_pipelines.sync import deciding
from connector_pipelines.sync.context import Context
from connector_pipelines.sync.letters import Choice
from connector_pipelines.sync.push import push
from connector_pipelines.sync.retrying import retry
from connector_pipelines.sync.whole import sync
from connector_pipelines_tests.kept import kept
from connector_pipelines_tests.mortal import Mortal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connector_pipelines.sync.whole import Outcome

TODAY = date(2026, 10, 1)
ROSTERS = ("organizations", "terms", "courses", "sections", "students")

# A class and people of the school as a read would have put them there, which takes longer.
FED = """
    INSERT INTO core.organizations (id, name, status) OVERRIDING SYSTEM VALUE VALUES (801, 'School', 'active');
    INSERT INTO core.sections (id, title, status, organization_id) OVERRIDING SYSTEM VALUE
        VALUES (802, 'Class', 'active', 801);
"""
STUDENT = (
    "INSERT INTO core.students (id, given_name, family_name, status) OVERRIDING SYSTEM VALUE"
    " VALUES (%s, %s, %s, 'active')"
)
MAPPED = (
    "INSERT INTO connector.external_system_mappings (connector_id, entity_type, external_id, internal_id, sync_status)"
    " VALUES ('sis', %s, %s, %s, 'synced')"
)

# One class with two finalized assessments, one that is not, and students of it with every outcome there is.
ASSESSED = """
    INSERT INTO core.assessments (id, title, assessment_type, due_at, min_score, max_score, learning_outcome,
        program_outcome, is_finalized, status, section_id) OVERRIDING SYSTEM VALUE
    SELECT n, title, kind, at::timestamptz, NULL, 20, slo, 'PO1', final, 'active', 802
    FROM (VALUES (17, 'Essay', 'homework', '2026-09-10T12:00Z', 'MATH.1', true),
        (18, 'Exam', 'exam', '2026-09-20T12:00Z', 'MATH.1', true),
        (19, 'Draft', 'homework', '2026-09-30T12:00Z', NULL, NULL)) a (n, title, kind, at, slo, final);
    INSERT INTO core.grades (id, grade_type, score, achievement, graded_at, status, student_id, assessment_id)
        OVERRIDING SYSTEM VALUE
    SELECT n, 'assignment_grade', score, achievement, at::timestamptz, 'active', 810 + who, assessment
    FROM (VALUES (1, 18.5, 'Exceeded', '2026-09-11T08:00Z', 0, 17), (2, 14, 'Met', '2026-09-11T08:00Z', 1, 17),
        (3, 9, 'Partially Met', '2026-09-12T08:00Z', 2, 17), (4, NULL, 'Not Met', '2026-09-12T08:00Z', 3, 17),
        (5, 12, 'Met', '2026-09-21T08:00Z', 0, 18), (6, 20, 'Exceeded', '2026-09-30T08:00Z', 0, 19)
    ) g (n, score, achievement, at, who, assessment);
"""


@dataclass
class Books(Mortal):
    """Core, the school's system, and what may be written to it."""

    url: str
    simulator: Simulator
    landing: Landing
    gradebook: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    child: int = 0

    def source(self) -> Source:
        """The school as a declared source, whose gradebook may be written to."""
        auth = {
            "type": "oauth2",
            "token_url": self.simulator.token_url,
            "client_id": "env:SIS_ID",
            "client_secret": "env:SIS_SECRET",
        }
        said = {"base_url": self.simulator.url, "auth": auth, "entities": ROSTERS, "max_retries": 0}
        config = OneRosterConfig.model_validate(said | self.more | {"gradebook": self.gradebook})
        return Source("sis", CONNECTOR, config, SyncPolicy.model_validate({"exports": ["*"]} | self.policy))

    def sync(self) -> None:
        """Read the rosters."""
        with connect(self.url) as connection:
            assert all(one.verified for one in sync(Context(connection, self.landing), self.source()))

    def feed(self) -> None:
        """Have core know a class and four students of the school."""
        here = self.simulator.service.store.get("classes", "cls-0000000") or {}
        people = [one for one in self.simulator.expected("users") if one["roles"][0]["role"] == "student"][:4]
        mapped = [("organizations", here["school"]["sourcedId"], 801), ("sections", here["sourcedId"], 802)]
        mapped += [("students", one["sourcedId"], 810 + at) for at, one in enumerate(people)]
        with kept(self.url) as connection:
            activate(connection, "sis")
            connection.execute(FED)
            named = [(810 + at, one["givenName"], one["familyName"]) for at, one in enumerate(people)]
            connection.cursor().executemany(STUDENT, named)
            connection.cursor().executemany(MAPPED, mapped)

    def push(self, *entities: str, **how: Any) -> dict[str, Outcome]:
        """Push; the last outcome of each export."""
        with connect(self.url) as connection:
            context = Context(connection, self.landing)
            done = push(context, self.source(), entities=entities or None, today=TODAY, **how)
            return {outcome.entity.removeprefix("export/"): outcome for outcome in done}

    def retry(self) -> int:
        """Retry all dead letters; how many there were."""
        with connect(self.url) as connection:
            done = retry(Context(connection, self.landing), self.source(), Choice(), who="ann")
            return sum(one.letters for one in done)

    def approve(self, plan_hash: str) -> deciding.Applied:
        """Release a plan that waits."""
        with connect(self.url) as connection:
            context = Context(connection, self.landing)
            return deciding.approve_and_apply(context, self.source(), plan_hash, who="ann", why="looked at")

    def letters(self) -> list[tuple[Any, ...]]:
        """Unsettled dead letters: export, key and rule."""
        return self.rows(
            "SELECT entity, external_id, rule FROM connector.dead_letters WHERE state <> 'resolved' ORDER BY id"
        )

    def number_of(self, entity: str, internal_id: int) -> str:
        """The school's id of a row of core."""
        there = "SELECT external_id FROM connector.external_system_mappings WHERE entity_type = %s AND internal_id = %s"
        with kept(self.url) as connection:
            ((number,),) = connection.execute(there, [entity, internal_id]).fetchall()
        return str(number)

    def result(self, number: int) -> dict[str, Any]:
        """What the gradebook holds for a grade of core."""
        (found,) = [one for one in self.simulator.expected("results") if one["sourcedId"] == f"core-grades-{number}"]
        return found

    def effects(self) -> Counter[str]:
        """How often each record was written."""
        return Counter(f"{write.collection}/{write.sourced_id}" for write in self.simulator.ledger)


@pytest.fixture
def books(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Books]:
    """Rosters in core, a few assessments beside them, nothing of them in the gradebook."""
    stamina.set_testing(True)
    with Simulator(scenario="tiny") as simulator:
        monkeypatch.setenv("SIS_ID", simulator.client_id)
        monkeypatch.setenv("SIS_SECRET", simulator.client_secret)
        books = Books(database, simulator, Landing(str(tmp_path / "landing")))
        books.feed()
        books.execute(ASSESSED)
        yield books
    stamina.set_testing(False)
