"""Whole columns of text to typed columns: Arrow's casts where they agree with Flink's rules, else value by value.

`cells` decides what a text means. A cast here may refuse more than `cells` does (then the column is read value by
value) but never reads a text differently; a property test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.batch import Int64s
from velo_engine.formats.base import shown
from velo_engine.formats.cells import JAVA_WHITESPACE, cell_parser
from velo_engine.types import MAX_PRECISION, SqlType, TypeName, arrow_type

Failures: TypeAlias = dict[int, str]
"""By index in the column: why a value has no meaning in the column's type."""

TextReader: TypeAlias = Callable[[pa.Array], tuple[pa.Array, Failures]]
"""Reads a string column; NULL stays NULL, and a failed index holds NULL."""


def text_reader(t: SqlType) -> TextReader:
    """The reader of text columns for scalar type `t`, with temporal types in their standard forms."""
    parse = cell_parser(t)
    target = arrow_type(t)
    fast = _FAST.get(t.name)
    if fast is None:
        return lambda text: read_values(text.to_pylist(), parse, t)

    def read(text: pa.Array) -> tuple[pa.Array, Failures]:
        try:
            return fast(text, target, t), {}
        except pa.ArrowInvalid:
            return read_values(text.to_pylist(), parse, t)

    return read


def read_values(values: list[Any], parse: Callable[[Any], Any], t: SqlType) -> tuple[pa.Array, Failures]:
    """`values` one by one, with the reason of each that `parse` refuses."""
    failures: Failures = {}
    for i, value in enumerate(values):
        if value is not None:
            try:
                values[i] = parse(value)
            except ValueError as problem:
                values[i] = None
                failures[i] = refused(value, problem)
    return pa.array(to_precision(values, t), arrow_type(t)), failures


def refused(value: object, problem: ValueError) -> str:
    """The reason for a refused value: `"12x" is not a whole number`."""
    return f"{shown(str(value))} {problem}"


def to_precision(values: list[Any], t: SqlType) -> list[Any]:
    """Timestamps and times in microseconds, cut (toward the past) to the digits of a second that the type keeps."""
    unit = precision_unit(t)
    return values if unit == 1 else [None if v is None else v - v % unit for v in values]


def precision_unit(t: SqlType) -> int:
    """The microseconds of the last digit that the temporal type `t` keeps; 1 for other types.

    A TIME keeps milliseconds whatever its precision, as in Flink.
    """
    match t.name:
        case TypeName.TIMESTAMP | TypeName.TIMESTAMP_LTZ:
            return int("1" + "0" * max(0, 6 - t.precision))
        case TypeName.TIME:
            return 1000
        case _:
            return 1


def cut_to_precision(micros: Int64s, t: SqlType) -> Int64s:
    """As `to_precision`, for an array."""
    unit = precision_unit(t)
    return micros if unit == 1 else micros - micros % unit


# The fast readers: each raises ArrowInvalid where only the cell parser knows.


def _integers(text: pa.Array, target: pa.DataType, _: SqlType) -> pa.Array:
    characters = text_bytes(text)
    if b"x" in characters or b"X" in characters:
        raise pa.ArrowInvalid("Arrow reads hexadecimal numbers")
    return text.cast(target)


def _floats(text: pa.Array, target: pa.DataType, _: SqlType) -> pa.Array:
    numbers = text.cast(pa.float64())
    if pc.all(pc.is_finite(numbers)).as_py() is False:
        raise pa.ArrowInvalid("Arrow reads more spellings of infinity than Java")
    return numbers.cast(target, safe=False)


def _decimals(text: pa.Array, target: pa.DataType, t: SqlType) -> pa.Array:
    # Arrow is exact only where it need not divide by more than ten nor multiply beyond its width. Its cast of a text
    # wraps around silently when digits and scale together exceed 38, and its division by large powers of ten is wrong
    # for some numbers (pyarrow 26: floor(4294967295.96753341858446) gives 4294967294).
    characters = text_bytes(text)
    longest = pc.max(pc.binary_length(text)).as_py() or 0
    if b"e" in characters or b"E" in characters or longest + t.scale + 1 > MAX_PRECISION:
        raise pa.ArrowInvalid("Arrow may read a long decimal wrongly")
    if _longest_fraction(text) <= t.scale:
        try:
            return text.cast(target)
        except pa.ArrowInvalid:
            pass
    return _rounded(text, t)


def _longest_fraction(text: pa.Array) -> int:
    """At least the most characters behind a point in any of the texts."""
    data = text.buffers()[2]
    if data is None or not len(text):
        return 0
    offsets = np.frombuffer(text.buffers()[1], np.int32)[text.offset : text.offset + len(text) + 1]
    points = np.flatnonzero(np.frombuffer(data, np.uint8)[: offsets[-1]] == ord("."))
    if not len(points):
        return 0
    ends = offsets[1:]
    owners = np.searchsorted(ends, points, side="right")
    return int((ends[owners] - points).max()) - 1


