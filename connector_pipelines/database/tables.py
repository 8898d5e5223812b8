"""Names of the tables that are made while the project runs: a source's mappings, the staged rows of a read or plan."""

from __future__ import annotations

import re
from enum import StrEnum

from psycopg import sql

from connector_pipelines.errors import ConfigurationError

DROPPED_BY = "dropped by"
"""The key in a mapping's metadata under which the plan stands that dropped it, until the record comes back."""

COUNTED: dict[tuple[str, bool], tuple[str, ...]] = {
    ("create", False): ("created",),
    ("update", True): ("updated",),
    ("touch", False): ("unchanged",),
    ("conflict", True): ("conflicts",),
    ("conflict", False): ("conflicts",),
    ("link", True): ("updated", "linked"),
    ("link", False): ("unchanged", "linked"),
    ("drop", True): ("dropped",),
    ("absent", False): ("absent",),
}
"""In which of a plan's counts a row of its table is, by its action and whether it changes a row of core."""


class IntegrationStatus(StrEnum):
    """How we stand with a source (requirement F35): never asked, it answers, it is switched off, it does not answer."""

    PENDING = "pending"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    ERROR = "error"


class SyncStatus(StrEnum):
    """The state of one mapping (requirements G8, F36, K11)."""

    PENDING = "pending"
    SYNCED = "synced"
    ERROR = "error"


_SOURCE = re.compile(r"[a-z][a-z0-9_]{0,39}")


def mappings_table(source: str) -> sql.Identifier:
    """The partition of one source's mappings (requirement G13).

    Raises:
        ConfigurationError: the name cannot be part of a table's name.
    """
    if not _SOURCE.fullmatch(source):
        raise ConfigurationError(
            f"{source!r} cannot name a source.",
            remedy="Use lower-case letters, digits and underscores, at most 40, starting with a letter.",
        )
    return sql.Identifier("connector", f"{source}_mappings")


def rows_table(run_id: int) -> sql.Identifier:
    """The staged rows of a read."""
    return sql.Identifier("staging", f"rows_{run_id}")


def unseen_table(run_id: int) -> sql.Identifier:
    """Fingerprints that core knew when a read began, and that did not come with it."""
    return sql.Identifier("staging", f"unseen_{run_id}")


def parents_table(run_id: int) -> sql.Identifier:
    """What a read of changes holds with all that belongs to it."""
    return sql.Identifier("staging", f"parents_{run_id}")


def letters_table(run_id: int) -> sql.Identifier:
    """The dead letters of a read that only looks: nobody else shall find them before it is approved."""
    return sql.Identifier("staging", f"letters_{run_id}")


def shaped_table(run_id: int) -> sql.Identifier:
    """Of an export, the records that should stand in the other system, and what stands there already."""
    return sql.Identifier("staging", f"shaped_{run_id}")


def read_tables(run_id: int) -> tuple[sql.Identifier, ...]:
    """Everything that is staged of a run."""
    tables = (rows_table, unseen_table, parents_table, letters_table, shaped_table)
    return tuple(table(run_id) for table in tables)


def plan_table(plan_id: int) -> sql.Identifier:
    """The rows a plan will write."""
    return sql.Identifier("staging", f"plan_{plan_id}")
