"""Do simulators speak what others expect? dlt's REST source and a Singer tap read the warehouse, Google's own client
the Classroom domain, unchanged.

`make clients`. Each runs in a virtual environment of its own, made from its lock file: neither
is one of our dependencies. Ends with an error where a client reads anything but what there is.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from typing import Any, get_args

from play import BENCH, environment

from connector_pipelines.connectors.google_classroom.config import COURSEWORK_SCOPE, SCOPES, CourseState
from connector_pipelines.connectors.google_classroom.simulator import Simulator as Domain
from connector_pipelines.declarative.simulator import Simulator

LOCALLY = os.environ | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
"""Google's client would ask a proxy for this very machine."""

TAP_STREAM = {
    "name": "suppliers",
    "path": "/api/suppliers",
    "records_path": "$.data[*]",
    "primary_keys": ["supplierId"],
}
TAP_PAGING = {
    "pagination_request_style": "jsonpath_paginator",
    "next_page_token_path": "$.meta.next_cursor",
    "pagination_next_page_param": "cursor",
}


def dlt_reads(simulator: Simulator) -> dict[str, int]:
    """What dlt reads in every way it knows."""
    told = (simulator.api_url, simulator.token_url, simulator.user, simulator.secret)
    command = [str(environment() / "python"), str(BENCH / "client_dlt.py"), *told]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def tap_reads(simulator: Simulator) -> dict[str, int]:
    """What the Singer tap reads with each credential that the simulator takes."""
    bearer = {"auth_method": "bearer_token", "bearer_token": simulator.secret}
    basic = {"auth_method": "basic", "username": simulator.user, "password": simulator.secret}
    key = {"auth_method": "api_key", "api_keys": {"X-API-Key": simulator.secret}}
    return {
        f"tap, {how['auth_method']}": _tap(
            simulator, how | TAP_PAGING | {"streams": [TAP_STREAM | {"params": {"limit": 15}}]}
        )
        for how in (bearer, basic, key)
    }


def _tap(simulator: Simulator, config: dict[str, Any]) -> int:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"api_url": simulator.url} | config, file)
        file.flush()
        tap = environment("venv-tap", BENCH / "clients.lock") / "tap-rest-api-msdk"
        command = [str(tap), "--config", file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return len({message["record"]["supplierId"] for message in messages if message["type"] == "RECORD"})


def google_reads(domain: Domain) -> dict[str, int]:
    """What Google's client reads, signed in as a service account and as a person."""
    told = {
        "url": domain.url,
        "token_url": domain.token_url,
        "subject": domain.subject,
        "scopes": (*SCOPES, COURSEWORK_SCOPE),
        "states": get_args(CourseState),
        "account": {"client_email": domain.client_email, "private_key": domain.private_key},
        "person": {
            "client_id": domain.client_id,
            "client_secret": domain.client_secret,
            "refresh_token": domain.refresh_token,
        },
    }
    python = environment("venv-classroom", BENCH / "classroom.lock") / "python"
    command = [str(python), str(BENCH / "client_classroom.py")]
    done = subprocess.run(
        command, input=json.dumps(told), capture_output=True, text=True, check=True, timeout=300, env=LOCALLY
    )
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def classroom() -> bool:
    """Whether Google's client reads all of a domain, while it is told to slow down now and then."""
    with Domain(scenario="small", faults=["403-limit@3:students", "429@5:students"]) as domain:
        read = google_reads(domain)
        there = {
            name: len([*domain.expected(name)]) for name in ("courses", "students", "teachers", "studentSubmissions")
        }
        published = {
            (one["courseId"], one["id"]) for one in domain.expected("courseWork") if one["state"] == "PUBLISHED"
        }
        guided = sum((one["courseId"], one["courseWorkId"]) in published for one in domain.expected("rubrics"))
    whole = there | {f"{name}, partly": there[name] for name in ("students", "teachers")}
    whole |= {"courseWork, published": len(published), "rubrics": guided, "refusals": 2}
    return told(read, {way: whole[way.partition(", ")[2]] for way in read})


def told(read: dict[str, int], expected: dict[str, int]) -> bool:
    """Print what was read beside what there is; whether it is the same."""
    for way, count in read.items():
        print(f"{way:<34} {count:>5} of {expected[way]:>5}")
    return read == expected


def main() -> int:
    """Compare what was read with what there is."""
    return int(not (warehouse() & classroom()))


def warehouse() -> bool:
    """Whether dlt and the Singer tap read all suppliers."""
    with Simulator() as simulator:
        simulator.evolve(20)
        suppliers = simulator.records("suppliers")
        changed = sum(record["updatedAt"] > "2026-03-03" for record in suppliers)
        lines = sum(len(order["lines"]) for order in simulator.records("orders"))
        read = dlt_reads(simulator) | tap_reads(simulator)
    expected = {way: len(suppliers) for way in read} | {"incremental": changed, "children": lines}
    return told(read, expected)


if __name__ == "__main__":
    raise SystemExit(main())
