"""Every method of the client (M23-M28) in every situation: done, warned, one row bad, refused, no JSON, no answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from connector_pipelines.connectors.moodle import client
from connector_pipelines.connectors.moodle.client import Enrolment
from connector_pipelines.connectors.moodle.config import MoodleConfig
from connector_pipelines.connectors.moodle.errorcodes import Refused
from connector_pipelines.connectors.moodle.grading import PUSH, Push, sync_grades
from connector_pipelines.connectors.moodle.simulator.php import as_json
from connector_pipelines.errors import AuthFailed, BrokenPage, NetworkError
from connector_pipelines.simulating.exchange import Reply
from connector_pipelines.simulating.faults import Struck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector_pipelines.connectors.moodle.writing import Effect

pytestmark = pytest.mark.phase1

GOOD, BAD = 7, 8
"""The row that Moodle takes, and the one that it does not."""

TAKEN = "invalidparameter"
SECONDS = 0.25
"""Until a request is given up."""


def user(number: int) -> dict[str, Any]:
    """A user, as it is sent and as it is found."""
    return {"id": number, "username": f"u{number}"}


def course(number: int) -> dict[str, Any]:
    """A course, as it is sent and as it is found."""
    return {"id": number, "shortname": f"c{number}"}


def effects(told: Iterator[Effect]) -> list[Any]:
    """The id of each row that was done, the errorcode of each that was not."""
    return [effect.refused.code if effect.refused else effect.id for effect in told]


ENROLMENTS = [Enrolment(number, 2, 5, 0, 0) for number in (GOOD, BAD)]
PUSHES = [Push(2, 1, number, Decimal(50)) for number in (GOOD, BAD)]
BOOKS = [{"userid": number, "gradeitems": [{"cmid": 1, "graderaw": 50}]} for number in (GOOD, BAD)]
WARNED = {"warnings": [{"item": "it", "itemid": BAD, "warningcode": "odd", "message": "Odd"}]}
NO_WARNINGS: dict[str, Any] = {"warnings": []}
USERS, COURSES, GRADES = "core_user_create_users", "core_course_create_courses", "gradereport_user_get_grade_items"
UPDATE, ENROL, UNENROL = "core_user_update_users", "enrol_manual_enrol_users", "enrol_manual_unenrol_users"
LOOKS = {
    "core_user_get_users_by_field": [user(GOOD), user(BAD)],
    "core_course_get_courses_by_field": {"courses": [course(BAD)], "warnings": []},
    "core_course_get_courses": [course(GOOD), course(BAD)],
    "core_enrol_get_enrolled_users": [{"id": GOOD}, {"id": BAD}],
    GRADES: {"usergrades": BOOKS, "warnings": []},
}
"""What stands at the site, by the function that tells it."""

SMALL = "core_webservice_get_site_info"
"""Asked after a refused token: a small call cannot have been cut."""


@dataclass(frozen=True)
class Method:
    """One method, what Moodle says to it, and what it makes of that: a value, or an error.

    Attributes:
        call: the method, with both rows, or with the bad one where it takes one.
        answer: what Moodle says where all goes well.
        gives: what the method makes of it.
        warned: what it makes of a warning that names the bad row.
        row: what it makes of a refusal of every call that holds the bad row; None for a read, which has no rows.
    """

    function: str
    call: Callable[[client.Moodle], Any]
    answer: Any
    gives: Any
    warned: Any
    row: Any = None

    @property
    def creates(self) -> bool:
        """Whether it must not be sent again before somebody looked."""
        return self.function in {USERS, COURSES}


METHODS = {
    "create_user": Method(
        USERS, lambda m: client.create_user(m, user(BAD)), [user(BAD)], user(BAD), BrokenPage, Refused
    ),
    "create_users": Method(
        USERS,
        lambda m: effects(client.create_users(m, [user(GOOD), user(BAD)])),
        [user(GOOD), user(BAD)],
        [GOOD, BAD],
        BrokenPage,
        [GOOD, TAKEN],
    ),
    "update_user": Method(
        UPDATE, lambda m: client.update_user(m, BAD, {"city": "X"}), NO_WARNINGS, {"id": BAD}, Refused, Refused
    ),
    "update_users": Method(
        UPDATE,
        lambda m: effects(client.update_users(m, [user(GOOD), user(BAD)])),
        NO_WARNINGS,
        [GOOD, BAD],
        [GOOD, "odd"],
        [GOOD, TAKEN],
    ),
    "create_course": Method(
        COURSES, lambda m: client.create_course(m, course(BAD)), [course(BAD)], course(BAD), BrokenPage, Refused
    ),
    "create_courses": Method(
        COURSES,
        lambda m: effects(client.create_courses(m, [course(GOOD), course(BAD)])),
        [course(GOOD), course(BAD)],
        [GOOD, BAD],
        BrokenPage,
        [GOOD, TAKEN],
    ),
    "enroll_user": Method(ENROL, lambda m: client.enroll_user(m, BAD, 2, "student"), None, True, BrokenPage, False),
    "enroll_users": Method(
        ENROL,
        lambda m: effects(client.enroll_users(m, ENROLMENTS)),
        None,
        [None, None],
        BrokenPage,
        [None, TAKEN],
    ),
    "unenroll_users": Method(
        UNENROL,
        lambda m: effects(client.unenroll_users(m, [(GOOD, 2), (BAD, 2)])),
        None,
        [None, None],
        BrokenPage,
        [None, TAKEN],
    ),
    "sync_grades": Method(
        PUSH,
        lambda m: [verdict.rule for verdict in sync_grades(m, PUSHES).values()],
        0,
        ["", ""],
        BrokenPage,
        [TAKEN, ""],
    ),
    "get_course_grades": Method(GRADES, lambda m: client.get_course_grades(m, 2), LOOKS[GRADES], BOOKS, Refused),
}
every = pytest.mark.parametrize("name", sorted(METHODS))


def refusal(code: str) -> dict[str, str]:
    """An answer that says no."""
    return {"exception": "moodle_exception", "errorcode": code, "message": "No"}


class Site:
    """A site that answers one method as the test says, and tells everything else as it stands."""

    def __init__(self, method: Method, start: Callable[..., Any], opened: Callable[..., Any]) -> None:
        self.method, self._start, self._opened = method, start, opened
        self.calls: Counter[str] = Counter()

    def told(self, *said: Any, retries: int = 1) -> Any:
        """What the method makes of these answers to its function, one after the other; the last for good.

        An answer is a document, bytes, a function of the call's parameters, or `Struck` for a fault of the wire.
        """

        def handle(_: Any) -> Reply:
            function, params = stand.asked[-1]
            self.calls[function] += 1
            at = min(max(self.calls[self.method.function], 1), len(said)) - 1
            answer = said[at] if function in {self.method.function, SMALL} else LOOKS[function]
            answer = answer(params) if callable(answer) else answer
            if isinstance(answer, Struck):
                return Reply(200, struck=answer)
            return Reply(200, answer if isinstance(answer, bytes) else as_json(answer))

        stand = self._start(handle)
        with self._opened(stand.url, max_retries=retries) as moodle:
            return self.method.call(moodle)


@pytest.fixture
def site(name: str, stand: Callable[..., Any], opened: Callable[..., Any]) -> Site:
    """The site of one method."""
    return Site(METHODS[name], stand, opened)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that give up sooner than a configuration may say."""
    usual = MoodleConfig.client

    def client_of(config: MoodleConfig, *args: Any, **more: Any) -> Any:
        return usual(config.model_copy(update={"timeout_seconds": SECONDS}), *args, **more)

    monkeypatch.setattr(MoodleConfig, "client", client_of)


