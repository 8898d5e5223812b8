"""A QuickBooks Online company that behaves, and misbehaves on demand.

with Simulator(scenario="small", seed=7, faults=["rotate", "shift=remove@3"]) as simulator:
    simulator.url, simulator.token_url, simulator.realm_id, simulator.client_id, simulator.refresh_token
"""

from __future__ import annotations

from connector_pipelines.connectors.quickbooks.simulator.exchange import Request
from connector_pipelines.connectors.quickbooks.simulator.simulator import Simulator
from connector_pipelines.connectors.quickbooks.simulator.switches import FAULTS
from connector_pipelines.connectors.quickbooks.simulator.world import SCENARIOS, TABLES, World

__all__ = ["FAULTS", "SCENARIOS", "TABLES", "Request", "Simulator", "World"]
