"""Decimals in two's complement, biggest byte first: to Arrow's decimal128 and back, exactly."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.batch import Int32s, Int64s
from velo_engine.formats.avro.cursor import Cursor, Octets
from velo_engine.formats.avro.schema import AvroType
from velo_engine.types import SqlType, arrow_type

_SAFE = 10**18
"""Whole numbers below it are scaled in 64 bits."""


def decimal_reader(writer: AvroType, scale: int, t: SqlType) -> Callable[[Cursor], pa.Array]:
    """Reads decimals of `scale` digits as `t`: rounded HALF_UP to its scale, NULL beyond its precision, as in Flink."""

    def read(cursor: Cursor) -> pa.Array:
        offsets, contents = cursor.slices() if writer.kind == "bytes" else cursor.fixed_slices(writer.size)
        empty = np.flatnonzero(np.diff(offsets) == 0)
        if len(empty):
            cursor.fail(empty, "a decimal without a byte")
        numbers = _small_numbers(offsets, contents)
        scaled = None if numbers is None else rescaled(numbers, scale, t)
        if scaled is None:
            return _without(*_large_numbers(offsets, contents, scale, t), cursor, t)
        wrong = beyond_precision(scaled, t)
        scaled[wrong] = 0
        return _without(decimals_of(scaled, t), wrong, cursor, t)

    return read


def _without(numbers: pa.Array, wrong: Int64s, cursor: Cursor, t: SqlType) -> pa.Array:
    """The numbers, with NULL where one does not fit; a failure where there may be no NULL."""
    if not len(wrong):
        return numbers
    if not t.nullable:
        cursor.fail(wrong, f"a number that does not fit in {t}")
    there = np.ones(len(numbers), np.bool_)
    there[wrong] = False
    return pc.if_else(pa.array(there), numbers, pa.scalar(None, numbers.type))


def _small_numbers(offsets: Int32s, contents: Octets) -> Int64s | None:
    """The unscaled numbers; None when one has more than eight bytes."""
    sizes = np.diff(offsets)
    longest = int(sizes.max(initial=0))
    if longest > 8:
        return None
    padded = np.concatenate([contents, np.zeros(8, np.uint8)])
    numbers = np.where((sizes > 0) & (padded[offsets[:-1]] & 0x80 != 0), np.int64(-1), np.int64(0))
    for i in range(longest):
        byte = padded[offsets[:-1] + i]
        numbers = np.where(sizes > i, (numbers << 8) | byte, numbers)
    return numbers


def rescaled(numbers: Int64s, scale: int, t: SqlType) -> Int64s | None:
    """Unscaled numbers of `scale` digits as those of `t`, rounded HALF_UP; None when 64 bits may not hold them."""
    up = t.scale - scale
    limit = _SAFE if up <= 0 else _SAFE // 10 ** min(up, 18)
    if up < -18 or len(beyond(numbers, limit)):
        return None
    if up >= 0:
        return np.asarray(numbers * 10**up, np.int64)
    by = 10**-up
    return np.asarray(np.sign(numbers) * ((np.abs(numbers) + by // 2) // by), np.int64)


def beyond(numbers: Int64s, limit: int) -> Int64s:
    """Where a number is not smaller than `limit` in size."""
    return np.flatnonzero((numbers >= limit) | (numbers <= -limit))


def beyond_precision(unscaled: Int64s, t: SqlType) -> Int64s:
    """Where an unscaled number has more digits than `t`."""
    return beyond(unscaled, 10**t.precision) if t.precision < 19 else np.empty(0, np.int64)


def _large_numbers(offsets: Int32s, contents: Octets, scale: int, t: SqlType) -> tuple[pa.Array, Int64s]:
    """One by one, for numbers of more than 64 bits; and where one does not fit."""
    data = contents.tobytes()
    bounds = offsets.tolist()
    limit, up = 10**t.precision, t.scale - scale
    wrong, unscaled = [], []
    for i, (start, end) in enumerate(pairwise(bounds)):
        # Beyond 64 bytes no number fits, and Python would take its time.
        number = int.from_bytes(data[start:end], signed=True) if end - start <= 64 else limit
        number = number * 10**up if up >= 0 else _divided(number, 10**-up)
        if abs(number) >= limit:
            wrong.append(i)
            number = 0
        unscaled.append(number.to_bytes(16, "little", signed=True))
    numbers = pa.Array.from_buffers(arrow_type(t), len(unscaled), [None, pa.py_buffer(b"".join(unscaled))])
    return numbers, np.array(wrong, np.int64)


def _divided(number: int, by: int) -> int:
    quotient = (abs(number) + by // 2) // by
    return -quotient if number < 0 else quotient


def decimals_of(unscaled: Int64s, t: SqlType) -> pa.Array:
    """Unscaled numbers as a column of decimals."""
    words = np.empty((len(unscaled), 2), "<i8")
    words[:, 0] = unscaled
    words[:, 1] = unscaled >> 63
    return pa.Array.from_buffers(arrow_type(t), len(unscaled), [None, pa.py_buffer(words)])


def unscaled_bytes(column: pa.Array) -> Octets:
    """The unscaled numbers of a decimal128 column without NULL, biggest byte first: 8 bytes a row, or 16."""
    if not len(column):
        return np.empty((0, 8), np.uint8)
    stored = np.frombuffer(column.buffers()[1], np.uint8).reshape(-1, 16)[column.offset : column.offset + len(column)]
    words = stored.view("<i8")
    narrow = bool((words[:, 1] == words[:, 0] >> 63).all())
    return stored[:, 7::-1] if narrow else stored[:, ::-1]


def shortest_sizes(numbers: Octets) -> Int64s:
    """How many bytes each number needs, as Java's BigInteger.toByteArray."""
    sizes = np.ones(len(numbers), np.int64)
    if not len(numbers):
        return sizes
    width = numbers.shape[1]
    negative = numbers[:, 0] & 0x80 != 0
    sign = np.where(negative, np.uint8(0xFF), np.uint8(0))
    # A leading byte is needless when it repeats the sign, which the next byte still shows.
    needed = np.zeros(len(numbers), np.bool_)
    for i in range(width - 1):
        needed |= (numbers[:, i] != sign) | ((numbers[:, i + 1] & 0x80 != 0) != negative)
        if needed.any():
            sizes += needed
    return sizes
