"""Exports as a person calls them on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from connector_pipelines.cli import app
from connector_pipelines.commands import exports
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector_pipelines_tests.sync.exports.conftest import Outward


@pytest.fixture
def call(outward: Outward, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[int, str]]]:
    """`connector-pipelines` with these words, for the other system on this test's database: exit code and output."""
    monkeypatch.setenv("CONNECTOR_PIPELINES_DATABASE_URL", outward.url)
    monkeypatch.setattr(exports, "declared", lambda _: outward.source)
    settings.cache_clear()

    def call(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, list(words))
        return done.exit_code, done.output

    yield call
    settings.cache_clear()


def test_dry_run_shows_and_export_writes(outward: Outward, call: Callable[..., tuple[int, str]]) -> None:
    """A dry run shows what would be written, the export writes it, and the count says what is kept up."""
    outward.students(1, 2)
    code, said = call("export", "campus", "--entity", "users", "--dry-run")
    assert (code, "create" in said, outward.campus.effects) == (0, True, [])
    code, said = call("export", "campus", "--entity", "users")
    assert (code, outward.campus.names("users")) == (0, ["s1", "s2"])
    assert "2  users  verified" in call("exported", "campus")[1]


def test_doubtful_match_is_decided(outward: Outward, call: Callable[..., tuple[int, str]]) -> None:
    """A person's word from the command line is carried out by the next export."""
    number = outward.campus.put("users", name="other", email="s1@x.example")
    outward.students(1)
    call("export", "campus", "--entity", "users")
    assert call("link-export", "campus", "users", "students/1", number, "--why", "asked")[0] == 0
    assert call("export", "campus", "--entity", "users")[0] == 0
    assert outward.campus.names("users") == ["s1"]


def test_export_of_nothing_says_where_to_name_it(outward: Outward, call: Callable[..., tuple[int, str]]) -> None:
    """Where the policy names no export, the command says where it would."""
    outward.may(exports=[])
    assert "policy.exports" in " ".join(call("export", "campus")[1].split())
