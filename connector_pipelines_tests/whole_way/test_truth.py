"""Core equals the source, record by record and field by field (G86, G87), by every way a roster can come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.connectors.oneroster.simulator.csv_zip import write_zip
from connector_pipelines.connectors.oneroster.simulator.world import START
from connector_pipelines.connectors.oneroster.streams import REST
from connector_pipelines.model import Mode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connector_pipelines.model import Source

Truth = dict[str, dict[str, dict[str, Any]]]

ENTITIES = [stream.entity for stream in REST]


def written(done: dict[str, Any]) -> int:
    """How many rows a sync created or updated."""
    return sum(outcome.plan.counts.created + outcome.plan.counts.updated for outcome in done.values())


def differing(before: Truth, after: Truth) -> int:
    """How many records are new or different in core."""
    return sum(before[entity].get(key) != row for entity, rows in after.items() for key, row in rows.items())


def fetchable(simulator: Simulator) -> Iterator[dict[str, Any]]:
    """The records of the collections that change, without users who are neither student nor teacher."""
    for collection in ("users", "classes", "enrollments"):
        for record in simulator.expected(collection):
            if collection != "users" or {"student", "teacher"} & {held["role"] for held in record["roles"]}:
                yield record


def test_first_sync_is_the_truth(place: Any, simulator: Simulator, truth: Any) -> None:
    """After one sync every core table is the source, row by row, with one mapping a row and nothing beside it."""
    done = place.sync(place.source(simulator))
    assert place.differences(truth(simulator)) == []
    assert [outcome.verified for outcome in done.values()] == [True] * 8
    assert place.letters() == place.letters("waiting") == []
    for entity in ENTITIES:
        total = len(truth(simulator)[entity])
        mapped = (
            "SELECT count(*), count(DISTINCT internal_id), count(DISTINCT external_id)"
            " FROM connector.external_system_mappings WHERE entity_type = %s AND sync_status = 'synced'"
        )
        assert place.rows(mapped, entity) == [(total, total, total)]
        assert place.rows(f"SELECT count(*) FROM core.{entity}") == [(total,)]


def test_second_sync_writes_nothing(place: Any, simulator: Simulator) -> None:
    """A second full sync finds every row unchanged and leaves core and mappings byte by byte as they were."""
    first = place.sync(place.source(simulator))
    before = place.checksum()
    second = place.sync(place.source(simulator))
    assert written(second) == 0
    assert sum(o.plan.counts.unchanged for o in second.values()) == written(first) > 1_000
    assert place.checksum() == before


def test_full_sync_after_changes(place: Any, simulator: Simulator, truth: Any) -> None:
    """After a tenth of the source changed, a full sync is the truth again and wrote the differences, nothing else."""
    place.sync(place.source(simulator))
    before = truth(simulator)
    simulator.evolve(percent=10)
    done = place.sync(place.source(simulator))
    assert place.differences(truth(simulator)) == []
    assert written(done) == differing(before, truth(simulator)) > 0


def test_vanished_records_stay(place: Any, simulator: Simulator, truth: Any) -> None:
    """Records that are gone at the source are marked absent and not touched; all others are the truth."""
    place.sync(place.source(simulator))
    before = truth(simulator)
    simulator.evolve(percent=30, vanish=True)
    place.sync(place.source(simulator))
    after = truth(simulator)
    assert place.differences(after) == []
    gone = {entity: {k: v for k, v in before[entity].items() if k not in after[entity]} for entity in ENTITIES}
    assert {entity: place.core(entity, absent=True) for entity in ENTITIES} == gone
    assert gone["students"]
    assert gone["enrollments"]


def test_increment_fetches_the_changed_ones(place: Any, simulator: Simulator, truth: Any) -> None:
    """An incremental sync asks from the cursor on, fetches what changed alone, and core is the truth."""
    place.sync(place.source(simulator))
    before = {record["sourcedId"]: record for record in fetchable(simulator)}
    place.set_back(START)
    simulator.evolve(percent=10)
    since = len(simulator.requests)
    done = place.sync(place.source(simulator), mode=Mode.INCREMENTAL)
    assert place.differences(truth(simulator)) == []
    changed = [record for record in fetchable(simulator) if before.get(record["sourcedId"]) != record]
    assert sum(o.plan.counts.fetched for o in done.values()) == len(changed) > 0
    asked = [r.query["filter"] for r in simulator.requests[since:] if r.path.endswith("/students")]
    assert asked
    assert all(f.startswith("dateLastModified>='2025-09-01T") for f in asked)


OTHER_WAYS: dict[str, dict[str, Any]] = {
    "1.1 with OAuth 1.0a": {
        "version": "1.1",
        "auth": {"type": "oauth1", "key": "env:WHOLE_ID", "secret": "env:WHOLE_SECRET"},
    },
    "1.1 with OAuth 2": {"version": "1.1"},
    "TimeBack": {"flavour": "timeback"},
}


@pytest.mark.parametrize("way", OTHER_WAYS)
def test_other_ways_give_the_same(place: Any, truth: Any, way: str) -> None:
    """By 1.1 and in TimeBack's dialect, a full sync and the increment after it give the same core as by 1.2."""
    config = OTHER_WAYS[way]
    with Simulator(scenario="small", seed=7, flavour=config.get("flavour", "standard")) as simulator:
        source = place.source(simulator, **config)
        place.sync(source)
        assert place.differences(as_told(source, truth(simulator))) == []
        place.set_back(START)
        simulator.evolve(percent=10)
        place.sync(source, mode=Mode.INCREMENTAL)
        assert place.differences(as_told(source, truth(simulator))) == []


@pytest.mark.parametrize("version", ["1.2", "1.1"])
def test_zips_give_the_same(place: Any, simulator: Simulator, truth: Any, tmp_path: Path, version: Any) -> None:
    """A bulk zip gives the same core as REST, and the delta zip after it brings core to the truth again."""
    source = place.zip(tmp_path / "roster.zip")
    write_zip(simulator.world, tmp_path / "roster.zip", version=version)
    place.sync(source)
    assert place.differences(named(version, truth(simulator))) == []
    simulator.evolve(percent=10)
    write_zip(simulator.world, tmp_path / "roster.zip", version=version, since=0)
    place.sync(source, mode=Mode.INCREMENTAL)
    assert place.differences(named(version, truth(simulator))) == []


def test_two_sources_side_by_side(place: Any, simulator: Simulator, truth: Any) -> None:
    """Two districts with the same ids and other people share core without touching each other's rows."""
    with Simulator(scenario="small", seed=8) as other:
        place.sync(place.source(simulator, "east"))
        place.sync(place.source(other, "west"))
        first, second = truth(simulator), truth(other)
        assert first.keys() == second.keys()
        assert first["students"] != second["students"]
        assert place.differences(first, "east") + place.differences(second, "west") == []
        other.evolve(percent=10, vanish=True)
        place.sync(place.source(other, "west"))
        assert place.differences(first, "east") + place.differences(truth(other), "west") == []
        assert all(place.core(entity, "east", absent=True) == {} for entity in ENTITIES)


def as_told(source: Source, truth: Truth) -> Truth:
    """The truth as far as a version of the service can tell it."""
    return named(source.config.model_dump()["version"], truth)


def named(version: str, rows: Truth) -> Truth:
    """Without preferred names for 1.1, which has none."""
    if version != "1.1":
        return rows
    people = {"students", "instructors"}
    return {
        entity: {key: row | {"preferred_name": None} if entity in people else row for key, row in found.items()}
        for entity, found in rows.items()
    }
