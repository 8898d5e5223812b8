"""The fault matrix in the documentation is what the faults come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector_pipelines.connectors import connectors
from proof import matrix
from proof.matrix import End
from proof.subjects import SUBJECTS, Subject

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.long
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_the_page_says_what_becomes_of_each_fault(database: str, tmp_path: Path, subject: Subject) -> None:
    """Nothing is lost by any fault, and the page says of each what came of it; `python -m proof.matrix` writes it."""
    found = matrix.lines(database, tmp_path, subject)
    assert [line for line in found if line.end is End.LOST] == []
    assert matrix.section(subject, found) in matrix.PAGE.read_text(encoding="utf-8")


def test_every_connector_and_every_fault_is_there() -> None:
    """Every connector has its section, in the page's order, and none of its faults is left out without a reason."""
    page = matrix.PAGE.read_text(encoding="utf-8")
    assert {subject.name for subject in SUBJECTS} | {"mock"} == set(connectors())  # mock is OneRoster's simulator
    assert page.startswith(matrix.HEAD)
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == [s.title for s in SUBJECTS]
    for subject in SUBJECTS:
        assert subject.trials.keys() | subject.beside.keys() <= subject.faults.keys()
