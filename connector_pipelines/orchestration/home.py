"""Dagster's home below the local folder, and the environment its processes need."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from connector_pipelines.database.connection import database_url
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
"""The project's folder, where dagster.yaml and workspace.yaml lie."""


def prepare() -> dict[str, str]:
    """Make Dagster's home with the project's `dagster.yaml`, and start the embedded database where no other is named.

    Returns:
        the variables that Dagster's processes need on top of this process's own.
    """
    home = (settings().local_dir / "dagster").resolve()
    home.mkdir(parents=True, exist_ok=True)
    link = home / "dagster.yaml"
    if not link.exists():
        link.unlink(missing_ok=True)  # a link whose target moved away
        link.symlink_to(ROOT / "dagster.yaml")
    return {
        "DAGSTER_HOME": str(home),
        "CONNECTOR_PIPELINES_DATABASE_URL": database_url(),
        "CONNECTOR_PIPELINES_LANDING_URL": settings().landing
        if "://" in settings().landing
        else str(Path(settings().landing).resolve()),
    }


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """This process with these variables, and with settings that know them; as it was, afterwards."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    settings.cache_clear()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        settings.cache_clear()
