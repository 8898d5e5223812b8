"""A Google Classroom domain that behaves, and misbehaves on request: for tests, demos and the command line."""

from connector_pipelines.connectors.google_classroom.simulator.simulator import Simulator
from connector_pipelines.connectors.google_classroom.simulator.switches import FAULTS
from connector_pipelines.connectors.google_classroom.simulator.world import SCENARIOS

__all__ = ["FAULTS", "SCENARIOS", "Simulator"]
