"""What stands for a text that says who somebody is: of the same length and form, made with a key, and with no way back.

Letters become letters of the same case and script, digits become digits, everything else stays: "N-07001" becomes
"K-81933". Addresses end in `.example`, where no mail and no request arrives.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from itertools import count

_LOWER, _UPPER = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WINDOW = 32
_TRIES = 50
_MAIL = re.compile(r"([^@\s]+)@([^@\s]+)")
_WEB = re.compile(r"(https?://)([^/\s]+)(.*)", re.IGNORECASE | re.DOTALL)
_RESERVED = "example"  # a top level that nobody ever has (RFC 2606)


class Pseudonyms:
    """Gives pseudonyms under one key.

    Args:
        key: of which nobody keeps a copy.
        real: everything that no pseudonym may be, as `seen` says it: what really says who somebody is.
    """

    def __init__(self, key: bytes, real: set[int] | frozenset[int] = frozenset()) -> None:
        self._key = key
        self._real = real
        self._given: dict[str, str] = {}
        self._taken: set[str] = set()

    def of_value(self, value: str) -> str:
        """The same for the same value wherever it stands, so that what agreed still agrees; no two share one, as long
        as there are enough texts of this form.
        """
        if value not in self._given:
            self._given[value] = self._first(value, "", self._taken)
            self._taken.add(self._given[value])
        return self._given[value]

    def of_row(self, value: str, row: str) -> str:
        """Another one in each row: how often a name occurs would tell which one it is."""
        return self._first(value, row, frozenset())

    def _first(self, value: str, salt: str, taken: set[str] | frozenset[str]) -> str:
        """The first that is free, and nobody's; of texts so short that all are somebody's, any."""
        for number in count():
            found = self._shaped(value, f"{salt}\0{number}")
            if number >= _TRIES or not (found in taken or seen(found) in self._real):
                return found
        raise AssertionError

    def _shaped(self, value: str, salt: str) -> str:
        stream = hashlib.shake_256(self._key + f"\0{salt}\0{value}".encode("utf-8", "surrogatepass"))
        drawn = stream.digest(2 * len(value))
        draws = [int.from_bytes(drawn[at : at + 2]) for at in range(0, len(drawn), 2)]
        pairs = enumerate(zip(value, draws, strict=True))
        whole = "".join(_instead(letter, draw, first=not at) for at, (letter, draw) in pairs)
        if mail := _MAIL.fullmatch(value):
            at = len(mail[1])
            return f"{whole[:at]}@{_reserved(whole[at + 1 :])}"
        if web := _WEB.fullmatch(value):
            host, path = len(web[1]), len(web[1]) + len(web[2])
            return f"{web[1]}{_reserved(whole[host:path])}{whole[path:]}"
        return whole


def seen(value: str) -> int:
    """What is kept of a real value, to know it again: values by the million, and no difference of case."""
    return hash(value.casefold())


def _reserved(host: str) -> str:
    """A host below the reserved top level, about as long."""
    return f"{host.rpartition('.')[0] or host}.{_RESERVED}"


def _instead(letter: str, drawn: int, *, first: bool) -> str:
    """Another sign of the same kind; a number does not begin with a zero that was not there."""
    if letter in _LOWER:
        return _LOWER[drawn % 26]
    if letter in _UPPER:
        return _UPPER[drawn % 26]
    if letter.isdecimal() and letter.isascii():
        return str(drawn % 9 + 1 if first and letter != "0" else drawn % 10)
    if not letter.isalnum():
        return letter
    kind, begin = unicodedata.category(letter), ord(letter) // _WINDOW * _WINDOW
    like = [chr(code) for code in range(begin, begin + _WINDOW) if unicodedata.category(chr(code)) == kind]
    return like[drawn % len(like)]
