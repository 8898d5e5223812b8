from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from connector_pipelines import errors
from connector_pipelines.errors import Category, SyncError
from connector_pipelines.orchestration import reference
from connector_pipelines.orchestration.sources import by_type
from connector_pipelines.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("connector_pipelines/**/README.md")])


def text(page: Path | str) -> str:
    """A page, without the examples in its code blocks."""
    return re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may say behind its #."""
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_configuration_reference_is_current() -> None:
    """The reference of the configuration is what the code makes of its models; `make reference` renews it."""
    assert text("docs/configuration-reference.md") == reference.page(Settings, by_type())


def test_every_field_says_what_it_means() -> None:
    """Each variable and each field of a declaration has a sentence, and the page has them all."""
    rows = re.findall(r"^\| `([\w]+)` \|.*\| (.*?) ?\|$", text("docs/configuration-reference.md"), re.MULTILINE)
    assert [name for name, meaning in rows if not meaning] == []
    named = {name for name, _ in rows}
    assert {str(field.alias) for field in Settings.model_fields.values()} <= named
    assert {name for connector in by_type().values() for name in connector.config.model_fields} <= named


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link in the documentation names a file that exists, and a heading that it has."""
    broken = []
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!https?://)([^)#]*)(?:#([^)]+))?\)", text(page)):
            there = (page.parent / target) if target else page
            if not there.exists() or (anchor and anchor not in anchors(there)):
                broken.append(f"{page.relative_to(ROOT)}: {target}#{anchor}")
    assert broken == []


def test_the_index_has_every_page() -> None:
    """The index of the documentation links each page of it, of the connectors and of the decisions."""
    index = ROOT / "docs/README.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#]+)\)", text(index))}
    assert [str(page.relative_to(ROOT)) for page in PAGES if page != index and page not in linked] == []
    assert "(docs/README.md)" in text("README.md")


ERRORS = [error for error in vars(errors).values() if inspect.isclass(error) and issubclass(error, SyncError)][1:]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_its_section(error: type[SyncError]) -> None:
    """The page of errors has each class of `errors.py`: category, parent, its docstring, what to do, where it shows."""
    parent = error.__mro__[1].__name__
    kind = parent if parent == "SyncError" else f"[{parent}](#{parent.lower()})"
    means = " ".join((inspect.getdoc(error) or "").split())
    section = text("docs/errors.md").partition(f"\n## {error.__name__}\n")[2].partition("\n## ")[0]
    assert section.strip().startswith(f"`{error.category}`, a kind of {kind}. {means}\n")
    assert "\n- **Do:** " in section
    assert "\n- **Shows:** " in section


def test_errors_page_has_every_category_and_no_other_error() -> None:
    """The page of errors explains each category, and has no section for an error that is none."""
    page = text("docs/errors.md")
    assert [category for category in Category if f"\n| `{category}` | " not in page] == []
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == [error.__name__ for error in ERRORS]
