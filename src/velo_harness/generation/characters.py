"""Text made column at a time: a matrix of code points, one row each, turned into an Arrow column at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

ALPHANUMERIC = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz0123456789", np.uint8).astype(np.uint32)
DEFAULT_LENGTHS = (8, 16)
"""Of text that has neither pattern nor length."""

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def text_array(points: Any, lengths: Any) -> pa.Array:
    """The strings whose characters stand in the first `lengths[i]` places of row i."""
    inside = np.arange(points.shape[1]) < lengths[:, None]
    if points.size == 0 or int(np.max(points, where=inside, initial=0)) < 128:
        return ascii_array(points[inside].astype(np.uint8), lengths)
    joined = points[inside].astype("<u4").tobytes().decode("utf-32-le")
    ends = np.cumsum(lengths)
    return pa.array([joined[end - length : end] for end, length in zip(ends, lengths, strict=True)], pa.string())


def ascii_array(characters: Any, lengths: Any) -> pa.Array:
    """Strings from their joined ASCII characters and their lengths."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(characters))]
    return pa.Array.from_buffers(pa.string(), len(lengths), buffers)


def random_text(rng: np.random.Generator, n: int, shortest: int, longest: int) -> pa.Array:
    """Lower-case letters and digits."""
    lengths = rng.integers(shortest, longest, n, endpoint=True)
    total = int(lengths.sum())
    return ascii_array(ALPHANUMERIC[rng.integers(0, len(ALPHANUMERIC), total)].astype(np.uint8), lengths)


def random_bytes(rng: np.random.Generator, n: int, shortest: int, longest: int) -> pa.Array:
    """Random bytes."""
    lengths = rng.integers(shortest, longest, n, endpoint=True)
    made = ascii_array(rng.integers(0, 256, int(lengths.sum()), np.uint8), lengths)
    return made.view(pa.binary())


def uuids(rng: np.random.Generator, n: int) -> pa.Array:
    """Random UUIDs (version 4, RFC 9562) as text."""
    octets = rng.integers(0, 256, (n, 16), np.uint8)
    octets[:, 6] = (octets[:, 6] & 0x0F) | 0x40
    octets[:, 8] = (octets[:, 8] & 0x3F) | 0x80
    digits = np.empty((n, 32), np.uint8)
    digits[:, 0::2] = _HEX[octets >> 4]
    digits[:, 1::2] = _HEX[octets & 0x0F]
    characters = np.full((n, 36), ord("-"), np.uint8)
    for at, start, end in ((0, 0, 8), (9, 8, 12), (14, 12, 16), (19, 16, 20), (24, 20, 32)):
        characters[:, at : at + end - start] = digits[:, start:end]
    return ascii_array(characters.ravel(), np.full(n, 36))
