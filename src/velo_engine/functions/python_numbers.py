"""Numbers computed in Python: decimals of any size, Java's spelling of floats, and the numbers in strings.

Sources: Flink's DecimalDataUtils and BinaryStringDataUtil (toLong, toDecimal), Java's Double.toString and
parseDouble; held by recorded answers.
"""

from __future__ import annotations

import re
from decimal import MAX_EMAX, MIN_EMIN, ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation
from functools import lru_cache

import pyarrow as pa

from velo_engine.functions.python_function import PythonFunction, row_function
from velo_engine.types import MAX_PRECISION

EXACT = Context(prec=200, rounding=ROUND_HALF_UP, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Sums and products of two decimals of 38 digits, exactly."""

JAVA = Context(prec=MAX_PRECISION, rounding=ROUND_HALF_UP, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""MathContext(38, HALF_UP), in which Flink divides."""

WIDE = Context(prec=1200, rounding=ROUND_HALF_UP, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Every DOUBLE to any place after the point that can matter."""

LONGEST_COMPACT = 18
"""Digits of a decimal that Flink holds in a long; shorter strings are read by another, more lenient parser."""


def decimal_operation(specification: str, left: str, right: str) -> str | None:
    """`left op right` for the specification `op,precision,scale`; None on overflow and on a zero divisor."""
    operation, precision, scale = _specification(specification)
    a, b = Decimal(left), Decimal(right)
    try:
        match operation:
            case "plus":
                result = EXACT.add(a, b)
            case "minus":
                result = EXACT.subtract(a, b)
            case "times":
                result = EXACT.multiply(a, b)
            case "divide":
                result = JAVA.divide(a, b)
            case _:
                result = EXACT.remainder(a, b)
    except (InvalidOperation, DivisionByZero):
        return None
    return fitted(result, precision, scale)


@lru_cache(maxsize=256)
def _specification(text: str) -> tuple[str, int, int]:
    operation, precision, scale = text.split(",")
    return operation, int(precision), int(scale)


def fitted(value: Decimal, precision: int, scale: int, rounding: str = ROUND_HALF_UP) -> str | None:
    """`value` rounded to `scale` digits, spelled out; None when it has more than `precision` digits then."""
    rounded = value.quantize(Decimal(1).scaleb(-scale), rounding, EXACT)
    return format(rounded, "f") if _digits(rounded) <= precision else None


def _digits(value: Decimal) -> int:
    return len(value.as_tuple().digits) if value else 0


def decimal_compare(left: str, right: str) -> int:
    """-1, 0 or 1."""
    a, b = Decimal(left), Decimal(right)
    return 0 if a == b else 1 if a > b else -1


def decimal_round(specification: str, text: str) -> str | None:
    """`text` rounded (`up`) or cut (`down`) for the specification `precision,scale,digits,mode`."""
    precision, scale, digits, mode = specification.split(",")
    rounding = ROUND_HALF_UP if mode == "up" else ROUND_DOWN
    place = max(-MAX_PRECISION - 1, min(MAX_PRECISION, int(digits)))
    rounded = Decimal(text).quantize(Decimal(1).scaleb(-place), rounding, EXACT)
    return fitted(rounded, int(precision), int(scale))


def round_double(value: float, digits: int, up: bool) -> float | None:
    """A DOUBLE rounded by its shortest spelling, as BigDecimal.valueOf(value).setScale(digits) does; None of NaN."""
    if value != value or value in (float("inf"), float("-inf")):
        return None
    if digits > 400:
        return value
    if digits < -400:
        return 0.0
    return (
        float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP if up else ROUND_DOWN, WIDE))
        + 0.0
    )


def round_integer(value: int, digits: int, up: bool) -> int:
    """An integer rounded to tens, hundreds, …; like Java's longValue it keeps the low 64 bits."""
    if digits >= 0:
        return value
    unit: int = 10 ** min(-digits, 40)
    magnitude = (abs(value) + (unit // 2 if up else 0)) // unit * unit
    wrapped = (magnitude if value >= 0 else -magnitude) + 2**63
    return wrapped % 2**64 - 2**63


_PLAIN_FROM, _PLAIN_TO = 1e-3, 1e7
"""Between these Java writes a number without an exponent, as Python does."""


def double_text(value: float) -> str:
    """A DOUBLE as Java's Double.toString: the shortest digits that name it."""
    if _PLAIN_FROM <= abs(value) < _PLAIN_TO:
        return repr(value)
    return _java_text(repr(value), value)


def float_text(value: float) -> str:
    """A FLOAT as Java's Float.toString; `value` is the float widened to a double."""
    import numpy as np

    shortest = str(np.float32(value))
    if _PLAIN_FROM <= abs(value) < _PLAIN_TO and "e" not in shortest:
        return shortest
    return _java_text(repr(float(shortest)), value)


def _java_text(spelled: str, value: float) -> str:
    """The shortest digits in Java's layout: plain from 10^-3 to 10^7, else one digit before the point and E.

    Java spells at least two digits, and where one would do, the two that are nearest: 4.9E-324.
    """
    if spelled in ("nan", "inf", "-inf"):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[spelled]
    sign, digits, exponent = Decimal(spelled).as_tuple()
    if len(digits) == 1 and value:
        sign, digits, exponent = Decimal(f"{value:.1e}").as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).rstrip("0") or "0"
    point = len(digits) + exponent
    minus = "-" if sign else ""
    if text == "0":
        return f"{minus}0.0"
    if -3 < point <= 7:
        if point <= 0:
            return f"{minus}0.{'0' * -point}{text}"
        return f"{minus}{text[:point].ljust(point, '0')}.{text[point:] or '0'}"
    return f"{minus}{text[0]}.{text[1:] or '0'}E{point - 1}"


_INTEGER = re.compile(r"[+-]?([0-9]*)(\.[0-9]*)?", re.ASCII)
_JAVA_DOUBLE = re.compile(r"[+-]?(NaN|Infinity|(([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)[fFdD]?)", re.ASCII)
_JAVA_HEX_DOUBLE = re.compile(r"([+-]?)0[xX]([0-9a-fA-F]*)\.?([0-9a-fA-F]*)[pP]([+-]?[0-9]+)[fFdD]?", re.ASCII)
_BIG_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,9})?")
_JAVA_SPACE = "".join(map(chr, range(33)))


def parse_integer(text: str) -> int | None:
    """A string as a BIGINT: digits, with a fraction that is dropped. Spaces around it do not count."""
    trimmed = text.strip(" ")
    match = _INTEGER.fullmatch(trimmed)
    if match is None or trimmed in ("", "+", "-"):
        return None
    value = int(match.group(1) or "0")
    value = -value if trimmed.startswith("-") else value
    return value if -(2**63) <= value < 2**63 else None


def parse_double(text: str) -> float | None:
    """A string as Java's Double.parseDouble reads it."""
    trimmed = text.strip(_JAVA_SPACE)
    if _JAVA_DOUBLE.fullmatch(trimmed) is not None:
        number = trimmed if trimmed.lstrip("+-") in ("NaN", "Infinity") else trimmed.rstrip("fFdD")
        return float(number)
    match = _JAVA_HEX_DOUBLE.fullmatch(trimmed)
    if match is None or not (match.group(2) or match.group(3)):
        return None
    sign, whole, fraction, exponent = match.groups()
    try:
        return float.fromhex(f"{sign}0x{whole or '0'}.{fraction}p{exponent}")
    except OverflowError:
        return float(f"{sign}inf")


def parse_decimal(text: str, shape: str) -> str | None:
    """A string as a DECIMAL of `precision,scale`, HALF_UP; None when it does not parse or does not fit."""
    precision, scale = map(int, shape.split(","))
    trimmed = text.strip(" ")
    encoded = trimmed.encode()
    if precision <= LONGEST_COMPACT and len(encoded) <= LONGEST_COMPACT:
        return _parse_compact(encoded, precision, scale)
    inner = trimmed.strip(" \n\t")
    if _BIG_DECIMAL.fullmatch(inner) is None:
        return None
    return _fitted_if_sane(Decimal(inner), precision, scale)


def _fitted_if_sane(value: Decimal, precision: int, scale: int) -> str | None:
    """As `fitted`, without spelling out numbers of a billion digits."""
    if value and not -MAX_PRECISION * 2 <= value.adjusted() <= MAX_PRECISION:
        return fitted(Decimal(0), precision, scale) if value.adjusted() < 0 else None
    return fitted(value, precision, scale)


_COMPACT = re.compile(rb"[ \n\t]*([+-]?)([0-9]*)(?:(\.)([0-9]*))?")
_EXPONENT = re.compile(rb"([+-]?)([0-9]*)")


def _parse_compact(text: bytes, precision: int, scale: int) -> str | None:
    """Flink's parser of short decimals, with its quirk: the one character that ends the number is not looked at."""
    match = _COMPACT.match(text)
    assert match is not None
    sign, whole, point, fraction = match.groups()
    rest = text[match.end() :]
    if not text.strip(b" \n\t") or (sign and match.end() == len(text) and not (whole or point)):
        return None
    exponent = 0
    if rest[:1] in (b"e", b"E") and len(rest) > 1:
        power = _EXPONENT.match(rest, 1)
        assert power is not None
        if power.group(1) and power.end() == 2 and len(rest) == 2:
            return None
        exponent = min(int(power.group(2) or b"0"), 999) * (-1 if power.group(1) == b"-" else 1)
        rest = rest[power.end() :]
    elif rest[:1] == b".":
        return None
    if rest[1:].strip(b" \n\t"):
        return None
    digits = whole + (fraction or b"")
    shift = exponent - len(fraction or b"") + scale
    if len(digits) + shift > precision or shift < -LONGEST_COMPACT:
        return None
    unscaled = int(digits or b"0")
    unscaled = unscaled * 10**shift if shift >= 0 else (unscaled + 5 * 10 ** (-shift - 1)) // 10**-shift
    value = Decimal(-unscaled if sign == b"-" else unscaled).scaleb(-scale, EXACT)
    return fitted(value, precision, scale)


def parse_boolean(text: str) -> bool | None:
    """TRUE for t, true, y, yes and 1, FALSE for f, false, n, no and 0, in any case."""
    return _BOOLEANS.get(text.strip(" ").lower())


_BOOLEANS = {
    **dict.fromkeys(("t", "true", "y", "yes", "1"), True),
    **dict.fromkeys(("f", "false", "n", "no", "0"), False),
}

KERNEL_FUNCTIONS: tuple[PythonFunction, ...] = (
    row_function("velo_decimal", ("VARCHAR",) * 3, "VARCHAR", pa.string(), decimal_operation),
    row_function("velo_decimal_compare", ("VARCHAR",) * 2, "INTEGER", pa.int32(), decimal_compare),
    row_function("velo_decimal_round", ("VARCHAR",) * 2, "VARCHAR", pa.string(), decimal_round),
    row_function("velo_round_double", ("DOUBLE", "INTEGER", "BOOLEAN"), "DOUBLE", pa.float64(), round_double),
    row_function("velo_round_integer", ("BIGINT", "INTEGER", "BOOLEAN"), "BIGINT", pa.int64(), round_integer),
    row_function("velo_double_text", ("DOUBLE",), "VARCHAR", pa.string(), double_text),
    row_function("velo_float_text", ("FLOAT",), "VARCHAR", pa.string(), float_text),
    row_function("velo_parse_integer", ("VARCHAR",), "BIGINT", pa.int64(), parse_integer),
    row_function("velo_parse_double", ("VARCHAR",), "DOUBLE", pa.float64(), parse_double),
    row_function("velo_parse_decimal", ("VARCHAR",) * 2, "VARCHAR", pa.string(), parse_decimal),
    row_function("velo_parse_boolean", ("VARCHAR",), "BOOLEAN", pa.bool_(), parse_boolean),
)
