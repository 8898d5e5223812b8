"""Who may deliver, and how often."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_pipelines.notices import HookOptions
from connector_pipelines.webhooks.admission import Callers, Refusal, inside, refused

NETWORKS = (ip_network("203.0.113.0/24"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("203.0.113.9", True),
        ("::ffff:203.0.113.9", True),
        ("2001:db8::1", True),
        ("203.0.114.9", False),
        ("::ffff:203.0.114.9", False),
        ("", False),
        ("testclient", False),
    ],
)
def test_only_allowed_networks(address: str, admitted: bool) -> None:  # noqa: FBT001 -- a table of cases
    """An address must lie in one of the networks, also when it is an IPv4 address in IPv6's clothes."""
    assert inside(address, NETWORKS) is admitted
    assert (refused(HookOptions(allowed_networks=NETWORKS), address) is None) is admitted


def test_without_networks_anybody_may_try() -> None:
    """Where no networks are named, the signature alone decides."""
    assert refused(HookOptions(), "198.51.100.1") is None
    assert refused(HookOptions(allowed_networks=NETWORKS), "198.51.100.1") is Refusal.FORBIDDEN


def test_one_caller_does_not_use_up_anothers_share() -> None:
    """Each address has its own share of each source; a minute later it is whole again."""
    callers = Callers()
    assert [callers.admit("a", "1", 2, 0) for _ in range(3)] == [True, True, False]
    assert callers.admit("a", "2", 2, 0)
    assert callers.admit("b", "1", 2, 0)
    assert [callers.admit("a", "1", 2, 60) for _ in range(3)] == [True, True, False]


@given(st.lists(st.floats(0, 10), max_size=60), st.integers(1, 10))
def test_never_more_than_a_share_and_what_came_back(pauses: list[float], per_minute: int) -> None:
    """However calls are spaced, no more are admitted than the share and what time has given back."""
    callers, now, admitted = Callers(), 0.0, 0
    for pause in pauses:
        now += pause
        admitted += callers.admit("a", "1", per_minute, now)
    assert admitted <= per_minute + now * per_minute / 60 + 1e-6


def test_callers_without_number_do_not_fill_the_memory() -> None:
    """Who calls from ever new addresses pushes out others' counts, not the process's memory."""
    callers = Callers()
    for number in range(12_000):
        callers.admit("a", str(number), 5, 0)
    assert len(callers._left) == 10_000
