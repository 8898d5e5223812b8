"""One call of a Moodle function, and what becomes of it.

Two things can go wrong without a trace, and both are guarded here: a body that PHP cuts (the token comes last, so that
a cut call is refused whole), and an answer that gets lost after the effect (what must not be done twice is not resent).
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle import wire
from connector_pipelines.connectors.moodle.errorcodes import Means, Refused
from connector_pipelines.external.http import Client, Request, Response
from connector_pipelines.external.retry import Do
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connector_pipelines.connectors.moodle.config import MoodleConfig
    from connector_pipelines.external.auth import Send
    from connector_pipelines.external.secrets import Secret

PATH = "webservice/rest/server.php"

_FORM = (("Content-Type", "application/x-www-form-urlencoded"),)
_DO: Mapping[Means, Do] = {Means.LATER: Do.RETRY, Means.DENIED: Do.DENY}

NORMAL: Mapping[str, frozenset[str]] = {
    "mod_assign_get_submissions": frozenset({"3"}),  # "No submissions found"
    "mod_assign_get_grades": frozenset({"3"}),  # "No grades found"
}
"""Warnings that say nothing was found, by function. Any other warning of a read is a failed read."""


@dataclass(slots=True)
class Room:
    """How many form fields a site was seen to take in one call, where it was seen to cut one."""

    fields: int = sys.maxsize


@dataclass(frozen=True, slots=True)
class Moodle:
    """An open site.

    Attributes:
        http: sends again what fails in passing.
        once: sends once: for what must not be done twice.
        retries: re-sends after the first try.
        room: what was learnt of it since it was opened.
    """

    config: MoodleConfig
    http: Client
    once: Client
    retries: int
    room: Room = field(default_factory=Room)


@dataclass(frozen=True, slots=True)
class TokenLast:
    """The token as the last field of the body, where PHP's limit of fields cuts first."""

    token: Secret

    @property
    def credentials(self) -> str:
        """The token's reference."""
        return str(self.token)

    def sign(self, request: Request, _send: Send) -> Request:
        """Append the token."""
        body = (request.body or b"").partition(b"&wstoken=")[0]
        return replace(request, body=body + b"&wstoken=" + self.token.reveal().encode())

    def refresh(self, _refused: Request, _send: Send) -> bool:
        """It cannot be renewed."""
        return False


@contextmanager
def connect(config: MoodleConfig) -> Iterator[Moodle]:
    """A client for a site; nothing is asked before the first call.

    Raises:
        ConfigurationError: no site is named, or its address is unusable or would send the token unencrypted.
    """
    retries = settings().moodle_retry_attempts if config.max_retries is None else config.max_retries
    with _client(config, retries) as http, _client(config, 0) as once:
        yield Moodle(config, http, once, retries)


def _client(config: MoodleConfig, retries: int) -> Client:
    """A client of the site; both share its limits, which are kept in the database."""
    patience = config.timeout_seconds or settings().moodle_timeout_seconds
    patient = config.model_copy(update={"timeout_seconds": patience, "max_retries": retries})
    return patient.client(
        config.site,
        TokenLast(config.token),
        overrides={200: _judged},
        explain=_said,
    )


def _judged(response: Response) -> Do:
    """What to do with an answer of status 200: what its errorcode means. A row's fault is the caller's to see."""
    refused = wire.failure(response.body)
    return Do.ACCEPT if refused is None else _DO.get(refused.means, Do.ACCEPT)


def _said(response: Response) -> str:
    """An error answer in words."""
    refused = wire.failure(response.body)
    if refused:
        return f"{refused.code}: {refused.remedy}"
    if response.status == 403 and not response.body:  # noqa: PLR2004 -- Forbidden
        return "web services, or their REST protocol, are switched off at the site"
    return ""


def ask(moodle: Moodle, function: str, params: Mapping[str, Any] | None = None, *, again: bool = True) -> Any:
    """Call a function.

    Args:
        moodle: the site.
        function: its name, as the site's external service lists it.
        params: its parameters, nested as in Moodle's own documentation.
        again: send it again where no answer came. Not for what must not be done twice.

    Returns:
        what the function gives back; None for most writes.

    Raises:
        Refused: Moodle did not do it.
        AuthFailed: token, service or account are not enough.
        NetworkError: no answer came, or the site is in maintenance.
        BrokenPage: the answer is no JSON.
    """
    return wire.result(post(moodle, function, params, again=again).body)


def post(moodle: Moodle, function: str, params: Mapping[str, Any] | None = None, *, again: bool = True) -> Response:
    """Call a function; the raw answer, for reads that land it.

    Raises:
        SyncError: as `ask`, but for what the answer says of rows.
    """
    request = Request(PATH, method="POST", headers=_FORM, body=wire.form(function, params or {}), counts_as=function)
    return (moodle.http if again else moodle.once).send(request)


def checked(function: str, warnings: Sequence[Mapping[str, Any]]) -> None:
    """Take a read with warnings for a failed one: `core_user_get_users` lists everybody where it knows no key.

    Raises:
        Refused: there is one that does not say merely that nothing was found.
    """
    for warning in warnings:
        code = str(warning.get("warningcode", ""))
        if code not in NORMAL.get(function, frozenset()):
            raise Refused(code, f"{function} warns: {warning.get('message', '')}")
