"""Puts the definitions together: what each folder below `defs` declares, and what all sources share."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

import dagster as dg

from connector_pipelines.connectors import connectors
from connector_pipelines.orchestration import home
from connector_pipelines.orchestration.adding import register_job
from connector_pipelines.orchestration.afterwards import afterwards_jobs
from connector_pipelines.orchestration.assets import core_assets
from connector_pipelines.orchestration.by_hand import by_hand_jobs
from connector_pipelines.orchestration.crons import wrong_crons
from connector_pipelines.orchestration.decisions import decision_jobs
from connector_pipelines.orchestration.engine import Engine
from connector_pipelines.orchestration.estimating import estimate_job
from connector_pipelines.orchestration.executor import in_process_unless_asked
from connector_pipelines.orchestration.exports import link_job
from connector_pipelines.orchestration.hooking import webhook_jobs
from connector_pipelines.orchestration.invalid import invalid_asset
from connector_pipelines.orchestration.operations import operations_assets
from connector_pipelines.orchestration.personal import personal_jobs, retention_schedules
from connector_pipelines.orchestration.previewing import preview_job
from connector_pipelines.orchestration.receipts import receipt_job
from connector_pipelines.orchestration.resolving import resolve_job
from connector_pipelines.orchestration.schedules import reconcile_schedule
from connector_pipelines.orchestration.sources import (
    DEFS,
    Declaration,
    Invalid,
    default_source,
    is_ours,
    read_all,
    refuse,
)
from connector_pipelines.orchestration.upkeep import upkeep_jobs
from connector_pipelines.orchestration.watching import digest_job, digest_schedule, watch_sensor
from connector_pipelines.orchestration.whose import accept_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_LOG = logging.getLogger("dagster.connector_pipelines")
"""Below Dagster's own logger, because that is the one that its servers print."""


def definitions(folder: Path = DEFS, *, engine: Engine | None = None) -> dg.Definitions:
    """Everything Dagster shows.

    Args:
        folder: where sources, and any other Dagster code of the user, are declared.
        engine: the resource that opens what steps need; tests put their own.

    Raises:
        ConfigurationError: the environment is not usable.
    """
    default_source(folder)
    with _quiet():
        return _definitions(folder, engine or Engine())


def _definitions(folder: Path, engine: Engine) -> dg.Definitions:
    usable, broken = _loaded(folder)
    _tell([declaration for declaration, _ in usable], broken, folder)
    declared = [declaration for declaration, _ in usable]
    sources = [declaration.source for declaration in declared]
    by_name = {source.name: source for source in sources}
    shared = dg.Definitions(
        assets=[*core_assets(sources), *operations_assets(declared)],
        jobs=[
            *by_hand_jobs(by_name),
            *decision_jobs(by_name),
            *afterwards_jobs(by_name),
            *upkeep_jobs(by_name),
            *personal_jobs(by_name),
            *webhook_jobs(),
            register_job(folder),
            resolve_job(),
            receipt_job(by_name),
            accept_job(),
            preview_job(by_name),
            link_job(by_name),
            digest_job(),
            estimate_job(by_name),
        ],
        schedules=[
            *(reconcile_schedule(one) for one in declared if one.source.streams and one.timetable.reconcile_cron),
            digest_schedule(),
            *retention_schedules(),
        ],
        sensors=[watch_sensor(declared)],
        resources={"engine": engine},
        executor=in_process_unless_asked,
    )
    invalid = dg.Definitions(assets=[invalid_asset(one) for one in broken])
    return dg.Definitions.merge(shared, invalid, *(definitions for _, definitions in usable), *_others(folder))


