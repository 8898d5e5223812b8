"""Looks for, sends and reads back what core wants to stand in Moodle: one class for each kind of record.

Nothing is sent twice here: the engine looks at what stands there before it sends again.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle import client
from connector_pipelines.connectors.moodle.shapes import PROFILE
from connector_pipelines.errors import SyncError
from connector_pipelines.outward import Action, Done, Found, NotDone, Untold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from connector_pipelines.connectors.moodle.calls import Moodle
    from connector_pipelines.connectors.moodle.writing import Effect
    from connector_pipelines.outward import Order, Record, Wanted

    Row = Mapping[str, Any]
    Outcomes = Iterator[Done | NotDone]
    ReadBack = Iterator[tuple[str, Record | None]]

BY_NUMBER, BY_NAME, BY_EMAIL, MEMBERSHIP = "idnumber", "username", "email", "membership"
OTHER = "{} of somebody with another ID number"
HIDDEN, ADDRESS_TAKEN = "invalidparameter", "email taken"
_WHOSE = "user {} there has this e-mail address already; link them (link_export) if they are the same"

_MANY = 5
"""From so many look-ups on, the whole list of courses is quicker."""


def once(moodle: Moodle) -> Moodle:
    """The site, asked once: a write whose answer is lost is looked up by whoever sent it."""
    return replace(moodle, http=moodle.once, retries=0)


def _told(orders: Sequence[Order], effects: Iterable[Effect], ids: Callable[[Order, Effect], str]) -> Outcomes:
    """What became of each order."""
    for order, effect in zip(orders, effects, strict=True):
        if effect.refused:
            yield NotDone(order.key, effect.refused.code, effect.refused.problem)
        else:
            yield Done(order.key, ids(order, effect))


def _same(order: Order, effect: Effect) -> str:
    return order.external_id or str(effect.id)


def _changed(order: Order) -> dict[str, Any]:
    """The fields of an update that differ; of a restored record all of them."""
    return {name: order.record[name] for name in order.changes or order.record}


def _not_left(leave: Callable[[Sequence[Order]], Outcomes], orders: Sequence[Order], *place: str) -> dict[str, NotDone]:
    """Take people out of where they were, when updates say another place or person; who could not be, by key."""
    moved = [
        replace(order, record=dict(order.record) | {name: was for name, (was, _) in order.changes.items()})
        for order in orders
        if order.changes.keys() & set(place)
    ]
    return {one.key: one for one in (leave(moved) if moved else ()) if isinstance(one, NotDone)}


def _cannot(orders: Sequence[Order], rule: str, reason: str) -> Outcomes:
    return (NotDone(order.key, rule, reason) for order in orders)


def _own(row: Row, names: Iterable[str]) -> Record:
    return {name: row.get(name) for name in names}


def find_categories(moodle: Moodle, wanted: Sequence[Wanted]) -> Iterator[Found]:
    """Categories by their number."""
    there = {one["idnumber"]: one for one in client.categories(moodle) if one.get("idnumber")}
    for one in wanted:
        known = there.get(one.record["idnumber"])
        if known:
            yield Found(one.key, str(known["id"]), BY_NUMBER, _own(known, one.record))


def send_categories(moodle: Moodle, action: Action, orders: Sequence[Order]) -> Outcomes:
    """Create or change categories."""
    if action is Action.CREATE:
        made = client.create_categories(once(moodle), (dict(order.record) for order in orders))
        return _told(orders, made, _same)
    if action is Action.WITHDRAW:
        return _cannot(orders, "cannot be hidden", "Moodle has no function that hides a category")
    rows = ({"id": int(order.external_id or 0)} | _changed(order) for order in orders)
    return _told(orders, client.update_categories(once(moodle), rows), _same)


def read_categories(moodle: Moodle, ids: Sequence[str]) -> ReadBack:
    """Categories as they stand."""
    there = {str(one["id"]): one for one in client.categories(moodle)}
    return ((one, _own(there[one], ("name", "parent", "idnumber")) if one in there else None) for one in ids)


_COURSE = ("fullname", "shortname", "categoryid", "idnumber", "startdate", "enddate", "visible")


def find_courses(moodle: Moodle, wanted: Sequence[Wanted]) -> Iterator[Found]:
    """Courses by their number, or, which a person has to confirm, by their short name."""
    fields = (BY_NUMBER, "shortname")
    if len(wanted) > _MANY:
        listed = client.courses(moodle)
        there = {(field, one[field]): one for one in listed for field in fields}
    else:
        asked = [(field, one.record[field]) for one in wanted for field in fields]
        there = {pair: found for pair in asked for found in client.courses_by_field(moodle, *pair)}
    for one in wanted:
        for field in fields:
            known = there.get((field, one.record[field]))
            if known:
                yield Found(one.key, str(known["id"]), field, _own(known, one.record))


def send_courses(moodle: Moodle, action: Action, orders: Sequence[Order]) -> Outcomes:
    """Create, change, hide and show courses."""
    if action is Action.CREATE:
        return _told(orders, client.create_courses(once(moodle), (dict(order.record) for order in orders)), _same)
    hidden = {"visible": 0}
    rows = [
        {"id": int(order.external_id or 0)} | (hidden if action is Action.WITHDRAW else _changed(order))
        for order in orders
    ]
    return _told(orders, client.update_courses(once(moodle), rows), _same)


def read_courses(moodle: Moodle, ids: Sequence[str]) -> ReadBack:
    """Courses as they stand."""
    there = {str(one["id"]): one for one in client.courses(moodle, [int(one) for one in ids])}
    return ((one, _own(there[one], _COURSE) if one in there else None) for one in ids)


def find_groups(moodle: Moodle, wanted: Sequence[Wanted]) -> Iterator[Found]:
    """Groups by their number, course by course."""
    there = _groups(moodle, (one.record["courseid"] for one in wanted))
    by_number = {(one["courseid"], one["idnumber"]): one for one in there}
    for one in wanted:
        known = by_number.get((one.record["courseid"], one.record["idnumber"]))
        if known:
            yield Found(one.key, f"{known['courseid']}:{known['id']}", BY_NUMBER, _own(known, one.record))


def _groups(moodle: Moodle, courses: Iterable[int]) -> list[dict[str, Any]]:
    return [group for course in dict.fromkeys(courses) for group in client.course_groups(moodle, course)]


def send_groups(moodle: Moodle, action: Action, orders: Sequence[Order]) -> Outcomes:
    """Create groups."""
    if action is not Action.CREATE:
        return _cannot(orders, "cannot be changed", "the group has another name or course there; change it there")
    rows = (dict(order.record) | {"description": ""} for order in orders)
    made = client.create_groups(once(moodle), rows)
    return _told(orders, made, lambda order, effect: f"{order.record['courseid']}:{effect.id}")


def read_groups(moodle: Moodle, ids: Sequence[str]) -> ReadBack:
    """Groups as they stand."""
    listed = _groups(moodle, (int(one.partition(":")[0]) for one in ids))
    there = {f"{one['courseid']}:{one['id']}": one for one in listed}
    return ((one, _own(there[one], ("courseid", "name", "idnumber")) if one in there else None) for one in ids)


def find_users(moodle: Moodle, wanted: Sequence[Wanted]) -> Iterator[Found]:
    """Users by number, user name and e-mail address; the address in lower case, and as core spells it.

    Where the name or address is that of a user with another number, it says so: a person has to decide.
    """
    for field in (BY_NUMBER, BY_NAME, BY_EMAIL):
        asked = dict.fromkeys(spelling for one in wanted for spelling in _spellings(one, field))
        there: dict[str, list[dict[str, Any]]] = {}
        for user in client.users_by_field(moodle, field, asked):
            value = str(user[field])
            there.setdefault(value.lower() if field == BY_EMAIL else value, []).append(user)
        for one in wanted:
            for known in there.get(one.record[field], ()) if one.record[field] else ():
                number = known.get("idnumber") or ""
                other = number and one.record["idnumber"] and number != one.record["idnumber"]
                by = OTHER.format(field) if other else field
                yield Found(one.key, str(known["id"]), by, _user(known, one.record))


def _spellings(one: Wanted, field: str) -> Iterator[str]:
    """What to ask for: Moodle finds an address only as it is spelled there, and takes no other spelling of it."""
    if one.record[field]:
        yield one.record[field]
    spelled = (one.spelled.get(field) or "").strip()
    if spelled.lower() == one.record[field] != spelled:
        yield spelled


def _user(known: Row, names: Iterable[str]) -> Record:
    """Our fields of a user; one without a number has none in the list.

    An address comes in lower case: one in other letters is the same to Moodle, and no reason to write.
    """
    profile = {f"{PROFILE}{one['shortname']}": one["value"] for one in known.get("customfields", ())}
    whole = {"idnumber": ""} | dict(known) | profile
    if whole.get(BY_EMAIL):
        whole[BY_EMAIL] = str(whole[BY_EMAIL]).lower()
    return {name: whole.get(name) for name in names}


def _as_sent(fields: Row) -> dict[str, Any]:
    """A record as the web services take it: profile fields in a list of their own."""
    plain = {name: value for name, value in fields.items() if not name.startswith(PROFILE)}
    own = [{"type": n.removeprefix(PROFILE), "value": v} for n, v in fields.items() if n.startswith(PROFILE)]
    return plain | ({"customfields": own} if own else {})


def _with_password(row: dict[str, Any]) -> dict[str, Any]:
    """A new user needs a password, also one who never uses it; Moodle sends a made one by e-mail."""
    if row["auth"] == "manual":
        return row | {"createpassword": True}
    return row | {"password": f"{secrets.token_urlsafe(24)}aA1#"}


def send_users(moodle: Moodle, action: Action, orders: Sequence[Order]) -> Outcomes:
    """Create, change, suspend and readmit users."""
    if action is Action.CREATE:
        rows = [_with_password(_as_sent(order.record)) for order in orders]
        # `suspended` is no parameter that creating needs; who is created may log in
        made = client.create_users(once(moodle), ({n: v for n, v in r.items() if n != "suspended"} for r in rows))
        return _named(moodle, orders, _told(orders, made, _same))
    suspended = {"suspended": True}
    changes = [
        {"id": int(order.external_id or 0)} | (suspended if action is Action.WITHDRAW else _as_sent(_changed(order)))
        for order in orders
    ]
    return _told(orders, client.update_users(once(moodle), changes), _same)


def _named(moodle: Moodle, orders: Sequence[Order], outcomes: Outcomes) -> Outcomes:
    """Name the user there that has the address of one that is refused: Moodle hides that it is for this.

    Nobody is linked here, since only a look for many is worth that; a person does, who now knows with whom.
    """
    addresses, may_ask = {order.key: str(order.record[BY_EMAIL]) for order in orders}, True
    for outcome in outcomes:
        if not isinstance(outcome, NotDone) or outcome.rule != HIDDEN or not may_ask:
            yield outcome
            continue
        try:
            known = [one["id"] for one in client.users_by_address(moodle, addresses[outcome.key])]
        except SyncError:  # the site's service may lack the function; what was refused stays refused
            known, may_ask = [], False
        yield replace(outcome, rule=ADDRESS_TAKEN, reason=_WHOSE.format(known[0])) if known else outcome


def read_users(names: Sequence[str]) -> Callable[[Moodle, Sequence[str]], ReadBack]:
    """Reads users as they stand; who was deleted is gone, though Moodle still shows the row.

    Args:
        names: the fields of a record.
    """

    def read(moodle: Moodle, ids: Sequence[str]) -> ReadBack:
        there = {str(one["id"]): one for one in client.users_by_field(moodle, "id", ids)}
        return ((one, _user(there[one], names) if one in there and not _deleted(there[one]) else None) for one in ids)

    return read


def _deleted(user: Row) -> bool:
    """Deleting scrambles: the address becomes a hash."""
    return "@" not in str(user.get("email", "@"))


@dataclass(frozen=True, slots=True)
class Enrolments:
    """People in courses. Their id there is the course's and the person's: "2:4".

    Attributes:
        student, instructor: numbers of the roles.
        leaving: suspend or unenrol.
    """

    student: int
    instructor: int
    leaving: str

    def find(self, moodle: Moodle, wanted: Sequence[Wanted]) -> Iterator[Found]:
        """Who is in the courses; whoever was put there by somebody else is given our dates."""
        there: dict[str, dict[str, Any]] = {}
        for course in dict.fromkeys(one.record["courseid"] for one in wanted):
            there |= self._listed(moodle, course)
        for one in wanted:
            number = f"{one.record['courseid']}:{one.record['userid']}"
            if number in there:
                yield Found(one.key, number, MEMBERSHIP, there[number])

    def read(self, moodle: Moodle, ids: Sequence[str]) -> ReadBack:
        """Who is in the courses; dates are not told, nor who is suspended, if it may be for the dates.

        Who is active is asked first: where nobody else is looked for, that is all.
        """
        untold = {"start": Untold.UNTOLD, "end": Untold.UNTOLD}
        there: dict[str, dict[str, Any]] = {}
        for course in dict.fromkeys(int(one.partition(":")[0]) for one in ids):
            active = self._listed(moodle, course, onlyactive=1)
            there |= {number: one | untold | {"suspended": False} for number, one in active.items()}
            if any(one not in there for one in ids if one.startswith(f"{course}:")):
                others = {n: one for n, one in self._listed(moodle, course).items() if n not in active}
                there |= {number: one | untold | {"suspended": Untold.UNTOLD} for number, one in others.items()}
        return ((one, there.get(one)) for one in ids)

    def _listed(self, moodle: Moodle, course: int, **options: object) -> dict[str, dict[str, Any]]:
        return {
            f"{course}:{one['id']}": {
                "courseid": course,
                "userid": one["id"],
                "role": self._role({role["roleid"] for role in one.get("roles", ())}),
            }
            for one in client.enrolled_users(moodle, course, userfields="id,roles", **options)
        }

    def _role(self, roles: set[int]) -> str | None:
        if self.instructor in roles:
            return "instructor"
        return "student" if self.student in roles else None

    def send(self, moodle: Moodle, action: Action, orders: Sequence[Order]) -> Outcomes:
        """Enrol, change, suspend, unenrol; who is moved to another course leaves the one before."""
        if action is Action.UPDATE:
            stayed = _not_left(lambda moved: self.send(moodle, Action.WITHDRAW, moved), orders, "courseid", "userid")
            yield from stayed.values()
            orders = [order for order in orders if order.key not in stayed]
        if action is Action.WITHDRAW and self.leaving == "unenrol":
            pairs = [(int(order.record["userid"]), int(order.record["courseid"])) for order in orders]
            effects = client.unenroll_users(once(moodle), pairs)
        else:
            rows = [self._enrolment(order, suspended=action is Action.WITHDRAW) for order in orders]
            effects = client.enroll_users(once(moodle), rows)
        yield from _told(orders, effects, lambda order, _: f"{order.record['courseid']}:{order.record['userid']}")

    def _enrolment(self, order: Order, *, suspended: bool) -> client.Enrolment:
        record = order.record
        role = self.instructor if record["role"] == "instructor" else self.student
        times = (int(record["start"] or 0), int(record["end"] or 0))
        return client.Enrolment(int(record["userid"]), int(record["courseid"]), role, *times, suspended=suspended)


def find_members(moodle: Moodle, wanted: Sequence[Wanted]) -> Iterator[Found]:
    """Who is in the groups."""
    there = _members(moodle, (one.record["groupid"] for one in wanted))
    for one in wanted:
        if one.record["userid"] in there[one.record["groupid"]]:
            yield Found(one.key, _member_id(one.record), MEMBERSHIP, one.record)


def _members(moodle: Moodle, groups: Iterable[int]) -> dict[int, set[int]]:
    numbers = list(dict.fromkeys(groups))
    there = client.group_members(moodle, numbers) if numbers else {}
    return {number: set(there.get(number, ())) for number in numbers}


def _member_id(record: Record) -> str:
    return f"{record['courseid']}:{record['groupid']}:{record['userid']}"


def send_members(moodle: Moodle, action: Action, orders: Sequence[Order]) -> Outcomes:
    """Put people into groups, and take them out; who is moved to another group leaves the one before."""
    if action is Action.UPDATE:
        stayed = _not_left(lambda moved: send_members(moodle, Action.WITHDRAW, moved), orders, "groupid", "userid")
        yield from stayed.values()
        orders = [order for order in orders if order.key not in stayed]
    rows = [{"groupid": order.record["groupid"], "userid": order.record["userid"]} for order in orders]
    send = client.remove_group_members if action is Action.WITHDRAW else client.add_group_members
    yield from _told(orders, send(once(moodle), rows), lambda order, _: _member_id(order.record))


def read_members(moodle: Moodle, ids: Sequence[str]) -> ReadBack:
    """Who is in the groups."""
    parts = {one: tuple(map(int, one.split(":"))) for one in ids}
    there = _members(moodle, (group for _, group, _ in parts.values()))
    for one, (course, group, user) in parts.items():
        yield one, {"courseid": course, "groupid": group, "userid": user} if user in there[group] else None
