"""The README of the connector, held against the code: its example is a declaration, its faults are the simulator's."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from connector_pipelines.connectors import json_api
from connector_pipelines.connectors.json_api.simulator import FAULTS
from connector_pipelines.orchestration.sources import Declaration, read

README = Path(json_api.__file__).with_name("README.md").read_text(encoding="utf-8")


def test_the_example_is_a_declaration(tmp_path: Path) -> None:
    """The YAML of the README declares a source that is usable."""
    [example] = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    file = tmp_path / "warehouse" / "defs.yaml"
    file.parent.mkdir()
    file.write_text(example)
    found = read(file, {})
    assert isinstance(found, Declaration), found
    assert {stream.entity for stream in found.source.streams} == set(yaml.safe_load(example)["attributes"]["entities"])


def test_every_fault_stands_in_the_readme() -> None:
    """The README has each fault with its default and what it does, and none of its own."""
    rows = README.partition("| fault | default value | what it does |")[2].splitlines()[2:]
    assert rows == [
        f"| `{name}` | {f'`{kind.value}`' if kind.value else ''} | {kind.does} |" for name, kind in FAULTS.items()
    ]
