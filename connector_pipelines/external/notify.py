"""Where messages for people go: mail, Slack, Teams and whatever else apprise knows, each named by a URL.

https://github.com/caronc/apprise/wiki lists them: `mailtos://user:password@mail.example?to=ops@school.example`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from pydantic import SecretStr

_KINDS = {1: "info", 2: "warning", 3: "failure"}


@dataclass(frozen=True, slots=True)
class Place:
    """One address."""

    url: SecretStr = field(repr=False)

    @property
    def name(self) -> str:
        """What it is known by in the database: not the URL, which may hold a password."""
        return hashlib.sha256(self.url.get_secret_value().encode()).hexdigest()[:16]

    def send(self, level: int, title: str, body: str) -> bool:
        """Whether the message arrived.

        Raises:
            ConfigurationError: the address is none that apprise knows.
        """
        import apprise

        asset = apprise.AppriseAsset(app_id="connector_pipelines", app_desc="", app_url="")
        place = apprise.Apprise(asset=asset)
        if not place.add(self.url.get_secret_value()):
            raise ConfigurationError(
                "an address of CONNECTOR_PIPELINES_ALERT_URLS is none that apprise knows.",
                remedy="Write it as https://github.com/caronc/apprise/wiki says.",
            )
        return bool(place.notify(body=body, title=title, notify_type=_KINDS[level], body_format="text"))


def places() -> list[Place]:
    """The addresses of the settings."""
    return [Place(url) for url in settings().alert_urls]
