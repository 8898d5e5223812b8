"""Each fault does what its name says, when and where it was asked to, and nothing else."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from connector_pipelines.connectors.oneroster.simulator import FAULTS, Simulator
from connector_pipelines.connectors.oneroster.simulator.faults import KNOWN
from connector_pipelines.simulating.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

LATER = "2025-08-01T00:00:00.000Z"


@pytest.fixture
def faulty(simulator: Simulator, api: Any) -> Callable[..., Any]:
    """Switches faults on and hands out the client."""

    def switch(*faults: str) -> Any:
        simulator.set_faults(faults)
        return api

    return switch


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("no-total", Fault("no-total")),
        ("clamp=50", Fault("clamp", "50")),
        ("clamp", Fault("clamp", "500")),
        ("429", Fault("429", "1")),
        ("500@2", Fault("500", at=2)),
        ("429=7@3:users,classes", Fault("429", "7", 3, frozenset({"users", "classes"}))),
        ("shift", Fault("shift", "remove", 2)),
        ("missing-field=familyName:users", Fault("missing-field", "familyName", None, frozenset({"users"}))),
    ],
)
def test_faults_are_read(text: str, fault: Fault) -> None:
    """Name, value, occurrence and collections stand where the grammar has them."""
    assert KNOWN.parse(text) == fault


@pytest.mark.parametrize("text", ["", "nothing", "clamp=many", "clamp=0", "500@", "delay=1.5", "error-spelling=loud"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    """A misspelled fault is an error, not a simulator that behaves."""
    with pytest.raises(ValueError, match="fault"):
        KNOWN.parse(text)


def test_a_refused_fault_changes_nothing(simulator: Simulator) -> None:
    """When one of several faults is misspelled, those that were on stay on."""
    simulator.set_faults(["no-total"])
    with pytest.raises(ValueError, match="unknown fault"):
        simulator.set_faults(["clamp", "clmap"])
    assert [fault.name for fault in simulator.service.switchboard.faults] == ["no-total"]


def test_every_fault_is_explained() -> None:
    """Each fault has its line for the README, and every default is a value the fault accepts."""
    for name, kind in FAULTS.items():
        assert len(kind.does) > 10
        assert KNOWN.parse(name).name == name


def test_clamp_cuts_pages_silently(faulty: Callable[..., Any]) -> None:
    """A page has fewer rows than asked for, and the status does not tell."""
    api = faulty("clamp=13", "no-total", "no-link")
    response = api.get("users", limit=100)
    assert (response.status_code, len(response.json()["users"])) == (200, 13)
    assert not {"X-Total-Count", "Link"} & set(response.headers)


def test_a_total_can_be_an_estimate(faulty: Callable[..., Any]) -> None:
    """X-Total-Count is wrong by the share asked for."""
    assert faulty("total-estimate=-30").get("users").headers["X-Total-Count"] == "140"


def test_links_can_lead_to_another_host(faulty: Callable[..., Any]) -> None:
    """Link names a host the client never asked."""
    links = faulty("link-other-host=inner.example:8080").get("users").links
    assert urlsplit(links["next"]["url"]).netloc == "inner.example:8080"


def test_a_page_can_repeat_forever(faulty: Callable[..., Any]) -> None:
    """Every offset is answered with the first page."""
    api = faulty("repeat-page")
    assert api.rows("users", limit=10, offset=90) == api.rows("users", limit=10)


def test_an_empty_list_instead_of_data(faulty: Callable[..., Any]) -> None:
    """A page that has records is sent without them, and the total knows better."""
    response = faulty("empty-list@1").get("users")
    assert (response.json(), response.headers["X-Total-Count"]) == ({"users": []}, "200")


@pytest.mark.parametrize(("how", "total"), [("remove", 199), ("insert", 201)])
def test_rows_shift_between_pages(simulator: Simulator, faulty: Callable[..., Any], how: str, total: int) -> None:
    """A reader by offset skips or repeats a record, as when the source changes under it."""
    before = [user["sourcedId"] for user in simulator.expected("users")]
    api = faulty(f"shift={how}@2")
    seen = [user["sourcedId"] for user in api.everything("users", 50)]
    assert len(list(simulator.expected("users"))) == total
    assert set(before) - set(seen) == ({before[50]} if how == "remove" else set())
    assert len(seen) - len(set(seen)) == (1 if how == "insert" else 0)


def test_a_filter_can_be_ignored(faulty: Callable[..., Any]) -> None:
    """All records come, whatever was asked."""
    assert faulty("ignore-filter").get("users", filter="status='none'").headers["X-Total-Count"] == "200"


def test_a_sort_can_be_ignored(faulty: Callable[..., Any]) -> None:
    """Records come in default order, whatever was asked."""
    api = faulty("ignore-sort")
    assert api.rows("users", sort="familyName", orderBy="desc") == api.rows("users")


def test_the_boundary_can_be_excluded(simulator: Simulator, faulty: Callable[..., Any]) -> None:
    """`>=` is treated as `>`: the records of the boundary's millisecond are missing."""
    newest = max(user["dateLastModified"] for user in simulator.expected("users"))
    text = f"dateLastModified>='{newest}'"
    assert faulty().rows("users", filter=text) != []
    assert faulty("strict-greater").rows("users", filter=text) == []


