"""Folders for the files of one measurement, which are removed when nothing is measured any more.

On ext4 without a journal, which virtual machines have, each file that is made is kept off all inodes that were freed in
the last minutes, and they are looked at one by one. Whoever makes many files would pay for those that were removed
before it came: 0.5 s of our first sync, which makes hundreds.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def folder(parent: Path) -> Iterator[Path]:
    """A new folder. Afterwards its files stay, without what is in them."""
    parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=parent))
    try:
        yield made
    finally:
        for path in made.rglob("*"):
            if path.is_file() and not path.is_symlink():
                os.truncate(path, 0)


def sweep(*parents: Path) -> None:
    """Remove the folders that were made in these."""
    for parent in parents:
        shutil.rmtree(parent, ignore_errors=True)
