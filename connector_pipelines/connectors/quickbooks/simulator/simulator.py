"""A QuickBooks Online company in this process, for tests, demos and the command line (requirements F38 to F46)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.quickbooks.simulator import tokens
from connector_pipelines.connectors.quickbooks.simulator.notifications import HOOKS, deliveries, notification
from connector_pipelines.connectors.quickbooks.simulator.service import DISCOVERY_PATH, TOKEN_PATH, Service
from connector_pipelines.connectors.quickbooks.simulator.world import START, World
from connector_pipelines.simulating.faults import Switchboard
from connector_pipelines.simulating.running import Running, latest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from connector_pipelines.connectors.quickbooks.simulator.exchange import Request
    from connector_pipelines.connectors.quickbooks.simulator.notifications import Delivery, Form, Told
    from connector_pipelines.connectors.quickbooks.simulator.world import Record

REALM = "4620816365291234567"


class Simulator(Running):
    """A running QuickBooks Online service with one company. Use it as a context manager.

    Args:
        scenario: small (120 items), company (2,500) or large (120,000 items, 60,000 orders).
        seed: another seed, other records; the same seed, the same bytes.
        faults: what goes wrong, see `switches.FAULTS`.
        hooks: what goes wrong with deliveries, see `notifications.HOOKS`.
        start: the instant of the first version; every date follows from it.
        token_seconds: how long access tokens last.
        realm_id: of the company.
        host: interface to listen on.
        port: 0 for any free one.
        clock: seconds since 1970.
        control: answer under `/__sim__/`, too; for simulators that run as a process of their own.

    Raises:
        ValueError: no such scenario or fault.
        OSError: the port is taken.
    """

    def __init__(
        self,
        *,
        scenario: str = "small",
        seed: int = 7,
        faults: Iterable[str] = (),
        hooks: Iterable[str] = (),
        start: datetime = START,
        token_seconds: float = 3_600,
        realm_id: str = REALM,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
        control: bool = False,
    ) -> None:
        self.world = World(seed, scenario, start)
        self.realm_id = realm_id
        self.service = Service(self.world, tokens.Issuer(token_seconds), realm_id, clock)
        self.service.switchboard.set(faults)
        self._hooks = Switchboard(HOOKS)
        self._hooks.set(hooks)
        answer, switchboard = self.service.answer, self.service.switchboard
        super().__init__(answer, switchboard, self.service.lock, host=host, port=port, control=control)

    @property
    def token_url(self) -> str:
        """Where refresh tokens become access tokens."""
        return f"{self.url}{TOKEN_PATH}"

    @property
    def discovery_url(self) -> str:
        """What Intuit's own client takes for an environment."""
        return f"{self.url}{DISCOVERY_PATH}"

    client_id = tokens.CLIENT_ID
    client_secret = tokens.CLIENT_SECRET

    @property
    def refresh_token(self) -> str:
        """The refresh token that is good now."""
        return self.service.issuer.refresh_token

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in order, token requests included."""
        return self.service.requests

    def evolve(self, percent: float = 1, *, at: datetime | None = None) -> None:
        """Go on to the next version; see `World.evolve`.

        Raises:
            ValueError: a share outside 0 to 100, or an instant before the current one.
        """
        with self.service.lock:
            self.world.evolve(percent, at)

    def go_on(self, percent: float, *, vanish: bool = False) -> None:
        """Evolve as of now; nothing vanishes from QuickBooks."""
        if vanish:
            raise ValueError("nothing vanishes from QuickBooks; what is deleted is told as such")
        self.evolve(percent, at=latest(self.world.now))

    def described(self) -> dict[str, Any]:
        """The company, and how often it was asked."""
        return {
            "scenario": self.world.scenario,
            "seed": self.world.seed,
            "version": self.world.version,
            "records": {name: len(table.ids()) for name, table in self.world.tables.items()},
            "requests": len(self.requests),
        }

    def greeting(self) -> list[str]:
        """Addresses, credentials, and lines to paste into a shell."""
        credentials = f"{self.client_id}:{self.client_secret}"
        form = f"grant_type=refresh_token&refresh_token={self.refresh_token}"
        parse = 'sed \'s/.*"access_token":"\\([^"]*\\)".*/\\1/\''
        token = f"curl -s -u {credentials} -d '{form}' {self.token_url}"
        headers = f'-H "Accept: application/json" -H "Authorization: Bearer $({token} | {parse})"'
        company = f"{self.url}/v3/company/{self.realm_id}"
        asked = f'curl -s {headers} "{company}/query?query=select%20*%20from%20Item%20maxresults%202&minorversion=75"'
        return [
            f"QuickBooks Online simulator ({self.world.scenario}, seed {self.world.seed})",
            f"  base_url        {self.url}",
            f"  realm id        {self.realm_id}",
            f"  token           {self.token_url}",
            f"  client id       {self.client_id}",
            f"  client secret   {self.client_secret}",
            f"  refresh token   {self.refresh_token}",
            f"  control         {self.url}/__sim__/state",
            "Try:",
            f"  {asked}",
            f'  curl -s -X POST "{self.url}/__sim__/evolve?percent=5"',
        ]

    def expire_tokens(self) -> None:
        """End every access token; refresh tokens stay good."""
        with self.service.lock:
            self.service.issuer.access.clear()

    def sign_in_again(self) -> str:
        """Disconnect the app, as a person may; the refresh token that connecting it again gives."""
        with self.service.lock:
            self.service.issuer.revoke()
            return self.refresh_token

    def expected(self, table: str) -> Iterator[Record]:
        """The truth of the current version."""
        return self.world.tables[table].records()

    def put(self, table: str, record: Record, at: datetime | None = None) -> None:
        """Change or create a record; its SyncToken and LastUpdatedTime follow."""
        with self.service.lock:
            self.world.tables[table].put(record, at or self.world.now)

    def remove(self, table: str, key: str, at: datetime | None = None) -> None:
        """Delete a record.

        Raises:
            KeyError: there is none.
        """
        with self.service.lock:
            self.world.tables[table].remove(key, at or self.world.now)

    def notify(self, told: Sequence[Told], form: Form = "cloudevents", at: datetime | None = None) -> Delivery:
        """Headers and body of a signed webhook delivery. The same things told of the same instant have the same ids."""
        return notification(told, form, self._stamp(at))

    def deliveries(
        self, told: Sequence[Sequence[Told]], form: Form = "cloudevents", at: datetime | None = None
    ) -> list[Delivery]:
        """All that is sent for several happenings, in the order in which it comes, as `hooks` have it."""
        return deliveries(told, form, self._stamp(at), [self._hooks.strike(()) for _ in told])

    def _stamp(self, at: datetime | None) -> str:
        moment = at or datetime.fromtimestamp(self.service.clock(), UTC)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds")
