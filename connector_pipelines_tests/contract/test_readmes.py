"""The page of each connector, held against the code: its examples can be declared, its faults are the simulator's."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from connector_pipelines import connectors
from connector_pipelines.orchestration.sources import Declaration, read

PAGES = {page.parent.name: page for page in sorted(Path(connectors.__file__).parent.glob("*/README.md"))}


def examples(page: Path) -> list[dict[str, object]]:
    """The declarations of a page; what shows a part of one stands for the first one with that part."""
    told = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)]
    first = next(one for one in told if "type" in one)
    parts = [first | {"attributes": first["attributes"] | one.get("attributes", one)} for one in told]
    return [one if "type" in one else part for one, part in zip(told, parts, strict=True)]


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name, page in PAGES.items() for number in range(len(examples(page)))]
)
def test_the_examples_are_declarations(name: str, number: int, tmp_path: Path) -> None:
    """What a page shows to declare a source, whole or in part, is a usable source with the entities it names."""
    example = examples(PAGES[name])[number]
    file = tmp_path / "place" / "defs.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump(example), encoding="utf-8")
    found = read(file, {})
    assert isinstance(found, Declaration), found
    named = example["attributes"].get("entities")  # type: ignore[attr-defined]  # a mapping
    assert named is None or {stream.entity for stream in found.source.streams} == set(named)


@pytest.mark.parametrize("name", PAGES)
def test_every_fault_stands_on_the_page(name: str) -> None:
    """A page has each fault of the simulator with its default and what it does, and none of its own."""
    rows = PAGES[name].read_text("utf-8").partition("| fault | default value | what it does |")[2].splitlines()[2:]
    faults = import_module(f"{connectors.__name__}.{name}.simulator").FAULTS
    told = [f"| `{one}` | {f'`{kind.value}`' if kind.value else ''} | {kind.does} |" for one, kind in faults.items()]
    assert sorted(rows) == sorted(told)
