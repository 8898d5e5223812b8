"""Faults in both spellings, with any status, and what follows from them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector_pipelines.connectors.quickbooks import client as quickbooks
from connector_pipelines.connectors.quickbooks import faults
from connector_pipelines.errors import AuthFailed, BrokenPage, NetworkError, RateLimited, RefusedBySource
from connector_pipelines.external.messages import Response
from connector_pipelines.external.retry import Do
from connector_pipelines.model import Window

NOT_FOUND = {
    "Fault": {
        "Error": [{"Message": "Object Not Found", "Detail": "Object Not Found : made inactive.", "code": "610"}],
        "type": "ValidationFault",
    },
    "time": "t",
}
GATEWAY = {
    "warnings": None,
    "fault": {
        "error": [{"message": "message=AuthenticationFailed; errorCode=003200", "detail": "", "code": "3200"}],
        "type": "AUTHENTICATION",
    },
    "queryResponse": None,
}


def fault(kind: str, code: str, message: str = "m") -> dict[str, Any]:
    """A fault of the service."""
    return {"Fault": {"Error": [{"Message": message, "code": code}], "type": kind}}


@pytest.mark.parametrize(
    ("told", "action", "says"),
    [
        (NOT_FOUND, Do.REFUSE, "Object Not Found: Object Not Found : made inactive. (code 610)"),
        (GATEWAY, Do.REFRESH, "AuthenticationFailed"),
        (fault("AuthorizatonFault", "3100"), Do.DENY, "3100"),
        (fault("AuthorizationFault", "3100"), Do.DENY, "3100"),
        (fault("SystemFault", "10000"), Do.RETRY, "10000"),
        (fault("SERVICE", "003001", "ThrottleExceeded"), Do.WAIT, "ThrottleExceeded"),
        (fault("ValidationFault", "3001"), Do.WAIT, "3001"),
        (fault("", ""), Do.REFUSE, "m"),
        ({"CDCResponse": [{"Fault": fault("SystemFault", "1")["Fault"]}]}, Do.RETRY, "code 1"),
        ({"CDCResponse": [{"QueryResponse": [{}, fault("SystemFault", "1")]}]}, Do.RETRY, "code 1"),
        ({"Fault": {}}, Do.REFUSE, ""),
    ],
)
def test_a_fault_says_what_to_do(told: dict[str, Any], action: Do, says: str) -> None:
    """Wherever a fault stands and however it is spelled, it is found, with its words and what to do."""
    found = faults.fault_of(json.dumps(told).encode())
    assert found is not None
    assert found.action is action
    assert says in found.said


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"QueryResponse":{}}', b'{"Fault":', b'[{"Fault":{}}]', b'"Fault"'])
def test_what_is_no_fault(body: bytes) -> None:
    """Anything else is no fault."""
    assert faults.fault_of(body) is None


def test_the_message_has_the_words_and_the_trace() -> None:
    """An error message has QuickBooks' words, and the number that Intuit's support asks for; no token."""
    said = json.dumps(fault("ValidationFault", "4001", "Invalid; access_token=abc123")).encode()
    told = faults.explained(Response(400, {"intuit_tid": "1-5e"}, said, "u"))
    assert told == "Invalid; access_token=*** (code 4001); intuit_tid 1-5e"


STATUSES: dict[str, tuple[int, bytes, type[Exception], int]] = {
    "system fault with 200": (200, json.dumps(fault("SystemFault", "10000")).encode(), NetworkError, 6),
    "validation fault with 200": (200, json.dumps(NOT_FOUND).encode(), RefusedBySource, 1),
    "throttle with 200": (200, json.dumps(fault("SERVICE", "3001")).encode(), RateLimited, 4),
    "gateway fault with 200": (200, json.dumps(GATEWAY).encode(), AuthFailed, 2),
    "gateway fault with 401": (401, json.dumps(GATEWAY).encode(), AuthFailed, 2),
    "authorization fault with 403": (403, json.dumps(fault("AuthorizationFault", "3100")).encode(), AuthFailed, 1),
    "throttle with 403": (403, json.dumps(fault("SERVICE", "3001")).encode(), RateLimited, 4),
    "html with 403": (403, b"<html></html>", AuthFailed, 1),
    "html with 429": (429, b"<html></html>", RateLimited, 4),
    "html with 503": (503, b"<html></html>", NetworkError, 6),
    "validation fault with 400": (400, json.dumps(NOT_FOUND).encode(), RefusedBySource, 1),
}


@pytest.mark.parametrize("name", STATUSES)
def test_every_refusal_ends_as_it_should(stand_in: Any, name: str) -> None:
    """A refusal is retried, waited for, or told to a person, by its fault and not by its status alone."""
    status, body, error, sent = STATUSES[name]
    stand_in.answers = lambda _: (status, body, {"intuit_tid": "1-77"})
    with stand_in.client() as client, pytest.raises(error, match="intuit_tid 1-77"):
        next(quickbooks.vendors(client, Window()).pages)
    assert len(stand_in.asked) == sent


def test_a_fault_inside_a_batch(stand_in: Any) -> None:
    """A batch with one refused part names the statement, the words and the trace, though it has status 200."""
    refused = {"bId": "1"} | fault("ValidationFault", "4001")
    told = json.dumps({"BatchItemResponse": [{"bId": "0", "QueryResponse": {}}, refused]}).encode()
    stand_in.answers = lambda _: (200, told, {"intuit_tid": "1-77"})
    says = r"'second' in a batch: m \(code 4001\).*1-77"
    with stand_in.client() as client, pytest.raises(RefusedBySource, match=says):
        list(quickbooks.batch(client, ["first", "second"]))


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"BatchItemResponse":[]}', b'{"BatchItemResponse":[{}]}', b"<html>"])
def test_a_batch_without_its_answers(stand_in: Any, body: bytes) -> None:
    """A part of a batch that is not answered is an error, never an empty answer."""
    stand_in.answers = lambda _: (200, body, {})
    with stand_in.client() as client, pytest.raises(BrokenPage):
        list(quickbooks.batch(client, ["select"]))


def test_batches_are_sent_in_thirties(company: Any) -> None:
    """As many statements as one likes are answered in order, thirty in a request."""
    statements = [f"SELECT * FROM Item STARTPOSITION {number} MAXRESULTS 1" for number in range(9, 74)]
    with quickbooks.connect(company.config()) as client:
        answers = list(quickbooks.batch(client, statements))
    ids = [json.loads(answer)["QueryResponse"]["Item"][0]["Id"] for answer in answers]
    active = [record["Id"] for record in company.simulator.expected("Item") if record["Active"]]
    assert ids == active[8:73]
    assert len(company.asked("batch")) == 3
