"""What every connector owes the engine: found by the registry, so that a new one is tested without a line here."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pydantic import BaseModel, ValidationError

from connector_pipelines.core.entities import ENTITIES
from connector_pipelines.errors import BrokenPage
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.model import Window
from connector_pipelines.validation.accept import accept

if TYPE_CHECKING:
    from connector_pipelines.model import Source, Stream

OURS = {"mock"}
"""Connectors to servers of our own: they have neither an address nor secrets that somebody could get wrong."""

ALWAYS = {"external_id", "modified_at", "deleted", "skip"}


def promised(stream: Stream) -> set[str]:
    """The columns a transform must return."""
    entity = ENTITIES[stream.entity]
    return ALWAYS | {column.name for column in entity.columns} | {reference.name for reference in entity.references}


def empty(stream: Stream) -> pd.DataFrame:
    """A frame of the schema's columns without rows."""
    columns = stream.schema().columns
    return pd.DataFrame({n: pd.Series([], dtype=c.dtype.type if c.dtype else None) for n, c in columns.items()})


def models(config: type[BaseModel]) -> set[type[BaseModel]]:
    """A configuration model and those nested in it."""
    module = import_module(config.__module__)
    return {
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, BaseModel) and member.__module__ == config.__module__
    } | {config}


def test_streams_feed_core_entities(source: Source) -> None:
    """Streams are of entities that core has, each once, parents before children."""
    entities = [stream.entity for stream in source.streams]
    assert entities
    assert len(set(entities)) == len(entities)
    assert set(entities) <= set(ENTITIES)
    late = [(e, p) for n, e in enumerate(entities) for p in ENTITIES[e].parents if p in entities[n:]]
    assert late == []


def test_columns_are_those_of_the_schema(source: Source) -> None:
    """For every column of its schema a stream says where it comes from, the id first."""
    for stream in source.streams:
        assert set(stream.columns) == set(stream.schema().columns)


def test_transform_returns_what_it_promises(source: Source) -> None:
    """Every transform returns exactly the columns of its entity, without rows as with one."""
    with source.connector.open(source.config) as client:
        for stream in source.streams:
            page = next(iter(stream.read(client, Window()).pages))
            columns = stream.schema().columns
            record = stream.decode(page.rows[0])
            one = pd.DataFrame(
                {
                    n: pd.Series([stream.columns[n](record)], dtype=c.dtype.type if c.dtype else None)
                    for n, c in columns.items()
                }
            )
            for frame in (empty(stream), one):
                result = stream.transform(frame.copy())
                assert set(result.columns) == promised(stream)
                assert len(result) == len(frame)
                assert str(result["modified_at"].dtype).endswith(", UTC]")
                assert result["deleted"].dtype == bool


def test_full_read_yields_rows_and_a_snapshot(source: Source) -> None:
    """Reading everything from the simulator gives numbered pages, rows that are all accounted for, and a snapshot."""
    with source.connector.open(source.config) as client:
        for stream in source.streams:
            reading = stream.read(client, Window())
            pages = list(reading.pages)
            accepted = accept(stream, [Sieve(0, None).sift(page) for page in pages])
            rows = sum(len(page.rows) for page in pages)
            assert reading.snapshot
            assert [page.number for page in pages] == list(range(1, len(pages) + 1))
            assert 0 < len(accepted.frame) <= rows
            assert rows == len(accepted.frame) + len(accepted.rejections) + sum(accepted.skipped.values())
            assert accepted.frame["external_id"].notna().all()


def test_landed_page_splits_the_same(source: Source) -> None:
    """Splitting the raw body again gives the same records, so that a replay needs no HTTP."""
    with source.connector.open(source.config) as client:
        for stream in source.streams:
            page = next(iter(stream.read(client, Window()).pages))
            assert [bytes(row) for row in stream.split(page.body)] == [bytes(row) for row in page.rows]


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"null", b"[", b"\xff\xfe"])
def test_what_is_no_page_is_refused(source: Source, body: bytes) -> None:
    """No stream takes garbage for an empty page."""
    for stream in source.streams:
        with pytest.raises(BrokenPage):
            list(map(stream.decode, stream.split(body)))


def test_connection_test(source: Source) -> None:
    """The connection test succeeds on the simulator and measures its latency."""
    with source.connector.open(source.config) as client:
        health = source.connector.check(client)
    assert health.ok
    assert health.detail
    assert health.latency_seconds >= 0


def test_configuration_is_documented(source: Source) -> None:
    """Every field of the configuration has a description; unknown fields are refused."""
    config = source.connector.config
    silent = [f"{m.__name__}.{name}" for m in models(config) for name, f in m.model_fields.items() if not f.description]
    assert silent == []
    with pytest.raises(ValidationError, match="misspelled"):
        config.model_validate(source.config.model_dump() | {"misspelled": 1})


def test_configuration_keeps_secrets_out(source: Source) -> None:
    """The dumped configuration holds references, and loads to the same configuration again."""
    dumped = source.config.model_dump_json()
    assert ("env:CONTRACT_" in dumped) is (source.connector.name not in OURS)
    assert source.connector.config.model_validate_json(dumped) == source.config


@pytest.mark.parametrize("url", ["ftp://sis.example", "sis.example", "https://", "http://sis.example", "https://sis:x"])
def test_an_unusable_address_is_refused_where_it_is_declared(source: Source, url: str) -> None:
    """What is no https address, or would send credentials unencrypted, is a mistake of its field (G17)."""
    if source.connector.name in OURS:
        pytest.skip("its address is ours")
    with pytest.raises(ValidationError, match=r"no http\(s\) URL|unencrypted") as refused:
        source.connector.config.model_validate(source.config.model_dump() | {"base_url": url})
    assert ("base_url",) in [error["loc"] for error in refused.value.errors()]


def test_an_address_with_credentials_is_refused(source: Source) -> None:
    """A user or a password in an address, which configurations keep as it is, is a mistake that is not quoted (K16)."""
    if source.connector.name in OURS:
        pytest.skip("its address is ours")
    with pytest.raises(ValidationError, match="an address with a user or a password") as refused:
        source.connector.config.model_validate(
            source.config.model_dump() | {"base_url": "https://ada:hunter2@a.example"}
        )
    [found] = refused.value.errors(include_input=False)
    assert "hunter2" not in str(found)


def test_nothing_is_asked_before_the_first_read(source: Source) -> None:
    """Opening and closing a client, and asking for a reading without taking a page, sends nothing."""
    gone = source.config.model_dump() | _elsewhere(source.config)
    config = source.connector.config.model_validate(gone)
    with source.connector.open(config) as client:
        for stream in source.streams:
            stream.read(client, Window())


def _elsewhere(config: BaseModel) -> dict[str, Any]:
    """Every base URL replaced by one where nobody answers."""
    return {name: "http://127.0.0.1:9" for name in type(config).model_fields if name == "base_url"}


def test_folder_tells_its_story(source: Source) -> None:
    """The connector has a README with its scopes, limits and what was checked, and its folder's name."""
    readme = Path(inspect.getfile(source.connector.config)).with_name("README.md").read_text(encoding="utf-8")
    assert source.connector.title in readme
    for heading in ("Scopes", "Limits", "Quirks", "What was checked"):
        assert f"## {heading}" in readme
