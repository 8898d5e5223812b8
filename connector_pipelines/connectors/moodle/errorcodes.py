"""What Moodle's error codes mean for us: one table.

`errorcode` decides, never `exception`: class names differ between versions. Codes were seen on Moodle 4.5, see README.
`debuginfo` is never read: it may hold SQL and personal data.
"""

from __future__ import annotations

import re
from enum import StrEnum
from html import unescape
from typing import TYPE_CHECKING

from connector_pipelines.errors import RefusedBySource
from connector_pipelines.external import redact

if TYPE_CHECKING:
    from collections.abc import Mapping


class Means(StrEnum):
    """What happens next."""

    LATER = "later"  # nothing was done; the same call may work in a while
    DENIED = "denied"  # token, service or account: a person must mend that, no row is to blame
    TAKEN = "taken"  # there is one with that name or number already: look it up
    ROW = "row"  # something in what was sent; its neighbors go on


CODES: Mapping[str, Means] = {
    "sitemaintenance": Means.LATER,
    "dbconnectionfailed": Means.LATER,
    "invalidtoken": Means.DENIED,
    "accessexception": Means.DENIED,
    "wsaccessusersuspended": Means.DENIED,
    "servicenotavailable": Means.DENIED,
    "requireloginerror": Means.DENIED,
    "usernotfullysetup": Means.DENIED,
    "nopermissions": Means.DENIED,
    "nopermissiontoviewgrades": Means.DENIED,
    "cannotviewreport": Means.DENIED,
    "shortnametaken": Means.TAKEN,
    "courseidnumbertaken": Means.TAKEN,
    "categoryidnumbertaken": Means.TAKEN,
    "idnumbertaken": Means.TAKEN,
}
"""Every other code blames a row. `invalidparameter` hides its cause, a duplicate user among them."""

REMEDIES: Mapping[str, str] = {
    "invalidtoken": "Check the token, and that max_fields stays below max_input_vars of the site's PHP: what is cut "
    "off at the end of a call is the token.",
    "accessexception": "Add the function to the external service, enable it, and check until when the token is valid.",
    "nopermissions": "Give the role of the web-service user the capabilities of that function, where the course is.",
    "wsaccessusersuspended": "Reactivate the web-service user.",
    "wsnoinstance": "Enable manual enrolment in that course.",
    "wsusercannotassign": "Let the web-service user's role assign that role, or correct the role's number.",
    "invalidparameter": "Look for a user name, e-mail address or group that exists already, a user name with capitals, "
    "or '<' in a name: Moodle does not say which.",
    "dmlwriteexception": "Look for a value that is too long for its field, or for a second process creating the same.",
}

_CODE = re.compile(r"[a-z0-9][a-z0-9_/]{0,60}")
_TAG = re.compile(r"<[^>]*>")
_LONGEST = 300


class Refused(RefusedBySource):
    """Moodle answered that it did not do what was asked.

    Attributes:
        code: its errorcode; HTML in that place, as of a weak password, is reduced to "text".
        means: what happens next.
    """

    def __init__(self, code: str, message: str = "") -> None:
        self.code = code if _CODE.fullmatch(code) else "text"
        self.means = CODES.get(self.code, Means.ROW)
        said = "" if message.startswith("error/") else plain(message)
        if self.code == "text":
            said = plain(code)
        super().__init__(
            f"Moodle refuses ({self.code}){': ' + said if said else '.'}",
            remedy=REMEDIES.get(self.code, "Correct what was sent, or look at the site's log."),
        )


def plain(html: str) -> str:
    """A text without markup, credentials and personal data, on one line."""
    return redact.text(" ".join(unescape(_TAG.sub(" ", html)).split()))[:_LONGEST]
