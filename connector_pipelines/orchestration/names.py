"""Names in Dagster: asset keys, groups, pools, jobs. Everything else takes them from here."""

from __future__ import annotations

from dagster import AssetKey

from connector_pipelines.outward import is_export

CORE = "core"
"""Group and first part of the keys of what all sources share."""


def external(source: str, entity: str) -> AssetKey:
    """What was read."""
    return AssetKey([source, "external", entity])


def mapping(source: str, entity: str) -> AssetKey:
    """What would change."""
    return AssetKey([source, "mapping", entity])


def export(source: str, entity: str) -> AssetKey:
    """What stands in the source because of core."""
    return AssetKey([source, "export", entity])


def planned(source: str, entity: str) -> AssetKey:
    """Where a plan shows: at what would change, or at what would be written."""
    return AssetKey([source, *entity.split("/")]) if is_export(entity) else mapping(source, entity)


def core(entity: str) -> AssetKey:
    """What is so."""
    return AssetKey([CORE, entity])


def layers(source: str, entity: str) -> tuple[AssetKey, AssetKey, AssetKey]:
    """What a read of an entity goes through."""
    return external(source, entity), mapping(source, entity), core(entity)


def invalid(source: str) -> AssetKey:
    """The place of a source that cannot be used."""
    return AssetKey([source, "invalid"])


def sync_job(source: str) -> str:
    """The job that reads what changed."""
    return f"sync_{source}"


def full_job(source: str) -> str:
    """The job that reads everything."""
    return f"full_sync_{source}"


def dry_run_job(source: str) -> str:
    """The job that shows what a sync would do."""
    return f"dry_run_{source}"


def export_job(source: str) -> str:
    """The job that writes core to the source."""
    return f"export_{source}"


def dry_run_export_job(source: str) -> str:
    """The job that shows what an export would do."""
    return f"dry_run_export_{source}"


def test_job(source: str) -> str:
    """The job that tests the connection."""
    return f"test_connection_{source}"


def events_sensor(source: str) -> str:
    """The sensor that reads again what webhooks gave notice of."""
    return f"webhook_{source}"


def reconcile_schedule(source: str) -> str:
    """The schedule that compares core with what the source said."""
    return f"reconcile_{source}_schedule"


def frequent_sensor(source: str) -> str:
    """The sensor that reads what changed every so many seconds."""
    return f"frequent_{source}"


def resume_sensor(source: str) -> str:
    """The sensor that launches parked backfills again."""
    return f"resume_{source}"


def source_pool(source: str) -> str:
    """The pool that lets one run at a time read a source."""
    return f"source_{source}"


def core_pool(entity: str) -> str:
    """The pool that lets one run at a time write a core table."""
    return f"core_{entity}"
