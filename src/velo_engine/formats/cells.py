"""One value from its text, by the rules of Flink's JSON and CSV formats.

Source: JsonParserToRowDataConverters and CsvToRowDataConverters of Flink 2.3, recorded value by value in
tests/engine/formats/flink_2.3.0.jsonl. Numbers are read as Java reads them; a decimal is rounded HALF_UP to its scale
and becomes NULL when it does not fit its precision. These functions decide; the vectorised casts only go faster.

Every parser gives the physical value (int, float, bool, Decimal, days, microseconds, bytes) or raises ValueError, whose
text completes the sentence `"<value>" …`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any, TypeAlias

from velo_engine.types import BINARIES, FLOATS, STRINGS, SqlType, TypeName

CellParser: TypeAlias = Callable[[str], Any]
"""Gives None for a decimal that does not fit."""

INTEGER_BITS = {
    TypeName.TINYINT: 8,
    TypeName.SMALLINT: 16,
    TypeName.INT: 32,
    TypeName.BIGINT: 64,
    TypeName.INTERVAL_YEAR_MONTH: 32,
    TypeName.INTERVAL_DAY_TIME: 64,
}

JAVA_WHITESPACE = "".join(map(chr, range(33)))
"""What Java's String.trim removes."""

# Possessive (`++`): a long run of digits before a wrong character must not be tried in every division.
_INTEGER = re.compile(r"[+-]?\d++")
_DECIMAL = re.compile(r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?")
_FLOAT = re.compile(r"([+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?)[fFdD]?", re.ASCII)
_HEX_FLOAT = re.compile(
    r"([+-]?0[xX](?:[0-9a-fA-F]++(?:\.[0-9a-fA-F]*+)?|\.[0-9a-fA-F]++)[pP][+-]?[0-9]++)[fFdD]?", re.ASCII
)
_NOT_FINITE = {
    sign + name: float(sign + value) for sign in ("", "+", "-") for name, value in (("NaN", "nan"), ("Infinity", "inf"))
}
_ROUNDING = Context(prec=120, rounding=ROUND_HALF_UP)
"""Wide enough that quantizing any 38-digit decimal is exact but for its rounding."""

MAX_DIGITS = 4000
"""Characters of a number in a record; a longer one is refused before it costs time (and before Python's own limit)."""


def cell_parser(t: SqlType) -> CellParser:
    """The parser for scalar type `t`, with temporal types in their standard forms."""
    from velo_engine.formats import temporal_cells

    match t.name:
        case name if name in INTEGER_BITS:
            bits = INTEGER_BITS[name]
            return lambda text: parse_integer(text, bits)
        case name if name in FLOATS:
            return parse_float
        case TypeName.DECIMAL:
            precision, scale = t.precision, t.scale
            return lambda text: parse_decimal(text, precision, scale)
        case TypeName.BOOLEAN:
            return parse_boolean
        case TypeName.DATE:
            return temporal_cells.parse_date
        case TypeName.TIME:
            return temporal_cells.parse_time
        case TypeName.TIMESTAMP:
            return temporal_cells.parse_timestamp
        case TypeName.TIMESTAMP_LTZ:
            return temporal_cells.parse_instant
        case name if name in BINARIES:
            return parse_base64
        case name if name in STRINGS:
            return str
        case _:
            raise NotImplementedError(t.name)


def parse_integer(text: str, bits: int) -> int:
    """A whole number of `bits` bits, as Java's parseInt after trim: digits of any script, no fraction."""
    trimmed = text.strip(JAVA_WHITESPACE)
    if not _INTEGER.fullmatch(trimmed):
        raise ValueError("is not a whole number")
    if len(trimmed) > MAX_DIGITS:
        raise ValueError("is out of range")
    return in_range(int(trimmed), bits)


def in_range(value: int, bits: int) -> int:
    """`value` when it fits in `bits` bits."""
    limit = 1 << (bits - 1)
    if -limit <= value < limit:
        return value
    raise ValueError("is out of range")


def truncated_integer(token: str, bits: int) -> int:
    """A JSON number with fraction or exponent as INT or BIGINT: cut toward zero, as Jackson's getIntValue."""
    value = _exact(token)
    if value and value.adjusted() > 20:
        raise ValueError("is out of range")
    return in_range(int(value), bits)


def _exact(number: str) -> Decimal:
    """The number itself; with an exponent beyond what Decimal holds, zero or something larger than any column."""
    try:
        return Decimal(number)
    except InvalidOperation:
        mantissa, _, exponent = number.casefold().partition("e")
        is_zero = exponent.startswith("-") or not mantissa.strip("+-0.")
        return Decimal(0) if is_zero else Decimal("1e9999")


def parse_float(text: str) -> float:
    """A double, as Java's parseDouble after trim; beyond the range it is an infinity."""
    trimmed = text.strip(JAVA_WHITESPACE)
    if found := _FLOAT.fullmatch(trimmed):
        return float(found[1])
    if trimmed in _NOT_FINITE:
        return _NOT_FINITE[trimmed]
    if found := _HEX_FLOAT.fullmatch(trimmed):
        try:
            return float.fromhex(found[1])
        except OverflowError:
            return _NOT_FINITE["-Infinity" if trimmed.startswith("-") else "Infinity"]
    raise ValueError("is not a number")


def parse_decimal(text: str, precision: int, scale: int) -> Decimal | None:
    """A decimal of `scale` digits after the point, HALF_UP; None when it needs more than `precision` digits."""
    trimmed = text.strip(JAVA_WHITESPACE)
    if not _DECIMAL.fullmatch(trimmed) or len(trimmed) > MAX_DIGITS:
        raise ValueError("is not a decimal number")
    return fitted(_exact(trimmed), precision, scale)


def fitted(value: Decimal, precision: int, scale: int) -> Decimal | None:
    """`value` rounded HALF_UP to `scale`; None when it then needs more than `precision` digits."""
    if not value:
        return Decimal(0)
    if value.adjusted() >= precision - scale:
        return None
    rounded = value.quantize(Decimal(1).scaleb(-scale), context=_ROUNDING)
    return rounded if not rounded or rounded.adjusted() < precision - scale else None


def parse_boolean(text: str) -> bool:
    """True for `true` in any case, after trim; everything else is false, as Java's parseBoolean."""
    return text.strip(JAVA_WHITESPACE).lower() == "true"


def parse_base64(text: str) -> bytes:
    """Bytes from base64 (RFC 2045 alphabet, with padding; white space is skipped)."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None
