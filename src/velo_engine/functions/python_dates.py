"""The functions of dates by pattern and of calendar months, for the kernel."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from velo_engine.functions import java_time_format as java
from velo_engine.functions.python_function import PythonFunction, row_function
from velo_engine.functions.python_time import (
    days_in_month,
    instant_of,
    local_time_of,
    moment,
    zone,
)

_DEFAULT = "yyyy-MM-dd HH:mm:ss"
_DAY = 86_400_000_000


def format_timestamp(micros: int, pattern: str) -> str | None:
    """A timestamp by a DateTimeFormatter pattern; None for a pattern that cannot be used."""
    return _formatted(micros, pattern, java.DATE_TIME_FORMATTER)


def format_simple(micros: int, pattern: str) -> str | None:
    """A timestamp by a SimpleDateFormat pattern; None for a pattern that cannot be used."""
    return _formatted(micros, pattern, java.SIMPLE_DATE_FORMAT)


def _formatted(micros: int, pattern: str, letters: dict[str, java.Print]) -> str | None:
    found = moment(micros)
    try:
        return None if found is None else java.formatted(found, pattern, letters)
    except java.PatternError:
        return None


def pattern_error(pattern: str, use: str) -> str | None:
    """Why a pattern cannot be used, or None; for the uses see `java_time_format.USES`."""
    try:
        java.USES[use](pattern)
    except java.PatternError as problem:
        return f"cannot use the pattern '{pattern}': {problem}"
    return None


def to_timestamp(text: str, pattern: str) -> int | None:
    """TO_TIMESTAMP with a format: by DateTimeFormatter, else as java.sql.Timestamp reads it."""
    try:
        found = java.parsed_by_formatter(text, pattern)
    except java.PatternError:
        return None
    return java.parsed_by_jdbc(text) if found is None else found


def parse_simple(text: str, pattern: str) -> int | None:
    """A timestamp read by a SimpleDateFormat pattern."""
    try:
        return java.parsed_by_simple_format(text, pattern)
    except java.PatternError:
        return None


def reformat(text: str, pattern: str) -> str | None:
    """DATE_FORMAT of a string: read as `yyyy-MM-dd HH:mm:ss`, printed by another SimpleDateFormat pattern."""
    micros = parse_simple(text, _DEFAULT)
    return None if micros is None else format_simple(micros, pattern)


def convert_tz(text: str, source: str, target: str) -> str | None:
    """A `yyyy-MM-dd HH:mm:ss` of one zone in another."""
    local = parse_simple(text, _DEFAULT)
    instant = None if local is None else instant_of(local, source)
    shown = None if instant is None else local_time_of(instant, target)
    return None if shown is None else format_simple(shown, _DEFAULT)


def zone_error(name: str) -> str | None:
    """Why a time zone cannot be used, or None."""
    return None if zone(name) is not None else f"there is no time zone '{name}'"


def months_between(to: int, start: int) -> int | None:
    """Calcite's subtractMonths: whole months from `start` to `to`, both in microseconds."""
    to_day, to_rest = divmod(to, _DAY)
    start_day, start_rest = divmod(start, _DAY)
    later, earlier = moment(to_day * _DAY), moment(start_day * _DAY)
    if later is None or earlier is None:
        return None
    months = _whole_months(later.date(), earlier.date())
    # Calcite takes one off whenever the days meet, also when the difference is zero or negative.
    if _moved(earlier.date(), months) == later.date() and to_rest // 1000 < start_rest // 1000:
        months -= 1
    return months


def _whole_months(later: date, earlier: date) -> int:
    if later < earlier:
        return -_whole_months(earlier, later)
    months = (later.year - earlier.year) * 12 + later.month - earlier.month
    return months if _moved(earlier, months) <= later else months - 1


def _moved(day: date, months: int) -> date:
    """The day moved by months, at most to the end of the month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, days_in_month(year, month + 1)))


def to_date_by_format(text: str, pattern: str) -> date | None:
    """TO_DATE with a format, by SimpleDateFormat."""
    micros = parse_simple(text, pattern)
    found = None if micros is None else moment(micros)
    return None if found is None else found.date()


_TEXT, _LONG = "VARCHAR", "BIGINT"

KERNEL_FUNCTIONS: tuple[PythonFunction, ...] = (
    row_function("velo_format_timestamp", (_LONG, _TEXT), _TEXT, pa.string(), format_timestamp),
    row_function("velo_format_simple", (_LONG, _TEXT), _TEXT, pa.string(), format_simple),
    row_function("velo_pattern_error", (_TEXT, _TEXT), _TEXT, pa.string(), pattern_error),
    row_function("velo_to_timestamp", (_TEXT, _TEXT), _LONG, pa.int64(), to_timestamp),
    row_function("velo_parse_simple", (_TEXT, _TEXT), _LONG, pa.int64(), parse_simple),
    row_function("velo_reformat", (_TEXT, _TEXT), _TEXT, pa.string(), reformat),
    row_function("velo_zone_error", (_TEXT,), _TEXT, pa.string(), zone_error),
    row_function("velo_convert_tz", (_TEXT,) * 3, _TEXT, pa.string(), convert_tz),
    row_function("velo_months_between", (_LONG, _LONG), "INTEGER", pa.int32(), months_between),
    row_function("velo_to_date_by_format", (_TEXT, _TEXT), "DATE", pa.date32(), to_date_by_format),
)
