"""A Finale account that behaves, and misbehaves on demand.

with Simulator(scenario="small", seed=7, faults=["cap=50", "string-numbers"]) as simulator:
    simulator.url, simulator.account, simulator.api_key, simulator.api_secret
"""

from __future__ import annotations

from connector_pipelines.connectors.finale.simulator.exchange import Request, Write
from connector_pipelines.connectors.finale.simulator.faults import FAULTS
from connector_pipelines.connectors.finale.simulator.simulator import Simulator
from connector_pipelines.connectors.finale.simulator.world import COLLECTIONS, World

__all__ = ["COLLECTIONS", "FAULTS", "Request", "Simulator", "World", "Write"]
