"""Corrupted values: each still a value of its column's type."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.schema import RowSchema
from velo_engine.types import FLOATS, INTEGERS, STRINGS, TIMESTAMPS, SqlType, TypeName
from velo_harness.faults.model import Corruption, FieldCorruption
from velo_harness.keys import bad_value

_BITS = {TypeName.TINYINT: 8, TypeName.SMALLINT: 16, TypeName.INT: 32, TypeName.BIGINT: 64}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_YEAR_MS = 365 * 86_400_000


def corruptible(schema: RowSchema, wanted: FieldCorruption) -> dict[str, tuple[Corruption, ...]]:
    """The fields to corrupt, each with the kinds that apply to it. Errors: UNKNOWN_COLUMN, BAD_VALUE when none does."""
    for name in wanted.fields:
        if name not in schema.names:
            hint = did_you_mean(name, schema.names, noun="field")
            raise VeloError(ErrorCode.UNKNOWN_COLUMN, f'unknown field "{name}"', location=wanted.location, hint=hint)
    kinds = {column.name: column.type for column in schema.columns}
    found = {
        name: tuple(how for how in wanted.types if _applies(how, kinds[name]))
        for name in (wanted.fields or schema.names)
    }
    found = {name: hows for name, hows in found.items() if hows}
    if not found:
        message = f"none of {', '.join(wanted.types)} applies to a field here"
        raise bad_value(message, wanted.location, hint="case_change is for text")
    return found


def _applies(how: Corruption, kind: SqlType) -> bool:
    if kind.name in STRINGS:
        return True
    if how is Corruption.CASE_CHANGE:
        return False
    if kind.name is TypeName.BOOLEAN:
        return how is not Corruption.TRUNCATE
    return kind.name in INTEGERS | FLOATS | TIMESTAMPS | {TypeName.DECIMAL}


def corrupted_column(
    column: pa.ChunkedArray, kind: SqlType, at: Int64s, hows: Sequence[Corruption], rng: np.random.Generator
) -> pa.ChunkedArray:
    """The column with the values at the places `at` (rising) corrupted. NULL becomes a random value."""
    import pyarrow.compute as pc

    before = column.take(pa.array(at, pa.int64())).to_pylist()
    after = [_corrupted(value, kind, how, rng) for value, how in zip(before, hows, strict=True)]
    mask = np.zeros(len(column), np.bool_)
    mask[at] = True
    whole = pa.concat_arrays(column.chunks) if column.num_chunks else column.combine_chunks()
    return pa.chunked_array([pc.replace_with_mask(whole, pa.array(mask), pa.array(after, column.type))])


def _corrupted(value: Any, kind: SqlType, how: Corruption, rng: np.random.Generator) -> Any:
    if value is None:
        how = Corruption.RANDOM_VALUE
    if kind.name is TypeName.BOOLEAN:
        return bool(rng.integers(2)) if value is None else not value
    if kind.name in STRINGS:
        return _text(value, kind, how, rng)
    if kind.name in INTEGERS:
        return _integer(value, _BITS[kind.name], how, rng)
    if kind.name in FLOATS:
        return _float(value, kind, how, rng)
    if kind.name is TypeName.DECIMAL:
        digits = 10**kind.precision - 1
        unscaled = None if value is None else int(value.scaleb(kind.scale))
        if how is Corruption.TRUNCATE and unscaled is not None:
            return Decimal(int(value))
        changed = _whole(unscaled, -digits, digits, how, rng)
        return Decimal(changed).scaleb(-kind.scale)
    return _timestamp(value, how, rng)


def _text(value: str | None, kind: SqlType, how: Corruption, rng: np.random.Generator) -> str:
    longest = min(kind.length, 12)
    if value is None or how is Corruption.RANDOM_VALUE:
        return "".join(_LETTERS[i] for i in rng.integers(0, len(_LETTERS), max(1, min(8, longest))))
    match how:
        case Corruption.BOUNDARY_VALUE:
            return ""
        case Corruption.TRUNCATE:
            return value[: len(value) // 2]
        case Corruption.CASE_CHANGE:
            return value.swapcase()
    if not value:
        return "\x01"
    i = int(rng.integers(len(value)))
    return value[:i] + chr(ord(value[i]) ^ (1 << int(rng.integers(5)))) + value[i + 1 :]


def _integer(value: int | None, bits: int, how: Corruption, rng: np.random.Generator) -> int:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if how is Corruption.TRUNCATE and value is not None:
        return int(value / 10)
    return _whole(value, low, high, how, rng)


def _whole(value: int | None, low: int, high: int, how: Corruption, rng: np.random.Generator) -> int:
    """A whole number from `low` to `high`."""
    if value is None or how is Corruption.RANDOM_VALUE:
        words = int.from_bytes(rng.bytes(16), "little")
        return low + words % (high - low + 1)
    if how is Corruption.BOUNDARY_VALUE:
        return (low, high)[int(rng.integers(2))]
    # A bit that keeps the value in its range: below that of the largest value's top.
    flipped = value ^ (1 << int(rng.integers(max(1, high.bit_length() - 1))))
    return min(max(flipped, low), high)


def _float(value: float | None, kind: SqlType, how: Corruption, rng: np.random.Generator) -> float:
    if value is None or how is Corruption.RANDOM_VALUE:
        return float(np.float32(rng.normal() * 1e6))
    match how:
        case Corruption.BOUNDARY_VALUE:
            largest = float(np.finfo(np.float32 if kind.name is TypeName.FLOAT else np.float64).max)
            return (-largest, largest)[int(rng.integers(2))]
        case Corruption.TRUNCATE:
            return float(np.trunc(value))
    if kind.name is TypeName.FLOAT:
        return float((np.array([value], np.float32).view(np.int32) ^ (1 << int(rng.integers(23)))).view(np.float32)[0])
    return float((np.array([value]).view(np.int64) ^ (1 << int(rng.integers(52)))).view(np.float64)[0])


def _timestamp(value: dt.datetime | None, how: Corruption, rng: np.random.Generator) -> dt.datetime:
    if value is None:
        return dt.datetime(2000, 1, 1) + dt.timedelta(milliseconds=int(rng.integers(_YEAR_MS)))
    match how:
        case Corruption.RANDOM_VALUE:
            return value + dt.timedelta(milliseconds=int(rng.integers(-_YEAR_MS, _YEAR_MS)))
        case Corruption.BOUNDARY_VALUE:
            return (dt.datetime(1970, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59))[int(rng.integers(2))]
        case Corruption.TRUNCATE:
            return value.replace(hour=0, minute=0, second=0, microsecond=0)
    return value + dt.timedelta(milliseconds=1 << int(rng.integers(31)))
