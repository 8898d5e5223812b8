"""The faults of a Canvas site (contract 2 and 8; requirements F39, F44).

Targets are what the path names last (account, sub_accounts, terms, courses, users, sections, enrollments, assignments,
submissions) and `token`, which is struck when it is named and, by token-expiry, always.
"""

from __future__ import annotations

from connector_pipelines.simulating.faults import COUNT, WIRE, Faults, Kind, Times, one_of

FAULTS: dict[str, Kind] = {
    **WIRE,
    # pages and their links
    "clamp": Kind("sends at most N rows a page, whatever per_page says", "7", COUNT),
    "bookmarks": Kind("every collection has bookmarks, not only enrollments"),
    "page-numbers": Kind("enrollments have page numbers, as on older sites"),
    "no-last": Kind("the Link header does not name the last page"),
    "relative-links": Kind("the Link header has paths without scheme and host"),
    "no-link": Kind("the Link header is missing, as behind a proxy that drops it"),
    "link-other-host": Kind("links lead to an inner host, as behind a careless proxy", "inner.canvas.invalid"),
    "repeat-page": Kind("sends the first page for every page"),
    "empty-list": Kind("sends an empty list instead of the data"),
    "wrapped": Kind("lists come in an object, beside meta"),
    "shift": Kind(
        "the first row is removed (or one is `insert`ed before it, or moved behind all) before request @k",
        "remove",
        form=one_of("remove", "insert", "rename"),
        times=Times.SECOND,
    ),
    "ignore-filter": Kind("answers as if nothing but the account or course were asked for"),
    # who may, and how often
    "bucket": Kind("throttles above N units instead of 600; a request under way counts 50", "60", COUNT),
    "429": Kind("429 as text without Retry-After"),
    "429-every": Kind("the same at every N-th request", "3", COUNT, Times.EVERY),
    "403-throttle": Kind("the same as 403, as older sites do"),
    "401": Kind("401 for the token: revoked"),
    "401-unauthorized": Kind("401 without a challenge: not permitted, as older sites say it"),
    "403": Kind("403: not permitted"),
    "404": Kind("404 in HTML"),
    "500": Kind("500 with the number of a report"),
    "503": Kind("503 in HTML for the first N requests", "3", COUNT, Times.FIRST),
    "token-expiry": Kind("access tokens end after N calls", "5", COUNT),
    # rows
    "numeric-ids": Kind("ids are numbers, asked for as text or not"),
    "no-sis": Kind("leaves out SIS ids, as for who may not read them"),
    "old-names": Kind("people have no first_name and last_name, as on older sites"),
    "unknown-fields": Kind("every row has fields nobody asked for"),
    "duplicate": Kind("the last row of a page comes twice"),
    "big-string": Kind("one row of a page has a text of 1 MB"),
    "nul-byte": Kind("one row of a page has a NUL character in a text"),
    "year-0001": Kind("one row of a page was created in the year 1"),
    "missing-field": Kind("one row of a page lacks this field", "id"),
    "wrong-type": Kind("one row of a page has a list in this field", "id"),
}

ROSTER = frozenset({"account", "sub_accounts", "terms", "courses", "users", "sections", "enrollments"})
TARGETS = ROSTER | {"assignments", "submissions", "token"}
TOKEN = "token"  # noqa: S105 -- the name of a target
KNOWN = Faults(FAULTS, apart={TOKEN: frozenset({"token-expiry"})}, targets=TARGETS)
