from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from connector_pipelines import connectors as registry
from connector_pipelines.connectors.oneroster import CONNECTOR
from connector_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = '''
from pydantic import BaseModel
from contextlib import nullcontext
from connector_pipelines.model import Connector, Health


class Config(BaseModel):
    """None."""


CONNECTOR = Connector(
    name="{name}", title="Canteen", config=Config, open=lambda _: nullcontext(), streams=lambda _: (),
    check=lambda _: Health(True, "", 0.0),
)
'''


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """A registry that looks again, before and after."""
    registry.connectors.cache_clear()
    yield
    registry.connectors.cache_clear()


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Install a package with an entry point, as pip would."""
    (folder / "canteen.py").write_text(PACKAGE.format(name=name))
    info = folder / "canteen-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: canteen\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[connector_pipelines.connectors]\ncanteen = canteen:CONNECTOR\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "canteen", raising=False)


def test_folders_are_found() -> None:
    """Every folder with a CONNECTOR is in the registry under its own name, and beside it what shares its code."""
    folders = {path.parent.name for path in Path(str(registry.__file__)).parent.glob("*/__init__.py")}
    assert set(registry.connectors()) == folders | {"mock"}
    assert registry.connector("oneroster") is CONNECTOR


def test_installed_package_is_found_without_touching_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connector in somebody else's package is found by its entry point (F52)."""
    install(tmp_path, monkeypatch, "canteen")
    assert registry.connector("canteen").title == "Canteen"


def test_duplicate_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two connectors of one name are an error that names both places (F11)."""
    install(tmp_path, monkeypatch, "oneroster")
    with pytest.raises(
        ConfigurationError, match=r"'oneroster': connector_pipelines\.connectors\.oneroster and canteen"
    ):
        registry.connectors()


def test_unknown_name_lists_the_known() -> None:
    """Asking for a connector that is not there says which are (F11)."""
    with pytest.raises(ConfigurationError, match=r"no connector 'onerooster'.*oneroster"):
        registry.connector("onerooster")


def test_only_connectors_are_taken() -> None:
    """Something else under the name is refused, and names are sorted."""
    with pytest.raises(ConfigurationError, match="somewhere is no Connector"):
        registry.unique([("somewhere", object())])
    assert list(registry.unique([("b", CONNECTOR), ("a", replace(CONNECTOR, name="a"))])) == ["a", "oneroster"]
