"""The README of the connector, held against the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector_pipelines.connectors import moodle
from connector_pipelines.connectors.moodle.simulator import FAULTS

pytestmark = pytest.mark.phase4

README = Path(moodle.__file__).with_name("README.md").read_text(encoding="utf-8")
ROWS = README.partition("| fault | default value | what it does |")[2].splitlines()[2:]


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_stands_in_the_readme(name: str) -> None:
    """The README has each fault's name, default and sentence, as the simulator knows them."""
    kind = FAULTS[name]
    default = f"`{kind.value}`" if kind.value is not None else ""
    assert f"| `{name}` | {default} | {kind.does} |" in ROWS


def test_the_readme_has_no_fault_of_its_own() -> None:
    """The README promises no fault that the simulator does not have."""
    assert len(ROWS) == len(FAULTS)
