"""Goes a person's way through the UI in a headless Chromium, looks at what it shows, and takes the docs' pictures.

    python -m proof.walk                         look, and take no pictures
    python -m proof.walk --pictures docs/images  renew the pictures of the documentation

The way: launch a sync of everything and watch its progress; the school then gives nearly all students new addresses, so
that the plan of the next sync is held; find it, read why and which it is, approve it, and see core updated. What the
pages say is compared with the school and with the database. Nothing is clicked that a person could not click.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from connector_pipelines.connectors.oneroster.simulator import Simulator
from connector_pipelines.orchestration.home import ROOT
from proof import browser, school
from proof.project import Project, project, start

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONG = 5 * browser.PATIENCE
"""Milliseconds until a run is given up."""
REASON = "the school gave every student a new address"


@dataclass(frozen=True, slots=True)
class Walk:
    """A person in front of the UI.

    Attributes:
        page: what the browser shows, Playwright's `Page`.
        place: the project that is looked at.
        simulator: the school that its source reads.
        source: the source's name.
        pictures: the folder that pictures are put into; without one none are taken.
    """

    page: Any
    place: Project
    simulator: Simulator
    source: str
    pictures: Path | None = None

    def go(self) -> None:
        """The whole way.

        Raises:
            AssertionError: a page or core does not say what it should.
        """
        self.launch(f"full_sync_{self.source}", hold_up=True)
        self.see_the_run("Success")
        before = addresses(self.place)
        assert before == addresses_there(self.simulator)
        self.see_lineage()
        new_addresses(self.simulator, "new.example.org")
        self.launch(f"sync_{self.source}")
        self.see_the_run("Failure", errored=f"{self.source}__mapping__students")
        digest = self.find_the_plan(len(before))
        assert addresses(self.place) == before
        self.approve(digest)
        self.see_core_updated(len(before))
        assert addresses(self.place) == addresses_there(self.simulator) != before
        self.see_operations()

    def launch(self, job: str, *, hold_up: bool = False) -> None:
        """*Jobs*, the job, *Materialize all…*, *Latest*, *Launch 1 run*, and *View* of the note that appears."""
        self._job(job)
        self._button("Materialize all").click()
        self._button("Latest", exact=True).click()
        with self._held_up() if hold_up else _as_it_is():
            self._button("Launch 1 run").click()
            self.page.get_by_text("View", exact=True).click()
            if hold_up:
                self.see_progress()

    def see_progress(self) -> None:
        """The run's page says that it has started, which step executes now, and which are through."""
        self._see("Started", exact=True)
        self._see("Executing (1)")
        self._see("core__students", exact=True)
        self.page.get_by_text(re.compile(r"^Succeeded \((?:[3-9]|\d\d)\)")).first.wait_for()
        for symbol in ("expand_arrows", "gantt_waterfall"):  # more of the steps, and their names
            self._button(symbol).click()
        self._picture("run", 900)

    def see_the_run(self, state: str, *, errored: str | None = None) -> None:
        """The run's page says how it ended, and in which step where it failed."""
        self._see(state, exact=True, timeout=LONG)
        if errored:
            self._see("Errored (1)")
            self._see(errored, exact=True)

    def see_lineage(self) -> None:
        """The graph of the core table has what it is made from."""
        self._open("core", "students", "view=lineage&lineageScope=upstream&lineageDepth=3")
        self._see("Materialized", exact=True)
        self._picture("lineage", 900)

    def find_the_plan(self, changes: int) -> str:
        """The mapping asset says that the plan is held and why, and its red check says which it is; the plan's hash."""
        self._open(self.source, "mapping", "students")
        self._see("held", exact=True)
        self._see("email", exact=True)
        self._picture("mapping", 1250)
        self._open(self.source, "mapping", "students", "view=checks&checkDetail=mass_change")
        self._see("Failed", exact=True)
        said = self._see("Launch the job approve_plan or reject_plan").inner_text()
        known = self.place.rows("SELECT count(*) FROM core.students")[0][0]
        assert f"mass update: {changes} of {known} records change" in said, said
        self._picture("held-plan", 720)
        found = re.search(rf"source {self.source}, hash (\w+) and why", said)
        assert found, said
        return found[1]

    def approve(self, digest: str) -> None:
        """*Jobs*, `approve_plan`, *Launchpad*, *Scaffold missing config*, fill in what is empty, *Launch Run*."""
        self._job("approve_plan")
        self.page.get_by_role("tab", name="Launchpad").click()
        self._button("Scaffold missing config").click()
        self._button("Confirm").click()
        self._see("No missing config")
        scaffold = self.page.locator(".CodeMirror-code").first.inner_text()
        assert all(field in scaffold for field in ("hash:", "source:", "why:")), scaffold
        self.page.locator(".CodeMirror").first.click()
        self.page.keyboard.press("Control+A")
        filled = {"source": self.source, "hash": digest, "who": "ann", "why": REASON}
        lines = "".join(f"      {name}: {value}\n" for name, value in filled.items())
        self.page.keyboard.insert_text(f"ops:\n  approve:\n    config:\n{lines}")
        self._see("No errors")
        self.page.get_by_text("Checking config").wait_for(state="hidden")  # what was typed last is looked at, too
        self._picture("approve", 620)
        self._button("Launch Run").click()
        self.see_the_run("Success")

    def see_core_updated(self, rows: int) -> None:
        """The core asset was materialized by the approval, with a receipt of so many updates; the check is green."""
        self._open("core", "students", "view=events")
        self._see("Materialized in run")
        shown = {name: self._shown(name) for name in ("updated", "created", "verified")}
        assert shown == {"updated": str(rows), "created": "0", "verified": "true"}, shown
        self._picture("core", 900)
        self._open(self.source, "mapping", "students", "view=checks&checkDetail=mass_change")
        self._see("Passed", exact=True)

    def see_operations(self) -> None:
        """The overview, renewed by hand, knows of no plan that waits, and of the decision."""
        self._open("operations", "overview")
        self._button("Materialize").click()
        self.page.get_by_text("View", exact=True).click()
        self.see_the_run("Success")
        self._open("operations", "overview")
        self._see(REASON)
        assert self._shown("held plans") == "0"
        self._picture("operations", 1400)

    @contextmanager
    def _held_up(self) -> Iterator[None]:
        """Whatever writes students waits meanwhile, so that there is progress to look at."""
        with psycopg.connect(self.place.url) as gate:
            gate.execute("LOCK TABLE core.students IN SHARE MODE")
            yield

    def _open(self, *key: str) -> None:
        """The page of an asset; what has a = in it is the page's query."""
        path, query = [part for part in key if "=" not in part], "&".join(part for part in key if "=" in part)
        self.page.goto(f"http://127.0.0.1:{self.place.webserver}/assets/{'/'.join(path)}?{query}")

    def _job(self, name: str) -> None:
        self.page.goto(f"http://127.0.0.1:{self.place.webserver}/jobs")
        usual = self.page.viewport_size
        self.page.set_viewport_size({**usual, "height": 3_000})  # of a long list only what would be seen is there
        self.page.locator(f"a[href$='/jobs/{name}']").first.click()
        self.page.set_viewport_size(usual)

    def _button(self, name: str, *, exact: bool = False) -> Any:
        return self.page.get_by_role("button", name=name, exact=exact).first

    def _see(self, text: str, *, exact: bool = False, timeout: int = browser.PATIENCE) -> Any:
        """Where the page shows this text; waits until it does."""
        found = self.page.get_by_text(text, exact=exact).first
        found.wait_for(timeout=timeout)
        return found

    def _shown(self, name: str) -> str:
        """The value that a table of metadata shows beside a name: the last of its row that is not empty."""
        cell = self.page.locator("td", has_text=re.compile(rf"^{name}$")).first
        cell.wait_for()
        texts = cell.locator("xpath=following-sibling::td").all_inner_texts()
        return next((text.strip() for text in reversed(texts) if text.strip()), "")

    def _picture(self, name: str, height: int) -> None:
        if self.pictures:
            for passing in (
                "Launched run",
                "Loading",
                "Checking config",
            ):  # a note lies over the page for some seconds; data comes late
                self.page.get_by_text(passing).first.wait_for(state="hidden")
            browser.picture(self.page, self.pictures / f"{name}.png", height=height)


