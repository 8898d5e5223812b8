"""The proof's own tools, on the server of the tests."""

from __future__ import annotations

import pytest

from proof.databases import Databases


@pytest.fixture
def databases(server: str) -> Databases:
    """Makes databases from the session's template."""
    return Databases(server)
