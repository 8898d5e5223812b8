"""The leaky bucket: what a caller's requests cost, and from which level on he is throttled.

Every request under way is charged 50 units until it is known what it cost, which is why asking in parallel fills it.
https://developerdocs.instructure.com/services/canvas/basics/file.throttling
"""

from __future__ import annotations

from dataclasses import dataclass

HIGH_WATER = 600.0
MOST = 800.0
LEAKS_PER_SECOND = 10.0
UP_FRONT = 50.0
BASE_COST, ROW_COST = 0.2, 0.01


@dataclass(slots=True)
class Bucket:
    """That of one token.

    Attributes:
        level: units in it.
        at: seconds; when that was so.
    """

    level: float = 0.0
    at: float = 0.0

    def full(self, now: float, under_way: int, high_water: float) -> bool:
        """Whether a request must be throttled, with so many under way, itself included."""
        self.level = max(0.0, self.level - (now - self.at) * LEAKS_PER_SECOND)
        self.at = now
        return self.level + UP_FRONT * (under_way - 1) > high_water

    def charge(self, rows: int, high_water: float) -> tuple[tuple[str, str], ...]:
        """Charge a request that was answered; the headers that tell of it."""
        cost = BASE_COST + ROW_COST * rows
        self.level = min(MOST, self.level + cost)
        left = max(0.0, high_water - self.level)
        return (("X-Request-Cost", f"{cost:.3f}"), ("X-Rate-Limit-Remaining", f"{left:.3f}"))
