"""Takes secrets out of whatever goes to errors, logs and manifests."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "***"

_NAMES = (
    r"access_?token|refresh_?token|id_?token|ws_?token|token|client_?secret|secret|password|passwd|pwd|"
    r"api_?key|apikey|oauth_\w+|signature|sig|code|assertion|x-api-key"
)
_PAIR = re.compile(rf"(?i)(?<![\w-])((?:{_NAMES})[\"']?\s*[=:]\s*[\"']?)([^\s\"'&,;}}]+)")
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization[\"']?\s*[=:]\s*[\"']?)(?:(\w+)\s+)?[^\r\n\"']+")
_SCHEME = re.compile(r"(?i)\b(bearer|basic)\s+[\w~+/.=-]{6,}")
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/@\s]+@")


def text(raw: str) -> str:
    """The text with every value that looks like a credential replaced: headers, form fields, JSON fields, user info."""
    shown = _HEADER.sub(lambda m: f"{m[1]}{m[2] + ' ' if m[2] else ''}{HIDDEN}", raw)
    shown = _SCHEME.sub(lambda m: f"{m[1]} {HIDDEN}", shown)
    shown = _PAIR.sub(lambda m: f"{m[1]}{HIDDEN}", shown)
    return _USERINFO.sub(lambda m: f"{m[1]}{HIDDEN}@", shown)


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
    beginning = body[: length * 4].decode("utf-8", errors="replace")
    return text(" ".join(beginning.replace("\x00", " ").split()))[:length]
