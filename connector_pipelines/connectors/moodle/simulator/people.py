"""Users: created all or none, updated one by one."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector_pipelines.connectors.moodle.simulator import refusals
from connector_pipelines.connectors.moodle.simulator.params import checked
from connector_pipelines.connectors.moodle.simulator.site import person

if TYPE_CHECKING:
    from connector_pipelines.connectors.moodle.simulator.site import Row, Site

ADMIN = 2
LONGEST = {"firstname": 100, "lastname": 100, "email": 100, "idnumber": 255, "department": 255}
"""Of the columns; longer values fail in the database."""

_OPTIONAL = {
    "createpassword": "bool",
    "password": "raw",
    "auth": "raw",
    "idnumber": "raw",
    "lang": "lang",
    "department": "text",
    "institution": "text",
    "timezone": "raw",
    "description": "raw",
    "city": "notags",
    "country": "raw",
    "customfields": [{"type!": "raw", "value!": "raw"}],
}
_NAMES = {"firstname": "notags", "lastname": "notags"}
CREATE = {
    "users!": [{"username!": "username"} | {f"{n}!": k for n, k in _NAMES.items()} | {"email!": "email"} | _OPTIONAL]
}
_UPDATED = {"id!": "int", "username": "username", "email": "email", "suspended": "bool"}
UPDATE = {"users!": [_UPDATED | _NAMES | _OPTIONAL]}
DELETE = {"userids!": ["int"]}
BY_FIELD = {"field!": "raw", "values!": ["raw"]}
FIND = {"criteria!": [{"key!": "raw", "value!": "raw"}]}

_PASSWORD = (
    ("Passwords must be at least 8 characters long.", r".{8,}"),
    ("Passwords must have at least 1 digit(s).", r".*\d.*"),
    ("Passwords must have at least 1 upper case letter(s).", r".*[A-Z].*"),
    ("The password must have at least 1 special character(s) such as *, -, or #.", r".*[^A-Za-z0-9].*"),
)
_KEYS = ("id", "lastname", "firstname", "idnumber", "username", "email", "auth")


def create(site: Site, given: Row) -> list[Row]:
    """core_user_create_users."""
    if not given["users"]:
        raise refusals.parameter("Missing required key in single structure: users")
    live = [user for user in site["users"].values() if not user["deleted"]]
    taken = _Taken({user["username"] for user in site["users"].values()}, {user["email"].lower() for user in live})
    return [_created(site, one, taken) for one in given["users"]]


@dataclass(frozen=True, slots=True)
class _Taken:
    """What nobody else may have; looked up once for a call, since a site may have many users."""

    usernames: set[str]
    emails: set[str]


def _created(site: Site, one: Row, taken: _Taken) -> Row:
    for name in ("firstname", "lastname"):
        if not one[name].strip():
            raise refusals.parameter(f"The field {name} cannot be blank")
    if one["username"] in taken.usernames:
        raise refusals.parameter(f"Username already exists: {one['username']}")
    if one["email"].lower() in taken.emails:
        raise refusals.parameter(f"Email address already exists: {one['email']}")
    if not one.get("createpassword"):
        _check_password(one.get("password"))
    _fit(one)
    kept = {name: value for name, value in one.items() if name not in {"password", "createpassword"}}
    names = ("username", "firstname", "lastname", "email")
    # names are trimmed on the way to the database; the number is not
    plain = [kept.pop(name).strip() for name in names]
    taken.usernames.add(one["username"])
    taken.emails.add(one["email"].lower())
    dropped = {"customfields": _known(site, one), "department": ""}  # taken without complaint, not there to be read
    made = site.add("users", **person(*plain, **kept | dropped))
    return {"id": made["id"], "username": made["username"]}


def _known(site: Site, one: Row) -> Row:
    """The profile fields that the site has; the others are ignored."""
    given = {field["type"]: field["value"] for field in one.get("customfields", ())}
    return {name: value for name, value in given.items() if name in site.profile_fields}


def _check_password(password: str | None) -> None:
    if password is None:
        raise refusals.parameter("Invalid password: you must provide a password, or set createpassword.")
    wrong = "".join(f"<div>{said}</div>" for said, form in _PASSWORD if not re.fullmatch(form, password))
    if wrong:
        raise refusals.moodle(wrong)


def _fit(one: Row) -> None:
    if any(len(one.get(name) or "") > most for name, most in LONGEST.items()):
        raise refusals.not_written()


def _has_email(site: Site, email: str, *, but: int) -> bool:
    return any(
        u["email"].lower() == email.lower() and u["id"] != but and not u["deleted"] for u in site["users"].values()
    )


def update(site: Site, given: Row) -> Row:
    """core_user_update_users: what it cannot do is told, the rest is done."""
    warnings = []
    for one in given["users"]:
        said = _updated(site, one)
        if said:
            warnings.append(refusals.warning("user", one["id"], *said))
    return {"warnings": warnings}


def _updated(site: Site, one: Row) -> tuple[str, str] | None:
    known = site["users"].get(one["id"])
    if known is None:
        return "invaliduserid", "Invalid user ID"
    if known["deleted"]:
        return "usernotupdateddeleted", "error/usernotupdateddeleted"
    if one["id"] == ADMIN:
        return "usernotupdatedadmin", "Cannot update admin accounts"
    if "email" in one and _has_email(site, one["email"], but=one["id"]):
        return "useremailduplicate", "Duplicate address"
    _fit(one)
    left_out = {"id", "password", "createpassword"}
    own = {"customfields": known["customfields"] | _known(site, one)}
    site.put("users", one["id"], **{name: value for name, value in one.items() if name not in left_out} | own)
    return None


def delete(site: Site, given: Row) -> None:
    """core_user_delete_users: names and address are scrambled, the number is gone, the row stays."""
    for number in given["userids"]:
        known = site["users"].get(number)
        if known is None or known["deleted"]:
            raise refusals.no_user()
        site.put(
            "users",
            number,
            username=f"{known['email']}.{site.clock()}",
            email=hashlib.md5(known["username"].encode(), usedforsecurity=False).hexdigest(),
            idnumber="",
            deleted=True,
        )
        for course in list(site["enrolments"]):
            site.enrol(course, number, None)


def by_field(site: Site, given: Row) -> list[Row]:
    """core_user_get_users_by_field: as the values are spelled; a user name with capitals is an error."""
    name, values = given["field"], given["values"]
    if name not in {"id", "idnumber", "username", "email"}:
        raise refusals.RefusedError(
            "core\\exception\\coding_exception",
            "codingerror",
            "Coding error detected, it must be fixed by a programmer: invalid field parameter",
        )
    if name in {"username", "email"}:  # what would not be taken is not even looked for
        checked([name], dict(enumerate(map(str, values))))
    wanted = set(map(str, values))
    found = [u for u in site["users"].values() if str(u[name]) in wanted and (name == "id" or not u["deleted"])]
    return [shown(site, user) for user in found]


def find(site: Site, given: Row) -> Row:
    """core_user_get_users: criteria are ANDed, `%` is a wildcard in texts, an unknown key finds everybody."""
    wanted: dict[str, str] = {}
    warnings: list[dict[str, Any]] = []
    for one in given["criteria"]:
        if one["key"] in wanted:
            raise refusals.moodle("keyalreadyset")
        wanted[one["key"]] = one["value"]
        if one["key"] not in _KEYS:
            said = f"The search key '{one['key']}' is not supported, look at the web service documentation"
            warnings.append({"item": one["key"], "warningcode": "invalidfieldparameter", "message": said})
    users = [u for u in site["users"].values() if not u["deleted"] and _meets(u, wanted)]
    return {"users": [shown(site, user) for user in users], "warnings": warnings}


def _meets(user: Row, wanted: dict[str, str]) -> bool:
    for key, value in wanted.items():
        if key not in _KEYS:
            continue
        held = str(user[key])
        if key in {"lastname", "firstname", "email"}:
            form = ".*".join(map(re.escape, value.split("%")))
            if not re.fullmatch(form, held, re.IGNORECASE):
                return False
        elif held != value:
            return False
    return True


def full_name(user: Row) -> str:
    """First and last name."""
    return f"{user['firstname']} {user['lastname']}"


def shown(site: Site, user: Row) -> Row:
    """A user as it is listed; an empty number is left out."""
    pictures = f"{SITE}/theme/image.php/boost/core/{site.clock()}/u/"
    numbered = {"idnumber": user["idnumber"]} if user["idnumber"] else {}
    own = [{"type": "text", "value": v, "name": n, "shortname": n} for n, v in user["customfields"].items()]
    return {
        "id": user["id"],
        "username": user["username"],
        "firstname": user["firstname"],
        "lastname": user["lastname"],
        "fullname": full_name(user),
        "email": user["email"],
        "department": user["department"],
        **numbered,
        "firstaccess": user["firstaccess"],
        "lastaccess": user["lastaccess"],
        "auth": user["auth"],
        "suspended": bool(user["suspended"]),
        "confirmed": True,
        "lang": user["lang"],
        "theme": "",
        "timezone": user["timezone"],
        "mailformat": 1,
        "trackforums": 0,
        "profileimageurlsmall": f"{pictures}f2",
        "profileimageurl": f"{pictures}f1",
        **({"customfields": own} if own else {}),
    }


SITE = "http://127.0.0.1:8085"
"""As the recorded site called itself; pictures alone show it."""
