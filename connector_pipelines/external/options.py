"""What every source that is asked over HTTP may be told: patience, limits, cache, encryption. One shape for all."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external.journal import Level
from connector_pipelines.external.limits import HOUR, MINUTE, Budget, Limits, Rate
from connector_pipelines.external.messages import checked_url
from connector_pipelines.external.retry import Policy, lifted, usual
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from connector_pipelines.external.auth import Auth
    from connector_pipelines.external.http import Client
    from connector_pipelines.external.messages import Response
    from connector_pipelines.external.retry import Rule


BUSINESS_RETRIES = 5
"""What inventory, accounting and declared systems are tried again: after 1, 2, 4, 8 and 16 seconds (E53, K1)."""


def _usable(url: str) -> str:
    try:
        checked = checked_url(url)
    except ConfigurationError as error:
        message = f"{error.problem.removesuffix('.')}; {error.remedy}"
        raise ValueError(message) from None
    if "@" in urlsplit(checked).netloc:
        message = (
            "an address with a user or a password would be kept as it is; name them where the source says who we are"
        )
        raise ValueError(message)
    return checked


HttpUrl = Annotated[str, AfterValidator(_usable)]
"""An address that requests may be sent to, judged when a source is declared: https, or http on this machine (G17);
and without credentials, which a configuration would keep in plain text (K16)."""


class OwnBudget(BaseModel):
    """A limit that a user knows of: of some endpoints or verbs, or in another span than a minute or an hour."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=40, description="What people call it, e.g. reports.")
    requests: int | None = Field(default=None, ge=1, description="Requests in any `seconds`, from all processes.")
    seconds: float = Field(default=MINUTE, gt=0, le=86_400, description="The span, wherever it begins.")
    at_once: int | None = Field(default=None, ge=1, description="Requests under way at the same time.")
    methods: tuple[Literal["GET", "POST", "PUT", "PATCH", "DELETE"], ...] = Field(
        default=(), description="The verbs that count, e.g. [POST]. Empty: all."
    )
    path: str = Field(
        default="", description="A regular expression that is searched in the address, e.g. /reports/. Empty: all."
    )

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.requests is None and self.at_once is None:
            message = "a budget needs requests or at_once"
            raise ValueError(message)
        try:
            re.compile(self.path)
        except re.error as error:
            message = f"path {self.path!r} is no regular expression: {error}"
            raise ValueError(message) from None
        return self

    def budget(self) -> Budget:
        """The same for the gate; its name is told apart from the vendor's."""
        rates = () if self.requests is None else (Rate(self.requests, self.seconds),)
        return Budget(f"own {self.name}", rates, self.at_once, self.methods, self.path)


class HttpOptions(BaseModel):
    """Part of a connector's configuration. Unset fields are as the connector, and beneath it the environment, say."""

    timeout_seconds: float | None = Field(
        default=None, ge=1, le=3_600, description="Seconds until a request is given up. Unset: as for all sources."
    )
    max_retries: int | None = Field(
        default=None, ge=0, le=20, description="Re-sends after the first try. Unset: as for all sources."
    )
    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        description="Requests in any minute, from all processes together. Unset: the vendor's limit.",
    )
    requests_per_hour: int | None = Field(
        default=None, ge=1, description="Requests in any hour, from all processes together. Unset: the vendor's limit."
    )
    requests_at_once: int | None = Field(
        default=None, ge=1, description="Requests under way at the same time, from all processes. Unset: no limit."
    )
    budgets: tuple[OwnBudget, ...] = Field(
        default=(), description="More limits, of single endpoints, verbs or spans; each on top of all others."
    )
    cache_seconds: float = Field(
        default=3_600.0, ge=0, description="Seconds that people may be shown an earlier answer. Never used by a sync."
    )
    valid_until: date | None = Field(
        default=None,
        description="The last day of the token or key, where it has one; few systems tell it. People are told two weeks"
        " before.",
    )
    oldest_tls: Literal["1.3", "1.2"] = Field(
        default="1.3", description="1.2 for a system that knows no better; noted in the audit log."
    )
    log_level: Level = Field(
        default="info",
        description="What the log says of this source. debug: every request with status, bytes and seconds, without"
        " credentials. info: progress, and long waits. warning, error: only these.",
    )

    @field_validator("budgets")
    @classmethod
    def _told_apart(cls, value: tuple[OwnBudget, ...]) -> tuple[OwnBudget, ...]:
        if len({one.name for one in value}) < len(value):
            message = "two budgets have the same name"
            raise ValueError(message)
        return value

    def vendor_limits(self) -> Limits:
        """What the vendor allows, and whose budgets they are; a connector's own configuration says it (E16)."""
        return Limits()

    def limits(self, budgets: Sequence[Budget] = (), scope: str = "") -> Limits:
        """The vendor's budgets, and the user's own on top: whichever is tighter is felt."""
        vendor = self.vendor_limits()
        asked = ((self.requests_per_minute, MINUTE), (self.requests_per_hour, HOUR))
        rates = tuple(Rate(requests, seconds) for requests, seconds in asked if requests is not None)
        whole = (Budget("all", rates, self.requests_at_once),) if rates or self.requests_at_once else ()
        own = tuple(one.budget() for one in self.budgets)
        return replace(vendor, budgets=(*vendor.budgets, *budgets, *whole, *own), scope=scope or vendor.scope)

    def client(  # the options and what only the connector knows
        self,
        base_url: str,
        auth: Auth | None = None,
        *,
        budgets: Sequence[Budget] = (),
        scope: str = "",
        retries: int | None = None,
        overrides: Mapping[int, Rule] | None = None,
        lifted: Callable[[Response, datetime], float | None] = lifted,
        unsaid: Callable[[int], float] = usual,
        **more: Any,
    ) -> Client:
        """A client as these options say.

        Args:
            base_url: of the source.
            auth: signs every request.
            budgets: more of the vendor's limits than the configuration can say.
            scope: whose limits they are, where neither the host nor the configuration says it.
            retries: the connector's own default, where neither the source nor the environment says how many.
            overrides: what the source means by a status.
            lifted: how long an answer that means a limit says to wait.
            unsaid: how long we wait for the n-th time where it does not say.
            more: other arguments of `Client`.

        Raises:
            ConfigurationError: the base URL is unusable, or would send credentials unencrypted.
        """
        from connector_pipelines.external.http import Client

        return Client(
            base_url,
            auth,
            timeout_seconds=self.timeout_seconds or settings().timeout_seconds,
            policy=Policy(
                settings().retries(retries) if self.max_retries is None else self.max_retries,
                overrides=overrides or {},
                lifted=lifted,
                unsaid=unsaid,
            ),
            limits=self.limits(budgets, scope),
            cache_seconds=self.cache_seconds,
            oldest_tls=self.oldest_tls,
            **more,
        )


def ends(config: object) -> date | None:
    """The last day of a source's credentials, as its configuration says; None where it does not."""
    return config.valid_until if isinstance(config, HttpOptions) else None
