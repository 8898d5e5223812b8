"""The inventory half of the benchmark: a Finale account of 120,000 products, each collection in one answer.

The simulator renders an account once, and once more with 1 % of it changed and the stock of a fifth of the products
moved; what is measured is served from disk.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from connector_pipelines.connectors.finale import windows
from connector_pipelines.connectors.finale.simulator.simulator import Simulator
from connector_pipelines.connectors.finale.simulator.world import SCENARIOS, Size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contest import Contestant, Results

PRODUCTS = 119_800
"""Changing 1 % adds some, and 120,000 are the cap."""

COLLECTIONS = ("partygroup", "product", "order", "inventoryitem")
WAREHOUSE = SCENARIOS["warehouse"]
_ORDERS = windows.filter_of(None, {"orderTypeId": "PURCHASE_ORDER"})

_CORE = {
    "vendors": "SELECT count(*) FROM core.vendors",
    "items": "SELECT count(*) FROM core.inventory_items",
    "orders": "SELECT count(*) FROM core.purchase_orders",
    "lines": "SELECT count(*) FROM core.purchase_order_lines",
    "on hand": "SELECT floor(sum(quantity_on_hand))::bigint FROM core.inventory_items",
}
_DLT = {
    "parties": "SELECT count(*) FROM finale.partygroup",
    "items": "SELECT count(*) FROM finale.product",
    "orders": 'SELECT count(*) FROM finale."order"',
    "lines": "SELECT count(*) FROM finale.order__order_item_list",
    "stock": "SELECT count(*) FROM finale.inventoryitem",
}


def of(products: int) -> Size:
    """An account with so many products, and the rest in proportion."""
    share = products / WAREHOUSE.products
    return replace(
        WAREHOUSE,
        products=products,
        parties=max(6, round(WAREHOUSE.parties * share)),
        orders=max(5, round(WAREHOUSE.orders * share)),
    )


def contestants(ours: Contestant, default: Contestant) -> tuple[Contestant, ...]:
    """The same two on this account."""
    return (
        replace(ours, script="finale_ours.py", counts=_CORE),
        replace(default, script="finale_dlt.py", counts=_DLT),
    )


@dataclass(frozen=True, slots=True)
class Account:
    """A rendered account.

    Attributes:
        wanted: by version, what the counting queries must find.
    """

    folder: Path
    wanted: Mapping[int, dict[str, int]]


def render(folder: Path, products: int) -> Account:
    """The answers of both versions below a folder, made once.

    In a process of its own: a measured process begins with the memory of the one that starts it in its highest mark.
    """
    size, folder = of(products), folder / str(products)
    done = folder / "wanted.json"
    if not done.exists() or json.loads(done.read_text())["size"] != asdict(size):
        subprocess.run([sys.executable, __file__, str(folder), str(products)], check=True)
    wanted = json.loads(done.read_text())["wanted"]
    return Account(folder, {int(version): found for version, found in wanted.items()})


def main() -> None:
    """Render an account: the folder, and how many products."""
    folder, size = Path(sys.argv[1]), of(int(sys.argv[2]))
    with Simulator(size=size) as simulator:
        first = _rendered(simulator, folder / "1")
        simulator.evolve(1)
        wanted = {"1": first, "2": _rendered(simulator, folder / "2")}
    (folder / "wanted.json").write_text(json.dumps({"size": asdict(size), "wanted": wanted}))


def _rendered(simulator: Simulator, folder: Path) -> dict[str, int]:
    folder.mkdir(parents=True, exist_ok=True)
    held: dict[str, dict[str, Any]] = {}
    for name in COLLECTIONS:
        asked = {"filter": _ORDERS} if name == "order" else {}
        address = f"{simulator.url}/{simulator.account}/api/{name}/"
        credentials = (simulator.api_key, simulator.api_secret)
        answer = requests.get(address, params=asked, auth=credentials, timeout=300)
        answer.raise_for_status()
        (folder / f"{name}.json").write_bytes(answer.content)
        held[name] = answer.json()
    return {
        "parties": len(held["partygroup"]["partyId"]),
        "vendors": sum("SUPPLIER" in roles for roles in held["partygroup"]["roleTypeIdList"]),
        "items": len(held["product"]["productId"]),
        "orders": len(held["order"]["orderId"]),
        "lines": sum(map(len, held["order"]["orderItemList"])),
        "stock": len(held["inventoryitem"]["productUrl"]),
        "on hand": int(sum(held["inventoryitem"]["quantityOnHand"])),
    }


def verdicts(results: Results, memory: Mapping[int, float]) -> list[tuple[str, str, str]]:
    """What was promised of this half, and what became of it."""
    few, many = memory.values()
    flat = "ok" if many <= min(few + _ALLOWED_MB, 400) else "missed"
    counts = ", ".join(f"{n:,}" for n in memory)
    lines = [(f"Finale: peak memory with {counts} products", f"{few:.0f} MB, {many:.0f} MB", flat)]
    for scenario in dict.fromkeys(scenario for _, scenario in results):
        times = results["default", scenario].whole_seconds / results["ours", scenario].whole_seconds
        promise = f"Finale: {scenario}, against dlt's defaults, whole process"
        lines.append((promise, f"{times:.2f} times as fast", "ok" if times >= 4 else "missed"))  # noqa: PLR2004 -- the promise
    return lines


_ALLOWED_MB = 60
"""The sums of stock are kept for each product while the products are read, and batches of rows become full ones."""


if __name__ == "__main__":
    main()