def test_nested_filters_can_be_refused(faulty: Callable[..., Any]) -> None:
    """Dotted paths are widely unsupported: they are answered with 400."""
    assert faulty("no-dot-filter").get("users", filter="roles.role='teacher'").status_code == 400


def test_deleted_records_can_be_hidden(simulator: Simulator, faulty: Callable[..., Any]) -> None:
    """A server without retention never shows a record that is tobedeleted."""
    simulator.evolve(50)
    shown = faulty("hide-deleted").rows("users", limit=1000)
    assert shown == [user for user in simulator.expected("users") if user["status"] == "active"]


def test_header_names_in_lower_case(simulator: Simulator, faulty: Callable[..., Any]) -> None:
    """Names of header fields are in title case, and in lower case when asked for."""
    assert {"X-Total-Count", "Link", "Content-Type"} <= set(faulty().get("users").raw.headers)
    assert all(name.islower() for name in faulty("lower-case-headers").get("users").headers)
    assert simulator.requests[-1].faults == ("lower-case-headers",)


def test_collections_can_redirect_to_a_trailing_slash(faulty: Callable[..., Any]) -> None:
    """A collection without the slash is answered with 301 to the one with it, which is served."""
    response = faulty("trailing-slash-redirect").get("users", limit=3)
    assert (response.status_code, response.headers["Location"].endswith("/users/?limit=3")) == (301, True)
    assert faulty("trailing-slash-redirect").get("users/", limit=3).status_code == 200


def test_warnings_can_stand_in_the_body(faulty: Callable[..., Any]) -> None:
    """Some servers report unknown sort fields beside the records instead of in a header."""
    response = faulty("warnings-in-body").get("users", sort="nope")
    assert response.json()["statusInfoSet"][0]["imsx_severity"] == "warning"
    assert "Warning" not in response.headers


def test_too_many_requests_as_html(faulty: Callable[..., Any]) -> None:
    """429 comes as text with Retry-After, at every third request, or at the one named."""
    response = faulty("429=7@1").get("users")
    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")
    assert response.headers["Content-Type"].startswith("text/html")
    api = faulty("429-every=3")
    assert [api.get("orgs").status_code for _ in range(6)] == [200, 200, 429, 200, 200, 429]


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("500@2", [200, 500, 200, 200]),
        ("500", [500, 500, 500, 500]),
        ("503=2", [503, 503, 200, 200]),
        ("auth-down", [401, 401, 401, 401]),
        ("forbidden", [403, 403, 403, 403]),
        ("500@1:classes", [200, 200, 200, 200]),
        ("500@1:users", [500, 200, 200, 200]),
    ],
)
def test_errors_come_when_asked_for(faulty: Callable[..., Any], fault: str, statuses: list[int]) -> None:
    """A fault strikes at the request it names, of the collections it names, or always."""
    api = faulty(fault)
    assert [api.get("users").status_code for _ in statuses] == statuses


