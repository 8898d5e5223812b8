"""A site that outlives its process: kept in a file after each write, so that it may be ended at any moment."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from connector_pipelines.connectors.moodle.simulator.site import Site


def keep(site: Site, file: Path) -> None:
    """Write the site down; whoever reads meanwhile finds it as it was before."""
    new = file.with_suffix(".new")
    new.write_bytes(pickle.dumps((site.tables, site.spent)))
    new.replace(file)


def recall(site: Site, file: Path) -> bool:
    """Make the site what was kept; False where nothing was."""
    if not file.exists():
        return False
    tables, site.spent = pickle.loads(file.read_bytes())  # noqa: S301 -- written by `keep` alone
    site.tables = site.tables | tables  # one that an older simulator wrote has fewer
    return True
