"""Dates and times computed in Python: what strings mean, and local time in a time zone.

Source: Flink's DateTimeUtils (parseDate, parseTime, parseTimestampData), held by recorded answers. Times are
microseconds, timestamps microseconds since the epoch.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa

from velo_engine.functions.python_function import PythonFunction, row_function

EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_JAVA_SPACE = "".join(map(chr, range(33)))
_DIGITS = re.compile(r"[0-9]+", re.ASCII)

_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?: ([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.([0-9]{0,9}))?)?", re.ASCII
)


def microseconds(moment: datetime) -> int:
    """Microseconds since the epoch."""
    return (moment - EPOCH) // _MICROSECOND


def moment(micros: int) -> datetime | None:
    """The datetime of microseconds since the epoch; None outside the years 1 to 9999."""
    try:
        return EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return None


def parse_timestamp(text: str) -> int | None:
    """`yyyy-M-d[ H:m:s[.fraction]]`; the 30th of February is its last day, as java.time's SMART resolver has it."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, *clock = (int(part) if part else 0 for part in match.groups()[:6])
    hour, minute, second = clock
    if not (year and 1 <= month <= 12 and 1 <= day <= 31 and minute < 60 and second < 60):
        return None
    midnight = hour == 24 and minute == second == 0 and not (match.group(7) or "").strip("0")
    if hour > 23 and not midnight:
        return None
    start = microseconds(datetime(year, month, min(day, days_in_month(year, month))))
    fraction = int((match.group(7) or "0").ljust(6, "0")[:6])
    return start + ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction


def days_in_month(year: int, month: int) -> int:
    """28 to 31."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def parse_date(text: str) -> date | None:
    """`y`, `y-m` or `y-m-d`, and whatever stands after a space that is not the first character."""
    space = text.find(" ")
    parts = (text[:space] if space > 0 else text).split("-", 2)
    numbers = [part.strip(_JAVA_SPACE) for part in parts]
    if not all(_DIGITS.fullmatch(number) for number in numbers):
        return None
    year, month, day = [int(number) for number in numbers] + [1] * (3 - len(numbers))
    if not (1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= days_in_month(year, month)):
        return None
    return date(year, month, day)


def parse_time(text: str) -> int | None:
    """`h`, `h:m`, `h:m:s` or `h:m:s.fraction`, to the millisecond, in microseconds of the day."""
    parts = text.split(":", 2)
    fraction = ""
    if len(parts) == 3 and "." in parts[2]:
        parts[2], fraction = parts[2].split(".", 1)
    numbers = [part.strip(_JAVA_SPACE) for part in parts]
    if not all(_DIGITS.fullmatch(number) for number in numbers):
        return None
    hour, minute, second = [int(number) for number in numbers] + [0] * (3 - len(numbers))
    if hour > 23 or minute > 59 or second > 59:
        return None
    return (((hour * 60 + minute) * 60 + second) * 1000 + _milliseconds(fraction.strip(_JAVA_SPACE))) * 1000


def _milliseconds(fraction: str) -> int:
    """Flink's DateTimeUtils.parseFraction: three digits, rounded by the fourth; anything else counts as zero."""
    digits = [int(c) if c in "0123456789" else 0 for c in fraction[:3]]
    value = sum(digit * weight for digit, weight in zip(digits, (100, 10, 1), strict=False))
    return value + (1 if fraction[3:4] >= "5" else 0)


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo | None:
    """The time zone called `name`, or None."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def instant_of(micros: int, zone_name: str) -> int | None:
    """The instant at which clocks in a zone show the local time: of two the earlier, in a gap moved on by the gap."""
    found, local = zone(zone_name), moment(micros)
    if found is None or local is None:
        return None
    instant = micros - _offset(local.replace(tzinfo=found))
    return instant if moment(instant) is not None else None


def local_time_of(micros: int, zone_name: str) -> int | None:
    """The local time that clocks in a zone show at an instant."""
    found, instant = zone(zone_name), moment(micros)
    if found is None or instant is None:
        return None
    try:
        return micros + _offset(instant.replace(tzinfo=UTC).astimezone(found))
    except OverflowError:
        return None


def _offset(aware: datetime) -> int:
    offset = aware.utcoffset()
    assert offset is not None
    return offset // _MICROSECOND


def interval_text(amount: int, months: bool) -> str:
    """An interval as Flink prints it: `+1-02` for months, `+0 00:05:00.000` for milliseconds."""
    sign = "-" if amount < 0 else "+"
    amount = abs(amount)
    if months:
        return f"{sign}{amount // 12}-{amount % 12:02d}"
    seconds, millis = divmod(amount, 1000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{sign}{hours // 24} {hours % 24:02d}:{minute:02d}:{second:02d}.{millis:03d}"


def time_of(micros: int) -> time:
    """The time of day of microseconds since midnight."""
    return (EPOCH + timedelta(microseconds=micros)).time()


def _parsed_time(text: str) -> time | None:
    micros = parse_time(text)
    return None if micros is None else time_of(micros)


KERNEL_FUNCTIONS: tuple[PythonFunction, ...] = (
    row_function("velo_parse_timestamp", ("VARCHAR",), "BIGINT", pa.int64(), parse_timestamp),
    row_function("velo_parse_date", ("VARCHAR",), "DATE", pa.date32(), parse_date),
    row_function("velo_parse_time", ("VARCHAR",), "TIME", pa.time64("us"), _parsed_time),
    row_function("velo_instant_of", ("BIGINT", "VARCHAR"), "BIGINT", pa.int64(), instant_of),
    row_function("velo_local_time_of", ("BIGINT", "VARCHAR"), "BIGINT", pa.int64(), local_time_of),
    row_function("velo_interval_text", ("BIGINT", "BOOLEAN"), "VARCHAR", pa.string(), interval_text),
)
