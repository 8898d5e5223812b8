"""A server that speaks JSON in every way that may be declared, and misbehaves on demand."""

from __future__ import annotations

from connector_pipelines.declarative.simulator import COLLECTIONS, FAULTS, Simulator, World
from connector_pipelines.declarative.simulator.simulator import DEFAULT_PORT, greeting, serve

__all__ = ["COLLECTIONS", "DEFAULT_PORT", "FAULTS", "Simulator", "World", "greeting", "serve"]
