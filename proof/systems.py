"""Three simulated systems of three kinds that keep changing and, two of them, tell of it by webhook.

Each change has a name of its own, so that a lost one, a doubled one and one that came too late are seen in core.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.finale.simulator import Simulator as Finale
from connector_pipelines.connectors.finale.simulator.world import stamp
from connector_pipelines.connectors.oneroster.simulator import Simulator as OneRoster
from connector_pipelines.connectors.quickbooks.config import QuickBooksConfig
from connector_pipelines.connectors.quickbooks.simulator import Simulator as QuickBooks
from connector_pipelines.connectors.quickbooks.simulator.notifications import VERIFIER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from connector_pipelines.simulating.running import Running

Message = tuple["Mapping[str, str]", bytes]

HOOK_SECRET = "soaked-school"
"""Signs the school's events, and nothing else."""

_WIRE = ("delay=50", "slow-body=5", "reset@2", "reset", "truncated", "html-200", "wrong-charset", "gzip")
_POLICY = "policy: {guard: {limits: {updated: 1000, created: 1000}}}  # nobody is there to release what is held"


@dataclass(frozen=True, slots=True)
class System:
    """One source and what plays it.

    Attributes:
        name: of the source.
        declaration: its `defs.yaml`; `schedule` is put in.
        variables: its credentials.
        entity: whose records change.
        column: where core has their names.
        keys: the records there are, by the ids that core knows them by.
        put: gives the record of a key a name; one that is not there is made after the first.
        key: of the n-th new record, from 0.
        notice: the delivery that tells of a changed record; None where the system has no webhooks.
        faults: what may go wrong: all that a read must heal or end with, none that lies or that a person must mend.
    """

    name: str
    simulator: Running
    declaration: str
    variables: Mapping[str, str]
    entity: str
    column: str
    keys: Sequence[str]
    put: Callable[[str, str, datetime], None]
    key: Callable[[int], str]
    notice: Callable[[str, int, datetime], Message] | None
    faults: Sequence[str]


@contextmanager
def systems(seed: int) -> Iterator[list[System]]:
    """A OneRoster school and a QuickBooks company with webhooks, a Finale account without; they run in this process."""
    start = datetime.now(UTC) - timedelta(days=2)
    with ExitStack() as running:
        yield [
            _school(running.enter_context(OneRoster(scenario="small", seed=seed, start=start))),
            _books(running.enter_context(QuickBooks(scenario="small", seed=seed, start=start))),
            _stock(running.enter_context(Finale(scenario="small", seed=seed, start=start))),
        ]


