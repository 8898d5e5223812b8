"""Randomness that can be asked about any record alone: hash of (seed, label, index), never a sequence that must be run
through.

The mixer is splitmix64's finalizer: a bijection of 64-bit integers that passes the usual statistical batteries, and
vectorizes. Labels are hashed with BLAKE2b, once each.
"""

from __future__ import annotations

import functools
import hashlib
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Indices: TypeAlias = npt.NDArray[np.int64]
Hashes: TypeAlias = npt.NDArray[np.uint64]
Mask: TypeAlias = npt.NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


@functools.lru_cache(maxsize=4096)
def key(seed: int, *labels: str | int) -> int:
    """64 bits that stand for a seed and what is asked of it."""
    text = "\x1f".join(str(part) for part in (seed, *labels))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def hashes(salt: int, indices: Indices) -> Hashes:
    """One well-mixed 64-bit number for each index; the same for the same salt and index, whatever else is asked for."""
    mixed: Hashes = indices.astype(np.uint64) * _GOLDEN + np.uint64(salt)
    mixed ^= mixed >> _SHIFTS[0]
    mixed *= _MIX_1
    mixed ^= mixed >> _SHIFTS[1]
    mixed *= _MIX_2
    mixed ^= mixed >> _SHIFTS[2]
    return mixed


def below(mixed: Hashes, limit: int) -> Indices:
    """Each hash as a number in [0, limit); limits are tiny beside 2^64, so the bias of the remainder is, too."""
    return (mixed % np.uint64(limit)).astype(np.int64)


def one(salt: int, index: int, limit: int) -> int:
    """`below` for a single index."""
    return int(below(hashes(salt, np.array([index], dtype=np.int64)), limit)[0])
