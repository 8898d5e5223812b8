"""Whatever a system answers is a row, a dead letter or an error of ours with its category (requirement G104)."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.errors import BrokenPage, SyncError
from connector_pipelines.external.turns import Turns
from connector_pipelines.mapping.fingerprints import Sieve
from connector_pipelines.model import Window
from connector_pipelines.pages import BadRow, Page
from connector_pipelines.simulating import server
from connector_pipelines.simulating.exchange import on_the_wire
from connector_pipelines.validation.accept import accept
from connector_pipelines_tests.contract.fuzzing import mutated

if TYPE_CHECKING:
    from connector_pipelines.model import Source, Stream
    from connector_pipelines.simulating.exchange import Reply

RECORDS, PAGES, READS = 200, 100, 3
BATCH = 50
"""Mutations for each stream: of records, of whole pages, and whole reads of which each answer may be another."""


@pytest.fixture(autouse=True)
def each_code_once(source: Source) -> None:
    """Mutating takes its time: the mock reads by OneRoster's code, which is mutated under its own name."""
    if source.connector.name == "mock":
        pytest.skip("its code is OneRoster's")


def first_page(source: Source, stream: Stream) -> Page:
    """What the system sends first."""
    with source.connector.open(source.config) as client:
        return next(iter(stream.read(client, Window()).pages))


def test_records_of_any_kind_are_accounted_for(source: Source) -> None:
    """Each of hundreds of mutated records is accepted, refused with a reason, or skipped, or breaks its page."""
    for stream in source.streams:
        dice, page = random.Random(stream.entity), first_page(source, stream)
        rows = [mutated(bytes(page.rows[n % len(page.rows)]), dice) for n in range(RECORDS)]
        rows = [row for row in rows if row]
        for begin in range(0, RECORDS, BATCH):
            sifted = Sieve(0, None).sift(replace(page, rows=rows[begin : begin + BATCH]))
            try:
                found = accept(stream, [sifted])
            except BrokenPage:
                continue
            assert len(found.frame) + len(found.rejections) + sum(found.skipped.values()) == len(sifted.raw)
            assert all(one.rule and one.reason for one in found.rejections)


def test_pages_of_any_kind_are_pages_or_broken(source: Source) -> None:
    """Each of hundreds of mutated pages is split into records, or is broken in our words."""
    ends: Counter[str] = Counter()
    for stream in source.streams:
        dice, page = random.Random(stream.entity), first_page(source, stream)
        for _ in range(PAGES):
            try:
                rows = stream.split(mutated(page.body, dice))
                list(map(stream.decode, rows[:5]))
                ends["split"] += 1
            except BadRow:
                ends["a bad row"] += 1
            except SyncError as error:
                ends[error.category] += 1
    assert ends["split"]
    assert sum(ends.values()) > ends["split"]


def test_answers_of_any_kind_end_a_read_in_our_words(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read of which some answers are mutated, tokens and totals among them, is read, or ends with a category."""
    dice, ends = random.Random(source.connector.name), Counter[str]()

    def bending(reply: Reply) -> Reply:
        sent = on_the_wire(reply)
        return replace(sent, body=mutated(sent.body, dice)) if sent.body and dice.random() < 0.4 else sent

    monkeypatch.setattr(server, "on_the_wire", bending)
    monkeypatch.setattr(Turns, "wait", lambda *_, **__: False)  # the system's limits are not what this is about
    config = _impatient(source)
    for stream in source.streams:
        for _ in range(READS):
            try:
                with source.connector.open(config) as client:
                    for page in stream.read(client, Window()).pages:
                        assert page.number
                ends["read"] += 1
            except SyncError as error:
                ends[error.category] += 1
    assert sum(ends.values()) == READS * len(source.streams)
    assert ends["read"] < sum(ends.values())


def _impatient(source: Source) -> Any:
    """The configuration of a source that is asked once."""
    return source.connector.config.model_validate(source.config.model_dump() | {"max_retries": 0})
