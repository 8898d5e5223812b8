"""The faults of a Finale account (contract 8).

`:report` is a report, `:auth` the log-in, which is struck only when it is named or by auth-down.
"""

from __future__ import annotations

from connector_pipelines.simulating.faults import COUNT, NUMBER, WIRE, Faults, Kind, Times

FAULTS: dict[str, Kind] = {
    **WIRE,
    # collections
    "empty-list": Kind("arrays of length 0 instead of the data"),
    "empty-object": Kind("{} instead of the data"),
    "cap": Kind("sends at most N entities, after filtering", "120000", COUNT),
    "short-array": Kind("this array lacks its first element, so that all others move up", "productId"),
    "missing-array": Kind("this array is not there", "productId"),
    "null-array": Kind("this array is null", "productId"),
    "ignore-filter": Kind("answers as if there were no filter"),
    "no-dates": Kind("every third row has no lastUpdatedDate"),
    "string-numbers": Kind("numbers come as texts"),
    "exponents": Kind("fractions are written with exponents, 1.25E1"),
    "null-lists": Kind("empty lists come as null"),
    "unknown-fields": Kind("every row has fields nobody asked for"),
    "duplicate-ids": Kind("the first row comes twice"),
    "missing-field": Kind("the first row has null in this field", "productUrl"),
    "wrong-type": Kind("the first row has an object in this field", "productUrl"),
    "nul-byte": Kind("the first row has a NUL character in this field", "internalName"),
    "big-string": Kind("the first row has a text of 1 MB in this field", "internalName"),
    "year-0001": Kind("the first row was last updated in the year 1"),
    # reports
    "report-labels": Kind("the report's header has other labels"),
    "report-ragged": Kind("the report's second row lacks a cell"),
    # errors
    "429": Kind("429 with Retry-After in N seconds or as a date, or as html without one", "1", r"\d{1,4}|date|html"),
    "429-every": Kind("429 at every N-th request", "3", COUNT, Times.EVERY),
    "limits": Kind(
        "GETs a minute, POSTs a minute, collections and reports an hour; then 429", "120,120,300", r"\d+,\d+,\d+"
    ),
    "404": Kind("404 for everything but the log-in"),
    "500": Kind("500 with an error in JSON"),
    "503": Kind("503 for the first N requests", "3", COUNT, Times.FIRST),
    "auth-down": Kind("401 for everything, the log-in too"),
    "forbidden": Kind("403 for everything but the log-in"),
    "session-expiry": Kind("sessions end after N calls", "10", NUMBER),
}

AUTH = "auth"
REPORT = "report"
KNOWN = Faults(FAULTS, apart={AUTH: frozenset({"auth-down"})})
