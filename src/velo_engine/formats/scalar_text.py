"""Columns of scalars as text: the way back from `text_columns`, for CSV, JSON and record keys."""

from __future__ import annotations

import base64
import math
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.formats.temporal_cells import MICROS, MICROS_A_DAY
from velo_engine.formats.text_columns import text_bytes
from velo_engine.types import BINARIES, FLOATS, STRINGS, SqlType, TypeName

_MANY = 1000
"""Moments for which it pays to make tables."""
_MOST_DAYS = 1000
_BLOCK = 8192
"""Larger arrays would be mapped and unmapped by the allocator, which costs more than what is done in them."""

_FIRST_FOUR_DIGIT_YEAR = -719_162 * MICROS_A_DAY
_LAST_FOUR_DIGIT_YEAR = 2_932_897 * MICROS_A_DAY


def scalar_text(column: pa.Array, t: SqlType, *, iso_timestamps: bool = False) -> pa.Array:
    """Each value of a scalar column as Flink's formats write it; NULL stays NULL.

    Decimals plain and at full scale; timestamps `2024-01-01 00:00:00.5` (with `T` in ISO form, with `Z` for
    TIMESTAMP_LTZ) without trailing zeros; floats with the fewest digits that read back the same, `NaN`, `Infinity`;
    binary as base64.
    """
    match t.name:
        case name if name in STRINGS:
            return column
        case TypeName.DECIMAL:
            return _decimals(column, t)
        case name if name in FLOATS:
            return _floats(column)
        case TypeName.TIMESTAMP | TypeName.TIMESTAMP_LTZ:
            return _timestamps(column, t, "T" if iso_timestamps else " ")
        case TypeName.TIME:
            return _without_trailing_zeros(column.cast(pa.string()))
        case TypeName.DATE:
            midnights = column.cast(pa.int32()).cast(pa.int64())
            return pc.utf8_slice_codeunits(_moments(pc.multiply(midnights, MICROS_A_DAY)), 0, -len(" 00:00:00"))
        case name if name in BINARIES:
            return pa.array([_base64(value) for value in column.to_pylist()], pa.string())
        case _:
            return column.cast(pa.string())


def _decimals(column: pa.Array, t: SqlType) -> pa.Array:
    text = column.cast(pa.string())
    # Arrow writes small numbers of many digits as Java does: 1E-7.
    if t.scale > 6 and b"E" in text_bytes(text):
        return pa.array([None if v is None else format(Decimal(v), "f") for v in text.to_pylist()], pa.string())
    return text


def _floats(column: pa.Array) -> pa.Array:
    if column.type == pa.float32():
        # The fewest digits of a float are fewer than those of the same number as a double.
        texts = column.cast(pa.string()).to_pylist()
        return pa.array([None if v is None else java_double_text(float(v)) for v in texts], pa.string())
    values = column.to_pylist()
    size = pc.abs(column)
    plain = pc.or_(pc.equal(size, 0), pc.and_(pc.greater_equal(size, 1e-3), pc.less(size, 1e7)))
    if values and column.null_count == 0 and pc.all(plain).as_py():
        return pa.array(msgspec.json.encode(values)[1:-1].decode().split(","), pa.string())
    return pa.array([None if v is None else java_double_text(v) for v in values], pa.string())


