"""How often Python looks for objects that only hold one another.

By default it does so after every 700 new objects, and now and then through all there are. Modules and decoded pages are
objects by the hundred thousand that stay or go by themselves: looking through them took a tenth of importing and half
of decoding.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBJECTS = 1_000_000
_USUAL = gc.get_threshold()


def seldom() -> None:
    """Look seldom from here on: for a process that soon ends, before it imports anything large."""
    gc.set_threshold(_OBJECTS, *_USUAL[1:])


def settle() -> None:
    """Look as usual from here on, but never again at what is there now: for what serves until it is stopped."""
    gc.freeze()
    gc.set_threshold(*_USUAL)


@contextmanager
def few_collections() -> Iterator[None]:
    """Look seldom meanwhile: while records are decoded."""
    before = gc.get_threshold()
    seldom()
    try:
        yield
    finally:
        gc.set_threshold(*before)
