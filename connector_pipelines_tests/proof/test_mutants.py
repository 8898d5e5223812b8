from __future__ import annotations

from pathlib import Path

from proof.mutants import TESTS, stale

HERE = Path(__file__).parents[1]


def test_what_nobody_could_see_is_a_mutant() -> None:
    """Each change in `equivalents.toml` is one that the runner makes; a changed line needs its entry anew."""
    assert stale() == set()


def test_the_tests_that_are_asked_are_there() -> None:
    """Each module names tests, each once."""
    for tests in TESTS.values():
        assert len(set(tests)) == len(tests) > 0
        assert all((HERE / test).is_file() for test in tests)
