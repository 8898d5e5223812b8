"""Watches how much memory long-lived processes take, and whether that stays as it is."""

from __future__ import annotations

import statistics
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proof.project import Service

WATCHED = ("daemon", "code", "receiver")
SHORTEST_SECONDS = 180.0
"""A process that did not live so long is not judged: it is still warming up."""

GROWTH, ROOM_MB = 0.10, 10.0
"""By how much a process may have grown from the end of its warm-up to its end: a share, and megabytes on top."""


@dataclass(slots=True)
class Memory:
    """Samples of resident memory, in MB, by process name and id; of Linux alone."""

    samples: dict[tuple[str, int], list[tuple[float, float]]] = field(default_factory=dict)

    def look(self, services: Mapping[str, Service], now: float) -> None:
        """Note what the processes take now."""
        for name in WATCHED:
            pid = services[name].pid
            if (size := resident(pid)) is not None:
                self.samples.setdefault((name, pid), []).append((now, size))

    def growths(self) -> dict[str, tuple[float, float]]:
        """What each watched process took after its warm-up, which is a third of its life, and at its end.

        Of several processes with one name the longest-lived counts.
        """
        found: dict[str, tuple[float, float]] = {}
        for (name, _), seen in sorted(self.samples.items(), key=lambda one: len(one[1])):
            if seen[-1][0] - seen[0][0] >= SHORTEST_SECONDS:
                third, sixth = len(seen) // 3, max(1, len(seen) // 6)
                sizes = [size for _, size in seen]
                warm = statistics.median(sizes[third : third + sixth])
                found[name] = warm, statistics.median(sizes[-sixth:])
        return found

    def findings(self) -> list[str]:
        """The processes that grew."""
        return [
            f"{name} grew from {before:.0f} to {after:.0f} MB"
            for name, (before, after) in self.growths().items()
            if after > before * (1 + GROWTH) + ROOM_MB
        ]

    def __str__(self) -> str:
        told = (f"{name} {before:.0f} → {after:.0f} MB" for name, (before, after) in self.growths().items())
        return "memory after warm-up and at the end: " + (", ".join(told) or "not judged, too short")


def resident(pid: int) -> float | None:
    """Megabytes of a process that are in memory; None where that cannot be known."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return None
