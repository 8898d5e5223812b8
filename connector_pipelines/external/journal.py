"""What is said of one source in the log, as much of it as its declaration says (F18, F63).

Each source has a logger of its own below the package's, so that whoever listens to that one hears all of them: Dagster
puts it into the run's log, the command line prints it.
"""

from __future__ import annotations

import logging
from typing import Literal

Level = Literal["debug", "info", "warning", "error"]

_PARENT = "connector_pipelines.source"


def of(source: str) -> logging.Logger:
    """The log of a source; an empty name is a client's that speaks for none."""
    return logging.getLogger(f"{_PARENT}.{source}" if source else _PARENT)


def heed(source: str, config: object) -> None:
    """Let a source say as much as its configuration has it; one that is not asked over HTTP says the usual."""
    level: Level = getattr(config, "log_level", "info")
    of(source).setLevel(level.upper())


def tells_progress(source: str) -> bool:
    """Whether a source's steps forward belong into the log: unless it shall only warn."""
    return of(source).level <= logging.INFO
