"""Plants known bugs, one at a time, and demands that the tests named with each fail.

python -m proof.planted             all of them
python -m proof.planted P2 cursor   those whose words hold one of these
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proof.asking import PACKAGE, ROOT, ask, ready

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Bug:
    """One known way to be wrong.

    Attributes:
        pain: what users would suffer, with the number of the pain where it has one.
        file: of the package.
        old, new: a text that stands there once, and what it becomes.
        tests: files or single tests, below `connector_pipelines_tests`, of which one must fail.
    """

    pain: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def source(self) -> str:
        """The file with the bug.

        Raises:
            ValueError: the text does not stand there once: the code moved on, and the bug must follow.
        """
        text = (PACKAGE / self.file).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.pain}: {self.file} holds {self.old!r} {text.count(self.old)} times, not once")
        return text.replace(self.old, self.new)


def bugs() -> list[Bug]:
    """All that are known."""
    listed = tomllib.loads((ROOT / "proof/planted.toml").read_text(encoding="utf-8"))["bug"]
    return [Bug(**one | {"tests": tuple(one["tests"])}) for one in listed]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 when a bug was not noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    given = parser.parse_args(arguments)
    chosen = [bug for bug in bugs() if not given.words or any(word in bug.pain for word in given.words)]
    sources = [bug.source() for bug in chosen]
    missed = 0
    with ready():
        tests = sorted({test for bug in chosen for test in bug.tests})
        without = ask(tests, None)
        if without.word != "survived":
            print(f"without any bug, {without.test} fails")
            return 1
        for bug, source in zip(chosen, sources, strict=True):
            answer = ask(bug.tests, (bug.file, source))
            missed += answer.word != "noticed"
            by = answer.test.partition("connector_pipelines_tests/")[2] or answer.test[-400:]
            print(f"{answer.word:10} {bug.pain:75} {by}", flush=True)
    print(f"{len(chosen)} planted bugs, {len(chosen) - missed} noticed")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
