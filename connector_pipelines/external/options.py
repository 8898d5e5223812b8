"""What every source that is asked over HTTP may be told: patience, limits, cache, encryption. One shape for all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from connector_pipelines.external.limits import HOUR, MINUTE, Budget, Limits, Rate
from connector_pipelines.external.retry import Policy, lifted
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from connector_pipelines.external.auth import Auth
    from connector_pipelines.external.http import Client
    from connector_pipelines.external.messages import Response
    from connector_pipelines.external.retry import Rule


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
    cache_seconds: float = Field(
        default=3_600.0, ge=0, description="Seconds that people may be shown an earlier answer. Never used by a sync."
    )
    oldest_tls: Literal["1.3", "1.2"] = Field(
        default="1.3", description="1.2 for a system that knows no better; noted in the audit log."
    )

    def vendor_limits(self) -> Limits:
        """What the vendor allows, and whose budgets they are; a connector's own configuration says it (E16)."""
        return Limits()

    def limits(self, budgets: Sequence[Budget] = (), scope: str = "") -> Limits:
        """The vendor's budgets, and the user's own on top: whichever is tighter is felt."""
        vendor = self.vendor_limits()
        asked = ((self.requests_per_minute, MINUTE), (self.requests_per_hour, HOUR))
        rates = tuple(Rate(requests, seconds) for requests, seconds in asked if requests is not None)
        own = (Budget("all", rates, self.requests_at_once),) if rates or self.requests_at_once else ()
        return replace(vendor, budgets=(*vendor.budgets, *budgets, *own), scope=scope or vendor.scope)

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
        **more: Any,
    ) -> Client:
        """A client as these options say.

        Args:
            base_url: of the source.
            auth: signs every request.
            budgets: more of the vendor's limits than the configuration can say.
            scope: whose limits they are, where neither the host nor the configuration says it.
            retries: the connector's own default; the environment's where it has none.
            overrides: what the source means by a status.
            lifted: how long an answer that means a limit says to wait.
            more: other arguments of `Client`.

        Raises:
            ConfigurationError: the base URL is unusable, or would send credentials unencrypted.
        """
        from connector_pipelines.external.http import Client

        usual = settings().max_retries if retries is None else retries
        return Client(
            base_url,
            auth,
            timeout_seconds=self.timeout_seconds or settings().timeout_seconds,
            policy=Policy(
                usual if self.max_retries is None else self.max_retries, overrides=overrides or {}, lifted=lifted
            ),
            limits=self.limits(budgets, scope),
            cache_seconds=self.cache_seconds,
            oldest_tls=self.oldest_tls,
            **more,
        )
