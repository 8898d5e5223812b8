"""What seeded runs were made of."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """What some runs were made of, so that a person sees that they were not idle."""

    runs: int = 0
    syncs: int = 0
    killed: int = 0
    cut: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    exports: int = 0
    approved: int = 0
    compared: int = 0

    def add(self, other: Tally) -> None:
        """Take in another one."""
        for name in ("runs", "syncs", "exports", "killed", "cut", "approved", "compared"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, count in other.errors.items():
            self.errors[name] = self.errors.get(name, 0) + count

    def __str__(self) -> str:
        errors = ", ".join(f"{count} {name}" for name, count in sorted(self.errors.items()))
        return (
            f"{self.runs} runs: {self.syncs} syncs and {self.exports} exports, of which {self.killed} killed and"
            f" {self.cut} cut off from the database; errors: {errors or 'none'}; {self.approved} plans approved;"
            f" {self.compared} comparisons"
        )
