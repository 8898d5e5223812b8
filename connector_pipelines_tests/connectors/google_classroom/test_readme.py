"""The README of the connector, held against the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector_pipelines.connectors import google_classroom
from connector_pipelines.connectors.google_classroom.config import GoogleClassroomConfig
from connector_pipelines.connectors.google_classroom.simulator import FAULTS

README = Path(google_classroom.__file__).with_name("README.md").read_text(encoding="utf-8")
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

    whole, auth = (part.partition("```")[0] for part in README.split("```yaml\n")[1:])
    shown = [yaml.safe_load(_referred(whole))["attributes"], yaml.safe_load(_referred(auth))]
    found = [GoogleClassroomConfig.model_validate(one).auth.type for one in shown]
    assert found == ["service_account", "oauth2"]


def _referred(text: str) -> str:
    return text.replace('"{{ env.', '"env:').replace(" }}", "")
