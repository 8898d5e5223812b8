"""Times as Google writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(moment: datetime, digits: int = 3) -> str:
    """A time as Google writes it: UTC, with as many digits of a second as it likes, 0 to 9."""
    whole = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{moment.microsecond:06}000"[:digits]
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"
