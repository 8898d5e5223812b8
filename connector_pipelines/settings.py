"""Everything that comes from the environment, read once, frozen.

Each variable's unit is in its name or its description; a value that would mean a time-out over an hour or an interval
under a second is refused with a hint, because milliseconds and seconds are easily confused (requirement K14).
"""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from connector_pipelines.errors import ConfigurationError

LOCAL = Path(".local")
"""Where the embedded database, landed pages and Dagster's own files live by default, below the working directory."""

_HOUR_MS = 3_600_000
_HOUR_SECONDS = 3_600

Network = IPv4Network | IPv6Network


def _known(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        message = f"{name!r} is no time zone; write one like America/New_York or UTC"
        raise ValueError(message) from None
    return name


TimeZone = Annotated[str, AfterValidator(_known)]
"""The name of a time zone that this machine knows."""


class Settings(BaseSettings):
    """The process's settings. All have defaults, so that nothing needs to be set on a fresh machine."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="")

    database_url: str | None = Field(
        default=None,
        alias="CONNECTOR_PIPELINES_DATABASE_URL",
        description="PostgreSQL 15 or newer. Unset: an embedded server below the local folder.",
    )
    local_dir: Path = Field(
        default=LOCAL,
        alias="CONNECTOR_PIPELINES_LOCAL_DIR",
        description="Folder of the embedded database and of Dagster's own files.",
    )
    landing_url: str | None = Field(
        default=None,
        alias="CONNECTOR_PIPELINES_LANDING_URL",
        description="Where raw pages are landed: a path or any fsspec URL (s3://…). Unset: <local folder>/landing.",
    )
    landing_sealed: bool | None = Field(
        default=None,
        alias="CONNECTOR_PIPELINES_LANDING_SEALED",
        description="Whether landed pages are sealed with the first secret key. Unset: where there is one.",
    )
    chunk_rows: int = Field(
        default=25_000,
        ge=1,
        alias="CONNECTOR_PIPELINES_CHUNK_ROWS",
        description="Rows per applied transaction. 1,000 makes a first load four times slower, more gains little.",
    )
    retention_days: int | None = Field(
        default=None,
        ge=1,
        alias="CONNECTOR_PIPELINES_RETENTION_DAYS",
        description="Landed pages and settled dead letters that are older may be removed by `retention`; unset, nothing"
        " is.",
    )
    retention_cron: str | None = Field(
        default=None,
        alias="CONNECTOR_PIPELINES_RETENTION_CRON",
        description="When `retention` removes it by itself, in UTC: minute hour day month weekday. Unset: only a person"
        " does.",
    )
    changes_shown: int = Field(
        default=100,
        ge=1,
        alias="CONNECTOR_PIPELINES_CHANGES_SHOWN",
        description="So many changed fields of a plan are shown in the UI and by commands; show_plan shows any number.",
    )
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        alias="CONNECTOR_PIPELINES_SECRET_KEYS",
        description="Comma-separated keys of kept secrets and landed pages, the newest first: it seals, all open.",
    )
    allowed_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        default="127.0.0.0/8,::1/128",  # as it would stand in the environment
        validate_default=True,
        alias="CONNECTOR_PIPELINES_ALLOWED_NETWORKS",
        description="Comma-separated private networks that sources may be in. Public addresses always are allowed.",
    )
    demo_port: int = Field(
        default=8100,
        ge=1,
        le=65_535,
        alias="CONNECTOR_PIPELINES_DEMO_PORT",
        description="Port on which `make demo` and `make dev` serve the generated school.",
    )
    demo_moodle_port: int = Field(
        default=8103,
        ge=1,
        le=65_535,
        alias="CONNECTOR_PIPELINES_DEMO_MOODLE_PORT",
        description="Port on which `make demo-moodle` and `make dev` serve the Moodle site.",
    )
    receiver_port: int = Field(
        default=8300,
        ge=1,
        le=65_535,
        alias="CONNECTOR_PIPELINES_RECEIVER_PORT",
        description="Port on which webhooks are received, also by `make dev`.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        default=(),
        alias="CONNECTOR_PIPELINES_TRUSTED_PROXIES",
        description="Comma-separated networks of proxies whose X-Forwarded-For the webhook receiver believes.",
    )
    metrics_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        default="127.0.0.0/8,::1/128",  # as it would stand in the environment
        validate_default=True,
        alias="CONNECTOR_PIPELINES_METRICS_NETWORKS",
        description="Comma-separated networks that may read the receiver's /metrics.",
    )
    alert_urls: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        alias="CONNECTOR_PIPELINES_ALERT_URLS",
        description="Space-separated addresses for alerts and the daily digest, as apprise writes them.",
    )
    alert_level: Literal["info", "warning", "critical"] = Field(
        default="warning",
        alias="CONNECTOR_PIPELINES_ALERT_LEVEL",
        description="Alerts below info, warning or critical are not sent; they stand in connector.alerts.",
    )
    digest_cron: str = Field(
        default="0 7 * * *",
        alias="CONNECTOR_PIPELINES_DIGEST_CRON",
        description="When the digest is sent: minute hour day month weekday.",
    )
    digest_timezone: TimeZone = Field(
        default="UTC",
        alias="CONNECTOR_PIPELINES_DIGEST_TIMEZONE",
        description="Time zone of the digest's hour and of its date, e.g. America/New_York.",
    )
    enabled_providers: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None,
        alias="INTEGRATION_ENABLED_PROVIDERS",
        description="Comma-separated sources, connectors or dialects that may run, e.g. mock,timeback. Unset: all that"
        " are declared (F57).",
    )
    default_provider: str | None = Field(
        default=None,
        alias="INTEGRATION_DEFAULT_PROVIDER",
        description="The source that commands use when none is named; must be enabled (F58).",
    )
    health_check_interval_ms: int = Field(
        default=300_000,
        alias="INTEGRATION_HEALTH_CHECK_INTERVAL",
        description="Milliseconds between connection tests (F59).",
    )
    provider_timeout_ms: int = Field(
        default=30_000,
        alias="INTEGRATION_PROVIDER_TIMEOUT",
        description="Milliseconds until a request is given up (F60).",
    )
    max_retries: int = Field(
        default=3, ge=0, le=20, alias="INTEGRATION_MAX_RETRIES", description="Re-sends after the first try (F61, K1)."
    )
    auto_reconnect: bool = Field(
        default=True,
        alias="INTEGRATION_AUTO_RECONNECT",
        description="Whether a source that failed its connection test is tried again by itself (F62).",
    )

    moodle_base_url: str | None = Field(
        default=None,
        alias="MOODLE_BASE_URL",
        description="Moodle's address, for a Moodle source that names none (M65).",
    )
    moodle_sync_enabled: bool = Field(
        default=False,
        alias="MOODLE_SYNC_ENABLED",
        description="Whether Moodle sources may run whose declaration does not say `enabled` (M67, K26).",
    )
    moodle_batch_size: int = Field(
        default=100, ge=1, le=10_000, alias="MOODLE_BATCH_SIZE", description="Records per Moodle call (M68)."
    )
    moodle_retry_attempts: int = Field(
        default=3,
        ge=0,
        le=20,
        alias="MOODLE_RETRY_ATTEMPTS",
        description="Re-sends after the first try to Moodle (M69, K1).",
    )
    moodle_sync_interval_seconds: int = Field(
        default=3_600, alias="MOODLE_SYNC_INTERVAL", description="Seconds between syncs of Moodle (M70)."
    )
    moodle_rate_limit_per_minute: int = Field(
        default=100, ge=1, alias="MOODLE_RATE_LIMIT", description="Requests to Moodle in any minute (M71)."
    )
    moodle_timeout_seconds: float = Field(
        default=30.0, alias="MOODLE_TIMEOUT", description="Seconds until a request to Moodle is given up (M72)."
    )

    @field_validator("enabled_providers", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(name.strip() for name in value.split(",") if name.strip()) or None

    @field_validator("alert_urls", mode="before")
    @classmethod
    def _spaced(cls, value: object) -> object:  # a URL may hold commas
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("secret_keys", "allowed_networks", "trusted_proxies", "metrics_networks", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("provider_timeout_ms", "health_check_interval_ms")
    @classmethod
    def _milliseconds(cls, value: int) -> int:
        if value < 1_000:  # noqa: PLR2004 -- one second
            message = f"{value} is under a second; this variable is in milliseconds (30000 is 30 seconds)"
            raise ValueError(message)
        if value > _HOUR_MS:
            message = f"{value} is over an hour; this variable is in milliseconds (30000 is 30 seconds)"
            raise ValueError(message)
        return value

    @field_validator("moodle_timeout_seconds")
    @classmethod
    def _seconds(cls, value: float) -> float:
        if not 1 <= value <= _HOUR_SECONDS:
            message = f"{value:g} is under a second or over an hour; this variable is in seconds (30 is half a minute)"
            raise ValueError(message)
        return value

    @field_validator("moodle_sync_interval_seconds")
    @classmethod
    def _interval(cls, value: int) -> int:
        if not 1 <= value <= 7 * 24 * _HOUR_SECONDS:
            message = f"{value} is under a second or over a week; this variable is in seconds (3600 is an hour)"
            raise ValueError(message)
        return value

    @property
    def landing(self) -> str:
        """Path or URL of the landed pages."""
        return self.landing_url or str(self.local_dir / "landing")

    @property
    def seals_landing(self) -> bool:
        """Whether landed pages are sealed (M62)."""
        return bool(self.secret_keys) if self.landing_sealed is None else self.landing_sealed

    @property
    def digest_zone(self) -> ZoneInfo:
        """Whose days the digest is sent for, once each."""
        return ZoneInfo(self.digest_timezone)

    @property
    def timeout_seconds(self) -> float:
        """The request time-out in seconds."""
        return self.provider_timeout_ms / 1000

    def retries(self, usual: int | None) -> int:
        """Re-sends after the first try: what the environment says, else a connector's own default (K1)."""
        return self.max_retries if usual is None or "max_retries" in self.model_fields_set else usual

    def enables(self, *names: str) -> bool:
        """Whether a source that is known by these names may run: one is listed, or nothing is restricted (F57)."""
        return self.enabled_providers is None or not {*names}.isdisjoint(self.enabled_providers)

    def why_off(self, connector: str) -> str:
        """Why sources of a connector may not be read (M67, K26); empty where they may."""
        off = connector == "moodle" and not self.moodle_sync_enabled
        return "MOODLE_SYNC_ENABLED is not true" if off else ""


@cache
def settings() -> Settings:
    """The settings of this process.

    Raises:
        ConfigurationError: a variable has an impossible value; the message names it.
    """
    from pydantic import ValidationError

    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(
            f"the environment is not usable: {wrong}.", remedy="Correct these variables."
        ) from None