def java_double_text(value: float) -> str:
    """`value` as Java's Double.toString (JDK 19 and later: the shortest digits that read back the same)."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    parts = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, parts.digits)).rstrip("0")
    exponent = len(parts.digits) + int(parts.exponent) - 1
    return f"{'-' * parts.sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def _timestamps(column: pa.Array, t: SqlType, separator: str) -> pa.Array:
    text = _moments(column.cast(pa.int64()))
    if separator != " ":
        text = pc.replace_substring(text, " ", separator, max_replacements=1)
    return pc.binary_join_element_wise(text, "Z", "") if t.name is TypeName.TIMESTAMP_LTZ else text


def _moments(micros: pa.Array) -> pa.Array:
    """`2024-01-01 00:00:00.5` from microseconds."""
    bounds = pc.min_max(micros).as_py()
    if bounds["min"] is not None and not (
        bounds["min"] >= _FIRST_FOUR_DIGIT_YEAR and bounds["max"] < _LAST_FOUR_DIGIT_YEAR
    ):
        return pa.array([_moment(value) for value in micros.to_pylist()], pa.string())
    if len(micros) >= _MANY and not micros.null_count and (text := _whole_milliseconds(micros)) is not None:
        return text
    moments = micros.cast(pa.timestamp("us"))
    try:
        return moments.cast(pa.timestamp("s")).cast(pa.string())
    except pa.ArrowInvalid:
        return _without_trailing_zeros(moments.cast(pa.string()))


def _whole_milliseconds(micros: pa.Array) -> pa.Array | None:
    """Moments of whole milliseconds as text; None when some are finer or they are many days apart.

    A moment is three words of eight characters, each put together from tables of days, minutes, seconds, milliseconds:
    twice as fast as Arrow's cast.
    """
    bounds = pc.min_max(micros).as_py()
    first, last = (bounds[end] // MICROS_A_DAY for end in ("min", "max"))
    if last - first > _MOST_DAYS:
        return None
    instants = micros.to_numpy()
    months, days_of_month = _day_words(first, last)
    minute_words, second_words, fraction_words = _clock_words()
    words = np.empty((len(instants), 3), np.uint64)
    for start in range(0, len(instants), _BLOCK):
        block = instants[start : start + _BLOCK]
        milliseconds = block // 1000
        if (milliseconds * 1000 != block).any():
            return None
        seconds = milliseconds // 1000
        minutes = seconds // 60
        days = minutes // 1440
        found = words[start : start + _BLOCK]
        found[:, 0] = months[days - first]
        found[:, 1] = days_of_month[days - first] | minute_words[minutes - days * 1440]
        found[:, 2] = second_words[seconds - minutes * 60] | fraction_words[milliseconds - seconds * 1000]
    offsets = pa.py_buffer(np.arange(0, 24 * len(instants) + 1, 24, dtype=np.int32))
    text = pa.Array.from_buffers(pa.string(), len(instants), [None, offsets, pa.py_buffer(words)])
    return _without_trailing_zeros(text)


def _day_words(first: int, last: int) -> tuple[Any, Any]:
    """`2024-01-` and `31 ` of every day."""
    dates = pa.array(range(first, last + 1), pa.int32()).cast(pa.date32()).cast(pa.string())
    months = _words([date[:8] for date in dates.to_pylist()])
    return months, _words([date[8:] + " " for date in dates.to_pylist()])


@lru_cache(maxsize=1)
def _clock_words() -> tuple[Any, Any, Any]:
    """`23:59` of every minute of a day, `:59` of every second, `.9990` of every millisecond: a last zero to cut off."""
    minutes = [f"\0\0\0{m // 60:02d}:{m % 60:02d}" for m in range(1440)]
    seconds = [f":{s:02d}" for s in range(60)]
    fractions = [f"\0\0\0.{f:03d}0" for f in range(1000)]
    return _words(minutes), _words(seconds), _words(fractions)


def _words(texts: list[str]) -> Any:
    """Each text as eight bytes, the rest zero."""
    return np.frombuffer(b"".join(text.encode().ljust(8, b"\0") for text in texts), np.uint64)


def _without_trailing_zeros(text: pa.Array) -> pa.Array:
    """Times that all have a fraction, with only its needed digits."""
    return pc.ascii_rtrim(pc.ascii_rtrim(text, "0"), ".")


def _moment(micros: int | None) -> str | None:
    """One moment of any year, as Java prints it: years beyond 9999 with a sign."""
    if micros is None:
        return None
    days, of_day = divmod(micros, MICROS_A_DAY)
    year, month, day = _civil_from_days(days)
    seconds, fraction = divmod(of_day, MICROS)
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    tail = f".{fraction:06d}".rstrip("0") if fraction else ""
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{sign}{abs(year):04d}-{month:02d}-{day:02d} {clock}{tail}"


def _civil_from_days(days: int) -> tuple[int, int, int]:
    """Year, month and day of the proleptic Gregorian calendar (the inverse of `days_from_civil`)."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


def _base64(value: Any) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
