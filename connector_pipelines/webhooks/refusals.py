"""Notes refused calls in the audit log: one entry for each source and reason in a minute, however many there were."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from connector_pipelines.errors import SyncError

if TYPE_CHECKING:
    from connector_pipelines.external.line import Line
    from connector_pipelines.webhooks.admission import Refusal

_LOG = logging.getLogger(__name__)

_PAUSE_SECONDS = 60.0


@dataclass(slots=True)
class Refusals:
    """Counts refused calls, and writes of them now and then, so that nobody can flood the log.

    Attributes:
        line: to the database.
    """

    line: Line
    _since: dict[tuple[str | None, Refusal], tuple[int, float | None]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def note(self, source: str | None, refusal: Refusal, address: str, now: float) -> None:
        """Count a refused call; the first of its kind is written at once, those of the next minute together.

        Args:
            source: a known source, or None: names that callers made up are not kept.
            refusal: why.
            address: whose call it was.
            now: a clock that never goes back, in seconds.
        """
        key = source, refusal
        with self._lock:
            count, written = self._since.get(key, (0, None))
            quiet = written is not None and now - written < _PAUSE_SECONDS
            self._since[key] = (count + 1, written) if quiet else (0, now)
        if not quiet:
            self._write(source, refusal, {"calls": count + 1, "last address": address})

    def flush(self) -> None:
        """Write what was counted and not written yet."""
        with self._lock:
            counted = [(key, count) for key, (count, _) in self._since.items() if count]
            self._since.clear()
        for (source, refusal), count in counted:
            self._write(source, refusal, {"calls": count})

    def _write(self, source: str | None, refusal: Refusal, detail: dict[str, object]) -> None:
        try:
            self.line.rows(
                "INSERT INTO connector.integration_audit_logs (who, action, source, detail)"
                " VALUES ('webhook receiver', %s, %s, %s)",
                *(f"call refused: {refusal.reason}", source, json.dumps(detail)),
            )
        except SyncError:
            _LOG.warning("a refused call could not be noted: %s, %s", source, refusal.reason)
