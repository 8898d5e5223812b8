"""Importing this imports all that runs need. The process that runs are forked from does, and nobody else."""

from __future__ import annotations

from connector_pipelines.orchestration.warm import warm_up

warm_up()
