"""Whether a cron expression is one, said without Dagster: the command line reads declarations without it.

It takes what Dagster takes; a test compares the two. `crons` asks Dagster itself before a schedule is made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


@dataclass(frozen=True, slots=True)
class _Field:
    """What may stand in one of the five fields.

    Attributes:
        names: what stands for a number, in lower case.
        more: what else may stand there, such as the last day of a month.
    """

    first: int
    last: int
    names: dict[str, int]
    more: str = r"(?!)"

    def takes(self, text: str) -> bool:
        """Whether each part of the list is a star, a value or a range, with or without a step."""
        return all(re.fullmatch(self.more, part) or self._is_part(part) for part in text.split(","))

    def _is_part(self, part: str) -> bool:
        span, slash, step = part.partition("/")
        if slash and not (step.isascii() and step.isdigit() and int(step) > 0):
            return False
        return span == "*" or all(self._is_value(one) for one in span.split("-", 1))

    def _is_value(self, text: str) -> bool:
        if text.isascii() and text.isdigit():
            return self.first <= int(text) <= self.last
        return text in self.names


_FIELDS = (
    _Field(0, 59, {}),
    _Field(0, 23, {}),
    _Field(1, 31, {}, more=r"l|\?"),
    _Field(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Field(
        0, 7, {name: number for number, name in enumerate(_DAYS)}, more=rf"\?|l[0-7]|([0-7]|{'|'.join(_DAYS)})#[1-5]"
    ),
)


def is_cron(text: str) -> bool:
    """Whether minute, hour, day, month and weekday can be followed, and a day of that kind ever comes."""
    fields = text.lower().split()
    if len(fields) != len(_FIELDS) or not all(kind.takes(one) for kind, one in zip(_FIELDS, fields, strict=True)):
        return False
    _, _, day, month, _ = fields
    return not (month in {"2", "02", "feb"} and day in {"30", "31"})
