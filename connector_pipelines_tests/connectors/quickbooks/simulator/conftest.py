"""A simulated company, a client of its own kind that asks it, and Intuit's schemas to hold the answers against."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from lxml import etree

from connector_pipelines.connectors.quickbooks.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[4]
SCHEMAS = Path(os.environ.get("QUICKBOOKS_XSD_DIR") or ROOT.parent / "shared" / "contracts" / "quickbooks")
TIMEOUT = 20


@dataclass
class Api:
    """A client of a simulator: simple on purpose, and not ours, so that it proves something."""

    simulator: Simulator
    session: requests.Session
    accept: str = "application/json"
    token: str = ""
    told: dict[str, Any] = field(default_factory=dict)

    def sign_in(self, refresh_token: str = "") -> requests.Response:
        """Get an access token and use it from now on."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token or self.simulator.refresh_token}
        pair = self.simulator.client_id, self.simulator.client_secret
        response = self.session.post(self.simulator.token_url, data=form, auth=pair, timeout=TIMEOUT)
        self.told = response.json()
        self.token = self.told.get("access_token", "")
        return response

    def get(self, endpoint: str, **params: str) -> requests.Response:
        """GET an endpoint of the company."""
        url = f"{self.simulator.url}/v3/company/{self.simulator.realm_id}/{endpoint}"
        headers = {"Accept": self.accept, "Authorization": f"Bearer {self.token}"}
        return self.session.get(url, params={"minorversion": "75"} | params, headers=headers, timeout=TIMEOUT)

    def post(self, endpoint: str, body: Any) -> requests.Response:
        """POST to an endpoint of the company."""
        url = f"{self.simulator.url}/v3/company/{self.simulator.realm_id}/{endpoint}"
        headers = {"Accept": self.accept, "Authorization": f"Bearer {self.token}"}
        return self.session.post(url, json=body, headers=headers, timeout=TIMEOUT)

    def query(self, statement: str) -> dict[str, Any]:
        """The QueryResponse of a statement."""
        response = self.get("query", query=statement)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()["QueryResponse"]
        return found


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A small company that behaves."""
    with Simulator(scenario="small", seed=7) as running:
        yield running


@pytest.fixture
def api_of() -> Iterator[Callable[[Simulator], Api]]:
    """Makes signed-in clients and closes their connections."""
    with requests.Session() as session:
        session.trust_env = False

        def make(simulator: Simulator) -> Api:
            api = Api(simulator, session)
            assert api.sign_in().status_code == 200
            return api

        yield make


@pytest.fixture
def api(simulator: Simulator, api_of: Callable[[Simulator], Api]) -> Api:
    """A signed-in client of the small company."""
    return api_of(simulator)


@pytest.fixture(scope="session")
def schema() -> etree.XMLSchema:
    """Intuit's schemas; without the files, what needs them is skipped."""
    main = SCHEMAS / "IntuitRestServiceDef.xsd"
    if not main.exists():
        pytest.skip(f"no QuickBooks XML schemas in {SCHEMAS}; set QUICKBOOKS_XSD_DIR")
    return etree.XMLSchema(etree.parse(str(main)))
