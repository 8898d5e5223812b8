"""Asks tests about a changed module: in a fork of a process that has imported nearly all already.

Neither files nor installed packages change: the fork takes one module from another source, and what builds on it anew.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import re
import select
import signal
import sys
import tempfile
import traceback
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grimp

from proof.databases import drop_left_over, server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import CodeType

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "connector_pipelines"
LEAST_PATIENCE_SECONDS = 300  # for tests of a change; without one they may take what they need

_SERVER = "CONNECTOR_PIPELINES_TEST_SERVER"  # the folder of the server that tests use

# What PostgreSQL says of a statement that is none. psycopg adds the count of parameters.
_NO_STATEMENT = re.compile(
    r"psycopg\.errors\.(SyntaxError|UndefinedColumn|UndefinedFunction|UndefinedParameter|AmbiguousColumn|GroupingError"
    r"|AmbiguousFunction|DatatypeMismatch|IndeterminateDatatype|WindowingError|InvalidColumnReference"
    r"|InvalidRecursion)|the query has \d+ placeholders?"
)

# Whether a test fails is all that is asked: explaining it, and looking for what was left open, cost as much again.
_OPTIONS = ("-x", "--tb=native", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:unraisableexception")


@dataclass(frozen=True, slots=True)
class Answer:
    """What tests say of a change: "noticed", "survived" or "no program", and the test that noticed."""

    word: str
    test: str = ""


class _Changed(importlib.abc.MetaPathFinder):
    """Gives one module from a changed source."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self._name, self._path, self._source = name, path, source

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> Any:
        """The changed module's spec; None for all others."""
        del path, target
        if fullname != self._name:
            return None
        loader = _Loader(fullname, str(self._path))
        loader.changed = self._source
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


class _Loader(importlib.machinery.SourceFileLoader):
    changed = ""

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return compile(self.changed, self.path, "exec")


class _Order:
    """A pytest plugin: runs the tests that noticed most first, and notes which one notices."""

    def __init__(self, noticed: Counter[str]) -> None:
        self._noticed = noticed
        self.failed = ""

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items.sort(key=lambda item: (-self._noticed[item.nodeid], "given" in str(item.function.__dict__)))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


Change = tuple[str, str]  # a file of the package, and its source


def ask(
    tests: Sequence[str],
    change: Change | None,
    noticed: Mapping[str, int] | None = None,
    *,
    patience: float = LEAST_PATIENCE_SECONDS,
) -> Answer:
    """Run tests, in a fork, with one module changed.

    Args:
        tests: files or single tests below `connector_pipelines_tests`.
        change: what is changed; None for nothing.
        noticed: how many changes each test noticed so far; the best run first.
        patience: seconds after which tests of a change have noticed it by never ending.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            os.write(writing, json.dumps(asdict(_in_fork(tests, change, Counter(noticed)))).encode())
        except BaseException:  # noqa: BLE001 -- the fork must end here, whatever happens
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    if not select.select([reading], [], [], patience if change else None)[0]:
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return Answer(**json.loads(told)) if told else Answer("noticed", "none: it hung, or took its process with it")


def _in_fork(tests: Sequence[str], change: Change | None, noticed: Counter[str]) -> Answer:
    import pytest

    if change is not None:
        name = "connector_pipelines." + change[0].removesuffix(".py").replace("/", ".")
        _forget(name)
        sys.meta_path.insert(0, _Changed(name, PACKAGE / change[0], change[1]))
    order = _Order(noticed)
    with tempfile.TemporaryFile("w+") as output:
        sys.stdout.flush()
        os.dup2(output.fileno(), 1)
        paths = [f"connector_pipelines_tests/{test}" for test in dict.fromkeys(tests)]
        folder = f"--basetemp={os.environ[_SERVER]}/landing"  # one for all; old ones need no sweeping
        code = pytest.main([*_OPTIONS, folder, *paths], plugins=[order])
        sys.stdout.flush()
        output.seek(0)
        said = output.read()
    if code == 0:
        return Answer("survived")
    if _NO_STATEMENT.search(said) or not order.failed:
        return Answer("no program", said[-2000:])
    return Answer("noticed", order.failed)


@cache
def _imports() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE.name, exclude_type_checking_imports=True)


def _forget(changed: str) -> None:
    """Let a module be imported anew, with all that builds on it; what does not know it stays imported."""
    for name in {changed, *_imports().find_downstream_modules(changed)}:
        package, _, own = name.rpartition(".")
        if sys.modules.pop(name, None) and package in sys.modules:
            vars(sys.modules[package]).pop(own, None)


@contextmanager
def ready() -> Iterator[None]:
    """A server whose databases the forks use one after the other, and all imported that most tests need."""
    import hypothesis  # noqa: F401 -- the point is that the forks need not import
    import pandas as pd  # noqa: F401
    import pandera.pandas as pa  # noqa: F401
    import pyarrow.csv  # noqa: F401
    import pydantic_settings  # noqa: F401
    import pytest  # noqa: F401
    import requests  # noqa: F401

    os.chdir(ROOT)
    with server() as databases:
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        os.environ["CONNECTOR_PIPELINES_TEST_OWNER"] = "changed"
        os.environ[_SERVER] = str(databases.folder)
        for name in sorted(_imports().find_children("connector_pipelines.sync")):
            importlib.import_module(name)
        yield
        drop_left_over(databases)
