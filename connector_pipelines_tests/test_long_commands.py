"""The targets of the Makefile and the modules of the proof, each in the shortest form of its command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from proof.mutations import mutants

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
GUARD = (ROOT / "connector_pipelines/mapping/guard.py").read_text(encoding="utf-8")
PARTS = ("contest", "latency", "memory", "gate", "definitions", "finale", "webhooks", "moodle", "arrival")


def run(command: str, *words: str) -> str:
    """What a command of the Makefile prints when it ends well with these words more; what it has there is left out."""
    assert f"$(BIN)/python {command}" in MAKEFILE
    done = ended(*command.split(), *words)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
    return done.stdout


def ended(*words: str) -> subprocess.CompletedProcess[str]:
    """How a command of this Python ended."""
    whole, variables = [sys.executable, *words], os.environ | {"COLUMNS": "120"}
    return subprocess.run(whole, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_of_the_benchmark_measures(part: str) -> None:
    """With one round and a small district each part does its work, checks it, and keeps its figures and promises."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to the user whom PostgreSQL runs as
        Path(folder).chmod(0o755)
        said = run("bench/run.py", part, "--rounds", "1", "--rows", "2000", "--folder", folder)
        kept = json.loads((Path(folder) / "results.json").read_text(encoding="utf-8"))
    assert kept[part]
    assert kept["verdicts"]
    assert all(promise.split()[0] in said for promise, _, _ in kept["verdicts"])


def test_the_parts_are_all_of_the_benchmark() -> None:
    """No part of the benchmark is left out above."""
    assert f"there are {', '.join(PARTS)}" in ended("bench/run.py", "nothing").stderr


def test_dlt_and_a_singer_tap_read_what_the_warehouse_simulator_serves() -> None:
    """With every paginator and credential they know, both read all records, increments and children there are."""
    lines = [line.split() for line in run("bench/clients.py").splitlines() if " of " in line]
    assert len(lines) > 10
    assert {(read, there) for *_, read, _, there in lines if read != there} == set()


@pytest.mark.parametrize(("which", "runs"), [("--runs 0", 0), ("--seed 2", 1)])
def test_chaos_counts_what_it_did(which: str, runs: int) -> None:
    """With faults, kills and concurrent runs, nothing is lost, doubled or left without a category, and core mends."""
    said = run("-m proof.chaos", *which.split())
    assert said.startswith(f"{runs} run")
    assert "0 of them with findings" in said


def test_boundaries_are_listed() -> None:
    """`--list` prints the durable boundaries of one of the runs, of each kind, and kills nothing."""
    lines = run("-m proof.crashes", "--list", "--of", "sync").splitlines()
    kinds = [line.split()[1] for line in lines[:-1]]
    assert {"database", "file", "torn"} == set(kinds)
    assert f"{len(kinds)} durable boundaries" in lines[-1]
    assert ", 0 kills, 0 findings" in lines[-1]


def test_a_run_is_killed_at_some_boundaries() -> None:
    """Each n-th boundary of one of the runs is tried, and nothing is found."""
    said = run("-m proof.crashes", "--of", "sync", "--every", "100")
    assert re.search(r"sync: \d+ durable boundaries .*, 2 kills, 0 findings", said)


def test_one_section_of_the_fault_matrix_is_written_anew() -> None:
    """The page of faults stays as it is when a section of it is tried again, because nothing has changed."""
    page = ROOT / "docs/fault-matrix.md"
    before = page.read_text(encoding="utf-8")
    done = ended("-m", "proof.matrix", "--of", "moodle")
    assert done.returncode == 0, done.stdout + done.stderr[-4_000:]
    assert re.match(r"moodle: \d+ faults while `assessments` is read: ", done.stdout)
    assert page.read_text(encoding="utf-8") == before


@pytest.mark.parametrize("lines", ["", f":{mutants(GUARD)[0].line}"], ids=["module", "line"])
def test_a_mutant_is_noticed(lines: str) -> None:
    """The first mutant of a module, or those of its line, are made, asked about, and noticed."""
    said = run("-m proof.mutants", f"mapping/guard.py{lines}", "--every", str(len(mutants(GUARD))))
    assert "noticed 1  survived 0" in said


def test_the_targets_are_listed() -> None:
    """`make` and `make help` name every target with a sentence."""
    targets = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split()
    for words in ([], ["help"]):
        said = subprocess.run(
            ["make", "--no-print-directory", *words], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        assert [line.split()[:2] for line in said.splitlines()] == [["make", target] for target in targets]
        assert all(len(line.split()) > 3 for line in said.splitlines())


def test_the_lock_file_can_be_renewed(tmp_path: Path) -> None:
    """What `make lock` asks of uv is done for a project without dependencies, for which it needs no network."""
    [asked] = re.findall(r"^\t@VIRTUAL_ENV=\.venv \$\(BIN\)/(uv pip compile .*)$", MAKEFILE, re.MULTILINE)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "bare"\nversion = "1"\nrequires-python = ">=3.11"\noptional-dependencies = {dev = []}\n'
    )
    uv, *words = asked.split()
    command = [str(Path(sys.executable).with_name(uv)), *words, "--offline"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "requirements.lock").read_text(encoding="utf-8") == ""


def test_a_planted_bug_is_noticed() -> None:
    """A known bug is planted, and the test that is named with it fails."""
    assert "1 planted bugs, 1 noticed" in run("-m proof.planted", "P17:")
