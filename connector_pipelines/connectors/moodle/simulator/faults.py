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
    **WIRE,
}