def test_a_collection_is_known_by_its_view(faulty: Callable[..., Any]) -> None:
    """A fault for users strikes /students, too: the same records under another name; one for students not /users."""
    assert faulty("500:users").get("students").status_code == 500
    assert faulty("500:students").get("users").status_code == 200


def test_the_token_endpoint_is_struck_by_name_alone(faulty: Callable[..., Any]) -> None:
    """Faults leave the token endpoint alone, so that `@1` is the first page; `:token` is how they reach it."""
    assert faulty("500").sign_in().status_code == 200
    api = faulty("500@1", "503=1:token")
    assert [api.sign_in().status_code, api.sign_in().status_code, api.get("users").status_code] == [503, 200, 500]


def test_the_same_faults_give_the_same_trace(api_of: Callable[[Simulator], Any]) -> None:
    """Same seed, same faults, same requests: the same statuses and bytes, token answers included (F39)."""
    traces = []
    for _ in range(2):
        with Simulator(seed=3, faults=["500@3", "nul-byte", "clamp=7", "duplicate-ids@2", "429-every=5"]) as simulator:
            api = api_of(simulator)
            answers = [api.sign_in(), *(api.get("users", offset=7 * page) for page in range(8))]
            traces.append([(answer.status_code, answer.content) for answer in answers])
    assert traces[0] == traces[1]
    assert [status for status, _ in traces[0]] == [200, 200, 200, 500, 200, 429, 200, 200, 200]


def test_the_identity_service_can_be_down(faulty: Callable[..., Any]) -> None:
    """With auth-down the token endpoint refuses, with forbidden it does not."""
    assert faulty("auth-down").sign_in().status_code == 401
    assert faulty("forbidden").sign_in().status_code == 200


@pytest.mark.parametrize(
    ("spelling", "told"),
    [
        ("string", lambda body: body["imsx_codeMinor"] == "unknownobject"),
        ("lower", lambda body: "imsx_codeMinorField" in body["imsx_codeMinor"]),
        ("none", lambda body: "imsx_description" in body and len(body) == 3),
        ("errors", lambda body: body["errors"][0]["codeMinor"] == "unknownobject"),
        ("statusinfoset", lambda body: body["statusInfoSet"][0]["imsx_codeMajor"] == "failure"),
    ],
)
def test_errors_are_spelled_as_in_the_field(
    faulty: Callable[..., Any], spelling: str, told: Callable[[Any], bool]
) -> None:
    """The same refusal in each spelling that servers have been seen to use (contract 1.1)."""
    response = faulty(f"error-spelling={spelling}").get("users/nobody")
    assert response.status_code == 404
    assert told(response.json())


def test_broken_connections_are_broken(faulty: Callable[..., Any]) -> None:
    """With reset the connection ends before the body does."""
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        faulty("reset").get("users")


def test_a_truncated_body_is_no_json(faulty: Callable[..., Any]) -> None:
    """Half the JSON comes with a length that says it is all."""
    response = faulty("truncated").get("users")
    assert response.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(response.content)


def test_a_login_page_with_status_200(faulty: Callable[..., Any]) -> None:
    """HTML comes where JSON was asked for, and the status says that all is well."""
    response = faulty("html-200").get("users")
    assert (response.status_code, response.content[:15]) == (200, b"<!doctype html>")
    assert response.headers["Content-Type"].startswith("text/html")


def test_bytes_that_are_not_what_they_claim(faulty: Callable[..., Any]) -> None:
    """The body claims UTF-8 and cannot be decoded as such."""
    response = faulty("wrong-charset").get("users")
    assert "utf-8" in response.headers["Content-Type"]
    with pytest.raises(UnicodeDecodeError):
        response.content.decode()


def test_compressed_bodies(faulty: Callable[..., Any]) -> None:
    """The body is gzip and says so; unpacked it is the page."""
    plain = faulty().get("users").content
    response = faulty("gzip").session.get(f"{faulty('gzip').base('rostering')}/users", stream=True, timeout=20)
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.raw.read(decode_content=False)) == plain


