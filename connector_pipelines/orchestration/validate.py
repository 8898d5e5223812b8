"""The strict look at the declared sources: in the UI a wrong one stands aside, here it is an error (`make check`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.orchestration import build
from connector_pipelines.orchestration.personal import retention_schedules
from connector_pipelines.orchestration.sources import DEFS, Invalid, default_source
from connector_pipelines.orchestration.watching import digest_schedule

if TYPE_CHECKING:
    from pathlib import Path


def invalid_sources(folder: Path = DEFS) -> list[Invalid]:
    """The declared sources that cannot be used, each with its reason; empty when all is well.

    Raises:
        ConfigurationError: the default source is not enabled, or the environment is not usable.
    """
    default_source(folder)
    digest_schedule(), retention_schedules()  # refuse a wrong cron
    return build.invalid_sources(folder)