def _rounded(text: pa.Array, t: SqlType) -> pa.Array:
    """Texts with more digits than the scale: HALF_UP (away from zero on a tie), NULL beyond the precision.

    The first digit that is dropped decides alone, so the others are cut from the text.
    """
    digits = f"[0-9]{{{t.scale + 1}}}"
    cut = pc.replace_substring_regex(text, rf"^([+-]?[0-9]*\.{digits})[0-9]+$", r"\1")
    wide = cut.cast(pa.decimal128(MAX_PRECISION, t.scale + 1))
    rounded = pc.round(wide, t.scale, "half_towards_infinity")
    if t.precision - t.scale < MAX_PRECISION:
        limit = pa.scalar(Decimal(10) ** (t.precision - t.scale), pa.decimal128(MAX_PRECISION, 0))
        fits = pc.less(pc.abs(rounded), limit)
        rounded = pc.if_else(fits, rounded, pa.scalar(None, wide.type))
    return rounded.cast(arrow_type(t))


def _booleans(text: pa.Array, _: pa.DataType, __: SqlType) -> pa.Array:
    return pc.equal(pc.utf8_lower(pc.utf8_trim(text, JAVA_WHITESPACE)), "true")


def _strings(text: pa.Array, _: pa.DataType, __: SqlType) -> pa.Array:
    return text


def _dates(text: pa.Array, target: pa.DataType, _: SqlType) -> pa.Array:
    return text.cast(target)


def _times(text: pa.Array, target: pa.DataType, t: SqlType) -> pa.Array:
    require_length(text, len("00:00:00"))
    moments = pc.binary_join_element_wise("1970-01-01", text, " ").cast(pa.timestamp("us"))
    return _micros_as(moments, target, t)


def _timestamps(text: pa.Array, target: pa.DataType, t: SqlType) -> pa.Array:
    require_length(text, len("2024-01-01T00:00:00"))
    try:
        moments = text.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        try:
            moments = text.cast(pa.timestamp("us", "UTC"))
        except pa.ArrowInvalid:
            moments = _floored_nanos(text.cast(pa.timestamp("ns")))
    return _micros_as(moments, target, t)


def _instants(text: pa.Array, target: pa.DataType, t: SqlType) -> pa.Array:
    require_length(text, len("2024-01-01T00:00:00Z"))
    try:
        moments = text.cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        moments = _floored_nanos(text.cast(pa.timestamp("ns", "UTC")))
    return _micros_as(moments, target, t)


def _floored_nanos(nanos: pa.Array) -> pa.Array:
    return floor_divided(nanos.cast(pa.int64()), 1000).cast(pa.timestamp("us"))


def floor_divided(numbers: pa.Array, by: int) -> pa.Array:
    """Whole numbers divided, rounded down (Arrow's own division truncates)."""
    quotients = numbers.fill_null(0).to_numpy() // by
    return with_nulls(quotients, numbers)


def with_nulls(values: Any, like: pa.Array) -> pa.Array:
    """A numpy array as an Arrow array with the NULLs of `like`."""
    mask = like.is_null().to_numpy(zero_copy_only=False) if like.null_count else None
    return pa.array(values, mask=mask)


def _micros_as(moments: pa.Array, target: pa.DataType, t: SqlType) -> pa.Array:
    """Moments in microseconds as the physical type of `t`, cut to its precision."""
    unit = precision_unit(t)
    numbers = moments.cast(pa.int64())
    if unit != 1:
        values = numbers.fill_null(0).to_numpy()
        if np.any(values % unit):
            numbers = with_nulls(cut_to_precision(values, t), numbers)
    return numbers.cast(target)


def require_length(text: pa.Array, least: int) -> None:
    """Refuses a column with a shorter text: Arrow also reads dates without a time."""
    shortest = pc.min(pc.binary_length(text)).as_py()
    if shortest is not None and shortest < least:
        raise pa.ArrowInvalid("a text is too short")


def text_bytes(text: pa.Array) -> bytes:
    """At least the characters of all values of a string column."""
    data = text.buffers()[2]
    if data is None:
        return b""
    offsets = np.frombuffer(text.buffers()[1], np.int32)[text.offset : text.offset + len(text) + 1]
    return memoryview(data)[int(offsets[0]) : int(offsets[-1])].tobytes() if len(offsets) else b""


_FAST: dict[TypeName, Callable[[pa.Array, pa.DataType, SqlType], pa.Array]] = {
    TypeName.TINYINT: _integers,
    TypeName.SMALLINT: _integers,
    TypeName.INT: _integers,
    TypeName.BIGINT: _integers,
    TypeName.INTERVAL_DAY_TIME: _integers,
    TypeName.FLOAT: _floats,
    TypeName.DOUBLE: _floats,
    TypeName.DECIMAL: _decimals,
    TypeName.BOOLEAN: _booleans,
    TypeName.CHAR: _strings,
    TypeName.VARCHAR: _strings,
    TypeName.DATE: _dates,
    TypeName.TIME: _times,
    TypeName.TIMESTAMP: _timestamps,
    TypeName.TIMESTAMP_LTZ: _instants,
}
