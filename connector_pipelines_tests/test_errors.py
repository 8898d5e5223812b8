from __future__ import annotations

import re

import pytest

from connector_pipelines import errors
from connector_pipelines.errors import AuthFailed, Category, SecretMissing, SyncError, at


def tree(root: type[SyncError]) -> dict[str, tuple[str, str]]:
    """Every error of the module below one: its parent and its category. A connector may tell its own apart further."""
    found: dict[str, tuple[str, str]] = {}
    for error in (error for error in root.__subclasses__() if error.__module__ == errors.__name__):
        found |= {error.__name__: (root.__name__, error.category.value)} | tree(error)
    return found


def drawn() -> dict[str, tuple[str, str]]:
    """The same, as drawn on top of the module; a line without a category has that of its parent."""
    parents = {0: "SyncError"}
    found = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│ ]*[├└]── )(\w+) .*?([A-Z_]{5,})?$", line)
        if match:
            depth = len(match[1]) // 4
            parents[depth] = match[2]
            found[match[2]] = (parents[depth - 1], match[3] or "UNKNOWN")
    return found


def test_drawn_tree_is_the_tree() -> None:
    """The tree on top of `errors.py` names every error, its parent and its category."""
    assert drawn() == tree(SyncError)


def test_every_error_says_what_it_is_for() -> None:
    """No error class is without a docstring of its own."""
    assert [name for name in tree(SyncError) if not getattr(errors, name).__doc__] == []


def test_every_category_is_used() -> None:
    """There is no category that no error has."""
    assert {category for _, category in tree(SyncError).values()} == {category.value for category in Category}


def test_place_is_filled_in_once() -> None:
    """The innermost layer that knows the place names it; outer ones add what is missing and change nothing."""
    error = AuthFailed("wrong key.", remedy="Renew it.")
    assert str(error) == "wrong key. What to do: Renew it."
    with pytest.raises(AuthFailed), at("outer", "students"), at("inner"):
        raise error
    assert str(error) == "inner/students: wrong key. What to do: Renew it."
    assert str(error.located("late", "sections")).startswith("inner/students: ")


def test_other_errors_pass_untouched() -> None:
    """`at` leaves errors alone that are not ours."""
    with pytest.raises(ValueError, match=r"^other$"), at("toy"):
        raise ValueError("other")


def test_error_without_a_remedy_is_one_sentence() -> None:
    """Where nothing is to be done, nothing is said."""
    assert str(SecretMissing("CANVAS_TOKEN is not set.")) == "CANVAS_TOKEN is not set."
