"""What a stream needs for records that differ alone, imported when there is one.

pandas and pandera take longer to import than all the rest of a sync that finds nothing changed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas import DataFrame
    from pandera.pandas import DataFrameSchema


def schema(package: str, name: str) -> Callable[[], DataFrameSchema]:
    """The schema of a connector's `schemas.py`.

    Args:
        package: the connector's.
        name: of the pandera model.
    """

    def give() -> DataFrameSchema:
        found: DataFrameSchema = getattr(import_module(f"{package}.schemas"), name).to_schema()
        return found

    return give


def transform(package: str, name: str, **options: object) -> Callable[[DataFrame], DataFrame]:
    """A function of a connector's `transform.py`, external columns to core's, with what a source declares for it."""

    def run(frame: DataFrame) -> DataFrame:
        found: DataFrame = getattr(import_module(f"{package}.transform"), name)(frame, **options)
        return found

    return run