def _school(school: OneRoster) -> System:
    people = {
        user["sourcedId"]: user
        for user in school.expected("users")
        if user["status"] == "active" and {role["role"] for role in user["roles"]} == {"student"}
    }
    first = next(iter(people.values()))

    def put(key: str, name: str, at: datetime) -> None:
        written = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        known = people.get(key, first | {"username": name, "userMasterIdentifier": name, "identifier": name})
        school.put("users", known | {"sourcedId": key, "familyName": name, "dateLastModified": written})

    def notice(key: str, number: int, _: datetime) -> Message:
        body = json.dumps({"id": f"event-{number}", "type": "user.updated", "data": {"sourcedId": key}}).encode()
        signature = hmac.new(HOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
        return {"X-Signature": signature, "Content-Type": "application/json"}, body

    return System(
        name="school",
        simulator=school,
        declaration=f"""
            type: connector_pipelines.orchestration.components.OneRosterSource
            attributes:
              base_url: {school.url}
              page_size: 50
              auth:
                type: oauth2
                token_url: {school.token_url}
                client_id: "{{{{ env.SOAK_SCHOOL_ID }}}}"
                client_secret: "{{{{ env.SOAK_SCHOOL_SECRET }}}}"
              webhook:
                secret: "{{{{ env.SOAK_SCHOOL_HOOK }}}}"
              {_POLICY}
              schedule: SCHEDULE
        """,
        variables={
            "SOAK_SCHOOL_ID": school.client_id,
            "SOAK_SCHOOL_SECRET": school.client_secret,
            "SOAK_SCHOOL_HOOK": HOOK_SECRET,
        },
        entity="students",
        column="family_name",
        keys=list(people),
        put=put,
        key="soaked-{}".format,
        notice=notice,
        faults=(
            *_WIRE,
            *("clamp=7", "no-total", "no-link", "trailing-slash-redirect", "token-expiry=3", "unknown-fields"),
            *("429", "429-every=5", "500", "500@2", "503=2", "missing-envelope", "null-envelope", "repeat-page"),
        ),
    )


def _books(company: QuickBooks) -> System:
    fed = QuickBooksConfig.model_fields["item_types"].default
    table = company.world.tables["Item"]
    keys = [key for key in table.ids() if (table.get(key) or {})["Type"] in fed]
    size = table.size

    def put(key: str, name: str, at: datetime) -> None:
        known = table.get(key) or {**(table.get(keys[0]) or {}), "Id": key, "Sku": name}
        company.put("Item", {**known, "Name": name}, at=at)

    def notice(key: str, _: int, at: datetime) -> Message:
        return company.notify([(company.realm_id, "Item", key, "Update")], at=at)

    return System(
        name="books",
        simulator=company,
        declaration=f"""
            type: connector_pipelines.orchestration.components.QuickBooksSource
            attributes:
              realm_id: '{company.realm_id}'
              base_url: {company.url}
              auth:
                token_url: {company.token_url}
                client_id: "{{{{ env.SOAK_BOOKS_ID }}}}"
                client_secret: "{{{{ env.SOAK_BOOKS_SECRET }}}}"
                refresh_token: "{{{{ env.SOAK_BOOKS_TOKEN }}}}"
              webhook:
                verifier_token: "{{{{ env.SOAK_BOOKS_HOOK }}}}"
              {_POLICY}
              schedule: SCHEDULE
        """,
        variables={
            "SOAK_BOOKS_ID": company.client_id,
            "SOAK_BOOKS_SECRET": company.client_secret,
            "SOAK_BOOKS_TOKEN": company.refresh_token,
            "SOAK_BOOKS_HOOK": VERIFIER_TOKEN,
        },
        entity="inventory_items",
        column="name",
        keys=keys,
        put=put,
        key=lambda number: str(size + 1 + number),
        notice=notice,
        faults=(
            *_WIRE,
            *("clamp=20", "hide-sku", "unknown-fields", "token-expiry=5", "xml", "429", "429=seconds", "500", "500@2"),
            *("503", "fault-200", "fault-200=throttle", "repeat-page", "other-table"),
        ),
    )


def _stock(account: Finale) -> System:
    folder = f"/{account.account}/api/product/"
    products = {product["productUrl"].removeprefix(folder): product for product in account.expected("product")}
    first = next(iter(products.values()))

    def put(key: str, name: str, at: datetime) -> None:
        known: dict[str, Any] = products.get(key, first | {"productUrl": folder + key, "productId": name})
        account.put("product", folder + key, known | {"internalName": name, "lastUpdatedDate": stamp(at)})

    return System(
        name="stock",
        simulator=account,
        declaration=f"""
            type: connector_pipelines.orchestration.components.FinaleSource
            attributes:
              account: {account.account}
              base_url: {account.url}
              auth:
                type: api_key
                key: "{{{{ env.SOAK_STOCK_KEY }}}}"
                secret: "{{{{ env.SOAK_STOCK_SECRET }}}}"
              {_POLICY}
              schedule: SCHEDULE
        """,
        variables={"SOAK_STOCK_KEY": account.api_key, "SOAK_STOCK_SECRET": account.api_secret},
        entity="inventory_items",
        column="name",
        keys=list(products),
        put=put,
        key=lambda number: str(900_000 + number),
        notice=None,
        faults=(
            *_WIRE,
            *("string-numbers", "exponents", "null-lists", "unknown-fields", "429=1", "429-every=3", "500", "500@2"),
            *("503=2", "empty-object", "short-array", "missing-array", "null-array"),
        ),
    )
