"""Accepted texts to core columns: by the kind of each, as the mapping says. Pure."""

from __future__ import annotations

from connector_pipelines.declarative.transform import core_frame

__all__ = ["core_frame"]
