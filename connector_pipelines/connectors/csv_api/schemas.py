"""What is accepted follows from the mapping: a check by the kind of each core column that is fed."""

from __future__ import annotations

from connector_pipelines.declarative.schemas import schema_of

__all__ = ["schema_of"]
