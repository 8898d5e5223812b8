"""The rules of the house that no linter knows; `make check` runs them, too."""

from __future__ import annotations

import ast
import re
import socket
import statistics
import subprocess
import sys
import tomllib
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


SLEEPS = frozenset({"time.sleep", "asyncio.sleep", "anyio.sleep", "trio.sleep"})
PACED = {"soak.py"}
"""Loads that keep their pace; nothing is awaited by it."""


def dotted(node: ast.expr, meant: dict[str, str]) -> str:
    """The name of what is called, as its module calls it; "" where it is no plain name."""
    match node:
        case ast.Name(id=name):
            return meant.get(name, name)
        case ast.Attribute(value=value, attr=name):
            return f"{dotted(value, meant)}.{name}"
        case ast.Call(func=called):
            return f"{dotted(called, meant)}()"
    return ""


def imported(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for, such as `sleep` for `time.sleep`."""
    meant: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            meant |= {one.asname or one.name: one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            meant |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return meant


def sleeps(source: str) -> set[int]:
    """The lines that sleep: in Python, in PostgreSQL, or by waiting for what nobody ever sets, or again and again."""
    tree, found = ast.parse(source), set()
    meant, asleep = imported(tree), "pg" + "_sleep"
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.While | ast.For | ast.AsyncFor)]
    again = {id(inner) for loop in loops for part in (*loop.body, *_tests(loop)) for inner in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and f"{asleep}(" in node.value:
            found.add(node.lineno)
        if isinstance(node, ast.Call):
            name = dotted(node.func, meant)
            timed = bool(node.args or node.keywords) and name.endswith(".wait")
            if name in SLEEPS or (timed and (id(node) in again or name.endswith("Event().wait"))):
                found.add(node.lineno)
    return found


def _tests(loop: ast.While | ast.For | ast.AsyncFor) -> list[ast.expr]:
    return [loop.test] if isinstance(loop, ast.While) else []


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_no_test_reaches_another_machine(host: str) -> None:
    """What a test would ask beyond this machine is refused before anything is sent (requirement E66)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as one, pytest.raises(ConnectionRefusedError, match="not this machine"):
        one.connect((host, 443))


def test_nobody_sleeps() -> None:
    """No test waits by sleeping, nor does what tests wait with."""
    files = [*sorted(TESTS.rglob("*.py")), *sorted((ROOT / "proof").glob("*.py"))]
    waiting = [
        f"{path.name}:{line}"
        for path in files
        if path.name not in PACED
        for line in sorted(sleeps(path.read_text(encoding="utf-8")))
    ]
    assert waiting == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time\ntime.sleep(1)", True),
        ("import time as t\nt.sleep(1)", True),
        ("from time import sleep\nsleep(1)", True),
        ("import asyncio\nawait asyncio.sleep(1)", True),
        ("connection.execute('SELECT pg_" + "sleep(1)')", True),
        ("import threading\nthreading.Event().wait(1)", True),
        ("while not ended.wait(0.1):\n    look()", True),
        ("for _ in range(9):\n    ended.wait(timeout=0.1)", True),
        ("assert ended.wait(20)", False),
        ("for one in processes:\n    one.wait()", False),
        ("Client(sleep=lambda seconds: None)", False),
    ],
)
def test_sleeping_is_found(source: str, found: bool) -> None:  # noqa: FBT001 -- a column of the table
    """Sleeping is found however it is spelled, and waiting for something is none."""
    assert bool(sleeps(source)) is found


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


CREDENTIALS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}",
    "an access key of AWS": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of GitHub": r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    "a token of Slack": r"\bxox[abprs]-[A-Za-z0-9-]{10,}\b",
    "a key of Google": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "a key of a payment service": r"\b[rs]k_live_[0-9A-Za-z]{20,}\b",
    "a web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}",
    "a Fernet key or what it sealed": r"\bgAAAAA[A-Za-z0-9_-]{60,}|\b[A-Za-z0-9_-]{43}=(?![A-Za-z0-9=])",
    "a password in a URL": r"\b(?:postgres(?:ql)?|https?|amqp|redis|mailtos?)://[\w.-]+:[^@\s:/{}$<*]{6,}@(?![\w.-]+\.example\b)[\w-]+\.[a-z]{2,}",
}
"""What credentials look like that people commit by mistake (requirement G23)."""


def credentials_in(text: str) -> list[str]:
    """What a text holds that looks like a credential."""
    return [kind for kind, form in CREDENTIALS.items() if re.search(form, text)]


def test_no_credential_is_committed() -> None:
    """No tracked file, fixtures included, holds what looks like a credential (requirement G23)."""
    found = {path.name: kinds for path in tracked() if (kinds := credentials_in(path.read_text("utf-8", "replace")))}
    assert found == {}


@pytest.mark.parametrize(
    "planted",
    [
        "-----BEGIN RSA PRIVATE " + "KEY-----\n" + "MIIEow" * 10,
        "aws = AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "c2lnbmF0dXJlLW9mLWFsbC1vZi1pdA",
        "KEYS=" + "Zm9vYmFyYmF6" * 3 + "Zm9vYmF=",
        "postgresql://ann:" + "hunter2hunter2@db.school.org/core",
    ],
)
def test_a_committed_credential_would_be_noticed(planted: str) -> None:
    """What people commit by mistake is recognized."""
    assert len(credentials_in(planted)) == 1


def test_no_merge_is_left_half_done() -> None:
    """No tracked file holds the marks that Git leaves where it could not merge."""
    marks = tuple(sign * 7 + " " for sign in "<>")
    left = [
        f"{path.name}:{number}"
        for path in tracked()
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), start=1)
        if line.startswith(marks)
    ]
    assert left == []


INSECURE = {
    "S101": "assert trusted",
    "S301": "pickle.loads(body)",
    "S324": "hashlib.md5(password)",
    "S501": "requests.get(url, verify=False, timeout=1)",
    "S506": "yaml.load(body)",
    "S602": "subprocess.call(command, shell=True)",
    "S608": 'connection.execute(f"SELECT * FROM {table}")',
}


def test_the_linter_looks_for_what_is_insecure() -> None:
    """In a file of the product, ruff as `make check` runs it finds each of these; none of its security rules is off."""
    planted = "import hashlib, pickle, subprocess, requests, yaml\n" + "\n".join(INSECURE.values())
    ruff = [str(Path(sys.executable).with_name("ruff")), "check", "--output-format", "concise", "--stdin-filename"]
    told = subprocess.run(
        [*ruff, str(PACKAGE / "sync" / "planted.py"), "-"],
        cwd=ROOT,
        input=planted,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert set(re.findall(r"\b(S\d{3})\b", told)) >= set(INSECURE)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    assert [rule for rule in settings["ignore"] if re.fullmatch(r"S\d*", rule)] == []


def test_checks_need_no_network() -> None:
    """What looks up vulnerabilities asks a service: `make audit` does, and neither `make check` nor `.ci/run`."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    checks = re.findall(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert len(checks) == 1
    for text in (*checks, (ROOT / ".ci" / "run").read_text(encoding="utf-8")):
        assert "audit" not in text
    assert re.search(r"^audit:.*\n\t.*pip-audit==[\d.]+ .*--requirement requirements.lock", makefile, re.MULTILINE)
