"""What a Finale source must say. This model is the schema of its `defs.yaml`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connector_pipelines.external.limits import HOUR, MINUTE, Budget, Limits, Rate
from connector_pipelines.external.messages import same_origin
from connector_pipelines.external.options import HttpOptions, HttpUrl
from connector_pipelines.external.secrets import Secret

Entities = Literal["vendors", "inventory_items", "purchase_orders", "purchase_order_lines"]

CAP = 120_000
"""Finale sends at most so many entities of a collection (contract 5, "Query")."""


BUDGETS = (
    Budget("GET", (Rate(120, MINUTE),), methods=("GET",)),
    Budget("POST", (Rate(120, MINUTE),), methods=("POST",)),
    Budget("collections and reports", (Rate(300, HOUR),), methods=("GET",), path=r"/api/\w+/?$|/doc/report/"),
)
"""What an account may ask for (requirement E43)."""


class _Strict(BaseModel):
    """Refuses unknown fields, so that a typing mistake does not pass as a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ApiKey(_Strict):
    """An API key, made in Finale under Integrations: HTTP Basic with key and secret."""

    type: Literal["api_key"] = Field(description="An API key with its secret.")
    key: Secret = Field(description="The key, as {{ env.NAME }}.")
    secret: Secret = Field(description="The key's secret, as {{ env.NAME }}.")


class Session(_Strict):
    """The older way: a user logs in, and a cookie carries the session."""

    type: Literal["session"] = Field(description="A log-in with user name and password.")
    username: Secret = Field(description="User name, as {{ env.NAME }}.")
    password: Secret = Field(description="Password, as {{ env.NAME }}.")


Auth = Annotated[ApiKey | Session, Field(discriminator="type")]


class Report(_Strict):
    """A report that a person built in Finale: the stock of all products in one request. Labels are of its header."""

    url: str = Field(description="The whole address of the report as CSV or JSON, copied from Finale.")
    product: str = Field(default="Product ID", description="Label of the column with the product's id.")
    quantity_on_hand: str | None = Field(default=None, description="Label of the quantity on hand. Unset: not there.")
    quantity_on_order: str | None = Field(default=None, description="Label of the quantity on order. Unset: not there.")
    quantity_reserved: str | None = Field(default=None, description="Label of the quantity reserved. Unset: not there.")
    reorder_point: str | None = Field(default=None, description="Label of the reorder point. Unset: not there.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not any((self.quantity_on_hand, self.quantity_on_order, self.quantity_reserved, self.reorder_point)):
            message = "a report needs the label of at least one quantity, e.g. quantity_on_hand: QoH"
            raise ValueError(message)
        return self


class FinaleConfig(HttpOptions, _Strict):
    """One Finale account."""

    account: str = Field(
        pattern=r"^[A-Za-z0-9_-]+$", description="The account's name as it stands in its addresses: …/{account}/api/."
    )
    auth: Auth = Field(description="How requests prove who we are.")
    base_url: HttpUrl = Field(
        default="https://app.finaleinventory.com", description="Scheme and host, without the account."
    )
    stock: Literal["inventoryitem", "none"] = Field(
        default="inventoryitem",
        description="Where quantities come from when there is no report: the collection inventoryitem, or nowhere. "
        "With quantities, items are always read whole, because stock moves without changing its product.",
    )
    report: Report | None = Field(
        default=None, description="A report to take quantities from instead: for more stock rows than the cap."
    )
    price_type: str | None = Field(
        default=None, description="productPriceTypeId of the price that counts. Unset: the first of the list."
    )
    collection_cap: int = Field(
        default=CAP,
        ge=1,
        description="Entities Finale sends of a collection at most. A read that reaches it is not whole.",
    )
    full_read_since: dict[Entities, date] = Field(
        default_factory=dict,
        description="For entities that reach the cap: the day since when all of them were changed, UTC. They are read "
        "in windows of 30 days from there, and no absence is concluded from that.",
    )
    max_response_mb: int = Field(
        default=1_024, ge=1, le=16_384, description="The largest answer in MiB, uncompressed: a whole collection."
    )
    entities: tuple[Entities, ...] | None = Field(
        default=None, description="Only these entities, e.g. [vendors]. Unset: all."
    )

    @field_validator("base_url")
    @classmethod
    def _without_account(cls, value: str) -> str:
        if "/" in value.rstrip("/").partition("://")[2]:
            message = "is scheme and host alone; the account has a field of its own"
            raise ValueError(message)
        return value.rstrip("/")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.report is None:
            return self
        if self.stock == "none":
            message = "stock: none leaves the report without use; remove one of them"
            raise ValueError(message)
        if not same_origin(self.base_url, self.report.url):
            message = f"the report must lie at {self.base_url}: our credentials are sent there"
            raise ValueError(message)
        return self

    @property
    def root(self) -> str:
        """What the names of collections are appended to."""
        return f"{self.base_url}/{self.account}/api"

    @property
    def quantities(self) -> Literal["inventoryitem", "report"] | None:
        """Where quantities come from; None where there are none."""
        if self.report is not None:
            return "report"
        return None if self.stock == "none" else self.stock

    def vendor_limits(self) -> Limits:
        """Of an account, whoever asks."""
        return Limits(BUDGETS, f"account {self.account}")

    def provides(self, entity: str) -> bool:
        """Whether this source feeds the entity."""
        return self.entities is None or entity in self.entities
