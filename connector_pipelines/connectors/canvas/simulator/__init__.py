"""A Canvas site that behaves, and misbehaves on demand.

with Simulator(scenario="small", seed=7, faults=["clamp=7", "403-throttle@3"]) as simulator:
    simulator.url, simulator.token, simulator.token_url, simulator.client_id, simulator.refresh_token
"""

from __future__ import annotations

from connector_pipelines.connectors.canvas.simulator.exchange import Request
from connector_pipelines.connectors.canvas.simulator.faults import FAULTS
from connector_pipelines.connectors.canvas.simulator.simulator import Simulator
from connector_pipelines.connectors.canvas.simulator.world import SCENARIOS, TABLES, World

__all__ = ["FAULTS", "SCENARIOS", "TABLES", "Request", "Simulator", "World"]
