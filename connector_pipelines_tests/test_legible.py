"""Text of others where people read it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.legible import legible, markdown
from connector_pipelines.terminal import console

UNSEEN = "\x1b\x07\x00\x9b\u202e\u2066\u200b\ufeff\r"


@pytest.mark.parametrize(
    "text", ["Ada Łukasz Ünal", "李小龍", "مریم", "\u0645\u06cc\u200c\u062e\u0648", "👩\u200d🔬", "a\tb\nc", ""]
)
def test_what_people_write_stays(text: str) -> None:
    """Names in any script, with the joiners they need, are shown as they are."""
    assert legible(text) == text


def test_what_is_not_seen_is_spelled_out() -> None:
    """Control characters and those that turn the direction are shown, and obeyed by nobody."""
    shown = r"\x1b\x07\x00\x9b\u202e\u2066\u200b\ufeff\r"
    assert legible(UNSEEN) == shown


@given(st.text())
def test_markdown_has_no_markup_of_others(text: str) -> None:
    """No text opens a tag, a link, a picture or code, or ends a cell or a line."""
    shown = markdown(text)
    assert "<" not in shown
    assert "\n" not in shown
    assert all(shown[at - 1] == "\\" for at, letter in enumerate(shown) if letter in "[]|`")


def test_the_terminal_obeys_nothing_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever command prints it, an escape sequence of a source reaches the terminal spelled out."""
    console.print("[bold]id[/] \x1b[2J\u202egpj.exe")
    console.out("\x1b]0;title\x07")
    assert capsys.readouterr().out == "id \\x1b[2J\\u202egpj.exe\n\\x1b]0;title\\x07\n"
