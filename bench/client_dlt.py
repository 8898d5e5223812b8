"""dlt's `rest_api` source on the warehouse simulator: every paginator and credential it knows, increments, children.

Runs in the virtual environment of `clients.py`; prints how many records each way read, as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from dlt.sources.rest_api import rest_api_source

BASE, TOKEN_URL, USER, SECRET = sys.argv[1:5]
BEARER = {"type": "bearer", "token": SECRET}
PAGINATORS: dict[str, dict[str, Any]] = {
    "json_link": {"type": "json_link", "next_url_path": "links.next"},
    "header_link": {"type": "header_link"},
    "offset": {"type": "offset", "limit": 15, "total_path": "meta.total"},
    "page_number": {"type": "page_number", "base_page": 1, "total_path": "meta.pages"},
    "cursor": {"type": "cursor", "cursor_path": "meta.next_cursor", "cursor_param": "cursor"},
    "header_cursor": {"type": "header_cursor", "cursor_key": "X-Next-Cursor", "cursor_param": "cursor"},
}
CREDENTIALS: dict[str, dict[str, Any]] = {
    "api_key": {"type": "api_key", "name": "X-API-Key", "api_key": SECRET, "location": "header"},
    "http_basic": {"type": "http_basic", "username": USER, "password": SECRET},
    "oauth2_client_credentials": {
        "type": "oauth2_client_credentials",
        "access_token_url": TOKEN_URL,
        "client_id": USER,
        "client_secret": SECRET,
    },
}
SUPPLIERS = {"name": "suppliers", "endpoint": {"path": "suppliers", "data_selector": "data", "params": {"limit": 15}}}
CHANGED = {"cursor_path": "updatedAt", "start_param": "updated_since", "initial_value": "2026-03-02T12:00:00Z"}
ORDERS = {"name": "orders", "endpoint": {"path": "orders", "data_selector": "data"}}
LINES = {"path": "orders/{resources.orders.orderId}/lines", "data_selector": "data"}


def count(client: dict[str, Any], resources: list[Any], wanted: str) -> int:
    """How many different records a declaration reads."""
    source = rest_api_source({"client": {"base_url": BASE} | client, "resources": resources})
    return len({json.dumps(record, sort_keys=True, default=str) for record in source.resources[wanted]})


def main() -> None:
    """Read in every way."""
    link = PAGINATORS["json_link"]
    single = {"auth": BEARER, "paginator": "single_page"}
    ways = {
        name: count({"auth": BEARER, "paginator": way}, [SUPPLIERS], "suppliers") for name, way in PAGINATORS.items()
    }
    ways |= {
        name: count({"auth": way, "paginator": link}, [SUPPLIERS], "suppliers") for name, way in CREDENTIALS.items()
    }
    changed = {"name": "suppliers", "endpoint": {"path": "suppliers", "data_selector": "data", "incremental": CHANGED}}
    lines = {"name": "lines", "endpoint": LINES, "include_from_parent": ["orderId"]}
    ways |= {"incremental": count(single, [changed], "suppliers"), "children": count(single, [ORDERS, lines], "lines")}
    print(json.dumps(ways))


if __name__ == "__main__":
    main()
