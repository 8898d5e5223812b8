"""What may go wrong at a site, on top of what always does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_pipelines.simulating.faults import COUNT, WIRE, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

FAULTS: Mapping[str, Kind] = {
    "debug": Kind("errors carry debuginfo, with SQL and personal data in it"),
    "invalid-token": Kind("no token is known"),
    "access": Kind("the service is off, lacks the function, or the token is past its time"),
    "user-suspended": Kind("the web-service user is suspended"),
    "maintenance": Kind("the site is undergoing maintenance, said with status 200"),
    "database-down": Kind("the database does not answer, said with status 200"),
    "cli-maintenance": Kind("503 and no JSON"),
    "rest-off": Kind("403 with an empty body"),
    "html": Kind("a page of the web server with status 200"),
    "max-input-vars": Kind("PHP reads N fields of a form and drops the rest", "1000", COUNT),
    "429": Kind("429 with Retry-After in N seconds, as a proxy before the site would", "1", COUNT),
    "500": Kind("500 without JSON; nothing was done"),
    "moved": Kind("the site has another address now, and sends everybody there"),
    "html-code": Kind("an errorcode that is HTML, as a plug-in's or a weak password's"),
    "php-notice": Kind("PHP puts a notice before the JSON"),
    "xml": Kind("answers in XML whatever is asked for"),
    "null": Kind("null instead of a list"),
    "warning": Kind("leaves out what the caller may not see, and says so in warnings alone"),
    "empty": Kind("every list is empty, without a word"),
    "fewer": Kind("leaves out the last N records of each list, without a word", "1", COUNT),
    "escaped": Kind("titles come escaped, raw ones asked for or not"),
    "unknown-fields": Kind("every record has fields nobody asked for"),
    "duplicate": Kind("the last record of a list comes twice"),
    "big-string": Kind("one record of a list has a text of 1 MB"),
    "nul-byte": Kind("one record of a list has a NUL character in a text"),
    "year-3000": Kind("one record of a list has a time in the year 3000"),
    "decimal-comma": Kind("one record of a list has a number with a decimal comma"),
    "missing-field": Kind("one record of a list lacks this field", "id"),
    "wrong-type": Kind("one record of a list has a list in this field", "id"),
    **WIRE,
}
