"""Columns of the engine's results as Flink prints them: CAST AS STRING, None for NULL.

Written from Flink's rules and independent of the engine's own CAST, so that it cannot share its mistakes. FLOAT and DOUBLE
are printed as Python prints them; `comparison.py` compares them as numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
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
        case _:
            return repr


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
