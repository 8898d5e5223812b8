"""What comes in, and the one answer that every simulator has: its own mistake."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connector_pipelines.simulation.faults import Active

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the service sees it. `pairs` are all parameters of the query, `params` the last of each name."""

    method: str
    path: str
    pairs: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def params(self) -> dict[str, str]:
        """The query's parameters."""
        return dict(self.pairs)


@dataclass(frozen=True, slots=True)
class Failure:
    """A simulator's own traceback: its mistake must not look like one of the client."""

    body: bytes
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "text/plain; charset=utf-8"
    struck: Active = field(default_factory=Active)
