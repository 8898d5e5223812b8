"""Where steps run: in the run's own process, unless the run's config asks for one process each.

The engine's memory is flat and its work is in PostgreSQL, while starting a process takes longer than reading what a
school changed since yesterday: a run of 24 steps took over a minute in processes of their own, and seconds in one.
Dagster's own default is the other way round, also for what is launched from the asset graph and for backfills.
"""

from __future__ import annotations

import dagster as dg

_BOTH = dg.multi_or_in_process_executor


@dg.executor(
    name="in_process_unless_asked",
    config_schema=dg.Field(_BOTH.config_schema.config_type, default_value={"in_process": {}}),
    requirements=[],
)
def in_process_unless_asked(context: dg.InitExecutorContext) -> dg.Executor:
    """In one process; with `execution: {config: {multiprocess: {}}}`, in one for each step."""
    create = _BOTH.executor_creation_fn
    assert create is not None  # noqa: S101 -- both executors have one; for the type checker
    return create(context)
