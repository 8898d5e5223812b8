from __future__ import annotations

import re
from pathlib import Path

from connector_pipelines.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("connector_pipelines/**/README.md")])


def test_configuration_page_lists_every_variable() -> None:
    """The configuration page has each environment variable with the default and description of the code."""
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    rows = [
        f"| `{field.alias}` | {'unset' if field.default is None else f'`{field.default}`'} | {field.description} |"
        for field in Settings.model_fields.values()
    ]
    assert [row for row in rows if row not in page] == []


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link in the documentation names a file that exists."""
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_readme_commands_are_targets() -> None:
    """Every `make` command that the documentation names is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`?make ([a-z]+)", page.read_text(encoding="utf-8"))}
    assert {"demo", "test", "dev", "check", "bench"} <= named & targets
