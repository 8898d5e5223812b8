from __future__ import annotations

import pickle

import pytest
from pydantic import BaseModel, ValidationError

from connector_pipelines.errors import SecretMissing
from connector_pipelines.external.secrets import Secret


class Config(BaseModel):
    """A source's configuration."""

    key: Secret


def test_value_is_read_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is rotated in the environment is used with its new value."""
    secret = Secret.env("SIS_KEY")
    monkeypatch.setenv("SIS_KEY", "first")
    assert secret.reveal() == "first"
    monkeypatch.setenv("SIS_KEY", "second")
    assert secret.reveal() == "second"


@pytest.mark.parametrize("value", [None, ""])
def test_unset_secret_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """An unset or empty variable is an error that names it and says to set it."""
    monkeypatch.delenv("SIS_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("SIS_KEY", value)
    with pytest.raises(SecretMissing, match=r"SIS_KEY is not set.*Set the environment variable SIS_KEY"):
        Secret.env("SIS_KEY").reveal()


def test_nothing_shows_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Representations, text, dumps and schemas of a configuration hold the reference and not the value."""
    monkeypatch.setenv("SIS_KEY", "hunter2")
    config = Config.model_validate({"key": "env:SIS_KEY"})
    literal = Secret.literal("hunter2")
    shown = [repr(config), str(config.key), config.model_dump_json(), str(config.model_dump())]
    shown += [repr(literal), str(literal), str(Config.model_json_schema()), Config(key=literal).model_dump_json()]
    assert not any("hunter2" in text for text in shown)
    assert config.model_dump_json() == '{"key":"env:SIS_KEY"}'


@pytest.mark.parametrize("value", ["hunter2", "env:", "env:a b", 7, None])
def test_literals_in_configuration_are_refused(value: object) -> None:
    """A value where a reference belongs is refused with a hint how to write it, and is not repeated."""
    with pytest.raises(ValidationError, match=r"\{\{ env\.NAME \}\}") as caught:
        Config.model_validate({"key": value})
    assert "hunter2" not in str(caught.value.errors(include_input=False))


def test_dumped_configuration_loads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration survives its dump and being sent to another process."""
    monkeypatch.setenv("SIS_KEY", "first")
    config = Config.model_validate({"key": "env:SIS_KEY"})
    again = Config.model_validate_json(config.model_dump_json())
    assert pickle.loads(pickle.dumps(again.key)).reveal() == "first"  # noqa: S301 -- our own bytes