@every
def test_what_is_done_is_given_back(site: Site) -> None:
    """Where Moodle does what it is asked, each method gives back what it promises, in one call of its function."""
    assert site.told(site.method.answer) == site.method.gives
    assert site.calls[site.method.function] == 1


@every
def test_a_warning_is_a_failure(site: Site) -> None:
    """A warning is the failure of its row; where a function has no warnings, the answer is none of its own."""
    if isinstance(site.method.warned, type):
        with pytest.raises(site.method.warned):
            site.told(WARNED)
    else:
        assert site.told(WARNED) == site.method.warned


@pytest.mark.parametrize("name", sorted(name for name, method in METHODS.items() if method.row is not None))
def test_a_bad_row_takes_no_other_with_it(site: Site) -> None:
    """Where calls with one bad row are refused whole, its neighbor is done all the same, and it alone is named."""

    def picky(params: Any) -> Any:
        if any(f"'{mark}{BAD}'" in str(params) for mark in ("", "u", "c")):
            return refusal(TAKEN)
        answer = site.method.answer
        return answer[:1] if isinstance(answer, list) else answer

    if site.method.row is Refused:
        with pytest.raises(Refused, match=TAKEN):
            site.told(picky)
    else:
        assert site.told(picky) == site.method.row


@every
@pytest.mark.parametrize(
    ("code", "error"),
    [("invalidtoken", AuthFailed), ("accessexception", AuthFailed), ("sitemaintenance", NetworkError)],
)
def test_an_errorcode_of_the_site_ends_it(site: Site, code: str, error: type[Exception]) -> None:
    """A code that blames token, service or site is no row's fault: it is an error, and says the code."""
    with pytest.raises(error, match=code):
        site.told(refusal(code), retries=0)


@every
def test_an_unknown_errorcode_blames_the_rows(site: Site) -> None:
    """A code that nobody knows is told of each row, or raised where there is but one."""
    try:
        told = site.told(refusal("newinmoodle6"))
    except Refused as refused:
        told = refused.code
    assert told in ("newinmoodle6", ["newinmoodle6", "newinmoodle6"], False)


@every
def test_what_is_no_json_is_no_answer(site: Site) -> None:
    """A page in HTML with status 200 says nothing of what was done: neither success nor refusal, and no second call."""
    with pytest.raises(BrokenPage):
        site.told(b"<!doctype html><html><body>Log in</body></html>")
    assert site.calls[site.method.function] == 1


@every
@pytest.mark.usefixtures("impatient")
def test_an_answer_that_does_not_come_is_asked_for_again(site: Site) -> None:
    """After a time-out what creates looks first and finds what it had done; everything else is sent again."""
    assert site.told(Struck(stall=""), site.method.answer) == site.method.gives
    assert site.calls[site.method.function] == (1 if site.method.creates else 2)


@every
@pytest.mark.usefixtures("impatient")
def test_no_answer_at_all_is_an_error(site: Site) -> None:
    """Where no answer comes as often as we ask, that is an error that says so; nobody takes it for a refusal."""
    with pytest.raises(NetworkError, match="did not answer in time"):
        site.told(Struck(stall=""), retries=0)
