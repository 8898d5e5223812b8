"""The README of the connector, held against the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector_pipelines.connectors import quickbooks
from connector_pipelines.connectors.quickbooks.config import QuickBooksConfig
from connector_pipelines.connectors.quickbooks.simulator import FAULTS

README = Path(quickbooks.__file__).with_name("README.md").read_text(encoding="utf-8")
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


def test_the_declaration_in_the_readme_is_one() -> None:
    """What the README shows to declare a source is accepted."""
    import yaml

    shown = README.partition("```yaml\n")[2].partition("```")[0].replace('"{{ env.', '"env:').replace(" }}", "")
    assert QuickBooksConfig.model_validate(yaml.safe_load(shown)["attributes"]).realm_id == "4620816365291234567"
