"""Links from page to page."""

from __future__ import annotations

import pytest

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external.links import followed, links_of

HERE = "https://canvas.example/api/v1/courses/1/enrollments?per_page=100"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('<https://a.example/x?page=2>; rel="next"', {"next": "https://a.example/x?page=2"}),
        ("<?page=bookmark:WyJ>;rel=next,<?page=1>;rel=first", {"next": "?page=bookmark:WyJ", "first": "?page=1"}),
        ('</x>; title="a, b"; REL="Next last"', {"next": "/x", "last": "/x"}),
        ('<one>; rel="next", <two>; rel="next"', {"next": "one"}),
    ],
)
def test_links_are_found_in_any_spelling(header: str, expected: dict[str, str]) -> None:
    """Each relation of a Link header gives its first target, whatever its case, quotes and order."""
    assert links_of(header) == expected


@pytest.mark.parametrize("header", [None, "", "nonsense", "<a>; title=next", "<a>", ">;<"])
def test_unusable_links_are_none(header: str | None) -> None:
    """A header that names no relation is as if it were not there."""
    assert links_of(header) == {}


@pytest.mark.parametrize("other_host", [False, True])
@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("?page=2", "https://canvas.example/api/v1/courses/1/enrollments?page=2"),
        ("/api/v1/x?page=2", "https://canvas.example/api/v1/x?page=2"),
        ("https://canvas.example/x?page=bookmark:a", "https://canvas.example/x?page=bookmark:a"),
        ("https://canvas.example:443/x?page=2", "https://canvas.example:443/x?page=2"),
    ],
)
def test_a_link_at_home_is_followed(link: str, expected: str, other_host: bool) -> None:  # noqa: FBT001 -- a column
    """A link that is relative, or names the same origin, leads where it says."""
    assert followed(HERE, link, other_host=other_host, remedy="") == expected


@pytest.mark.parametrize(
    "link",
    [
        "https://inner.example/x?page=2",
        "http://canvas.example/x?page=2",
        "//inner/x?page=2",
        "https://canvas.example:8443/x?page=2",
    ],
)
def test_a_link_to_another_origin_is_not_followed(link: str) -> None:
    """A link to another host, or to http, is refused, or asked where we asked before if that is the same system."""
    with pytest.raises(ConfigurationError, match="may not go"):
        followed(HERE, link, other_host=False, remedy="Set it.")
    assert followed(HERE, link, other_host=True, remedy="") == "https://canvas.example/x?page=2"
