"""The rules of the house that no linter knows; `make check` runs them, too."""

from __future__ import annotations

import ast
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "connector_pipelines"
TESTS = ROOT / "connector_pipelines_tests"
SOURCES = sorted(PACKAGE.rglob("*.py"))
CONNECTORS = sorted(path.parent for path in (PACKAGE / "connectors").glob("*/__init__.py"))

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> list[Function]:
    """Every function of a file, methods included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def length(function: Function) -> int:
    """Lines of a function with its docstring."""
    return (function.end_lineno or 0) - function.lineno + 1


def tracked() -> list[Path]:
    """The text files that are, or are about to be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    return [path for path in paths if path.is_file() and path.suffix not in {".png", ".lock"}]


def test_no_file_is_long() -> None:
    """No file of the package has more than 400 lines."""
    assert [p.name for p in SOURCES if len(p.read_text(encoding="utf-8").splitlines()) > 400] == []


def test_no_function_is_long() -> None:
    """No function of the package has more than 60 lines."""
    long = [f"{path.name}:{f.name} {length(f)}" for path in SOURCES for f in functions(path) if length(f) > 60]
    assert long == []


def test_functions_are_small() -> None:
    """The median function of the package has fewer than 15 lines."""
    assert statistics.median(length(f) for path in SOURCES for f in functions(path)) < 15


def test_every_test_says_its_claim() -> None:
    """Every test has a docstring of one sentence."""
    silent = [
        f"{path.name}:{f.name}"
        for path in sorted(TESTS.rglob("test_*.py"))
        for f in functions(path)
        if f.name.startswith("test_") and not (ast.get_docstring(f) or "").strip().endswith(".")
    ]
    assert silent == []


@pytest.mark.parametrize("folder", CONNECTORS, ids=lambda folder: folder.name)
def test_connector_folders_follow_one_grammar(folder: Path) -> None:
    """Every connector folder has the files that its author and its readers expect."""
    expected = {"__init__.py", "config.py", "client.py", "schemas.py", "transform.py", "README.md"}
    assert expected <= {path.name for path in folder.iterdir()}
    assert (folder / "simulator.py").exists() or (folder / "simulator").is_dir()


def test_nobody_sleeps() -> None:
    """No test waits by sleeping."""
    waiting = [
        path.name
        for path in sorted(TESTS.rglob("*.py"))
        if path.name != Path(__file__).name and "time.sleep(" in path.read_text(encoding="utf-8")
    ]
    assert waiting == []


def test_tls_is_never_switched_off() -> None:
    """No call of the package disables certificate checks (requirement G25)."""
    off = [
        path.name
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword)
        and node.arg == "verify"
        and isinstance(node.value, ast.Constant)
        and node.value.value is False
    ]
    assert off == []


def test_core_tables_are_named_in_core_alone() -> None:
    """No statement outside `core` and the migrations names a core table (requirements K6, G107)."""
    naming = [
        str(path.relative_to(PACKAGE))
        for path in SOURCES
        if "migrations" not in path.parts and path.parent.name != "core" and "INTO core." in path.read_text("utf-8")
    ]
    assert naming == []


def test_the_tree_names_no_machine() -> None:
    """No tracked file holds the path of one machine."""
    homes = ("/" + "root/", "/" + "home/", "/" + "work/")
    named = [
        f"{path.name}: {home}"
        for path in tracked()
        for home in homes
        if home in path.read_text("utf-8", errors="replace")
    ]
    assert named == []
