"""What the server answers when it does not do as asked: status, minor code and description, in each version's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

# The 1.1 vocabulary has no word for these (contract 1.2).
MINOR_1P1 = {
    "invalid_filter_field": "invaliddata",
    "invalid_blank_selection_field": "invalid_selection_field",
    "forbidden": "unauthorisedrequest",
    "server_busy": "targetreadfailure",
    "internal_server_error": "targetreadfailure",
}


class RefusedError(Exception):
    """The request is answered with an error payload.

    Args:
        status: HTTP status.
        minor: code minor of the 1.2 vocabulary.
        description: a sentence that names what was wrong.
    """

    def __init__(self, status: int, minor: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.minor = minor
        self.description = description


def not_found(collection: str, sourced_id: str) -> RefusedError:
    """404 for an unknown sourcedId."""
    return RefusedError(404, "unknownobject", f"No {collection} record has the sourcedId '{sourced_id}'")


def status_info(minor: str, description: str, *, severity: str = "error", old: bool = False) -> dict[str, Any]:
    """imsx_StatusInfo as the binding has it; `old` is 1.1, which requires a message reference."""
    value = MINOR_1P1.get(minor, minor) if old else minor
    field = {"imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": value}
    return {
        "imsx_codeMajor": "failure" if severity == "error" else "success",
        "imsx_severity": severity,
        **({"imsx_messageRefIdentifier": "0", "imsx_operationRefIdentifier": []} if old else {}),
        "imsx_description": description,
        "imsx_CodeMinor": {"imsx_codeMinorField": [field]},
    }


def _base(minor: str, description: str) -> dict[str, Any]:
    info = status_info(minor, description)
    del info["imsx_CodeMinor"]
    return info


Spelling: TypeAlias = Callable[[str, str], dict[str, Any]]

# How servers in the field spell the same refusal (contract 1.1, "Seen in the wild").
SPELLINGS: dict[str, Spelling] = {
    "string": lambda minor, text: _base(minor, text) | {"imsx_codeMinor": minor},
    "lower": lambda minor, text: _base(minor, text) | {"imsx_codeMinor": status_info(minor, text)["imsx_CodeMinor"]},
    "none": _base,
    "errors": lambda minor, text: {
        "errors": [{"codeMajor": "failure", "severity": "error", "codeMinor": minor, "description": text}]
    },
    "statusinfoset": lambda minor, text: {"statusInfoSet": [status_info(minor, text)]},
}
