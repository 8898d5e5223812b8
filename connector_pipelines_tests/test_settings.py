from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.settings import LOCAL, Settings, settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An environment without our variables, read anew."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)
    settings.cache_clear()
    yield monkeypatch
    settings.cache_clear()


def test_nothing_needs_to_be_set() -> None:
    """On a fresh machine everything lies in the local folder, and the documented defaults hold."""
    found = settings()
    assert (found.database_url, found.landing) == (None, str(LOCAL / "landing"))
    assert (found.health_check_interval_ms, found.provider_timeout_ms, found.max_retries) == (300_000, 30_000, 3)
    assert (found.chunk_rows, found.auto_reconnect, found.timeout_seconds) == (25_000, True, 30.0)
    assert found.enables("any", "connector")


@pytest.mark.parametrize("name", ["INTEGRATION_PROVIDER_TIMEOUT", "INTEGRATION_HEALTH_CHECK_INTERVAL"])
@pytest.mark.parametrize(
    ("value", "hint"),
    [("30", "under a second"), ("999", "under a second"), ("-1", "under a second"), ("3600001", "over an hour")],
)
def test_confused_units_are_refused(bare: pytest.MonkeyPatch, name: str, value: str, hint: str) -> None:
    """Seconds where milliseconds are meant, or hours of them, are refused with the unit and an example."""
    bare.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"{name}: .*{hint}; this variable is in milliseconds"):
        settings()


@pytest.mark.parametrize("value", ["1000", "30000", "3600000"])
def test_limits_of_units_pass(bare: pytest.MonkeyPatch, value: str) -> None:
    """One second and one hour are still taken."""
    bare.setenv("INTEGRATION_PROVIDER_TIMEOUT", value)
    assert settings().timeout_seconds == int(value) / 1000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INTEGRATION_MAX_RETRIES", "-1"),
        ("INTEGRATION_MAX_RETRIES", "21"),
        ("INTEGRATION_MAX_RETRIES", "many"),
        ("CONNECTOR_PIPELINES_CHUNK_ROWS", "0"),
        ("INTEGRATION_AUTO_RECONNECT", "maybe"),
        ("CONNECTOR_PIPELINES_DIGEST_TIMEZONE", "Mars/Base"),
    ],
)
def test_impossible_value_names_its_variable(bare: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A value that cannot be is a configuration error with the variable's name."""
    bare.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        settings()


@pytest.mark.parametrize(
    ("value", "enabled"),
    [
        ("", True),
        (" , ", True),
        ("canvas", False),
        ("moodle", True),
        ("canvas, springfield ,", True),
        ("Moodle", False),
    ],
)
def test_enabled_providers(bare: pytest.MonkeyPatch, value: str, enabled: bool) -> None:  # noqa: FBT001 -- a parameter
    """A source runs when it or its connector is named, or when nothing is restricted."""
    bare.setenv("INTEGRATION_ENABLED_PROVIDERS", value)
    assert settings().enables("springfield", "moodle") is enabled


def test_landing_may_lie_elsewhere(bare: pytest.MonkeyPatch) -> None:
    """Landed pages follow the local folder unless they have a place of their own."""
    bare.setenv("CONNECTOR_PIPELINES_LOCAL_DIR", "/elsewhere")
    assert settings().landing == "/elsewhere/landing"
    settings.cache_clear()
    bare.setenv("CONNECTOR_PIPELINES_LANDING_URL", "memory://pages")
    assert settings().landing == "memory://pages"


def test_settings_are_read_once_and_frozen() -> None:
    """Two callers see the same settings, and neither can change them."""
    assert settings() is settings()
    with pytest.raises(ValidationError):
        settings().max_retries = 5  # type: ignore[misc]  # what must fail


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("MOODLE_TIMEOUT", "30000", "in seconds"),
        ("MOODLE_TIMEOUT", "0.5", "in seconds"),
        ("MOODLE_SYNC_INTERVAL", "3600000", "in seconds"),
        ("MOODLE_SYNC_INTERVAL", "0", "in seconds"),
    ],
)
def test_seconds_are_not_milliseconds(bare: pytest.MonkeyPatch, name: str, value: str, hint: str) -> None:
    """Moodle's variables are in seconds (K14): a value that means milliseconds is refused by name, with a hint."""
    bare.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"{name}.*{hint}"):
        settings()


def test_moodle_defaults_are_those_of_the_specification() -> None:
    """Thirty seconds, an hour, a hundred records and requests a minute, three re-sends, off by default (K26)."""
    found = settings()
    assert (found.moodle_timeout_seconds, found.moodle_sync_interval_seconds) == (30, 3_600)
    assert (found.moodle_batch_size, found.moodle_rate_limit_per_minute, found.moodle_retry_attempts) == (100, 100, 3)
    assert not found.moodle_sync_enabled


def test_keys_are_not_shown(bare: pytest.MonkeyPatch) -> None:
    """Keys of kept secrets are read in order, and no representation of the settings shows them."""
    bare.setenv("CONNECTOR_PIPELINES_SECRET_KEYS", "n3w, 0ld")
    found = settings()
    assert [key.get_secret_value() for key in found.secret_keys] == ["n3w", "0ld"]
    assert "n3w" not in f"{found!r} {found.model_dump()}"
