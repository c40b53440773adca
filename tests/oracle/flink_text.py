"""Columns of the engine's results as Flink prints them: CAST AS STRING, None for NULL.

Written from Flink's rules and independent of the engine's own CAST, so that it cannot share its mistakes. FLOAT and DOUBLE
are printed as Python prints them; `comparison.py` compares them as numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from velo_engine.types import SqlType, TypeName

EPOCH = datetime(1970, 1, 1)


def texts(column: pa.ChunkedArray, kind: SqlType, time_zone: str) -> list[str | None]:
    """The values of a column in the engine's physical form."""
    text = _printer(kind, time_zone)
    return [None if value is None else text(value) for value in _python_values(column, kind)]


def _python_values(column: pa.ChunkedArray, kind: SqlType) -> list[Any]:
    if kind.name in (TypeName.TIMESTAMP, TypeName.TIMESTAMP_LTZ):  # as microseconds: Python's datetime ends in 9999
        return list(column.cast(pa.int64()).to_pylist())
    return list(column.to_pylist())


def _printer(kind: SqlType, time_zone: str) -> Callable[[Any], str]:
    match kind.name:
        case TypeName.BOOLEAN:
            return lambda value: "TRUE" if value else "FALSE"
        case TypeName.FLOAT:
            return lambda value: str(np.float32(value))
        case TypeName.DECIMAL:
            return lambda value: f"{value:f}"
        case TypeName.BINARY | TypeName.VARBINARY:
            return lambda value: f"x'{value.hex()}'"
        case TypeName.DATE:
            return date.isoformat
        case TypeName.TIME:
            return _time
        case TypeName.TIMESTAMP:
            return lambda value: _timestamp(EPOCH + timedelta(microseconds=value), kind.precision)
        case TypeName.TIMESTAMP_LTZ:
            zone = ZoneInfo(time_zone)
            return lambda value: _timestamp(_local(value, zone), kind.precision)
        case TypeName.INTERVAL_DAY_TIME:
            return _day_time_interval
        case TypeName.INTERVAL_YEAR_MONTH:
            return _year_month_interval
        case TypeName.CHAR | TypeName.VARCHAR:
            return str
        case TypeName.ARRAY | TypeName.MAP | TypeName.MULTISET | TypeName.ROW:
            return _nested_printer(kind, time_zone)
        case _:
            return repr


def _nested_printer(kind: SqlType, time_zone: str) -> Callable[[Any], str]:
    """`[a, b]`, `{k=v, …}`, `(a, b)`, with NULL for what is missing."""
    if kind.name is TypeName.ROW:
        fields = [(name, _part_printer(child, time_zone)) for name, child in kind.fields]
        return lambda row: "(" + ", ".join(text(row[name]) for name, text in fields) + ")"
    assert kind.element is not None
    element = _part_printer(kind.element, time_zone)
    if kind.name is TypeName.ARRAY:
        return lambda items: "[" + ", ".join(map(element, items)) + "]"
    key = element if kind.key is None else _part_printer(kind.key, time_zone)
    value = str if kind.key is None else element
    return lambda entries: "{" + ", ".join(f"{key(k)}={value(v)}" for k, v in entries) + "}"


def _part_printer(kind: SqlType, time_zone: str) -> Callable[[Any], str]:
    text = {TypeName.FLOAT: _java_float, TypeName.DOUBLE: _java_double}.get(kind.name) or _printer(kind, time_zone)
    if kind.name in (TypeName.TIMESTAMP, TypeName.TIMESTAMP_LTZ):
        of_microseconds = text

        def text(moment: datetime) -> str:
            return of_microseconds((moment - EPOCH) // timedelta(microseconds=1))

    return lambda value: "NULL" if value is None else text(value)


def _java_float(value: float) -> str:
    return _java_number(str(np.float32(value)), value)


def _java_double(value: float) -> str:
    return _java_number(repr(value), value)


def _java_number(shortest: str, value: float) -> str:
    """As Double.toString: with an exponent below 10^-3 and from 10^7 on."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else f"{'-' if value < 0 else ''}Infinity"
    number = Decimal(shortest)
    if value == 0 or Decimal("0.001") <= abs(number) < 10_000_000:
        text = f"{number:f}"
        return text if "." in text else f"{text}.0"
    sign, digits, exponent = number.as_tuple()
    plain = "".join(map(str, digits)).rstrip("0") or "0"
    power = int(exponent) + len(digits) - 1
    return f"{'-' if sign else ''}{plain[0]}.{plain[1:] or '0'}E{power}"


def _local(microseconds: int, zone: ZoneInfo) -> datetime:
    instant = EPOCH.replace(tzinfo=UTC) + timedelta(microseconds=microseconds)
    return instant.astimezone(zone).replace(tzinfo=None)


def _timestamp(moment: datetime, precision: int) -> str:
    fraction = f"{moment.microsecond:06}"[:precision]
    return f"{moment:%Y-%m-%d %H:%M:%S}".rjust(19, "0") + (f".{fraction}" if precision else "")


def _time(value: time) -> str:
    return f"{value:%H:%M:%S}"


def _day_time_interval(milliseconds: int) -> str:
    sign = "-" if milliseconds < 0 else "+"
    seconds, millis = divmod(abs(milliseconds), 1000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{sign}{days} {hour:02}:{minute:02}:{second:02}.{millis:03}"


def _year_month_interval(months: int) -> str:
    sign = "-" if months < 0 else "+"
    years, month = divmod(abs(months), 12)
    return f"{sign}{years}-{month:02}"
