"""Where Dagster keeps its own records: the same database as core, embedded or yours. `dagster.yaml` names this class.

Dagster's own PostgreSQL storage takes an address from the environment or fails; on a fresh machine there is none, and
the embedded server is started instead, so that every Dagster command works as it is. It also sends statements that
psycopg 3, the driver SQLAlchemy 2.1 takes by default, refuses (NOTIFY with a parameter), so the driver it was written
for is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from sqlalchemy import make_url
from sqlalchemy.exc import InternalError

from connector_pipelines.database.connection import database_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster._serdes import ConfigurableClassData


# Dagster keeps connections open in its web server alone. Elsewhere it opens one for each statement, more than a
# thousand in one run of ours, which takes longer than all the reading and writing of a school.
_RECYCLE_SECONDS = 3600
_THREADS = 20


class EventLog(PostgresEventLogStorage):
    """Dagster's event log, in which two runs may use a pool for the first time at the same moment."""

    def initialize_concurrency_limit_to_default(self, concurrency_key: str) -> bool:
        """Make a pool unless it is there.

        Where another run makes it meanwhile, Dagster goes on in a transaction that PostgreSQL has given up by then, and
        the run fails. The pool is there with its slots: the other run's insert has committed before ours is refused.
        """
        try:
            return bool(super().initialize_concurrency_limit_to_default(concurrency_key))
        except InternalError:
            return True


class Storage(DagsterPostgresStorage):
    """Dagster's PostgreSQL storage on the project's database, in the schema `public`."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        self._event_log_storage = EventLog(postgres_url)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure: the address is the settings'."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Storage:  # noqa: ARG003 -- Dagster's signature
        """The storage; Dagster makes its tables when they are not there."""
        storage = cls(postgres_url=with_driver(database_url()), inst_data=inst_data)
        for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
            part.optimize_for_webserver(statement_timeout=0, pool_recycle=_RECYCLE_SECONDS, max_overflow=_THREADS)
        return storage


def with_driver(url: str) -> str:
    """The address, with the driver that Dagster's statements are written for."""
    return make_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
