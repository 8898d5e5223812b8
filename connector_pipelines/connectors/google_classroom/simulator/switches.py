"""The faults of a Google Classroom domain (requirements F39, F44).

Targets are what is asked for: courses, course, students, teachers, courseWork, studentSubmissions, rubrics,
profile, token; `token` is struck when it is named and, by token-expiry and invalid-grant, always. What befalls a course
strikes requests for what is below one.
"""

from __future__ import annotations

from connector_pipelines.simulating.faults import COUNT, WIRE, Faults, Kind, Times, one_of

FAULTS: dict[str, Kind] = {
    **WIRE,
    # pages and what is in them
    "empty": Kind("answers lists as if there were nothing: {}"),
    "empty-list": Kind("says of an empty list that it is empty, instead of leaving it out"),
    "empty-token": Kind("ends a list with an empty nextPageToken, instead of leaving it out"),
    "clamp": Kind("sends at most N records a page, whatever pageSize says", "20", COUNT),
    "short-page": Kind("sends an empty page with a token in front of each page with records"),
    "repeat-page": Kind("answers every page token with the first page"),
    "token-loop": Kind("leads from every page back to the one before it"),
    "stale-token": Kind("refuses page tokens with 400, as if a parameter had changed"),
    "shift": Kind(
        "before request @k the first record of what is asked for goes away (or another one comes)",
        "remove",
        form=one_of("remove", "add"),
        times=Times.SECOND,
    ),
    "hide-states": Kind("lists active courses alone, whatever states are asked for"),
    "other-list": Kind("answers with teachers where students are asked for, and the other way round"),
    "other-course": Kind("answers with the roster of another course"),
    # courses that are there and are not
    "gone": Kind(
        "the course of roster request @k is deleted just before, or still listed",
        "deleted",
        form=one_of("deleted", "listed"),
        times=Times.SECOND,
    ),
    "refused": Kind("refuses the roster of request @k: 403 for that course", times=Times.SECOND),
    # errors
    "401": Kind("401 UNAUTHENTICATED"),
    "403": Kind(
        "403 PERMISSION_DENIED with this word in front",
        "ClassroomDisabled",
        form=one_of("ClassroomDisabled", "ClassroomApiDisabled", "ProjectPermissionDenied"),
    ),
    "403-limit": Kind(
        "403 with a reason that means a limit",
        "rateLimitExceeded",
        form=one_of("rateLimitExceeded", "userRateLimitExceeded"),
    ),
    "404": Kind("404 NOT_FOUND"),
    "429": Kind("429 RESOURCE_EXHAUSTED"),
    "500": Kind("500 INTERNAL"),
    "503": Kind("503 as HTML"),
    "error-200": Kind("an error with status 200"),
    "quota": Kind("429 for more than N requests in any minute; Google's limit is 1,200", "1200", COUNT),
    # tokens
    "token-expiry": Kind("access tokens end after N calls", "5", COUNT),
    "invalid-grant": Kind("the token endpoint takes no assertion and no refresh token any more"),
    # records
    "no-emails": Kind("leaves e-mail addresses out, as without the scope for them"),
    "no-profile": Kind("leaves profiles out"),
    "number-ids": Kind("sends ids as numbers instead of text"),
    "alias-id": Kind("one record of a page has an alias for its id"),
    "unknown-fields": Kind("every record has fields nobody asked for"),
    "duplicate": Kind("the last record of a page comes twice"),
    "big-string": Kind("one record of a page has a text of 1 MB"),
    "nul-byte": Kind("one record of a page has a NUL character in a text"),
    "year-0001": Kind("one course of a page was last updated in the year 1"),
    "missing-field": Kind("one record of a page lacks this field; of a person it is one of the profile's", "id"),
    "wrong-type": Kind("one record of a page has a list in this field; of a person it is one of the profile's", "id"),
}

ROSTERS = frozenset({"students", "teachers"})
BELOW = ROSTERS | {"courseWork", "studentSubmissions", "rubrics"}
TARGETS = BELOW | {"courses", "course", "profile", "token"}
TOKEN = "token"  # noqa: S105 -- the name of a target
_ELSEWHERE = frozenset(FAULTS) - {"gone", "refused"}  # these two count requests below a course alone
_APART = dict.fromkeys(TARGETS - BELOW, _ELSEWHERE) | {TOKEN: frozenset({"token-expiry", "invalid-grant"})}
KNOWN = Faults(FAULTS, _APART, TARGETS)
