"""The faults of a QuickBooks Online company (requirements F39, F44).

Targets are tables (item, vendor, purchaseorder) and endpoints (query, count, cdc, batch, token); `token` is struck when
it is named and, by rotate and token-expiry, always.
"""

from __future__ import annotations

from connector_pipelines.simulating.faults import COUNT, WIRE, Faults, Kind, Times, one_of

FAULTS: dict[str, Kind] = {
    **WIRE,
    # pages and what is in them
    "empty": Kind("answers queries as if there were no record at all"),
    "repeat-page": Kind("answers every query with the first page"),
    "clamp": Kind("sends at most N records a page, whatever MAXRESULTS says", "20", COUNT),
    "shift": Kind(
        "the lowest records are deleted (or one is changed) before request @k",
        "remove",
        form=one_of("remove", "remove-many", "update"),
        times=Times.SECOND,
    ),
    "hide-sku": Kind("leaves Sku out of SELECT *, as older versions do"),
    "strict-greater": Kind("treats >= as >"),
    "other-table": Kind("answers with the records of another table"),
    "cdc-limit": Kind("change data capture is cut off after N objects instead of 1,000", "20", COUNT),
    # errors
    "401": Kind("401 in the gateway's spelling"),
    "403": Kind("403 AuthorizationFault"),
    "404": Kind("404 without a body that anybody could read"),
    "429": Kind(
        "429 ThrottleExceeded from the gateway; Retry-After is none, in seconds or a date; or all in HTML",
        "none",
        form=one_of("none", "seconds", "date", "html"),
    ),
    "500": Kind("500 with a SystemFault"),
    "503": Kind("503 as HTML"),
    "fault-200": Kind(
        "a fault with status 200",
        "system",
        form=one_of("system", "validation", "throttle", "authentication"),
    ),
    "batch-fault": Kind("the N-th part of a batch is a fault, the whole has status 200", "1", COUNT),
    "throttle": Kind("429 for more than N requests in any minute; Intuit's limit is 500", "500", COUNT),
    "concurrent": Kind("429 for more than N requests at a time; Intuit's limit is 10", "10", COUNT),
    # tokens
    "rotate": Kind("every N-th refresh replaces the refresh token; the old one is invalid_grant", "1", COUNT),
    "token-expiry": Kind("access tokens end after N calls", "5", COUNT),
    "xml": Kind("answers in XML whatever is accepted"),
    # records
    "unknown-fields": Kind("every record has fields nobody asked for"),
    "duplicate": Kind("the last record of a page comes twice"),
    "big-string": Kind("one record of a page has a text of 1 MB"),
    "nul-byte": Kind("one record of a page has a NUL character in a text"),
    "year-0001": Kind("one record of a page was last updated in the year 1"),
    "not-a-number": Kind("one record of a page has a word where a number should be"),
    "missing-field": Kind("one record of a page lacks this field", "Id"),
    "wrong-type": Kind("one record of a page has a list in this field", "Id"),
}

TARGETS = frozenset({"item", "vendor", "purchaseorder", "query", "count", "cdc", "batch", "read", "token"})
TOKEN = "token"  # noqa: S105 -- the name of a target
KNOWN = Faults(FAULTS, apart={TOKEN: frozenset({"rotate", "token-expiry"})}, targets=TARGETS)
