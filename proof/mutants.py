"""Mutation score: which share of small changes of the engine's Python and SQL the tests notice.

    python -m proof.mutants                      all modules
    python -m proof.mutants core/apply.py        one of them
    python -m proof.mutants core/apply.py:156    the mutants of one line

Each mutant is a fork of a process that has imported the heavy libraries already, with a changed module and the tests
chosen for that module; the tests that noticed most mutants so far run first, so most cost about a second. Mutants that
PostgreSQL cannot parse do not count. Those that change nothing anybody could see stand with their reason in
`equivalents.toml`, and do not count either.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proof.asking import LEAST_PATIENCE_SECONDS, PACKAGE, ROOT, ask, ready
from proof.mutations import Mutant, mutants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Which tests are asked, per module: those that claim something of it, quick ones first.
_PLANNING = (
    *("sync/test_updates.py", "sync/test_outdated.py", "sync/test_holding.py", "sync/test_repeated.py"),
    *("sync/test_references.py", "sync/test_dead_letters.py", "sync/test_coming_parents.py", "sync/test_known.py"),
    *("sync/test_identity.py", "sync/test_matching.py", "sync/test_drops.py", "sync/test_deciding.py"),
    *("sync/test_retrying.py", "sync/test_kinds.py", "whole_way/test_missing_parents.py"),
)
_APPLYING = (
    *("sync/test_updates.py", "sync/test_outdated.py", "sync/test_database_errors.py", "sync/test_resume.py"),
    *("sync/test_receipts.py", "sync/test_dead_letters.py", "sync/test_coming_parents.py", "sync/test_matching.py"),
    *("sync/test_drops.py", "sync/test_known.py", "sync/test_conflicts.py", "sync/test_undoing.py"),
    *("sync/test_beside.py", "sync/test_kinds.py"),
)
_CONTESTING = ("sync/test_contested.py", "sync/test_conflicts.py", "sync/test_resolving.py")
TESTS: dict[str, tuple[str, ...]] = {
    "mapping/plan.py": _PLANNING,
    "mapping/diff.py": (
        "sync/test_repeated.py",
        "sync/test_updates.py",
        "sync/test_dead_letters.py",
        "sync/test_known.py",
        "sync/test_kinds.py",
    ),
    "mapping/references.py": (
        *("sync/test_references.py", "sync/test_coming_parents.py", "sync/test_answered.py", "sync/test_kinds.py"),
        *("sync/exports/test_echo.py", "sync/test_dead_letters.py", "sync/test_outdated.py"),
    ),
    "mapping/conflicts.py": ("mapping/test_conflicts.py", *_CONTESTING, "sync/test_ownership.py"),
    "mapping/guard.py": ("mapping/test_guard.py",),
    "mapping/identities.py": ("mapping/test_identities.py",),
    "core/apply.py": _APPLYING,
    "core/conflicts.py": (*_CONTESTING, "sync/test_undoing.py"),
    "core/read_back.py": ("sync/test_receipts.py", "sync/test_updates.py"),
    "sync/cursors.py": ("sync/test_cursors.py",),
    "database/dead_letters.py": (
        *("sync/test_dead_letters.py", "sync/test_references.py", "sync/test_repeated.py", "sync/test_retrying.py"),
        *("sync/test_answered.py", "sync/test_deciding.py", "sync/test_replaying.py"),
    ),
}

WORDS = ("noticed", "survived", "equivalent", "no program")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant: "noticed", "survived", "no program" or "equivalent", and the test that noticed."""

    mutant: Mutant
    word: str
    test: str = ""


@dataclass(slots=True)
class Score:
    """The verdicts on one module."""

    module: str
    verdicts: list[Verdict] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, word: str) -> int:
        """How many mutants have this verdict."""
        return sum(verdict.word == word for verdict in self.verdicts)

    @property
    def share(self) -> float:
        """Of the mutants that count, how many were noticed."""
        counted = self.count("noticed") + self.count("survived")
        return self.count("noticed") / counted if counted else 1.0

    def __str__(self) -> str:
        counts = "  ".join(f"{word} {self.count(word)}" for word in WORDS)
        return f"{self.module:26} {self.share:6.1%}  {counts}  ({self.seconds:.0f} s)"


def _known_equivalents() -> dict[tuple[str, str, str], str]:
    """Module, line of source and change, with the reason why nobody could see it."""
    listed = tomllib.loads((ROOT / "proof/equivalents.toml").read_text(encoding="utf-8"))
    return {(one["module"], one["at"], one["change"]): one["why"] for one in listed.get("equivalent", [])}


def stale() -> set[tuple[str, str, str]]:
    """What `equivalents.toml` names and is no mutant any more: its line was changed."""
    known = set(_known_equivalents())
    for module in {module for module, _, _ in known}:
        source = (PACKAGE / module).read_text(encoding="utf-8")
        known -= {(module, *_at(source, mutant)) for mutant in mutants(source)}
    return known


def _at(source: str, mutant: Mutant) -> tuple[str, str]:
    """How a mutant is named in `equivalents.toml`: its line, and its change."""
    return source.splitlines()[mutant.line - 1].strip(), str(mutant).split(": ", 1)[1]


def score(module: str, lines: range | None = None, *, every: int = 1) -> Score:
    """Try all mutants of a module, or each n-th, or those of some lines."""
    source = (PACKAGE / module).read_text(encoding="utf-8")
    equivalents, noticed, made = _known_equivalents(), Counter[str](), Score(module)
    started = time.monotonic()
    without = ask(TESTS[module], None)
    if without.word != "survived":
        raise RuntimeError(f"the tests of {module} fail without a mutant: {without.test}")
    patience = max(LEAST_PATIENCE_SECONDS, 3 * (time.monotonic() - started))  # a busy machine is no noticed mutant
    for mutant in mutants(source)[::every]:
        if lines is None or mutant.line in lines:
            if (module, *_at(source, mutant)) in equivalents:
                made.verdicts.append(Verdict(mutant, "equivalent"))
                continue
            answer = ask(TESTS[module], (module, mutant.source), noticed, patience=patience)
            noticed[answer.test] += answer.word == "noticed"
            made.verdicts.append(Verdict(mutant, answer.word, answer.test))
            if answer.word == "survived":
                print(f"survived: {module} {mutant}", flush=True)
    made.seconds = time.monotonic() - started
    return made


def _scores(modules: Iterable[str], every: int) -> Iterator[Score]:
    for asked in modules:
        module, _, line = asked.partition(":")
        yield score(module, range(int(line), int(line) + 1) if line else None, every=every)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 when the score is below what is promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=list(TESTS), metavar="module[:line]")
    parser.add_argument("--least", type=float, default=0.85, help="the score that is promised")
    parser.add_argument("--every", type=int, default=1, help="try each n-th mutant only")
    given = parser.parse_args(arguments)
    scores = []
    with ready():
        for made in _scores(given.modules, given.every):
            scores.append(made)
            print(made, flush=True)
    whole = Score("all", [verdict for made in scores for verdict in made.verdicts], sum(m.seconds for m in scores))
    print(whole)
    return int(whole.share < given.least)


if __name__ == "__main__":
    sys.exit(main())
