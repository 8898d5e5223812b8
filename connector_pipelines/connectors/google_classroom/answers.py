"""What Google says when it refuses, and what that means for us.

    {"error": {"code": 403, "message": "@ClassroomDisabled …", "status": "PERMISSION_DENIED",
               "errors": [{"reason": "forbidden", …}], "details": [{"reason": "…", …}]}}

A limit is a 429, or a 403 whose reason says so; Google's own client tries again for the same (requirement K2).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from connector_pipelines.errors import RefusedBySource
from connector_pipelines.external import redact
from connector_pipelines.external.retry import Do

if TYPE_CHECKING:
    from connector_pipelines.external.messages import Response

LIMITS = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
"""Reasons by which a 403 means that we ask too often."""


class NotThere(RefusedBySource):
    """There is no such thing any more, or there never was."""


def forbidden(response: Response) -> Do:
    """What a 403 means: a limit, or a refusal for good."""
    told = _error(response)
    reasons = {_text(one, "reason") for name in ("errors", "details") for one in _listed(told.get(name))}
    return Do.WAIT if reasons & LIMITS else Do.DENY


def explained(response: Response) -> str:
    """Google's own words in an error answer, such as "PERMISSION_DENIED: @ClassroomDisabled …"; "" for none."""
    told = _error(response)
    words = (_text(told, "status"), _text(told, "message"))
    return redact.text(": ".join(word for word in words if word))[:300]


def _error(response: Response) -> dict[str, Any]:
    try:
        told = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    error = told.get("error") if isinstance(told, dict) else None
    return error if isinstance(error, dict) else {}


def _listed(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""
