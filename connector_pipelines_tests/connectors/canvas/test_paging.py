"""Links from page to page, and what is no page."""

from __future__ import annotations

import json

import pytest

from connector_pipelines.connectors.canvas import wire
from connector_pipelines.connectors.canvas.paging import LinkPaging
from connector_pipelines.errors import BrokenPage, ConfigurationError
from connector_pipelines.external.messages import Request, Response

ROOT = "https://canvas.example/api/v1"
FIRST = Request("courses/1/enrollments", (("state[]", "active"), ("per_page", "100")), headers=(("Accept", "x"),))
CURRENT = f'<{ROOT}/courses/1/enrollments?page=first&per_page=100>; rel="current"'


def after(link: str | None, rows: int = 10, *, other_host: bool = False) -> Request | None:
    """The page that follows the first one."""
    headers = {} if link is None else {"Link": link}
    return LinkPaging(ROOT, other_host).after(FIRST, Response(200, headers, b"[]", f"{ROOT}/x"), rows)


@pytest.mark.parametrize(
    "link",
    [
        f"{ROOT}/courses/1/enrollments?state%5B%5D=active&page=2&per_page=100",
        f"{ROOT}/courses/1/enrollments?page=bookmark:WyJTdHVkZW50Iiw0XQ&per_page=100",
        f"{ROOT}/courses/1/enrollments?page=p;,weird&per_page=7",
    ],
)
def test_the_next_page_is_where_the_link_says(link: str) -> None:
    """A link is followed to the letter, whatever its page is called; nothing of our own query is added to it."""
    found = after(f'{CURRENT},<{link}>; rel="next"')
    assert found is not None
    assert (found.full_url, found.headers) == (link, FIRST.headers)


def test_the_end_is_where_no_next_is_named() -> None:
    """Without next there is no more, whatever last says and however full the page was."""
    assert after(f'{CURRENT},<{ROOT}/courses/1/enrollments?page=9>; rel="last"', rows=100) is None
    assert after(None, rows=0) is None


def test_a_page_without_links_is_none() -> None:
    """Rows without a Link header are no collection: somebody took the header away, and all further pages with it."""
    with pytest.raises(BrokenPage, match="without its Link header") as broken:
        after(None)
    assert "proxy" in broken.value.remedy


def test_another_host_is_not_followed() -> None:
    """A link to another host is an error that names the setting; with it the link's page is asked for at our host."""
    link = f'{CURRENT},<https://inner.example/api/v1/courses/1/enrollments?page=bookmark:x>; rel="next"'
    with pytest.raises(ConfigurationError, match="may not go") as refused:
        after(link)
    assert "other_host" in refused.value.remedy
    found = after(link, other_host=True)
    assert found is not None
    assert found.full_url == f"{ROOT}/courses/1/enrollments?page=bookmark:x"


def test_lists_may_come_in_an_object() -> None:
    """A list by itself and one under its name, beside meta, are the same page."""
    rows = [{"id": "1"}, {"id": "2"}]
    split = wire.splitter("enrollment_terms")
    wrapped = {"meta": {"pagination": {}}, "enrollment_terms": rows}
    assert [bytes(row) for row in split(json.dumps(wrapped).encode())] == [json.dumps(row).encode() for row in rows]
    assert len(split(json.dumps(rows).encode())) == 2


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"errors":[{"message":"user not authorized"}]}', "user not authorized"),
        (b'{"courses":[]}', "is no list of enrollment_terms"),
        (b"<html>Sign in</html>", "is HTML"),
        (b'[{"id":1},', "is no list"),
        (b"", "is no list"),
    ],
)
def test_what_is_no_page_says_so(body: bytes, says: str) -> None:
    """Whatever is no list is a broken page, in the site's words where it has any."""
    with pytest.raises(BrokenPage, match=says):
        wire.splitter("enrollment_terms")(body)
