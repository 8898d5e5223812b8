"""Instants as clients write them in filters: with or without milliseconds, with Z, an offset or nothing."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_ms(text: str) -> int | None:
    """Milliseconds since 1970 UTC, or None when the text is no instant. A time without a zone is UTC."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return round((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def format_ms(instant: int) -> str:
    """An instant as OneRoster writes it: 2026-01-01T00:01:00.000Z."""
    text = datetime.fromtimestamp(instant / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
