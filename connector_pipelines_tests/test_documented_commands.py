"""Every command that a page of the documentation names is one that exists, with the options that it names."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from connector_pipelines.cli import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("connector_pipelines/**/README.md")])
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TOOLS = r"(?:\.venv/bin/)?(?:connector-pipelines|make|python -m|python bench/run\.py)(?: |$)"


def named() -> list[tuple[str, str, bool]]:
    """Page, command, and whether it stands in a block that is there to be copied, so that it must be whole."""
    found = []
    for page in PAGES:
        told, name = page.read_text(encoding="utf-8"), str(page.relative_to(ROOT))
        blocks = re.findall(r"^ *```(?:console|bash|sh)\n(.*?)^ *```$", told, re.DOTALL | re.MULTILINE)
        lines = [line.strip() for line in "".join(blocks).replace("\\\n", " ").splitlines()]
        found += [(name, line, True) for line in lines if re.match(TOOLS, line)]
        prose = re.sub(r"^ *```.*?^ *```$", "", told, flags=re.DOTALL | re.MULTILINE)  # also within a list
        spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
        found += [(name, span, False) for span in spans if re.match(TOOLS, span)]
    return sorted(set(found))


NAMED = named()


def of(tool: str) -> list[tuple[str, str, bool]]:
    """The commands of one tool."""
    return [one for one in NAMED if re.match(rf"(\.venv/bin/)?{tool}", one[1])]


def words(command: str) -> list[str]:
    """What follows the tool's name, with a value for each placeholder: `<source>`, `…`; `[<id>]` may be left out."""
    filled = re.sub(r"<[^>]+>", "1", re.sub(r"\[<[^>]+>\]", "", command))
    return [word.replace("…", "1") for word in shlex.split(filled, comments=True)[1:]]


def parsed(arguments: list[str]) -> None:
    """Let the command line read its arguments, to the point at which it would do something."""
    command: Any = get_command(app)
    context = command.make_context("connector-pipelines", list(arguments), resilient_parsing=True)
    while hasattr(command, "commands") and arguments:
        name, *arguments = arguments
        command = command.commands[name]
        if not hasattr(command, "commands"):
            command.make_context(name, list(arguments), parent=context)


@pytest.mark.parametrize(("page", "command", "whole"), of("connector-pipelines"))
def test_our_own_commands(page: str, command: str, *, whole: bool) -> None:
    """The command exists and takes these arguments; where prose only names it, arguments may be missing."""
    try:
        parsed(words(command))
    except Exception as error:
        if whole or type(error).__name__ != "MissingParameter":
            raise AssertionError(f"{page}: {command}: {error}") from error


@pytest.mark.parametrize(("page", "command", "whole"), of("make"))
def test_targets_of_the_makefile(page: str, command: str, *, whole: bool) -> None:
    """The Makefile has the target, and the variables that are set for it."""
    target, *settings = words(command)
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), (page, whole)
    for setting in settings:
        assert re.search(rf"^{setting.partition('=')[0]} \?=", MAKEFILE, re.MULTILINE), (page, setting)


@pytest.mark.parametrize(("page", "command", "whole"), of("python"))
def test_modules_and_scripts(page: str, command: str, *, whole: bool) -> None:
    """The module or script exists, and every option it is given stands in its source."""
    at, *rest = words(command)
    file = (ROOT / at) if at != "-m" else Path(str(getattr(find_spec(rest.pop(0)), "origin", None)))
    source = file.read_text(encoding="utf-8")
    assert [word for word in rest if word.startswith("--") and word not in source] == [], (page, whole)


def test_blocks_to_be_copied_hold_nothing_else() -> None:
    """Every line of a console block is a command of ours, or steers one of our servers by curl."""
    blocks = [
        block
        for page in PAGES
        for block in re.findall(r"^ *```console\n(.*?)^ *```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    ]
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    assert [line for line in lines if not re.match(rf"{TOOLS}|curl ", line)] == []


def test_commands_were_found() -> None:
    """The pages name commands of each kind, so the tests above are about something."""
    assert all(len(of(tool)) > 5 for tool in ("connector-pipelines", "make", "python"))
    assert {"make demo", "make test", "make dev", "make check", "make bench"} <= {command for _, command, _ in NAMED}


@pytest.mark.parametrize("line", ["sync", "sync a --dry", "nothing", "plan nothing", "sync a --mode half"])
def test_wrong_commands_are_noticed(line: str) -> None:
    """A command that lacks an argument, has an unknown option or value, or does not exist does not pass."""
    with pytest.raises(Exception, match=r"(?i)missing|no such|nothing|half"):
        parsed(line.split())
