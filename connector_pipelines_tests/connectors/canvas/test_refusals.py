"""What Canvas says when it refuses."""

from __future__ import annotations

import json

import pytest

from connector_pipelines.connectors.canvas import refusals
from connector_pipelines.external.messages import Response
from connector_pipelines.external.retry import Do


def answer(status: int, body: bytes, **headers: str) -> Response:
    """A refusal."""
    return Response(status, headers, body, "u")


@pytest.mark.parametrize(
    ("body", "means"),
    [
        (b"403 Forbidden (Rate Limit Exceeded)\n", Do.WAIT),
        (b"403 forbidden (rate limit exceeded)", Do.WAIT),
        (b'{"status":"unauthorized","errors":[{"message":"user not authorized to perform that action"}]}', Do.DENY),
        (b'{"error":"invalid assignment ids requested"}', Do.REFUSE),
        (b"<html>blocked by the firewall</html>", Do.DENY),
        (b"", Do.DENY),
    ],
)
def test_a_403_is_read(body: bytes, means: Do) -> None:
    """A 403 is a limit, or about what was asked for, if its text says so, and else about permission (K2)."""
    assert refusals.forbidden(answer(403, body)) is means


def test_a_401_is_about_the_token_only_with_a_challenge() -> None:
    """With WWW-Authenticate the token is renewed; without, nobody may do that, and a new token would not help."""
    challenged = Response(401, {"WWW-Authenticate": 'Bearer realm="canvas-lms"'}, b"", "u")
    assert refusals.unauthorized(challenged) is Do.REFRESH
    assert refusals.unauthorized(answer(401, b'{"status":"unauthorized"}')) is Do.DENY


def test_waits_double() -> None:
    """Nothing says when to come back, so each wait is twice the one before."""
    assert [refusals.wait(number) for number in (1, 2, 3)] == [10, 20, 40]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"errors": [{"message": "Invalid access token."}]}, "Invalid access token."),
        ({"errors": {"name": [{"attribute": "name", "type": "blank", "message": "is required"}]}}, "is required"),
        ({"error": "'grade_data' parameter required"}, "'grade_data' parameter required"),
        ({"message": "Terms only belong to root_accounts."}, "Terms only belong to root_accounts."),
        (
            {"errors": [{"message": "An error occurred.", "error_code": "x"}], "error_report_id": 4711},
            "error report 4711; An error occurred.",
        ),
        ({"status": "unauthorized"}, ""),
        ([1, 2], ""),
    ],
)
def test_refusals_in_all_their_shapes(told: object, words: str) -> None:
    """The site's own words are found in each of the shapes it uses."""
    assert refusals.explained(answer(400, json.dumps(told).encode())) == words


def test_text_is_words_and_html_is_none() -> None:
    """A plain text is quoted; a page of HTML says nothing."""
    assert "Rate Limit" in refusals.explained(answer(429, b"429 Too Many Requests (Rate Limit Exceeded)"))
    assert refusals.explained(answer(404, b"<html></html>")) == ""
