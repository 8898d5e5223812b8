"""A few of the runs of `make chaos`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proof.chaos import run, workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proof.databases import Databases
    from proof.work import Worker


@pytest.fixture(scope="module")
def hands() -> Iterator[list[Worker]]:
    """The processes that sync."""
    with workers() as made:
        yield made


@pytest.mark.parametrize("seed", [1, 2])
def test_core_is_the_truth_after_chaos(databases: Databases, hands: list[Worker], seed: int) -> None:
    """With faults, kills and concurrent runs, nothing is lost, doubled or left without a category, and core mends."""
    assert run(seed, databases, hands).findings == []
