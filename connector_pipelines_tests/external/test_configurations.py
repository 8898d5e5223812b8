from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external.configurations import lift, roll_back, versions
from connector_pipelines.external.surroundings import opened, share
from connector_pipelines.model import Connector, Health, Source, Stream
from connector_pipelines.sync.sources import register

if TYPE_CHECKING:
    from connector_pipelines.database.connection import Connection


class Config(BaseModel):
    """Something that changes."""

    url: str
    entities: tuple[str, ...] = ("students",)


@dataclass
class Declared:
    """A source whose declaration changes, and the URLs it was opened with."""

    connection: Connection
    urls: list[str] = field(default_factory=list)

    def source(self, **config: Any) -> Source:
        """The source as it is declared now; that makes a version."""
        made = Source("toy", Connector("toy", "Toy", Config, self._open, _streams, _healthy), Config(**config))
        register(self.connection, made)
        return made

    def _open(self, config: Config) -> Any:
        self.urls.append(config.url)
        return nullcontext()

    def audit(self) -> list[Any]:
        """What the audit log says."""
        return self.connection.execute(
            "SELECT who, action, detail FROM connector.integration_audit_logs ORDER BY id"
        ).fetchall()


def _streams(config: Config) -> list[Stream]:
    return [Stream(entity, None, None, None, {}, None, None) for entity in config.entities]  # type: ignore[arg-type]


def _healthy(_: object) -> Health:
    return Health(ok=True, detail="here", latency_seconds=0)


@pytest.fixture
def declared(connection: Connection) -> Declared:
    """A source that was declared twice: with URL a, then with URL b."""
    made = Declared(connection)
    made.source(url="a")
    return made


def test_an_earlier_version_is_in_force_until_the_pin_is_lifted(declared: Declared, database: str) -> None:
    """After going back the source is opened as it was, whatever is declared; then as declared again."""
    source = declared.source(url="b")
    with share(database):
        for step in ("declared", "back", "lifted"):
            if step == "back":
                assert roll_back(declared.connection, source, 1, who="ada").configuration["url"] == "a"
            elif step == "lifted":
                lift(declared.connection, "toy", who="ada")
            with opened(source):
                pass
    assert declared.urls == ["b", "a", "b"]
    assert declared.audit() == [
        ("ada", "configuration pinned", {"version": 1}),
        ("ada", "pin lifted", {"version": None}),
    ]


def test_versions_show_which_one_is_pinned(declared: Declared) -> None:
    """The list has every configuration that was ever declared, in order, and the pin."""
    source = declared.source(url="b")
    roll_back(declared.connection, source, 1, who="ada")
    listed = [(v.number, v.configuration["url"], v.pinned) for v in versions(declared.connection, "toy")]
    assert listed == [(1, "a", True), (2, "b", False)]


def test_a_declaration_that_changes_while_pinned_waits(declared: Declared, database: str) -> None:
    """What is declared meanwhile becomes a version, and comes into force when the pin is lifted."""
    roll_back(declared.connection, declared.source(url="b"), 1, who="ada")
    newest = declared.source(url="c")
    with share(database), opened(newest):
        pass
    assert (declared.urls, len(versions(declared.connection, "toy"))) == (["a"], 3)


def test_what_cannot_be_gone_back_to_is_refused(declared: Declared) -> None:
    """No such version, fewer entities, fields that are gone, a source that never ran: each is said."""
    wider = declared.source(url="b", entities=("students", "courses"))
    with pytest.raises(ConfigurationError, match=r"has no version 9 .*one of: 1, 2"):
        roll_back(declared.connection, wider, 9, who="ada")
    with pytest.raises(ConfigurationError, match="does not feed courses"):
        roll_back(declared.connection, wider, 1, who="ada")
    declared.connection.execute("UPDATE connector.integration_configurations SET configuration = '{\"link\": 1}'")
    with pytest.raises(ConfigurationError, match="url: Field required"):
        roll_back(declared.connection, wider, 1, who="ada")
    with pytest.raises(ConfigurationError, match="has never run"):
        lift(declared.connection, "nobody", who="ada")
    assert declared.audit() == []
