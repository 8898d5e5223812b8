"""The exports of a chaos run: what core holds goes to a simulated Moodle while it is being synced.

What is drawn for them comes from a generator of their own, so that the syncs of a seed are what they were without.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from connector_pipelines.connectors.moodle.simulator.service import WRITES
from connector_pipelines.connectors.moodle.simulator.site import furnished
from proof import campus
from proof.agreement import differences
from proof.wire import Strike

if TYPE_CHECKING:
    import random

    from connector_pipelines.database.connection import Connection
    from proof.campus import Destination
    from proof.work import Job

# What the client must heal or live with.
HARMLESS = ("delay=5", "slow-body=1", "gzip", "lower-case-headers", "debug")
# What must end the export with an error that says so; at one call of many, before or after it took effect.
LOUD = (
    *("500", "reset", "truncated", "html", "html-200", "invalid-token", "access", "user-suspended", "maintenance"),
    *("database-down", "cli-maintenance", "rest-off", "max-input-vars=9"),
)
_THEIRS = {"department": "Theirs"}
"""What people there write beside our fields."""

# What must not be once an export has ended well and nobody changes core meanwhile.
_WAITING = {
    "an order waits for ever": "SELECT entity, key FROM connector.exports WHERE state IN ('sending', 'wanted')",
    "a change waits for ever": "SELECT export, entity FROM connector.export_outbox",
    "a record that is not as wanted has no dead letter": """
        SELECT x.entity, x.key FROM connector.exports x WHERE (x.state = 'failed' OR x.stands IS NOT NULL)
        AND NOT EXISTS (SELECT FROM connector.dead_letters d WHERE d.source = x.source
            AND d.entity = 'export/' || x.entity AND d.external_id = x.key AND d.state <> 'resolved')
    """,
}


@dataclass(slots=True)
class Exports:
    """The exports of one run.

    Attributes:
        url: of the database.
        faults: of the site, as they are just now.
    """

    dice: random.Random
    destination: Destination
    url: str
    source: str = campus.SOURCE
    faults: list[str] = field(default_factory=list)

    def job(self, result: str) -> Job:
        """One export of all."""
        return campus.job(self.destination, self.url, result, batch=20)

    def recount(self) -> None:
        """Count calls from here."""
        self.destination.recount()

    def draw(self, job: Job) -> tuple[Job, Strike] | None:
        """Whether core is exported in this step, and what strikes it; people there do their own work meanwhile."""
        site = self.destination.site
        for user in site["users"].keys() - furnished(site.clock)["users"].keys():
            site.put("users", user, **_THEIRS)
        self.faults = [self._fault() for _ in range(self.dice.choice((0, 0, 1, 1, 2)))]
        self.destination.set_faults(self.faults)
        self.destination.recount()
        how = self.dice.choice(("none", "kill", "cut", "call", "effect"))
        at = self.dice.randint(1, 80)
        if self.dice.random() < 0.25:
            return None
        where = self.destination if how == "effect" else None
        job = replace(job, die_at=at if how == "call" else 0)
        return job, Strike({"call": "none", "effect": "kill"}.get(how, how), at, where)

    def _fault(self) -> str:
        if self.dice.random() < 0.4:
            return self.dice.choice(HARMLESS)
        target = self.dice.choice(("", "", f":{self.dice.choice(sorted(WRITES))}"))
        return f"{self.dice.choice(LOUD)}@{self.dice.randint(1, 5 if target else 60)}{target}"

    def calm(self) -> None:
        """No more faults."""
        self.faults = []
        self.destination.clear_faults()

    def wrong(self) -> list[str]:
        """What was done twice so far, each told once."""
        found = [f"done twice: {one}" for one in self.destination.idle]
        self.destination.idle.clear()
        return found

    def unlike(self, connection: Connection) -> list[str]:
        """What is wrong after an export that ended well, while nobody changes core or the site."""
        site = self.destination.site
        wrong = differences(connection, site)
        found = [f"the site is not what core says: {len(wrong)} records, {wrong[:2]}"] if wrong else []
        for name, statement in _WAITING.items():
            rows = connection.execute(statement.encode()).fetchmany(3)
            found += [f"{name}: {rows}"] if rows else []
        ours = sum(1 for user in site["users"].values() if user["department"] not in {"", _THEIRS["department"]})
        return found + ([f"{ours} fields of theirs were written"] if ours else [])

    def again(self, _connection: Connection) -> list[str]:
        """What is wrong after one more such export, before which the calls were forgotten."""
        writes = [name for name in self.destination.calls if name in WRITES]
        return [f"an export without changes writes: {writes[:3]}"] if writes else []
