from __future__ import annotations

import json
from typing import Any, cast

import pytest

from connector_pipelines.connectors.oneroster import wire
from connector_pipelines.errors import BrokenPage
from connector_pipelines.pages import BadRow

split = wire.splitter("users", "students")
decode = wire.decoder(wire.User)


def page(*users: Any) -> bytes:
    """A page of users."""
    return json.dumps({"users": users}).encode()


def bad_row(raw: bytes) -> BadRow:
    """What is wrong with a record."""
    with pytest.raises(BadRow) as caught:
        decode(raw)
    return caught.value


def test_rows_keep_their_order_and_their_bytes() -> None:
    """A page is split into its records as they came; decoding one ignores unknown fields."""
    rows = split(b'{"users": [{"sourcedId": "1",  "new": {"x": 1}}, {"sourcedId": "2", "metadata": null}]}')
    assert bytes(rows[0]) == b'{"sourcedId": "1",  "new": {"x": 1}}'
    assert [decode(row).sourcedId for row in rows] == ["1", "2"]


def test_both_versions_fit_one_shape() -> None:
    """Real booleans and strings, roles and orgs, words and lists of words are all read."""
    new = {"enabledUser": "true", "roles": [{"role": "student", "org": {"sourcedId": "o"}}], "grades": ["09"]}
    old = {"enabledUser": True, "role": "student", "orgs": [{"sourcedId": "o"}], "grades": "09"}
    one, two = (cast("wire.User", decode(row)) for row in split(page(new, old)))
    assert one.roles
    assert one.roles[0].org
    assert (one.enabledUser, one.roles[0].org.sourcedId) == ("true", "o")
    assert two.orgs
    assert (two.enabledUser, two.orgs[0].sourcedId, two.grades) == (True, "o", "09")


@pytest.mark.parametrize("name", ["users", "students"])
def test_any_of_the_envelopes_is_taken(name: str) -> None:
    """Servers name the list of /students differently (contract 1.4); each name is read."""
    assert len(split(json.dumps({name: [{"sourcedId": "1"}], "totalCount": 1}).encode())) == 1


def test_empty_list_is_an_empty_page() -> None:
    """A list without rows is a page without rows, also behind a byte order mark."""
    assert len(split(b'\xef\xbb\xbf{"users": []}')) == 0


def test_bad_row_is_named() -> None:
    """A row with a wrong type is refused with field, reason and id, and says so of itself alone."""
    row = bad_row(b'{"sourcedId": "2", "givenName": 7}')
    assert (row.external_id, row.rule) == ("2", "wire: wrong type")
    assert row.reason == "Expected `str | null`, got `int` - at `$.givenName`"


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
    good, bad = split(page({"sourcedId": "1"}, row))
    assert decode(good).sourcedId == "1"
    assert bad_row(bad).external_id == external_id


def test_lone_surrogate_spoils_one_row() -> None:
    """Half a character, which no database stores, is a bad row and not a bad page."""
    bad, good = split(b'{"users": [{"sourcedId": "1", "givenName": "\\ud800x"}, {"sourcedId": "2"}]}')
    assert decode(good).sourcedId == "2"
    assert bad_row(bad).external_id == "1"


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
        list(map(decode, split(body)))


def test_error_sent_with_200_is_shown() -> None:
    """An error payload where a page should be gives its own words."""
    body = b'{"imsx_codeMajor": "failure", "imsx_description": "No such school"}'
    with pytest.raises(BrokenPage, match="the source says: No such school"):
        list(map(decode, split(body)))


def test_secrets_in_a_broken_page_are_hidden() -> None:
    """A page that shows a token does not carry it into the error."""
    with pytest.raises(BrokenPage) as caught:
        list(map(decode, split(b'{"access_token": "abc123secret"}')))
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
