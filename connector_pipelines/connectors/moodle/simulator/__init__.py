"""A Moodle site that behaves, and misbehaves on demand.

with Simulator(scenario="small", faults=["reset@1:core_user_create_users"]) as simulator:
    simulator.url, simulator.token, simulator.ledger
"""

from __future__ import annotations

from connector_pipelines.connectors.moodle.simulator.faults import FAULTS
from connector_pipelines.connectors.moodle.simulator.service import Effect, Request
from connector_pipelines.connectors.moodle.simulator.simulator import Simulator

__all__ = ["FAULTS", "Effect", "Request", "Simulator"]
