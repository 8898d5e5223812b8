"""One embedded PostgreSQL for the whole session, a fresh migrated database for each test that asks for one."""

from __future__ import annotations

import atexit
import gc
import itertools
import os
import shutil
import socket
import tempfile
from functools import wraps
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import settings as hypothesis_settings
from psycopg import sql

from connector_pipelines import garbage
from connector_pipelines.database import embedded
from connector_pipelines.database.connection import Connection, connect
from connector_pipelines.database.migrate import migrate
from connector_pipelines_tests.emptying import emptied
from connector_pipelines_tests.kept import let_go

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_numbers = itertools.count()

garbage.seldom()  # looking through all tests and what they import, again and again, took an eighth of the suite

# A busy machine is no bug, and what an example took is no claim of a test.
hypothesis_settings.register_profile("connector_pipelines", deadline=None)
hypothesis_settings.load_profile("connector_pipelines")


_FOLDER = "CONNECTOR_PIPELINES_TEST_SERVER"
_ROOM_BYTES = 4 * 1024**3
_OWNER = "CONNECTOR_PIPELINES_TEST_OWNER"  # in the names of databases; who keeps a server may have them used again


_live = "connector_pipelines_tests/live/"


def _only_this_machine(connect: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
    """Refuse connections to any other machine: a test that asks one depends on what nobody here controls (E66).

    An audit hook would hear of each `id()`, too, which cost the suite a thirtieth of its time.
    """

    @wraps(connect)
    def guarded(asking: socket.socket, address: Any) -> Any:
        host = str(address[0]).partition("%")[0] if isinstance(address, tuple) else "localhost"
        if host != "localhost" and not _here(host) and _live not in os.environ.get("PYTEST_CURRENT_TEST", ""):
            message = f"a test connects to {host}, which is not this machine"
            raise ConnectionRefusedError(message)
        return connect(asking, address)

    return guarded


def _here(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


for _way in ("connect", "connect_ex"):
    setattr(socket.socket, _way, _only_this_machine(getattr(socket.socket, _way)))


def pytest_configure(config: pytest.Config) -> None:
    """Make the server's folder, in the process that starts the workers.

    It lies outside pytest's own folder, which every other pytest of the same user closes to the server's user. Who runs
    pytest many times over may name a folder and keep its server.
    """
    if not hasattr(config, "workerinput") and _FOLDER not in os.environ:
        os.environ[_FOLDER] = tempfile.mkdtemp(prefix="connector_pipelines_", dir=_in_memory())
        atexit.register(shutil.rmtree, os.environ[_FOLDER], ignore_errors=True)


def _in_memory() -> str | None:
    """A folder without a disk, where there is one with room: tests make and remove files by the ten thousand."""
    shared = Path("/dev/shm")  # noqa: S108 -- mkdtemp makes a folder of its own in it
    roomy = shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > _ROOM_BYTES
    return str(shared) if roomy else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what is long begin first, each worker with its share of it: nobody should wait for what began last.

    xdist gives each worker as many tests as any other, in this order, and takes from the end of who has most.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    units = [list(unit) for _, unit in itertools.groupby(filter(_is_long, items), key=_unit)]
    rest = itertools.filterfalse(_is_long, items)
    each = -(-len(items) // workers)
    shares = [list(itertools.chain.from_iterable(units[worker::workers])) for worker in range(workers)]
    items[:] = [item for share in shares for item in (*share, *itertools.islice(rest, max(0, each - len(share))))]


def pytest_collection_finish() -> None:
    """Leave what there is now out of all later collections: it stays to the end."""
    gc.freeze()


def _is_long(item: pytest.Item) -> bool:
    return item.get_closest_marker("long") is not None


def _unit(item: pytest.Item) -> str:
    """What one worker runs: a test, or all of a module whose tests look at the same running project."""
    marker = item.get_closest_marker("long")
    return item.nodeid.partition("::")[0] if marker and marker.kwargs.get("together") else item.nodeid


@pytest.fixture(scope="session")
def server() -> str:
    """URL of a migrated database on the session's server; all xdist workers share the server, each has its template."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    url = embedded.start(Path(os.environ[_FOLDER]) / "postgres", database=f"template_{worker}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # these databases may be lost
        connection.execute("SELECT pg_reload_conf()")
    migrate(url)
    return url


@pytest.fixture(scope="session")
def admin(server: str) -> Iterator[Connection]:
    """A connection from which databases can be made and dropped."""
    with psycopg.connect(_beside(server, "postgres"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def empty_database(server: str, admin: Connection) -> Iterator[str]:
    """URL of a database without any schema of ours."""
    name = f"empty_{os.getpid()}_{next(_numbers)}"
    admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield _beside(server, name)
    admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def spare() -> list[str]:
    """Migrated databases that a test left as clean as it found them."""
    return []


@pytest.fixture(scope="session")
def shape(server: str) -> object:
    """What the schema counts as when nobody changed it."""
    found = emptied(server)
    let_go(server)  # nobody may be connected to what databases are copied from
    return found


@pytest.fixture
def database(server: str, admin: Connection, spare: list[str], shape: object) -> Iterator[str]:
    """URL of a migrated, empty database that is this test's own."""
    name = spare.pop() if spare else f"test_{os.environ.get(_OWNER) or os.getpid()}_{next(_numbers)}"
    made = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if not made:
        template = sql.Identifier(_name(server))
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), template))
    yield _beside(server, name)
    if emptied(_beside(server, name)) == shape:
        spare.append(name)
    else:
        let_go(_beside(server, name))
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    """A connection to this test's database."""
    with connect(database) as opened:
        yield opened


def _name(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


def _beside(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return url.replace(f"/{_name(url)}", f"/{name}")
