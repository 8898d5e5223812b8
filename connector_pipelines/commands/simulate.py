"""Small, faithful servers of the external systems, each in the foreground until interrupted."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 -- Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from connector_pipelines.garbage import settle
from connector_pipelines.terminal import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector_pipelines.simulating.running import Running

app = typer.Typer(no_args_is_help=True, help="Small, faithful servers of the external systems.")

Host = Annotated[str, typer.Option(help="Interface to listen on.")]
Port = Annotated[int, typer.Option(help="Where to listen.")]
Seed = Annotated[int, typer.Option(help="Another seed, other data.")]
Faults = Annotated[list[str] | None, typer.Option("--fault", help="What goes wrong, e.g. 429=2; repeat the option.")]
Evolve = Annotated[str, typer.Option(help="How much changes every minute, e.g. 1%.")]


@app.command()
def oneroster(
    *,
    port: Port = 8100,
    host: Host = "127.0.0.1",
    scenario: Annotated[str, typer.Option(help="tiny, small, school or district.")] = "school",
    seed: Seed = 7,
    fault: Faults = None,
    flavour: Annotated[str, typer.Option(help="standard or timeback.")] = "standard",
    evolve: Evolve = "0",
) -> None:
    """A OneRoster system: a school or a district, 1.2, 1.1 and TimeBack."""
    from connector_pipelines.connectors.oneroster.simulator import Simulator

    _evolving(
        Simulator,
        evolve,
        port=port,
        host=host,
        scenario=scenario,
        seed=seed,
        faults=fault or (),
        flavour="timeback" if flavour == "timeback" else "standard",
        href_base=f"http://{host}:{port}",
        clock=lambda: int(time.time() * 1000),
    )


@app.command()
def finale(
    *,
    port: Port = 8101,
    host: Host = "127.0.0.1",
    scenario: Annotated[str, typer.Option(help="small, shop or warehouse.")] = "shop",
    seed: Seed = 7,
    fault: Faults = None,
    evolve: Evolve = "0",
) -> None:
    """A Finale Inventory account."""
    from connector_pipelines.connectors.finale.simulator import Simulator

    _evolving(Simulator, evolve, port=port, host=host, scenario=scenario, seed=seed, faults=fault or ())


@app.command()
def quickbooks(
    *,
    port: Port = 8102,
    host: Host = "127.0.0.1",
    scenario: Annotated[str, typer.Option(help="small, company or large.")] = "company",
    seed: Seed = 7,
    fault: Faults = None,
    evolve: Evolve = "0",
) -> None:
    """A QuickBooks Online company."""
    from connector_pipelines.connectors.quickbooks.simulator import Simulator

    _evolving(Simulator, evolve, port=port, host=host, scenario=scenario, seed=seed, faults=fault or ())


@app.command()
def moodle(
    *,
    port: Port = 8103,
    host: Host = "127.0.0.1",
    scenario: Annotated[str, typer.Option(help="empty, small or school.")] = "small",
    seed: Seed = 7,
    fault: Faults = None,
    kept: Annotated[Path | None, typer.Option(help="The file where the site is kept, and found again.")] = None,
    at_work: Annotated[bool, typer.Option("--at-work", help="Who is enrolled gets homework, and grades.")] = False,
) -> None:
    """A Moodle site, by its web services."""
    from connector_pipelines.connectors.moodle.simulator import Simulator

    with _refusals():
        _serve(
            Simulator(
                scenario=scenario,
                seed=seed,
                faults=fault or (),
                kept=kept,
                at_work=at_work,
                host=host,
                port=port,
                control=True,
            )
        )


@app.command()
def canvas(
    *,
    port: Port = 8104,
    host: Host = "127.0.0.1",
    scenario: Annotated[str, typer.Option(help="tiny, small or college.")] = "small",
    seed: Seed = 7,
    fault: Faults = None,
    evolve: Evolve = "0",
) -> None:
    """A Canvas site, by its REST API."""
    from connector_pipelines.connectors.canvas.simulator import Simulator

    _evolving(Simulator, evolve, port=port, host=host, scenario=scenario, seed=seed, faults=fault or ())


@app.command("google_classroom")
def google_classroom(
    *,
    port: Port = 8105,
    host: Host = "127.0.0.1",
    scenario: Annotated[str, typer.Option(help="tiny, small, domain or large.")] = "domain",
    seed: Seed = 7,
    fault: Faults = None,
    evolve: Evolve = "0",
) -> None:
    """A Google Classroom domain."""
    from connector_pipelines.connectors.google_classroom.simulator import Simulator

    _evolving(Simulator, evolve, port=port, host=host, scenario=scenario, seed=seed, faults=fault or ())


@app.command()
def warehouse(
    *,
    port: Port = 8200,
    host: Host = "127.0.0.1",
    seed: Seed = 7,
    size: Annotated[int | None, typer.Option(help="Records of each collection.")] = None,
    fault: Faults = None,
) -> None:
    """A warehouse that speaks CSV, JSON, JSON lines and XML, as csv_api and json_api sources read them."""
    from connector_pipelines.declarative.simulator.simulator import Simulator
    from connector_pipelines.declarative.simulator.world import COLLECTIONS

    sizes = dict.fromkeys(COLLECTIONS, size) if size else None
    with _refusals():
        _serve(Simulator(sizes=sizes, seed=seed, faults=fault or (), host=host, port=port))


def _evolving(simulator: Callable[..., Running], evolve: str, **given: object) -> None:
    """Serve a world whose time begins now, and goes on if it is told to."""
    from connector_pipelines.simulating.serving import just_now

    with _refusals():
        _serve(simulator(**given, start=just_now(), control=True), evolve)


def _serve(simulator: Running, evolve: str = "0") -> None:
    from connector_pipelines.simulating.serving import serve

    settle()
    serve(simulator, evolve=float(evolve.rstrip("%")), say=console.out)


@contextmanager
def _refusals() -> Iterator[None]:
    """What is wrong with an option, in the words of the simulator."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