def addresses(place: Project) -> list[str]:
    """Those of the students in core."""
    return sorted(address for (address,) in place.rows("SELECT email FROM core.students WHERE email IS NOT NULL"))


def addresses_there(simulator: Simulator) -> list[str]:
    """Those of the students at the school."""
    students = school.truth(simulator)["students"].values()
    return sorted(str(student["email"]) for student in students if student["email"])


def new_addresses(simulator: Simulator, domain: str) -> None:
    """The school gives every student who has an address another one."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    for user in list(simulator.expected("users")):
        if user.get("email") and any(role["role"] == "student" for role in user["roles"]):
            name = user["email"].partition("@")[0]
            simulator.put("users", user | {"email": f"{name}@{domain}", "dateLastModified": now})


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def demo(scenario: str) -> Iterator[tuple[Project, Simulator]]:
    """A project whose one source is the demo's school, set up today."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    declared = (ROOT / "connector_pipelines" / "defs" / "demo_school" / "defs.yaml").read_text(encoding="utf-8")
    text = declared.replace("\nattributes:\n", f"\nattributes:\n  schedule: {{start_date: {today:%Y-%m-%d}}}\n")
    with (
        Simulator(scenario=scenario, start=today - timedelta(days=1)) as simulator,
        tempfile.TemporaryDirectory() as folder,
    ):
        Path(folder).chmod(0o755)  # the embedded server runs as a user of its own where we are root
        variables = {
            "CONNECTOR_PIPELINES_DEMO_PORT": simulator.url.rpartition(":")[2],
            "DEMO_SCHOOL_CLIENT_ID": simulator.client_id,
            "DEMO_SCHOOL_CLIENT_SECRET": simulator.client_secret,
        }
        with project(Path(folder), {"demo_school": text}, variables, webserver=True) as place:
            start(place)
            yield place, simulator


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="the folder that pictures are put into")
    parser.add_argument("--scenario", default="school", help="how large the school is: small or school")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    with browser.page() as page, demo(given.scenario) as (place, simulator):
        Walk(page, place, simulator, "demo_school", given.pictures).go()
    print(f"launched, watched, held, approved, updated: as a person sees it, in {time.monotonic() - began:.0f} seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
