"""Takes secrets and personal data out of whatever goes to errors, logs and manifests.

Credentials that this process used are known by their value, wherever they stand and whatever they are called (E60);
what it never held, and what says something about a person, is known by its name or its looks.
"""

from __future__ import annotations

import json
import logging
import re
from threading import Lock
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

HIDDEN = "***"

SHORTEST = 8
"""Values of fewer characters are not looked for: they may be words that stand in any sentence."""

_MOST = 500
"""So many values are remembered, the latest ones; a process that renews tokens for weeks forgets the first."""

_LOOKED_AT_BYTES = 65_536

_known: tuple[str, ...] = ()
_latest: dict[str, None] = {}
_lock = Lock()

_NAMES = (
    r"access_?token|refresh_?token|id_?token|ws_?token|token|client_?secret|secret|password|passwd|pwd|"
    r"api_?key|apikey|oauth_\w+|signature|sig|code|assertion|x-api-key"
)
_PAIR = re.compile(rf"(?i)(?<![\w-])((?:{_NAMES})[\"']?\s*[=:]\s*[\"']?)([^\s\"'&,;}}]+)")
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization[\"']?\s*[=:]\s*[\"']?)(?:(\w+)\s+)?[^\r\n\"']+")
_SCHEME = re.compile(r"(?i)\b(bearer|basic)\s+[\w~+/.=-]{6,}")
# No pattern may begin at each character of a long word and look for its end: sources send words of a megabyte.
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,30}://)[^/@\s]+@")

# What stands in a source's error texts and in a URL's filter: fields with a person's data, and values that look so.
_FIELDS = (
    r"(?:given|family|first|last|middle|full|display|preferred|legal|login|user)_?name|e?mail(?:_?address)?|"
    r"phone(?:_?number)?|sms|mobile|birth_?date|date_?of_?birth|dob|ssn|street(?:_?address)?"
)
_IS = r"(?:\s*(?:[=:~]|%3D|%3A|%7E)\s*)"
_FIELD = re.compile(
    rf"(?i)(?<![\w-])((?:{_FIELDS})(?:[\"']|%22)?{_IS})"
    r"(?:\"[^\"]*\"|'[^']*'|%22.*?%22|%27.*?%27|[^\s\"'&,;}%]+)"
)
_EMAIL = re.compile(r"(?i)(?<![a-z0-9._%+-])[a-z0-9._%+-]+(?:@|%40)[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}")
_NUMBER = re.compile(
    r"(?<![\w.:/=-])(?:\d{3}-\d{2}-\d{4}|\+\d[\d ().-]{8,}\d|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4})(?![\w:-])"
)


def remember(value: str) -> str:
    """Hide a credential from now on, as it is and as it travels in URLs, forms and JSON.

    Returns:
        the value itself.
    """
    if len(value) >= SHORTEST and value not in _latest:
        _remember(value)
    return value


def _remember(value: str) -> None:
    global _known  # noqa: PLW0603 -- replaced whole, so that nobody who reads it needs the lock
    with _lock:
        _latest[value] = None
        if len(_latest) > _MOST:
            del _latest[next(iter(_latest))]
        forms = {form for one in _latest for form in (one, quote(one, safe=""), quote_plus(one), json.dumps(one)[1:-1])}
        _known = tuple(sorted(forms, key=len, reverse=True))  # the longest first: one may be a part of another


def text(raw: str) -> str:
    """The text with every value replaced that is, or looks like, a credential or a person's data.

    What was remembered; headers, form fields, JSON fields and user info; names, mail addresses, telephone and social
    security numbers.
    """
    for value in _known:
        if value in raw:
            raw = raw.replace(value, HIDDEN)
    shown = _USERINFO.sub(lambda m: f"{m[1]}{HIDDEN}@", raw)
    shown = _NUMBER.sub(HIDDEN, _EMAIL.sub(HIDDEN, shown))
    shown = _FIELD.sub(lambda m: f"{m[1]}{HIDDEN}", shown)  # before headers, which may swallow a field's name
    shown = _HEADER.sub(lambda m: f"{m[1]}{m[2] + ' ' if m[2] else ''}{HIDDEN}", shown)
    shown = _SCHEME.sub(lambda m: f"{m[1]} {HIDDEN}", shown)
    return _PAIR.sub(lambda m: f"{m[1]}{HIDDEN}", shown)


def url(raw: str) -> str:
    """The URL without user info, and with credentials in its query replaced (Moodle's `wstoken` travels there, M19)."""
    try:
        parts = urlsplit(raw)
    except ValueError:  # no URL at all, which the error will say
        return text(raw)
    host = parts.netloc.rpartition("@")[2]
    return text(urlunsplit((parts.scheme, host, parts.path, parts.query, "")))


def excerpt(body: bytes, length: int = 80) -> str:
    """The beginning of a body on one line, for an error message."""
    beginning = body[:_LOOKED_AT_BYTES].decode("utf-8", errors="replace")  # cut afterwards: half a secret is not known
    return text(" ".join(beginning.replace("\x00", " ").split()))[:length]


class LogFilter(logging.Filter):
    """Takes them out of log lines: HTTP libraries write whole URLs at the level DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record through, redacted."""
        record.msg, record.args = text(record.getMessage()), ()
        return True


def quiet_libraries() -> None:
    """Redact what the libraries beneath us log, once."""
    for name in ("urllib3.connectionpool", "urllib3.util.retry", "requests"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, LogFilter) for known in logger.filters):
            logger.addFilter(LogFilter())
