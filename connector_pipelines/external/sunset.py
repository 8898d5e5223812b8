"""Notices when a source announces that an endpoint will go away, so that people hear of it before it does (M124).

Two headers say so: `Deprecation` since when it should not be used any more (RFC 9745: `@1688169599`; older drafts: a
date or "true"), `Sunset` from when on it may not answer (RFC 8594: a date). `Link` may say where to read on.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING

from connector_pipelines.errors import DatabaseUnavailable
from connector_pipelines.external import redact
from connector_pipelines.external.latency import endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from logging import Logger

    from connector_pipelines.external.messages import Request, Response
    from connector_pipelines.external.surroundings import Surroundings

ANNOUNCED = "endpoint announced to end"
HEARD = "an answer"
"""What such an entry of the audit log is called, and who made it."""

_MOST = 20
"""So many endpoints are named; a source that announces more of them means all."""

_LINK = re.compile(r"<([^>]*)>\s*;[^,]*\brel=\"?(?:deprecation|sunset|successor-version)\b")


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a source says of an endpoint.

    Attributes:
        endpoint: as the statistics call it: "GET /users/{id}".
        since: from when on it should not be used; None where only the end is said, or no date.
        until: from when on it may not answer any more; None where nobody knows.
        link: where to read on; "" where nothing is said.
    """

    endpoint: str
    since: date | None = None
    until: date | None = None
    link: str = ""

    @property
    def sentence(self) -> str:
        """For people."""
        since = f" since {self.since}" if self.since else ""
        until = f" and may end on {self.until}" if self.until else ""
        return f"{self.endpoint} is deprecated{since}{until}" + (f", see {self.link}" if self.link else "")


def announcement(request: Request, headers: Mapping[str, str]) -> Announcement | None:
    """What an answer announces of its endpoint; None where it does not. Pure."""
    deprecated, sunset = headers.get("Deprecation", "").strip(), headers.get("Sunset", "").strip()
    since, until = _day(deprecated), _day(sunset)
    if until is None and (not deprecated or deprecated.lower() in {"false", "?0"}):
        return None
    link = _LINK.search(headers.get("Link", ""))
    return Announcement(endpoint(request), since, until, redact.url(link[1]) if link else "")


def _day(text: str) -> date | None:
    """The UTC day of a moment in seconds since 1970 (`@…`), or of a date as HTTP writes it; None for anything else."""
    try:
        if text.startswith("@"):
            return datetime.fromtimestamp(int(text[1:]), UTC).date()
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).date()


@dataclass(slots=True)
class Announcements:
    """What one client heard, each endpoint once. Safe to use from many threads."""

    around: Surroundings | None
    log: Logger
    _heard: dict[str, Announcement] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def hear(self, request: Request, response: Response) -> None:
        """Take note of an answer; the first one of an endpoint is said in the log."""
        if "Deprecation" not in response.headers and "Sunset" not in response.headers:
            return
        found = announcement(request, response.headers)
        with self._lock:
            if found is None or found.endpoint in self._heard or len(self._heard) >= _MOST:
                return
            self._heard[found.endpoint] = found
        self.log.warning("%s", found.sentence)

    def write(self) -> None:
        """Keep what was heard in the audit log, the same once a day. A run does not fail where that cannot be done."""
        with self._lock:
            heard, self._heard = list(self._heard.values()), {}
        for one in heard if self.around else ():
            self._keep(one)

    def _keep(self, one: Announcement) -> None:
        days = {name: day.isoformat() if day else None for name, day in (("since", one.since), ("until", one.until))}
        detail = json.dumps({"endpoint": one.endpoint, "link": one.link} | days)
        source = self.around.source if self.around else ""
        try:
            if self.around:
                self.around.line.rows(
                    "INSERT INTO connector.integration_audit_logs (who, action, source, detail)"
                    " SELECT %s, %s, %s, %s::jsonb WHERE NOT EXISTS (SELECT FROM connector.integration_audit_logs"
                    " WHERE action = %s AND source = %s AND detail = %s::jsonb AND at > now() - interval '1 day')",
                    *(HEARD, ANNOUNCED, source, detail, ANNOUNCED, source, detail),
                )
        except DatabaseUnavailable:
            self.log.warning("%s: that %s is announced to end could not be written", source, one.endpoint)
