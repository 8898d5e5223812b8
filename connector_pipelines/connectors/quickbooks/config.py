"""What a QuickBooks Online source must say. This model is the schema of its `defs.yaml`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connector_pipelines.external.limits import MINUTE, Budget, Limits, Rate
from connector_pipelines.external.options import HttpOptions, HttpUrl
from connector_pipelines.external.secrets import Secret
from connector_pipelines.notices import HookOptions

Entities = Literal["vendors", "inventory_items", "purchase_orders", "purchase_order_lines"]
ItemType = Literal["Inventory", "NonInventory", "Service", "Group"]

HOSTS = {
    "production": "https://quickbooks.api.intuit.com",
    "sandbox": "https://sandbox-quickbooks.api.intuit.com",
}
TOKEN_URL = "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer"  # noqa: S105 -- an address

BUDGETS = (
    Budget("requests", (Rate(500, MINUTE), Rate(10, 1.0)), at_once=10),
    Budget("batches", (Rate(40, MINUTE),), path="/batch$"),
)
"""What Intuit allows an app in one company (K18):
https://developer.intuit.com/app/developer/qbo/docs/learn/rest-api-features#limits-and-throttles
"""


class _Strict(BaseModel):
    """Refuses unknown fields, so that a typing mistake does not pass as a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OAuth2(_Strict):
    """The app's keys, and the refresh token that a person obtained by connecting the app to the company."""

    client_id: Secret = Field(description="The app's client id, as {{ env.NAME }}.")
    client_secret: Secret = Field(description="The app's client secret, as {{ env.NAME }}.")
    refresh_token: Secret = Field(
        description="The refresh token of the first sign-in, as {{ env.NAME }}. QuickBooks replaces it about once a "
        "day; its successors are kept in the database, sealed. Put a new one here after a person signed in again."
    )
    token_url: HttpUrl = Field(default=TOKEN_URL, description="Where tokens are issued.")


class QuickBooksHook(HookOptions):
    """What Intuit's notifications are verified with."""

    verifier_token: Secret = Field(
        description="The app's verifier token, as {{ env.NAME }}; Intuit's developer portal shows it."
    )


class QuickBooksConfig(HttpOptions, _Strict):
    """One QuickBooks Online company."""

    realm_id: str = Field(description="The company's id, a number of many digits, quoted: '4620816365291234567'.")
    environment: Literal["production", "sandbox"] = Field(
        default="production", description="Whether the company is real or a developer's sandbox."
    )
    base_url: HttpUrl | None = Field(
        default=None, description="Another host than the environment's, for a simulator. Without /v3/company."
    )
    auth: OAuth2 = Field(description="How requests prove who we are.")
    item_types: tuple[ItemType, ...] = Field(
        default=("Inventory", "NonInventory", "Service"),
        min_length=1,
        description="Which items feed inventory_items. Lines of purchase orders that name an item of another type wait "
        "as dead letters.",
    )
    page_size: int = Field(
        default=1_000, ge=20, le=1_000, description="Rows to ask for per page. QuickBooks gives at most 1,000."
    )
    in_flight: int = Field(
        default=4,
        ge=1,
        le=10,
        description="Pages that may be fetched at the same time. QuickBooks allows an app 10 in a company.",
    )
    entities: tuple[Entities, ...] | None = Field(
        default=None, description="Only these entities, e.g. [vendors]. Unset: all."
    )

    webhook: QuickBooksHook | None = Field(
        default=None, description="Intuit's notifications. Unset: none are taken. Docs: docs/webhooks.md."
    )

    @field_validator("realm_id", mode="before")
    @classmethod
    def _a_number(cls, value: object) -> object:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if isinstance(text, str) and not (text.isascii() and text.isdigit()):
            message = "a realm id has digits alone; it is the company id that QuickBooks shows under Settings"
            raise ValueError(message)
        return text

    @property
    def root(self) -> str:
        """What the names of endpoints are appended to."""
        host = (self.base_url or HOSTS[self.environment]).rstrip("/")
        return f"{host}/v3/company/{self.realm_id}"

    def vendor_limits(self) -> Limits:
        """Of the app in the company, whichever process asks."""
        return Limits(BUDGETS, f"realm {self.realm_id}")

    def provides(self, entity: str) -> bool:
        """Whether this source feeds the entity."""
        return self.entities is None or entity in self.entities
