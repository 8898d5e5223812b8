"""The README of the connector, held against the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector_pipelines.connectors import canvas
from connector_pipelines.connectors.canvas.config import CanvasConfig
from connector_pipelines.connectors.canvas.simulator import FAULTS

README = Path(canvas.__file__).with_name("README.md").read_text(encoding="utf-8")
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


def test_the_declarations_in_the_readme_are_some() -> None:
    """What the README shows to declare a source is accepted, with either way to sign in."""
    import yaml

    first, second = README.split("```yaml\n")[1:3]
    told = [
        yaml.safe_load(one.partition("```")[0].replace('"{{ env.', '"env:').replace(" }}", ""))["attributes"]
        for one in (first, second)
    ]
    assert CanvasConfig.model_validate(told[0]).account == "self"
    assert CanvasConfig.model_validate(told[0] | told[1]).auth.type == "oauth2"
