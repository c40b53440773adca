"""Dates, times and timestamps from text, one at a time, in the SQL and ISO-8601 forms of Flink's formats.

Source: org.apache.flink.formats.common.TimeFormats of Flink 2.3. The SQL form is resolved as Java's SMART style does
(February 30 is the last of February, 24:00:00 the next midnight), the ISO-8601 form strictly unless it has a zone.

Both forms are read whatever `timestamp-format.standard` says. Where Flink refuses a text, more is accepted when its
meaning is certain: a TIMESTAMP with `Z` or an offset is the UTC time of that instant, a TIMESTAMP_LTZ may have any
offset. Without zone a TIMESTAMP_LTZ is refused, as by Flink.
"""

from __future__ import annotations

import re
from calendar import monthrange

_DATE = r"([+-]?\d{4,9})-(\d\d)-(\d\d)"
_SECONDS = r"(\d\d):(\d\d):(\d\d)(?:\.(\d{0,9}))?"
_ZONE = r"(?:(Z)|([+-])(\d\d):?(\d\d)?)?"

_DATE_FORM = re.compile(r"([+-]?\d{4,9})-(\d{1,2})-(\d{1,2})", re.ASCII)
_TIME_FORM = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{0,9}))?)?", re.ASCII)
_SQL_FORM = re.compile(f"{_DATE} {_SECONDS}{_ZONE}", re.ASCII)
_ISO_FORM = re.compile(rf"{_DATE}[Tt](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{{0,9}}))?)?{_ZONE}", re.ASCII)

MICROS = 1_000_000
MICROS_A_DAY = 86_400 * MICROS

MAX_YEAR = 292_000
"""Beyond it a timestamp does not fit in 64 bits of microseconds."""


def parse_date(text: str) -> int:
    """Days since the epoch, from `2024-02-29` (or `2024-2-29`)."""
    found = _DATE_FORM.fullmatch(text)
    if found is None:
        raise ValueError("is not a date (yyyy-mm-dd)")
    return _days(found[1], found[2], found[3], clamp=False)


def parse_time(text: str) -> int:
    """Microseconds since midnight, from `23:59:59`, `23:59:59.123` or `23:59`. 24:00:00 is midnight."""
    found = _TIME_FORM.fullmatch(text)
    if found is None:
        raise ValueError("is not a time (hh:mm:ss)")
    hour, minute, second, fraction = found.groups()
    return _micros(hour, minute, second or "0", fraction, smart=True) % MICROS_A_DAY


def parse_timestamp(text: str) -> int:
    """Microseconds since the epoch of the local time `2024-01-01 00:00:00.123` or `2024-01-01T00:00:00.123`."""
    return _timestamp(text)[0]


def parse_instant(text: str) -> int:
    """Microseconds since the epoch of an instant: as `parse_timestamp`, with `Z` or an offset."""
    micros, zoned = _timestamp(text)
    if not zoned:
        raise ValueError("has no time zone (a trailing Z or an offset)")
    return micros


def _timestamp(text: str) -> tuple[int, bool]:
    """Microseconds since the epoch (UTC when there is a zone), and whether there is a zone."""
    sql_form = _SQL_FORM.fullmatch(text)
    found = sql_form or _ISO_FORM.fullmatch(text)
    if found is None:
        raise ValueError("is not a timestamp (yyyy-mm-dd hh:mm:ss)")
    year, month, day, hour, minute, second, fraction, utc, sign, zone_hours, zone_minutes = found.groups()
    smart = sql_form is not None or utc is not None or sign is not None
    micros = _days(year, month, day, clamp=smart) * MICROS_A_DAY
    micros += _micros(hour, minute, second or "0", fraction, smart=smart)
    if sign is None:
        return micros, utc is not None
    offset = int(zone_hours) * 3600 + int(zone_minutes or 0) * 60
    if offset > 18 * 3600 or int(zone_minutes or 0) > 59:
        raise ValueError("has an offset out of range")
    return micros - (offset if sign == "+" else -offset) * MICROS, True


def _micros(hour: str, minute: str, second: str, fraction: str | None, *, smart: bool) -> int:
    h, m, s = int(hour), int(minute), int(second)
    whole = (h * 3600 + m * 60 + s) * MICROS + int((fraction or "").ljust(6, "0")[:6])
    if m > 59 or s > 59 or (h > 23 and not (smart and whole == MICROS_A_DAY)):
        raise ValueError("is not a valid time of day")
    return whole


def _days(year: str, month: str, day: str, *, clamp: bool) -> int:
    y, m, d = int(year), int(month), int(day)
    if abs(y) > MAX_YEAR or (len(year.lstrip("+-")) > 4) != (year[0] in "+-" and abs(y) > 9999):
        raise ValueError("has a year out of range")
    if not 1 <= m <= 12 or not 1 <= d <= 31:
        raise ValueError("is not a valid date")
    last = 29 if m == 2 and _is_leap(y) else monthrange(2001, m)[1]
    if d > last and not clamp:
        raise ValueError("is not a valid date")
    return days_from_civil(y, m, min(d, last))


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar (H. Hinnant, chrono-compatible date algorithms)."""
    y = year - (month <= 2)
    era = y // 400
    year_of_era = y - era * 400
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468
