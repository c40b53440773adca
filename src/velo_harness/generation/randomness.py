"""Where randomness comes from: one stream of numbers for every purpose of every column, found by name.

A stream depends on the seed and on the names of table, column and purpose only. So the same seed gives the same bytes
in every process, and adding, removing or reordering columns changes no other column.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *names: str) -> np.random.Generator:
    """The random numbers for what `names` lead to, for example table, column, purpose."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=_key(names))))


def _key(names: tuple[str, ...]) -> tuple[int, ...]:
    """Four 32-bit words that stand for the names; their lengths are hashed too, so that "ab", "c" is not "a", "bc"."""
    text = "".join(f"{len(name)}:{name}" for name in names)
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
