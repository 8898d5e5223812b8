"""Eight processes that read one company at once share its limits and its tokens, and meet in the database alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

from connector_pipelines.connectors.quickbooks.simulator import Simulator
from connector_pipelines.external import vault

CHILD = """
import json, sys
from connector_pipelines.connectors.quickbooks import CONNECTOR
from connector_pipelines.external.surroundings import opened, share
from connector_pipelines.model import Source, Window
database, attributes = json.loads(sys.argv[1])
source = Source("books", CONNECTOR, CONNECTOR.config.model_validate(attributes))
sys.stdin.readline()
with share(database), opened(source) as client:
    print(len({bytes(row) for page in source.stream("vendors").read(client, Window()).pages for row in page.rows}))
"""


def test_eight_processes_cause_no_429_and_one_refresh(database: str) -> None:
    """Where a company allows ten requests at a time and each refresh token is good once, nobody is ever refused."""
    with Simulator(faults=["concurrent=10", "throttle=500", "delay=1200:query", "rotate"]) as simulator:
        auth = {
            "client_id": "env:QB_ID",
            "client_secret": "env:QB_SECRET",
            "refresh_token": "env:QB_TOKEN",
            "token_url": simulator.token_url,
        }
        attributes = {"realm_id": simulator.realm_id, "base_url": simulator.url, "auth": auth, "page_size": 20}
        secrets = {
            "QB_ID": simulator.client_id,
            "QB_SECRET": simulator.client_secret,
            "QB_TOKEN": simulator.refresh_token,
            "CONNECTOR_PIPELINES_SECRET_KEYS": vault.new_key(),
        }
        read = _at_once(8, json.dumps([database, attributes]), secrets)
        vendors = len(list(simulator.expected("Vendor")))
        answered = Counter((request.endpoint, request.status) for request in simulator.requests)
    assert read == [vendors] * 8
    assert {status for _, status in answered} == {200}
    assert answered["token", 200] == 1
    assert answered["query", 200] > 8 * 2


def _at_once(number: int, told: str, secrets: dict[str, str]) -> list[Any]:
    """What so many processes print that begin together."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", CHILD, told]
    children = [subprocess.Popen(command, env=os.environ | secrets, **pipes) for _ in range(number)]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return [json.loads(child.communicate()[0]) for child in children]
