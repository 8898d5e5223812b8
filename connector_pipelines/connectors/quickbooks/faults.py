"""What QuickBooks says when it refuses, in both spellings, and what that means for us.

The service writes `Fault` and `Error`, the gateway before it `fault` and `error`, in another envelope; and a fault may
come with status 200, beside or inside what was asked for. Codes and types:
https://developer.intuit.com/app/developer/qbo/docs/develop/troubleshooting/error-codes
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector_pipelines.external import redact
from connector_pipelines.external.retry import Do

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connector_pipelines.external.messages import Response

TRACE = "intuit_tid"
"""The header that names a request to Intuit's support."""

_THROTTLED = "3001"
_LOOK_AT = 2_000
"""A fault stands at the beginning of its answer; so much of an answer is searched before it is decoded for one."""

# By the beginning of a fault's type, in lower case: the schema spells one of them "AuthorizatonFault".
_BY_TYPE: Mapping[str, Do] = {
    "authentication": Do.REFRESH,
    "authorizat": Do.DENY,
    "system": Do.RETRY,
    "service": Do.RETRY,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A refusal.

    Attributes:
        kind: ValidationFault, AuthenticationFault, AuthorizationFault, SystemFault, or the gateway's words for them.
        codes: of its errors, without leading zeros.
        said: its errors in words, without secrets.
    """

    kind: str
    codes: tuple[str, ...]
    said: str

    @property
    def action(self) -> Do:
        """What to do next, whatever status it came with."""
        if _THROTTLED in self.codes or "throttle" in f"{self.kind} {self.said}".lower():
            return Do.WAIT
        kind = self.kind.lower()
        return next((do for beginning, do in _BY_TYPE.items() if kind.startswith(beginning)), Do.REFUSE)


def judge(response: Response, otherwise: Do) -> Do:
    """What to do with an answer whose status does not tell."""
    fault = fault_of(response.body)
    return fault.action if fault else otherwise


def fault_of(body: bytes) -> Fault | None:
    """The fault in an answer; None where it is none, or none that can be read."""
    beginning = body[:_LOOK_AT]
    if b'"Fault"' not in beginning and b'"fault"' not in beginning:
        return None
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return next(_faults(told), None)


def fault_in(told: Mapping[str, Any]) -> Fault | None:
    """The fault that stands right here, in either spelling."""
    for name in ("Fault", "fault"):
        found = told.get(name)
        if isinstance(found, dict):
            return _fault({str(key).lower(): value for key, value in found.items()})
    return None


def explained(response: Response) -> str:
    """The source's own words in an error answer, and the number under which Intuit knows it."""
    fault = fault_of(response.body)
    trace = response.headers.get(TRACE)
    words = [fault.said if fault else "", f"{TRACE} {redact.text(trace)}" if trace else ""]
    return "; ".join(word for word in words if word)[:400]


def _faults(told: Any) -> Iterator[Fault]:
    """Faults at the top and in the parts of an answer to change data capture."""
    if not isinstance(told, dict):
        return
    here = fault_in(told)
    if here:
        yield here
    for name in ("CDCResponse", "QueryResponse"):
        parts = told.get(name)
        for part in parts if isinstance(parts, list) else [parts]:
            yield from _faults(part)


def _fault(told: Mapping[str, Any]) -> Fault:
    listed = told.get("error")
    errors = [
        {str(key).lower(): value for key, value in error.items()}
        for error in (listed if isinstance(listed, list) else [])
        if isinstance(error, dict)
    ]
    codes = tuple(str(error.get("code") or "").lstrip("0") for error in errors)
    said = "; ".join(_words(error) for error in errors)
    return Fault(str(told.get("type") or ""), codes, redact.text(said)[:300])


def _words(error: Mapping[str, Any]) -> str:
    message, detail, code = (str(error.get(name) or "").strip() for name in ("message", "detail", "code"))
    told = f"{message}: {detail}" if detail and detail != message else message
    return f"{told} (code {code})" if code else told
