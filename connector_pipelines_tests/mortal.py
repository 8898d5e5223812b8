"""Work that a test does in a process of its own, and kills there."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from connector_pipelines_tests.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable


class Mortal(Kept):
    """Whoever works on the database at `url`, in children that may die."""

    child = 0

    def in_a_child(self, work: Callable[[], object]) -> int:
        """Do something in a process of its own; the signal that ended it, or 0, once the server noticed."""
        self.child = 0
        child = os.fork()
        if child:
            self.child = child
            ended_by = os.WTERMSIG(os.waitpid(child, 0)[1])
            while self.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"):
                continue
            return ended_by
        try:
            work()
        finally:
            os._exit(0)

    def kill(self) -> None:
        """End the child, from a thread of this process."""
        while not self.child:
            continue
        os.kill(self.child, signal.SIGKILL)
