from __future__ import annotations

import json
from typing import Any

import pytest

from connector_pipelines.connectors.oneroster import wire
from connector_pipelines.errors import BrokenPage

decode = wire.decoder(wire.User, "users", "students")


def page(*users: Any) -> bytes:
    """A page of users."""
    return json.dumps({"users": users}).encode()


def test_rows_are_decoded_with_their_positions() -> None:
    """A good page becomes its records, in order; unknown fields are ignored."""
    decoded = decode(page({"sourcedId": "1", "new": {"x": 1}}, {"sourcedId": "2", "metadata": None}))
    assert [record.sourcedId for record in decoded.records] == ["1", "2"]
    assert (list(decoded.positions), decoded.failures, decoded.rows) == ([0, 1], (), 2)


def test_both_versions_fit_one_shape() -> None:
    """Real booleans and strings, roles and orgs, words and lists of words are all read."""
    new = {"enabledUser": "true", "roles": [{"role": "student", "org": {"sourcedId": "o"}}], "grades": ["09"]}
    old = {"enabledUser": True, "role": "student", "orgs": [{"sourcedId": "o"}], "grades": "09"}
    one, two = decode(page(new, old)).records
    assert (one.enabledUser, one.roles[0].org.sourcedId) == ("true", "o")
    assert (two.enabledUser, two.orgs[0].sourcedId, two.grades) == (True, "o", "09")


@pytest.mark.parametrize("name", ["users", "students"])
def test_any_of_the_envelopes_is_taken(name: str) -> None:
    """Servers name the list of /students differently (contract 1.4); each name is read."""
    assert decode(json.dumps({name: [{"sourcedId": "1"}], "totalCount": 1}).encode()).rows == 1


def test_empty_list_is_an_empty_page() -> None:
    """A list without rows is a page without rows, also behind a byte order mark."""
    assert decode(b'\xef\xbb\xbf{"users": []}').rows == 0


def test_bad_row_leaves_its_neighbors_alone() -> None:
    """A row with a wrong type is rejected with field, reason, id and payload; the others are decoded."""
    body = page({"sourcedId": "1"}, {"sourcedId": "2", "givenName": 7}, {"sourcedId": "3"})
    decoded = decode(body)
    assert [record.sourcedId for record in decoded.records] == ["1", "3"]
    assert list(decoded.positions) == [0, 2]
    failure = decoded.failures[0]
    assert (failure.row, failure.external_id, failure.rule) == (1, "2", "wire: wrong type")
    assert failure.reason == "Expected `str | null`, got `int` - at `$.givenName`"
    assert json.loads(failure.payload) == {"sourcedId": "2", "givenName": 7}
    assert decoded.rows == 3


@pytest.mark.parametrize(
    ("row", "external_id"),
    [
        ("just text", None),
        (None, None),
        ([1], None),
        ({"sourcedId": 12}, None),
        ({"sourcedId": "2", "orgs": {"sourcedId": "o"}}, "2"),
        ({"sourcedId": "2", "givenName": {"x": "y" * 1_000_000}}, "2"),
        ({"sourcedId": "x" * 300, "email": 1}, None),
        ({"sourcedId": "2\x00", "email": 1}, None),
    ],
)
def test_rows_that_are_no_records(row: Any, external_id: str | None) -> None:
    """Whatever a row is, it is rejected alone, under its id where that can be used."""
    decoded = decode(page({"sourcedId": "1"}, row))
    assert decoded.rows == 2
    assert [failure.external_id for failure in decoded.failures] == [external_id]


def test_lone_surrogate_spoils_one_row() -> None:
    """Half a character, which no database stores, is a bad row and not a bad page."""
    decoded = decode(b'{"users": [{"sourcedId": "1", "givenName": "\\ud800x"}, {"sourcedId": "2"}]}')
    assert [record.sourcedId for record in decoded.records] == ["2"]
    assert decoded.failures[0].external_id == "1"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"<!doctype html><html>Log in</html>", "is HTML or XML where JSON should be"),
        (b'{"users": [{"sourcedId": "1"}, {"sour', "is JSON that breaks off"),
        (b"[", "breaks off"),
        (b"Too many requests", "is no JSON"),
        (b'{"people": []}', "lacks its list 'users' or 'students'"),
        (b"{}", "lacks its list"),
        (b"null", "lacks its list"),
        (b"[]", "lacks its list"),
        (b'{"users": null}', "lacks its list"),
        (b'{"users": {"sourcedId": "1"}}', "lacks its list"),
        (b'{"users": "none"}', "lacks its list"),
        ('{"users": [{"givenName": "Zo\u00eb"}]}'.encode("latin-1"), "is not UTF-8"),
        (b"[" * 100_000, "breaks off"),
    ],
)
def test_what_is_no_page_is_never_an_empty_page(body: bytes, what: str) -> None:
    """HTML, broken JSON, a missing or null list and the like are errors that say so and show the beginning (G34)."""
    with pytest.raises(BrokenPage, match=what):
        decode(body)


def test_error_sent_with_200_is_shown() -> None:
    """An error payload where a page should be gives its own words."""
    body = b'{"imsx_codeMajor": "failure", "imsx_description": "No such school"}'
    with pytest.raises(BrokenPage, match="the source says: No such school"):
        decode(body)


def test_secrets_in_a_broken_page_are_hidden() -> None:
    """A page that shows a token does not carry it into the error."""
    with pytest.raises(BrokenPage) as caught:
        decode(b'{"access_token": "abc123secret"}')
    assert "abc123secret" not in str(caught.value)


SPELLINGS = {
    "1.2": {
        "imsx_codeMajor": "failure",
        "imsx_description": "Unknown field 'nope'",
        "imsx_CodeMinor": {"imsx_codeMinorField": [{"imsx_codeMinorFieldValue": "invalid_filter_field"}]},
    },
    "lower case": {
        "imsx_description": "Unknown field 'nope'",
        "imsx_codeMinor": {"imsx_codeMinorField": [{"imsx_codeMinorFieldValue": "invalid_filter_field"}]},
    },
    "plain string": {"imsx_description": "Unknown field 'nope'", "imsx_codeMinor": "invalid_filter_field"},
    "errors": {
        "errors": [{"codeMajor": "failure", "codeMinor": "invalid_filter_field", "description": "Unknown field 'nope'"}]
    },
    "statusInfoSet": {
        "statusInfoSet": [{"imsx_description": "Unknown field 'nope'", "imsx_codeMinor": "invalid_filter_field"}]
    },
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_error_spellings(spelling: str) -> None:
    """The source's words and minor code are found in each spelling that was seen (contract 1.1, "Errors")."""
    said = wire.explained(json.dumps(SPELLINGS[spelling]).encode())
    assert "Unknown field 'nope'" in said
    assert "invalid_filter_field" in said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"imsx_codeMajor": "failure", "imsx_description": "no"}', "no"),
        (b"Too many requests, please try again later.", "Too many requests, please try again later."),
        (b"<html><body>429</body></html>", ""),
        (b"", ""),
        (b"{}", ""),
        (b"[1, 2]", ""),
        (b"{broken", ""),
    ],
)
def test_answers_without_a_spelling(body: bytes, said: str) -> None:
    """Text is quoted; HTML and what says nothing gives nothing."""
    assert wire.explained(body) == said
