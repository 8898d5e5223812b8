"""A server that speaks JSON in every way that may be declared, and misbehaves on demand."""

from __future__ import annotations

from connector_pipelines.declarative.simulator import COLLECTIONS, FAULTS, Simulator, World

__all__ = ["COLLECTIONS", "FAULTS", "Simulator", "World"]
