"""How much the log says of a source (F18, F63)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from connector_pipelines.external.options import HttpOptions
from connector_pipelines.external.surroundings import opened, share
from connector_pipelines.model import Connector, Health, Source

if TYPE_CHECKING:
    from collections.abc import Callable

ENDS = {"Deprecation": "true"}
REQUEST, WAIT, DEPRECATED = (
    ("DEBUG", "GET ", ": 200, 2 bytes"),
    ("INFO", "waits ", "turn"),
    ("WARNING", "GET ", "depre"),
)
SAYS = {
    "debug": [REQUEST, DEPRECATED, WAIT, REQUEST],
    "info": [DEPRECATED, WAIT],
    "warning": [DEPRECATED],
    "error": [],
}


@pytest.fixture
def source(stand: Any, answer: Any) -> Callable[..., Source]:
    """Makes a source that is asked once a minute, and never waits."""
    server = stand(lambda _: answer(headers=ENDS))
    connector = Connector(
        "told",
        "Told",
        HttpOptions,
        open=lambda options: options.client(server.url, scope=str(options.log_level), sleep=lambda *_: None),
        streams=lambda _: (),
        check=lambda _: Health(ok=True, detail="", latency_seconds=0),
    )
    return lambda name, **said: Source(name, connector, HttpOptions(requests_per_minute=1, **said))


def heard(caplog: pytest.LogCaptureFixture, source: str) -> list[tuple[str, str]]:
    """Level and words of what was said of a source."""
    return [(r.levelname, r.getMessage()) for r in caplog.records if r.name == f"connector_pipelines.source.{source}"]


@pytest.mark.parametrize("level", SAYS)
def test_a_source_says_as_much_as_it_is_told_to(
    source: Any, level: str, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At debug it tells requests, at info long waits, at warning what ends, at error nothing; each by itself."""
    one, other = source("one", log_level=level), source("other", log_level="error" if level == "debug" else "debug")
    with share(database), opened(one) as client, opened(other) as beside:
        for _ in range(2):
            client.get("a?token=s3cret-words")
            beside.get("b")
    said = heard(caplog, "one")
    assert len(said) == len(SAYS[level])
    for (at, words), (expected, begins, ends) in zip(said, SAYS[level], strict=True):
        assert at == expected
        assert begins in words
        assert ends in words
    assert "s3cret" not in caplog.text
    assert bool(heard(caplog, "other")) is (level != "debug")


def test_the_usual_level_is_info(source: Any) -> None:
    """A source that says nothing of it tells progress and long waits; a word that is no level is refused."""
    assert source("one").config.log_level == "info"
    with pytest.raises(ValidationError, match="'debug', 'info', 'warning' or 'error'"):
        source("one", log_level="loud")