def _tell(declared: Sequence[Declaration], broken: Sequence[Invalid], folder: Path) -> None:
    """Say in the log of whoever loads the definitions which providers there are (F51)."""
    sources = {one.source.name: one.source for one in declared}
    named = {*sources, *(one.name for one in broken)}
    there = {path.parent.name for path in folder.glob("*/defs.yaml") if is_ours(path)}
    facts = {
        "connectors": sorted(connectors()),
        "sources": [f"{name} ({one.connector.name}{', off' if one.off else ''})" for name, one in sources.items()],
        "not usable": [one.name for one in broken],
        "left out by INTEGRATION_ENABLED_PROVIDERS": sorted(there - named),
    }
    _LOG.info("%s", "; ".join(f"{about}: {', '.join(told)}" for about, told in facts.items() if told))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Dagster's notes that some of its functions are in beta or preview: we pin its minor version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        yield


def invalid_sources(folder: Path = DEFS) -> list[Invalid]:
    """The declared sources that cannot be used."""
    with _quiet():
        return _loaded(folder)[1]


def refused(declaration: Declaration) -> Invalid | None:
    """What only Dagster finds wrong with a declaration; None where it takes it."""
    with _quiet():
        outcome = _load(declaration)
    return outcome if isinstance(outcome, Invalid) else None


def _loaded(folder: Path) -> tuple[list[tuple[Declaration, dg.Definitions]], list[Invalid]]:
    """The usable sources with their definitions, and those that are not usable."""
    usable, broken = [], []
    for one in read_all(folder):
        outcome = _load(one) if isinstance(one, Declaration) else one
        if isinstance(outcome, Invalid):
            broken.append(outcome)
        else:
            usable.append(outcome)
    return usable, broken


def _load(declaration: Declaration) -> tuple[Declaration, dg.Definitions] | Invalid:
    """A source through Dagster's own loader, so that `post_processing` and code references work as everywhere.

    Its crons are judged before: not all of them become schedules here, and a wrong one must not take down what the
    sources share.
    """
    if wrong := list(wrong_crons(declaration.timetable)):
        return refuse(declaration, *((("schedule", field), why) for field, why in wrong))
    try:
        definitions = _folder(declaration.file.parent)
        shared = dg.Definitions(resources={"engine": Engine()}, assets=core_assets([declaration.source]))
        dg.Definitions.merge(
            definitions, shared
        ).get_repository_def()  # resolves everything: what cannot be is this source's fault alone
    except Exception as error:  # noqa: BLE001 -- whatever is wrong with one source must not take the others down
        return Invalid(declaration.source.name, declaration.file, f"defs.yaml: {_innermost(error)}")
    return declaration, definitions


def _folder(path: Path) -> dg.Definitions:
    """The definitions of one folder, as if it were the whole of `defs`."""
    module = ModuleType(f"connector_pipelines.defs.{path.name}")
    module.__file__, module.__path__ = None, [str(path)]
    return dg.ComponentTree.from_module(module, home.ROOT).build_defs(path)


def _innermost(error: BaseException) -> str:
    """The first cause's message: Dagster wraps it in descriptions of its own tree."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:2000]


def _others(folder: Path) -> Iterator[dg.Definitions]:
    """What else a user put into the folder: Python files, and components that are not ours."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix == ".py" and path.stem != "__init__":
            yield _guarded(path, _python_file)
        elif path.is_dir() and not path.name.startswith(("_", ".")) and not _declares_source(path):
            yield _guarded(path, _folder)


def _declares_source(path: Path) -> bool:
    file = path / "defs.yaml"
    return file.exists() and is_ours(file)


def _guarded(path: Path, load: Callable[[Path], dg.Definitions]) -> dg.Definitions:
    try:
        return load(path)
    except Exception as error:  # noqa: BLE001 -- see _load
        return dg.Definitions(assets=[invalid_asset(Invalid(path.stem, path, _innermost(error)))])


def _python_file(path: Path) -> dg.Definitions:
    spec = importlib.util.spec_from_file_location(f"connector_pipelines.defs.{path.stem}", path)
    if spec is None or spec.loader is None:
        return dg.Definitions()
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dg.load_definitions_from_module(module)