@pytest.mark.parametrize("fault", ["delay=1", "slow-body=1"])
def test_slow_answers_are_complete(faulty: Callable[..., Any], fault: str) -> None:
    """What comes late or in pieces is nevertheless the whole page."""
    plain = faulty().get("users").content
    assert faulty(fault).get("users").content == plain


def test_a_stalled_answer_never_comes(simulator: Simulator, faulty: Callable[..., Any]) -> None:
    """A client that waits gives up; the request is on record without a status, and the simulator still ends."""
    api = faulty("stall")
    with pytest.raises(requests.exceptions.ReadTimeout):
        api.session.get(f"{simulator.rostering_url}/users", timeout=0.05)
    assert simulator.requests[-1].status == 0


@pytest.mark.parametrize(
    ("fault", "body"), [("missing-envelope", {}), ("null-envelope", {"users": None}), ("empty-list", {"users": []})]
)
def test_envelopes_can_be_wrong(faulty: Callable[..., Any], fault: str, body: object) -> None:
    """The collection's key is missing or null, which is not the same as nothing being there."""
    assert faulty(fault).get("users").json() == body


def test_booleans_of_the_other_version(faulty: Callable[..., Any]) -> None:
    """1.2 with real booleans, 1.1 with strings: both are sent by real servers."""
    assert {type(user["enabledUser"]) for user in faulty("bool-real").rows("users")} == {bool}
    old = faulty("bool-strings").rows("users", service="v1p1")
    assert {user["enabledUser"] for user in old} == {"true", "false"}


def differing(faulty: Callable[..., Any], fault: str) -> tuple[list[Any], list[Any]]:
    """The rows of a page that a fault changed, before and after."""
    plain, spoilt = faulty().rows("users"), faulty(fault).rows("users")
    changed = [(a, b) for a, b in zip(plain, spoilt, strict=True) if a != b]
    return [a for a, _ in changed], [b for _, b in changed]


@pytest.mark.parametrize(
    ("fault", "spoilt"),
    [
        ("big-string", lambda row: len(row["familyName"]) > 1_000_000),
        ("nul-byte", lambda row: row["familyName"].endswith("\x00")),
        ("year-0001", lambda row: row["dateLastModified"].startswith("0001-")),
        ("missing-field=familyName", lambda row: "familyName" not in row),
        ("wrong-type=familyName", lambda row: row["familyName"] == [42]),
        ("wrong-type=roles", lambda row: row["roles"] == 42),
    ],
)
def test_one_row_of_a_page_is_spoilt(faulty: Callable[..., Any], fault: str, spoilt: Callable[[Any], bool]) -> None:
    """Exactly one row differs, in the way the fault says, and the next read spoils the same row."""
    _, after = differing(faulty, fault)
    assert [spoilt(row) for row in after] == [True]
    assert differing(faulty, fault)[1] == after


def test_every_row_can_have_unknown_fields(faulty: Callable[..., Any]) -> None:
    """Rows bring fields of their vendor, one of them almost named like a known one."""
    assert all({"vendorExtension", "SourcedID"} <= set(row) for row in faulty("unknown-fields").rows("users"))


def test_a_row_can_come_twice(faulty: Callable[..., Any]) -> None:
    """One record of a page stands there twice."""
    ids = [user["sourcedId"] for user in faulty("duplicate-ids").rows("users", limit=50)]
    assert (len(ids), len(set(ids))) == (51, 50)


def test_raw_rows_are_served_as_they_are(simulator: Simulator, api: Any) -> None:
    """Bytes and records that no schema would pass are served at the end, and are no truth."""
    simulator.append_raw("users", b'{"sourcedId": 7, "status": NaN}')
    simulator.append_raw("users", {"sourcedId": "usr-0000000"})
    body = api.get("users", offset=199).content
    assert body.endswith(b'{"sourcedId": 7, "status": NaN},{"sourcedId":"usr-0000000"}]}')
    assert len(list(simulator.expected("users"))) == 200
