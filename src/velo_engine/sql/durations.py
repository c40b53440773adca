"""Lengths of time as people write them, in milliseconds."""

from __future__ import annotations

import re
from decimal import Decimal

from sqlglot import exp

UNIT_MS = {
    "MILLISECOND": 1,
    "SECOND": 1_000,
    "MINUTE": 60_000,
    "HOUR": 3_600_000,
    "DAY": 86_400_000,
    "WEEK": 604_800_000,
}
"""Milliseconds of the units that have a fixed length."""

UNIT_NAMES = {
    **dict.fromkeys(("MS", "MILLI", "MILLIS", "MILLISECOND", "MILLISECONDS"), "MILLISECOND"),
    **dict.fromkeys(("S", "SEC", "SECS", "SECOND", "SECONDS"), "SECOND"),
    **dict.fromkeys(("M", "MIN", "MINS", "MINUTE", "MINUTES"), "MINUTE"),
    **dict.fromkeys(("H", "HR", "HRS", "HOUR", "HOURS"), "HOUR"),
    **dict.fromkeys(("D", "DAY", "DAYS"), "DAY"),
    **dict.fromkeys(("W", "WEEK", "WEEKS"), "WEEK"),
    **dict.fromkeys(("MONTH", "MONTHS"), "MONTH"),
    **dict.fromkeys(("QUARTER", "QUARTERS"), "QUARTER"),
    **dict.fromkeys(("YEAR", "YEARS"), "YEAR"),
}
"""Every spelling of a unit, in upper case, and the unit."""

_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")


def parse_duration(text: str) -> int:
    """Milliseconds of `5m`, `1 minute`, `500ms`, `1h 30m`, `2 days`; a bare number counts milliseconds.

    ValueError when `text` is not a duration of fixed length, or not a whole number of milliseconds.
    """
    parts: list[tuple[str, str]] = []
    position = 0
    while position < len(text) and (match := _PART.match(text, position)) is not None:
        parts.append((match.group(1), match.group(2)))
        position = match.end()
    if not parts or position < len(text) or (len(parts) > 1 and not all(unit for _, unit in parts)):
        raise ValueError(f'"{text}" is not a duration')
    return sum(milliseconds(number, unit or "ms") for number, unit in parts)


def milliseconds(number: str, unit: str) -> int:
    """Milliseconds of `number` times `unit`; ValueError for an unknown unit or one without a fixed length."""
    name = UNIT_NAMES.get(unit.upper())
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", number) is None:
        raise ValueError(f'"{number}" is not a number')
    if name is None:
        raise ValueError(f'"{unit}" is not a unit of time')
    if name not in UNIT_MS:
        raise ValueError(f"a {name.lower()} has no fixed length")
    value = Decimal(number) * UNIT_MS[name]
    if value != value.to_integral_value():
        raise ValueError(f"{number} {name.lower()}s are not a whole number of milliseconds")
    return int(value)


def interval_ms(interval: exp.Interval) -> int:
    """Milliseconds of a literal INTERVAL of one unit of fixed length; ValueError otherwise."""
    text, unit = str(interval.this.this).strip(), interval.args.get("unit")
    if not isinstance(unit, exp.Var):
        raise ValueError("this interval has more than one unit")
    sign = -1 if text.startswith("-") else 1
    return sign * milliseconds(text.lstrip("+-"), unit.name)
