"""A headless Chromium that is driven like a person drives it, and the pictures it takes.

The browser is the machine's own. What drives it (Playwright) and what makes pictures small (Pillow) are none of our
dependencies: they are installed apart, below `.local/`, from a lock file of their own, and only where this is used.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fasteners

from connector_pipelines.orchestration.home import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = Path(__file__).with_name("browser.lock")
LIBRARIES = ROOT / ".local" / "browser"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

WINDOW = {"width": 1400, "height": 900}
"""Pixels: the UI folds its menu when it is narrower, and a page of the documentation is no wider."""
PATIENCE = 60_000
"""Milliseconds until something that should be on a page is given up."""


def chromium() -> str | None:
    """Where the machine's Chromium or Chrome is; None where it has none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def page() -> Iterator[Any]:
    """A page of a browser that has just been started, as Playwright's `Page`; the clock of its pages is UTC.

    Raises:
        RuntimeError: the machine has no Chromium.
    """
    program = chromium()
    if program is None:
        message = f"none of {', '.join(NAMES)} is installed; on Debian: apt-get install chromium"
        raise RuntimeError(message)
    _install()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=program) as browser:
        opened = browser.new_page(viewport=WINDOW, timezone_id="UTC", locale="en-US")
        opened.set_default_timeout(PATIENCE)
        try:
            yield opened
        except Exception as error:
            seen = LIBRARIES.with_suffix(".png")
            opened.screenshot(path=str(seen))
            error.add_note(f"at {opened.url}; what was seen there: {seen}")
            raise


def picture(of: Any, file: Path, *, height: int) -> None:
    """Take a picture of a page from its top, in 256 colors: a third of the bytes, and nobody sees a difference.

    Args:
        of: the page.
        file: where to, as PNG.
        height: pixels.
    """
    from PIL import Image

    of.set_viewport_size(WINDOW | {"height": height})
    of.mouse.move(0, 0)  # nothing is shown as hovered, or as clicked last
    of.evaluate("document.activeElement?.blur()")
    of.wait_for_timeout(1_000)  # what the UI draws after its data came: charts, graphs, the new height
    with Image.open(io.BytesIO(of.screenshot(animations="disabled"))) as taken:
        few = taken.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(file, optimize=True)
    of.set_viewport_size(WINDOW)


def _install() -> None:
    """Install what the lock file names where it is missing or outdated, and let this process import it."""
    stamp = LIBRARIES / "made-from.lock"
    LIBRARIES.parent.mkdir(parents=True, exist_ok=True)
    with fasteners.InterProcessLock(LIBRARIES.with_suffix(".lock")):
        if not stamp.exists() or stamp.read_bytes() != LOCK.read_bytes():
            shutil.rmtree(LIBRARIES, ignore_errors=True)
            uv = str(Path(sys.executable).with_name("uv"))
            into = ["--python", sys.executable, "--target", str(LIBRARIES), "--require-hashes", "--no-deps"]
            subprocess.run([uv, "pip", "install", "--quiet", *into, "--requirement", str(LOCK)], check=True)
            shutil.copyfile(LOCK, stamp)
    if str(LIBRARIES) not in sys.path:
        sys.path.append(str(LIBRARIES))  # last: what the project pins goes before
