"""What a site holds: tables of rows by id, and a clock. A call that fails leaves no trace but its spent ids."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

Row = dict[str, Any]
Table = dict[Any, Any]

TABLES = (
    *("users", "categories", "courses", "groups", "members", "enrolments"),
    *("modules", "items", "grades", "submissions", "attempts", "marks", "forms", "fillings"),
)
START = 1_795_252_000
"""A time in 2026, in Unix seconds."""


@dataclass(slots=True)
class Site:
    """A site. Rows are never changed in place, so that a copy of the tables is a copy of the site.

    Attributes:
        tables: rows by id; enrolments by course, and there by user.
        spent: the highest id of each table, whether its row was kept or not.
        clock: Unix seconds.
        profile_fields: short names of those the site has; values for others are taken and dropped.
    """

    clock: Callable[[], int] = lambda: START
    tables: dict[str, Table] = field(default_factory=lambda: {name: {} for name in TABLES})
    spent: Counter[str] = field(default_factory=Counter)
    profile_fields: tuple[str, ...] = ()

    def __getitem__(self, table: str) -> Table:
        return self.tables[table]

    def add(self, table: str, **row: Any) -> Row:
        """Insert a row with the next id."""
        self.spent[table] += 1
        made = {"id": self.spent[table]} | row
        self.tables[table][made["id"]] = made
        return made

    def put(self, table: str, key: Hashable, **changes: Any) -> Row:
        """Change a row, or insert one that is known by a key of its own."""
        made: Row = self.tables[table].get(key, {}) | changes
        self.tables[table][key] = made
        return made

    def where(self, table: str, **wanted: Any) -> list[Row]:
        """Rows that have these values."""
        rows = self.tables[table].values()
        return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]

    def enrolled(self, course: int) -> Table:
        """Who is enrolled in a course, by user."""
        return dict(sorted(self["enrolments"].get(course, {}).items()))

    def enrol(self, course: int, user: int, row: Row | None) -> None:
        """Enrol a user, change the enrolment, or end it."""
        others: Table = {known: held for known, held in self["enrolments"].get(course, {}).items() if known != user}
        self["enrolments"][course] = others if row is None else others | {user: row}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Take everything back when the work within fails."""
        before = {name: dict(rows) for name, rows in self.tables.items()}
        try:
            yield
        except BaseException:
            self.tables = before
            raise


def furnished(clock: Callable[[], int]) -> Site:
    """A new site: a guest, an administrator and the web-service user, one category and the front page."""
    site = Site(clock)
    site.add("users", **person("guest", "Guest user", " ", "root@localhost"))
    site.add("users", **person("admin", "Admin", "User", "admin@example.org"))
    site.add("users", **person("syncbot", "Sync", "Bot", "syncbot@example.org"))
    site.add("categories", name="Category 1", idnumber="", description="", parent=0, visible=1, timemodified=clock())
    site.add(
        "courses",
        fullname="Lab Moodle",
        shortname="lab",
        categoryid=0,
        idnumber="",
        summary="",
        summaryformat=0,
        format="site",
        visible=1,
        startdate=0,
        enddate=0,
        manual=False,
        timecreated=clock(),
        timemodified=clock(),
    )
    return site


def person(username: str, firstname: str, lastname: str, email: str, **more: Any) -> Row:
    """A user as it is inserted."""
    usual = {
        "username": username,
        "firstname": firstname,
        "lastname": lastname,
        "email": email,
        "idnumber": "",
        "department": "",
        "auth": "manual",
        "suspended": 0,
        "lang": "en",
        "timezone": "99",
        "deleted": False,
        "firstaccess": 0,
        "lastaccess": 0,
        "customfields": {},
    }
    return usual | more
