"""Signatures over what is delivered: whose they are, and when."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector_pipelines.errors import SecretMissing
from connector_pipelines.external.secrets import Secret
from connector_pipelines.external.signing import SignedHook
from connector_pipelines.notices import Delivery

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BODY = b'{"type": "user.updated"}'


def hook(**more: Any) -> SignedHook:
    """A webhook whose secret is "s3cret"."""
    return SignedHook(secret=Secret.literal("s3cret"), **more)


def sign(content: bytes, *, key: str = "s3cret", algorithm: str = "sha256") -> bytes:
    """What the system computes."""
    return hmac.new(key.encode(), content, algorithm).digest()


def test_a_plain_signature() -> None:
    """A hexadecimal HMAC over the body is genuine, with a prefix where one is declared, as GitHub has it."""
    mac = sign(BODY).hex()
    assert hook().genuine(Delivery({"x-signature": mac}, BODY), NOW)
    github = hook(header="X-Hub-Signature-256", prefix="sha256=")
    assert github.genuine(Delivery({"x-hub-signature-256": f"sha256={mac}"}, BODY), NOW)
    assert not github.genuine(Delivery({"x-hub-signature-256": mac}, BODY), NOW)


def test_a_known_answer() -> None:
    """RFC 4231's second test vector is what we compute, too."""
    vector = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    told = Delivery({"x-signature": vector}, b"what do ya want for nothing?")
    assert SignedHook(secret=Secret.literal("Jefe")).genuine(told, NOW)


def test_standard_webhooks() -> None:
    """Id, time and body are signed together in base64, and one of several signatures is enough."""
    standard = hook(header="webhook-signature", prefix="v1,", encoding="base64", signed=("id", "timestamp", "body"))
    at = str(int(NOW.timestamp()))
    mac = base64.b64encode(sign(b"msg_1." + at.encode() + b"." + BODY)).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": at, "webhook-signature": f"v1,AAAA v1,{mac}"}
    assert standard.genuine(Delivery(headers, BODY), NOW)
    for name in headers:
        assert not standard.genuine(Delivery({**headers, name: ""}, BODY), NOW)
    assert not standard.genuine(Delivery({**headers, "webhook-id": "msg_2"}, BODY), NOW)


@pytest.mark.parametrize(("apart", "fine"), [(0, True), (299, True), (-299, True), (301, False), (-301, False)])
def test_a_signed_time_must_be_near(apart: int, fine: bool) -> None:  # noqa: FBT001 -- a table of cases
    """A delivery that was recorded and is sent again later is refused, in seconds and in milliseconds."""
    timed = hook(signed=("timestamp", "body"))
    sent = NOW - timedelta(seconds=apart)
    for at in (str(int(sent.timestamp())), str(int(sent.timestamp() * 1_000))):
        headers = {"webhook-timestamp": at, "x-signature": sign(at.encode() + b"." + BODY).hex()}
        assert timed.genuine(Delivery(headers, BODY), NOW) is fine


def test_each_system_has_its_own_headers_and_patience() -> None:
    """Id and time are looked for where the declaration says, and the time may be as far off as it says (F63)."""
    own = hook(
        signed=("id", "timestamp", "body"), id_header="X-Event", timestamp_header="X-Sent-At", tolerance_seconds=10
    )

    def sent(seconds_ago: int, names: tuple[str, str] = ("x-event", "x-sent-at")) -> Delivery:
        at = str(int(NOW.timestamp()) - seconds_ago)
        mac = sign(b"e1." + at.encode() + b"." + BODY).hex()
        return Delivery({names[0]: "e1", names[1]: at, "x-signature": mac}, BODY)

    assert [own.genuine(sent(seconds), NOW) for seconds in (10, 11)] == [True, False]
    assert not own.genuine(sent(0, ("webhook-id", "webhook-timestamp")), NOW)


@pytest.mark.parametrize("at", ["", "soon", "-1", "1e9", "9" * 400, "\uff11\uff12"])
def test_a_time_that_is_none(at: str) -> None:
    """What is no number of seconds is refused, however it is signed."""
    content = at.encode("latin-1", errors="replace") + b"." + BODY
    headers = {"webhook-timestamp": at, "x-signature": sign(content).hex()}
    assert not hook(signed=("timestamp", "body")).genuine(Delivery(headers, BODY), NOW)


def test_two_secrets_while_one_is_replaced() -> None:
    """While the system is told a new secret, the old one is good, too; afterwards it is not."""
    old = Delivery({"x-signature": sign(BODY, key="old").hex()}, BODY)
    assert hook(previous_secret=Secret.literal("old")).genuine(old, NOW)
    assert not hook().genuine(old, NOW)


@given(st.binary(max_size=60), st.text(max_size=60), st.sampled_from(["hex", "base64"]))
def test_nothing_else_is_genuine(body: bytes, signature: str, encoding: Any) -> None:
    """Whatever is sent without the secret is refused, and never an error."""
    assert not hook(encoding=encoding).genuine(Delivery({"x-signature": signature}, body), NOW)


@given(at=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_a_changed_body_is_refused(at: int, bit: int) -> None:
    """One flipped bit anywhere in the body is not what was signed."""
    changed = bytearray(BODY)
    changed[at] ^= 1 << bit
    assert not hook().genuine(Delivery({"x-signature": sign(BODY).hex()}, bytes(changed)), NOW)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_each_algorithm(algorithm: Any) -> None:
    """The declared hash is used, and no other one."""
    signed = Delivery({"x-signature": sign(BODY, algorithm=algorithm).hex()}, BODY)
    fitting = [name for name in hashlib.algorithms_guaranteed & {"sha1", "sha256", "sha512"} if _fits(name, signed)]
    assert fitting == [algorithm]


def _fits(algorithm: Any, delivery: Delivery) -> bool:
    return hook(algorithm=algorithm).genuine(delivery, NOW)


def test_the_body_is_always_signed() -> None:
    """Settings under which anybody could exchange the body are refused."""
    with pytest.raises(ValidationError, match="must hold the body"):
        hook(signed=("id", "timestamp"))


def test_a_missing_secret_is_said() -> None:
    """Without its secret nothing is genuine or not: that is an error, so that the sender tries again."""
    unset = SignedHook(secret=Secret.env("NO_SUCH_VARIABLE_HERE"))
    with pytest.raises(SecretMissing, match="NO_SUCH_VARIABLE_HERE"):
        unset.genuine(Delivery({"x-signature": sign(BODY).hex()}, BODY), NOW)
