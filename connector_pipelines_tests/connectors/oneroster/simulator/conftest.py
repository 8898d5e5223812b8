"""Simulators to ask, a client that asks them, and the official schemas to hold the answers against."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from jsonschema import Draft202012Validator, FormatChecker

from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.connectors.oneroster.simulator.instants import parse_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[4]
OPENAPI = Path(os.environ.get("ONEROSTER_OPENAPI_DIR") or ROOT.parent / "shared" / "contracts" / "oneroster")
DOCUMENTS = {
    "rostering": "1edtech_onerosterv1p2rostersservice_openapi3_v1p0.json",
    "gradebook": "1edtech_onerosterv1p2gradebookservice_openapi3_v1p0.json",
    "resources": "1edtech_onerosterv1p2resourcesservice_openapi3_v1p0.json",
    "v1p1": "1edtech_oneroster_1p1_openapi_strongmind.json",
}
TIMEOUT = 20

formats = FormatChecker()


@formats.checks("date-time")
def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or (value.endswith("Z") and parse_ms(value) is not None)


@formats.checks("uri")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or value.startswith(("http://", "https://"))


def as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 writes null as `nullable`; JSON Schema has a type for it."""
    if isinstance(node, list):
        return [as_json_schema(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    plain = {name: as_json_schema(value) for name, value in node.items() if name not in {"nullable", "example"}}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


@dataclass(frozen=True)
class Schemas:
    """The official OpenAPI files."""

    folder: Path
    validators: dict[tuple[str, str], Draft202012Validator] = field(default_factory=dict)

    @staticmethod
    @cache
    def document(service: str) -> dict[str, Any]:
        """One OpenAPI file, its schemas in the words of JSON Schema."""
        text = (OPENAPI / DOCUMENTS[service]).read_text("utf-8")
        document: dict[str, Any] = json.loads(text)
        return document | {"components": as_json_schema(document["components"])}

    def check(self, service: str, schema: str, answer: object) -> None:
        """Fail with the first deviation of an answer from a schema."""
        key = service, schema
        if key not in self.validators:
            root = {"$ref": f"#/components/schemas/{schema}", "components": self.document(service)["components"]}
            self.validators[key] = Draft202012Validator(root, format_checker=formats)
        error = next(iter(self.validators[key].iter_errors(answer)), None)
        assert error is None, f"{schema}: {error.json_path}: {error.message}"


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    """The official schemas; without the files, what needs them is skipped."""
    if not (OPENAPI / DOCUMENTS["rostering"]).exists():
        pytest.skip(f"no OneRoster OpenAPI files in {OPENAPI}; set ONEROSTER_OPENAPI_DIR")
    return Schemas(OPENAPI)


@dataclass
class Api:
    """A client of a simulator: simple on purpose, and not ours, so that it proves something."""

    simulator: Simulator
    session: requests.Session

    def sign_in(self, scope: str = "") -> requests.Response:
        """Get a token and use it from now on."""
        form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        credentials = self.simulator.client_id, self.simulator.client_secret
        response = self.session.post(self.simulator.token_url, data=form, auth=credentials, timeout=TIMEOUT)
        if response.ok:
            self.session.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
        return response

    def base(self, service: str) -> str:
        """The base address of a service."""
        return {
            "rostering": self.simulator.rostering_url,
            "gradebook": self.simulator.gradebook_url,
            "resources": self.simulator.resources_url,
            "v1p1": self.simulator.v1p1_url,
        }[service]

    def get(self, path: str, *, service: str = "rostering", **params: Any) -> requests.Response:
        """GET a path of a service; redirects are shown, not followed."""
        return self.session.get(f"{self.base(service)}/{path}", params=params, timeout=TIMEOUT, allow_redirects=False)

    def rows(self, path: str, *, service: str = "rostering", **params: Any) -> list[Any]:
        """The records of one page."""
        response = self.get(path, service=service, **params)
        assert response.status_code == 200, response.text
        rows: list[Any] = next(iter(response.json().values()))
        return rows

    def everything(self, path: str, limit: int, *, service: str = "rostering", **params: Any) -> list[Any]:
        """All records, page by page, until a page is empty."""
        found: list[Any] = []
        while page := self.rows(path, service=service, limit=limit, offset=len(found), **params):
            found += page
        return found

    def send(self, method: str, path: str, body: object, service: str = "gradebook") -> requests.Response:
        """Write to the gradebook."""
        return self.session.request(method, f"{self.base(service)}/{path}", json=body, timeout=TIMEOUT)


@pytest.fixture
def api_of() -> Iterator[Callable[[Simulator], Api]]:
    """Makes signed-in clients and closes their connections."""
    sessions: list[requests.Session] = []

    def make(simulator: Simulator, *, sign_in: bool = True) -> Api:
        session = requests.Session()
        session.trust_env = False
        sessions.append(session)
        client = Api(simulator, session)
        if sign_in:
            assert client.sign_in().status_code == 200
        return client

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A small school district that behaves."""
    with Simulator(scenario="small", seed=7) as running:
        yield running


@pytest.fixture
def api(simulator: Simulator, api_of: Callable[[Simulator], Api]) -> Api:
    """A signed-in client of the small district."""
    return api_of(simulator)
