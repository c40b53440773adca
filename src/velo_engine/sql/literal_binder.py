"""Constants: numbers, dates, times, timestamps and intervals, with the types that Flink gives them."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time
from decimal import Decimal

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.plan.expressions import Literal
from velo_engine.types import (
    BIGINT,
    DATE,
    DOUBLE,
    INT,
    INTERVAL_DAY_TIME,
    INTERVAL_YEAR_MONTH,
    MAX_PRECISION,
    SqlType,
    TypeName,
    char,
    decimal,
)
from velo_engine.types import timestamp as timestamp_type

MOST_FRACTION_DIGITS = 6
"""The engine holds times in microseconds."""

_MILLISECONDS = {
    "WEEK": 604_800_000,
    "DAY": 86_400_000,
    "HOUR": 3_600_000,
    "MINUTE": 60_000,
    "SECOND": 1_000,
    "MILLISECOND": 1,
}
_MONTHS = {"YEAR": 12, "QUARTER": 3, "MONTH": 1}
_SPANS = ("DAY", "HOUR", "MINUTE", "SECOND")


def bind_number(text: str, location: Location | None) -> Literal:
    """A number as written: INT, BIGINT, DECIMAL by its digits, or DOUBLE with an exponent."""
    if "e" in text.lower():
        value = float(text)
        if math.isinf(value):
            raise _bad(f"{text} is outside the range of DOUBLE", location)
        return Literal(value, DOUBLE.as_nullable(False), location)
    whole, _, fraction = text.partition(".")
    if fraction:
        digits = len(whole.lstrip("-")) + len(fraction)
        if digits > MAX_PRECISION:
            raise _bad(f"a number has at most {MAX_PRECISION} digits", location)
        return Literal(Decimal(text), decimal(digits, len(fraction)).as_nullable(False), location)
    number = int(whole)
    if abs(number) < 2**31:
        return Literal(number, INT.as_nullable(False), location)
    if -(2**63) <= number < 2**63:
        return Literal(number, BIGINT.as_nullable(False), location)
    raise _bad(f"{text} is outside the range of BIGINT; write it as a string in a CAST to DECIMAL", location)


def bind_hex(digits: str, location: Location | None) -> Literal:
    """X'…': a BINARY of that many bytes."""
    if len(digits) % 2:
        raise _bad("a hexadecimal literal has two digits a byte", location)
    data = bytes.fromhex(digits)
    return Literal(data, SqlType(TypeName.BINARY, nullable=False, length=len(data)), location)


def bind_unicode(raw: str, location: Location | None) -> Literal:
    """U&'…' with `\\00e9`, `\\+01F600` and `\\\\`."""
    pattern = re.compile(r"\\(?:\+([0-9A-Fa-f]{6})|([0-9A-Fa-f]{4})|(\\))")
    units = pattern.sub(lambda m: m[3] or chr(int(m[1] or m[2], 16) % 0x110000), raw)
    try:
        value = units.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _bad("a U&'…' literal has half a character", location) from None
    return Literal(value, char(len(value)).as_nullable(False), location)


_FORMS = {
    "DATE": (re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})"), "DATE 'yyyy-mm-dd'"),
    "TIME": (re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d+))?"), "TIME 'hh:mm:ss'"),
    "TIMESTAMP": (
        re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2}) (\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d+))?"),
        "TIMESTAMP 'yyyy-mm-dd hh:mm:ss'",
    ),
}


def bind_typed_literal(kind: str, text: str, location: Location | None) -> Literal:
    """`DATE '…'`, `TIME '…'`, `TIMESTAMP '…'`; the digits of the second give the precision."""
    if kind not in _FORMS:
        hint = "write CAST('…' AS TIMESTAMP_LTZ(3))"
        raise VeloError(ErrorCode.SQL_UNSUPPORTED, f"there are no {kind} literals", location=location, hint=hint)
    form, usage = _FORMS[kind]
    match = form.fullmatch(text)
    if match is None:
        raise _bad(f"'{text}' is not written as {usage}", location)
    fraction = match.group(match.re.groups) or "" if kind != "DATE" else ""
    if len(fraction) > MOST_FRACTION_DIGITS:
        message = f"this engine holds times to the microsecond; '{text}' has {len(fraction)} digits"
        raise VeloError(ErrorCode.SQL_UNSUPPORTED, message, location=location)
    numbers = [int(group) for group in match.groups()[: 6 if kind == "TIMESTAMP" else 3]]
    micros = int(fraction.ljust(6, "0")) if fraction else 0
    try:
        if kind == "DATE":
            return Literal(date(*numbers), DATE.as_nullable(False), location)
        if kind == "TIME":
            t = SqlType(TypeName.TIME, nullable=False, precision=len(fraction))
            hour, minute, second = numbers
            return Literal(time(hour, minute, second, micros), t, location)
        year, month, day, hour, minute, second = numbers
        moment = datetime(year, month, day, hour, minute, second, micros)
        return Literal(moment, timestamp_type(len(fraction)).as_nullable(False), location)
    except ValueError:
        raise _bad(f"'{text}' is not a {kind.lower()} of the calendar", location) from None


def bind_interval(node: exp.Interval, location: Location | None) -> Literal:
    """An INTERVAL: milliseconds for days and shorter, months for months and longer."""
    text, unit = str(node.this.this).strip(), node.args["unit"]
    sign = -1 if text.startswith("-") else 1
    text = text.lstrip("+-")
    if isinstance(unit, exp.IntervalSpan):
        first, last = unit.this.name.upper(), unit.expression.name.upper()
        return _span(text, first, last, sign, location)
    name = unit.name.upper()
    if name in _MONTHS:
        if not text.isdecimal():
            raise _bad(f"INTERVAL '{text}' {name} needs a whole number", location)
        return Literal(sign * int(text) * _MONTHS[name], INTERVAL_YEAR_MONTH.as_nullable(False), location)
    if name not in _MILLISECONDS or re.fullmatch(r"\d+(\.\d+)?", text) is None:
        raise _bad(f"INTERVAL '{text}' {name} is not an interval of this engine", location)
    amount = Decimal(text) * _MILLISECONDS[name]
    if amount != int(amount):
        raise _bad(f"INTERVAL '{text}' {name} is not a whole number of milliseconds", location)
    return Literal(sign * int(amount), INTERVAL_DAY_TIME.as_nullable(False), location)


def _span(text: str, first: str, last: str, sign: int, location: Location | None) -> Literal:
    """`'1-2' YEAR TO MONTH`, `'1 02:03:04.005' DAY TO SECOND` and the spans between."""
    if (first, last) == ("YEAR", "MONTH"):
        match = re.fullmatch(r"(\d+)-(\d+)", text)
        if match is not None and int(match.group(2)) < 12:
            months = int(match.group(1)) * 12 + int(match.group(2))
            return Literal(sign * months, INTERVAL_YEAR_MONTH.as_nullable(False), location)
    elif first in _SPANS and last in _SPANS and _SPANS.index(first) < _SPANS.index(last):
        units = _SPANS[_SPANS.index(first) : _SPANS.index(last) + 1]
        parts = re.split(r"[ :]", text, maxsplit=len(units) - 1)
        if len(parts) == len(units) and all(re.fullmatch(r"\d+", part) for part in parts[:-1]):
            seconds = re.fullmatch(r"\d+(\.\d{1,3})?" if last == "SECOND" else r"\d+", parts[-1])
            if seconds is not None:
                amount = sum(Decimal(part) * _MILLISECONDS[u] for part, u in zip(parts, units, strict=True))
                return Literal(sign * int(amount), INTERVAL_DAY_TIME.as_nullable(False), location)
    raise _bad(f"INTERVAL '{text}' {first} TO {last} is not an interval", location)


def _bad(message: str, location: Location | None) -> VeloError:
    return VeloError(ErrorCode.TYPE_MISMATCH, message, location=location)
