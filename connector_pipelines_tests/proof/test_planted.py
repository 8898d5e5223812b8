from __future__ import annotations

from pathlib import Path

import pytest

from proof.planted import Bug, bugs

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("bug", bugs(), ids=lambda bug: bug.pain)
def test_planted_bugs_fit_the_code(bug: Bug) -> None:
    """Each planted bug still has its place in the code, and the tests that must notice it exist."""
    assert bug.source()
    for test in bug.tests:
        file, _, name = test.partition("::")
        assert f"def {name}" in (TESTS / file).read_text(encoding="utf-8")


def test_every_pain_has_its_bug() -> None:
    """There is a planted bug for each pain that sync tools are known for."""
    assert {bug.pain.partition(":")[0] for bug in bugs() if ":" in bug.pain} == {f"P{n}" for n in range(1, 21)}
