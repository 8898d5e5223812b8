"""Google's own client on the Classroom simulator, and Google's own description of each answer.

Runs in the virtual environment of `clients.py`, told by JSON on standard input how to sign in; prints how many records
each way read, as JSON. Every answer is held against the discovery document that the client comes with: a field that is
not in it, or of another type, ends this with an error.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from google.oauth2 import credentials, service_account
from googleapiclient.discovery import build
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.errors import HttpError
from jsonschema import Draft202012Validator

TOLD = json.load(sys.stdin)
SCHEMAS: dict[str, Any] = json.loads(get_static_doc("classroom", "v1"))["schemas"]


def strict(schema: Any) -> Any:
    """A schema of the discovery document as JSON Schema: references by path, and no field that is not named."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    known = {name: strict(held) for name, held in schema.items() if name not in {"description", "format", "id"}}
    if isinstance(schema.get("$ref"), str):
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    return known | ({"additionalProperties": False} if isinstance(schema.get("properties"), dict) else {})


def properties(schema: Any) -> Any:
    """The same for a schema whose fields may be called `id` or `description`, which are no words of its own then."""
    fields = {name: strict(held) for name, held in schema.get("properties", {}).items()}
    return strict(schema) | {"properties": fields}


DEFINED = {name: properties(schema) for name, schema in SCHEMAS.items()}


def valid(name: str, answer: Any) -> Any:
    """The answer, if it is what Google says it is."""
    Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": DEFINED}).validate(answer)
    return answer


def pages(resource: Any, schema: str, **asked: Any) -> list[Any]:
    """All pages of a list, as the client follows them."""
    found, request = [], resource.list(**asked)
    while request is not None:
        answer = valid(schema, request.execute(num_retries=2))
        found.append(answer)
        request = resource.list_next(request, answer)
    return found


def by_hand(resource: Any, schema: str, **asked: Any) -> list[Any]:
    """The same for a list that is asked for with a parameter that repeats: `list_next` refuses those."""
    found = [valid(schema, resource.list(**asked).execute(num_retries=2))]
    while token := found[-1].get("nextPageToken"):
        found.append(valid(schema, resource.list(pageToken=token, **asked).execute(num_retries=2)))
    return found


def records(found: list[Any], name: str) -> list[Any]:
    """The records of pages; an empty page has no list."""
    return [one for page in found for one in page.get(name, [])]


def read(how: Any) -> dict[str, int]:
    """What the client reads, signed in one way."""
    service = build("classroom", "v1", credentials=how, client_options={"api_endpoint": TOLD["url"]})
    listed = records(
        by_hand(service.courses(), "ListCoursesResponse", pageSize=5, courseStates=TOLD["states"]), "courses"
    )
    counts = {"courses": len(listed)}
    for roster, schema in (("students", "ListStudentsResponse"), ("teachers", "ListTeachersResponse")):
        resource = getattr(service.courses(), roster)()
        whole = [records(pages(resource, schema, courseId=one["id"], pageSize=7), roster) for one in listed]
        partly = [
            records(pages(resource, schema, courseId=one["id"], fields=f"nextPageToken,{roster}(userId)"), roster)
            for one in listed
        ]
        counts |= {roster: sum(map(len, whole)), f"{roster}, partly": sum(map(len, partly))}
    work, handed = service.courses().courseWork(), service.courses().courseWork().studentSubmissions()
    found = [
        records(pages(work, "ListCourseWorkResponse", courseId=one["id"], pageSize=1), "courseWork") for one in listed
    ]
    given = [
        pages(handed, "ListStudentSubmissionsResponse", courseId=one["id"], courseWorkId="-", pageSize=9)
        for one in listed
    ]
    places = [{"courseId": one["courseId"], "courseWorkId": one["id"]} for of_it in found for one in of_it]
    guides = [pages(work.rubrics(), "ListRubricsResponse", pageSize=5, **place) for place in places]
    counts |= {
        "courseWork, published": sum(map(len, found)),
        "rubrics": sum(len(records(one, "rubrics")) for one in guides),
        "studentSubmissions": sum(len(records(one, "studentSubmissions")) for one in given),
    }
    person = records(pages(service.courses().teachers(), "ListTeachersResponse", courseId=listed[0]["id"]), "teachers")
    valid("UserProfile", service.userProfiles().get(userId=person[0]["userId"]).execute())
    valid("Course", service.courses().get(id=listed[0]["id"]).execute())
    return counts | {"refusals": refusals(service, listed[0]["id"])}


def refusals(service: Any, course: str) -> int:
    """How many requests are refused, of those that must be, with the words the client looks for."""
    wrong = {
        "NOT_FOUND": service.courses().get(id="d:nobody"),
        "INVALID_ARGUMENT": service.courses().students().list(courseId=course, pageToken="nonsense"),
    }
    found = 0
    for status, request in wrong.items():
        try:
            request.execute()
        except HttpError as error:
            found += json.loads(error.content)["error"]["status"] == status and bool(error.reason)
    return found


def main() -> None:
    """Sign in both ways."""
    info = {"type": "service_account", "token_uri": TOLD["token_url"]} | TOLD["account"]
    account = service_account.Credentials.from_service_account_info(
        info, scopes=TOLD["scopes"], subject=TOLD["subject"]
    )
    person = credentials.Credentials(None, token_uri=TOLD["token_url"], **TOLD["person"])
    ways = {"service account": account, "refresh token": person}
    print(json.dumps({f"{way}, {what}": n for way, how in ways.items() for what, n in read(how).items()}))


if __name__ == "__main__":
    main()
