"""The faults of a OneRoster server (contract 8; requirements F39, F44).

`:token` is the token endpoint, which is struck when it is named and, by auth-down and token-expiry, always. Which row
of a page is spoilt follows from seed, fault and offset.
"""

from __future__ import annotations

from connector_pipelines.connectors.oneroster.simulator.refusals import SPELLINGS
from connector_pipelines.simulating.faults import COUNT, NUMBER, WIRE, Faults, Kind, Times, one_of

FAULTS: dict[str, Kind] = {
    **WIRE,
    # pages and their headers
    "clamp": Kind("silently sends at most N rows a page, whatever the limit", "500", COUNT),
    "no-total": Kind("sends no X-Total-Count (and no totals in the body)"),
    "no-link": Kind("sends no Link header"),
    "total-estimate": Kind("X-Total-Count and rel=last are wrong by N percent", "-30", r"-(100|\d\d?)|\d{1,9}"),
    "link-other-host": Kind("Link leads to an inner host, as behind a careless proxy", "inner.sis.invalid"),
    "repeat-page": Kind("sends the first page for every offset"),
    "empty-list": Kind("sends an empty collection instead of the data"),
    "shift": Kind(
        "a row is removed (or `insert`ed) at the front before request @k",
        "remove",
        form=one_of("remove", "insert"),
        times=Times.SECOND,
    ),
    "ignore-filter": Kind("answers as if there were no filter"),
    "ignore-sort": Kind("answers as if there were no sort"),
    "strict-greater": Kind("treats dateLastModified>= as >"),
    "no-dot-filter": Kind("refuses filters on nested fields with 400"),
    "hide-deleted": Kind("leaves out records that are tobedeleted"),
    "trailing-slash-redirect": Kind("redirects collections to their address with a trailing slash (301)"),
    "warnings-in-body": Kind("unknown sort and selection fields are reported as statusInfoSet in the body"),
    # errors
    "429": Kind("429 as text/html with Retry-After: N", "1", COUNT),
    "429-every": Kind("429 at every N-th request", "3", COUNT, Times.EVERY),
    "500": Kind("500 with an error payload"),
    "503": Kind("503 for the first N requests", "3", COUNT, Times.FIRST),
    "error-spelling": Kind(
        "error payloads as string, lower, none, errors or statusinfoset", "string", one_of(*SPELLINGS)
    ),
    "auth-down": Kind("401 for everything, the token endpoint too"),
    "forbidden": Kind("403 for everything but the token endpoint"),
    "token-expiry": Kind("tokens end after N calls", "10", NUMBER),
    # envelopes and rows
    "missing-envelope": Kind("the body is {} without the collection's key"),
    "null-envelope": Kind("the collection's key is null"),
    "bool-real": Kind("1.2 with real booleans instead of strings"),
    "bool-strings": Kind("1.1 with strings instead of booleans"),
    "unknown-fields": Kind("every row has fields nobody asked for"),
    "big-string": Kind("one row of a page has a string of 1 MB"),
    "nul-byte": Kind("one row of a page has a NUL character in its name"),
    "year-0001": Kind("one row of a page was last modified in the year 1"),
    "duplicate-ids": Kind("one row of a page comes twice"),
    "missing-field": Kind("one row of a page lacks this required field", "status"),
    "wrong-type": Kind("one row of a page has a list in this field, or a number where a list should be", "sourcedId"),
}

TOKEN = "token"  # noqa: S105 -- the name under which a fault is limited to the token endpoint
KNOWN = Faults(FAULTS, apart={TOKEN: frozenset({"auth-down", "token-expiry"})})
