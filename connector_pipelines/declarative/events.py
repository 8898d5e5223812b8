"""The ability of declared sources to be told what changed. Light: all that list connectors load it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector_pipelines.capabilities import Hook
    from connector_pipelines.declarative.settings import Settings


class Events:
    """Is told by the system what changed (`capabilities.Webhook`)."""

    def hook(self, config: Settings) -> Hook | None:
        """The source's events, where they are declared."""
        from connector_pipelines.declarative.notices import DeclaredEvents

        return DeclaredEvents(config.webhook, tuple(config.declared)) if config.webhook else None
