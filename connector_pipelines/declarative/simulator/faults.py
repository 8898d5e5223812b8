"""The faults of the warehouse. Targets are collections, `lines` of an order, `reports`,
`token` and `login`.
"""

from __future__ import annotations

from connector_pipelines.simulating.faults import COUNT, NUMBER, WIRE, Faults, Kind, Times, one_of

FAULTS: dict[str, Kind] = {
    **WIRE,
    # pages
    "clamp": Kind("silently sends at most N rows a page, whatever is asked for", "20", COUNT),
    "page-limit": Kind("413 for more than N rows a page", "10", COUNT),
    "no-total": Kind("says nothing about totals, in body or headers"),
    "total": Kind("every total is N too high", "5", NUMBER),
    "no-next": Kind("says nothing about the next page, in body or headers"),
    "cursor-loop": Kind("every token and link leads to the first page"),
    "repeat-page": Kind("sends the first page for every page"),
    "link-other-host": Kind("links lead to an inner host, as behind a careless proxy", "inner.warehouse.invalid"),
    "empty-list": Kind("sends an empty list instead of the rows"),
    "empty-omits-key": Kind("leaves the list out where it would be empty"),
    "empty-null": Kind("sends null where the list would be empty"),
    "shift": Kind(
        "a row is removed, inserted or edited at the front before the second request",
        "remove",
        one_of("remove", "insert", "edit"),
        Times.SECOND,
    ),
    "forgotten": Kind("410 for whoever asks for changes"),
    "no-sync-token": Kind("says nothing about how far one has read"),
    "ignore-filter": Kind("answers as if no span were asked for"),
    # reports
    "job-slow": Kind("a report is not ready at the first N looks", "3", COUNT),
    "job-stuck": Kind("a report is never ready"),
    "job-failed": Kind("a report ends as failed"),
    "job-nameless": Kind("the answer to asking for a report does not say what it is called"),
    # errors
    "401": Kind("401 for everything, the token endpoint too"),
    "403": Kind("403 with a sentence in JSON"),
    "403-throttle": Kind("403 as text that means too many requests"),
    "404": Kind("404 with a sentence in JSON"),
    "429": Kind("429 as JSON with Retry-After: N", "1", NUMBER),
    "429-date": Kind("429 with Retry-After as a date N seconds ahead", "1", NUMBER),
    "429-html": Kind("429 as HTML, without Retry-After"),
    "429-reset": Kind("429 whose X-RateLimit-Reset is a time N seconds ahead", "1", NUMBER),
    "429-body": Kind("429 that says in its body how many seconds to wait", "1", NUMBER),
    "span-limit": Kind("400 for a span of more than N hours", "24", COUNT),
    "500": Kind("500 with a sentence in JSON"),
    "503": Kind("503 for the first N requests", "3", COUNT, Times.FIRST),
    "error-200": Kind("200 with an error in the body"),
    "token-expiry": Kind("tokens end after N calls", "3", NUMBER),
    # rows
    "unknown-fields": Kind("every row has fields nobody asked for"),
    "missing-field": Kind("no row has this field", "supplierName"),
    "one-missing-field": Kind("one row of a page lacks this field", "supplierName"),
    "null-field": Kind("one row of a page has null in this field", "supplierName"),
    "wrong-type": Kind("one row of a page has an object in this field", "leadTimeDays"),
    "not-a-number": Kind("one row of a page has words in this field", "leadTimeDays"),
    "not-an-object": Kind("one row of a page is a text"),
    "duplicate-ids": Kind("one row of a page comes twice"),
    "nul-byte": Kind("one row of a page has a NUL character in its name"),
    "big-string": Kind("one row of a page has a text of 1 MB"),
    "year-0001": Kind("one row of a page was last changed in the year 1"),
    "uneven-columns": Kind("one of the lists of a page of columns is a cell short"),
    "ragged-row": Kind("one line of a table lacks its last cell"),
    "no-header": Kind("a table comes without its header"),
}

KNOWN = Faults(FAULTS)
