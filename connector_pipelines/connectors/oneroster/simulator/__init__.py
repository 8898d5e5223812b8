"""A OneRoster server that behaves, and misbehaves on demand: 1.2, 1.1 and TimeBack's dialect.

with Simulator(scenario="small", seed=7, faults=["clamp=50", "no-total"]) as simulator:
    simulator.rostering_url, simulator.token_url, simulator.client_id, simulator.client_secret
"""

from __future__ import annotations

from connector_pipelines.connectors.oneroster.simulator.exchange import Request
from connector_pipelines.connectors.oneroster.simulator.faults import FAULTS
from connector_pipelines.connectors.oneroster.simulator.simulator import Simulator
from connector_pipelines.connectors.oneroster.simulator.world import COLLECTIONS, World
from connector_pipelines.connectors.oneroster.simulator.writes import Write

__all__ = ["COLLECTIONS", "FAULTS", "Request", "Simulator", "World", "Write"]
