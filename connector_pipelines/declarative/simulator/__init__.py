"""A warehouse with an API that can do all that may be declared, and misbehaves on demand.

with Simulator(sizes={"suppliers": 50}, seed=7, faults=["clamp=20", "no-total"]) as simulator:
    simulator.api_url, simulator.token_url, simulator.user, simulator.secret

Everything is an address; nothing needs to be switched on:

    /api/suppliers            rows in {"data": …, "meta": …, "links": …}; or .jsonl, .xml, .csv, and .gz or .zip
    /bare/suppliers           the rows alone, as a list
    /columns/products         an object of lists
    /api/orders/<id>/lines    a child collection
    /api/reports              reports that are asked for, looked after, fetched and deleted (reports.py)

Pages are asked for by page and per_page, offset and limit, cursor, after (the last key), or by following the link of
the page before. Changes are asked for by time (updated_since, updated_before, filter), by the number of the last one
(since_sequence, with sort=sequence), or by the token of the answer before (sync=true, sync_token). What the answer says
about the next page, it says in every way there is.
"""

from __future__ import annotations

from connector_pipelines.declarative.simulator.faults import FAULTS
from connector_pipelines.declarative.simulator.simulator import Simulator
from connector_pipelines.declarative.simulator.world import COLLECTIONS, World

__all__ = ["COLLECTIONS", "FAULTS", "Simulator", "World"]
