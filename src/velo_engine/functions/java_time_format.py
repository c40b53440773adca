"""Dates and times by pattern, as java.time's DateTimeFormatter and java.text's SimpleDateFormat print and read them.

Flink uses the first for DATE_FORMAT of a timestamp and TO_TIMESTAMP, the second for everything about seconds and
strings (UNIX_TIMESTAMP, FROM_UNIXTIME, TO_DATE with a format, CONVERT_TZ, DATE_FORMAT of a string). The second reads
leniently: values roll over and text after the pattern does not count. Locale: US English. A pattern letter that is
not here is refused.
Sources: the class documentation of both, held by recorded answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from velo_engine.functions.python_time import days_in_month, microseconds

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_QUARTERS = ("1st quarter", "2nd quarter", "3rd quarter", "4th quarter")


class PatternError(Exception):
    """A pattern that Java refuses too, or that this engine does not know."""


@dataclass(frozen=True, slots=True)
class Token:
    """A run of one pattern letter, or literal text (`letter` is empty)."""

    letter: str
    count: int
    text: str = ""


@lru_cache(maxsize=512)
def tokens(pattern: str) -> tuple[Token, ...]:
    """The pattern in parts. PatternError for an open quote and for characters that Java reserves."""
    found: list[Token] = []
    position = 0
    while position < len(pattern):
        c = pattern[position]
        if c == "'":
            end = _closing_quote(pattern, position)
            found.append(Token("", 0, pattern[position + 1 : end].replace("''", "'") or "'"))
            position = end + 1
        elif c.isascii() and c.isalpha():
            end = position
            while end < len(pattern) and pattern[end] == c:
                end += 1
            found.append(Token(c, end - position))
            position = end
        elif c in "[]{}#":
            raise PatternError(f"the character {c} in a pattern is not supported here")
        else:
            found.append(Token("", 0, c))
            position += 1
    return tuple(found)


def _closing_quote(pattern: str, start: int) -> int:
    position = start + 1
    while True:
        position = pattern.find("'", position)
        if position < 0:
            raise PatternError("a quote in the pattern is never closed")
        if pattern[position + 1 : position + 2] != "'" or position == start + 1:
            return position
        position += 2


def week_of_year(day: date) -> tuple[int, int]:
    """Week year and week in the US: weeks begin on Sunday, week 1 holds the first of January."""
    next_start = _week_start(date(day.year + 1, 1, 1)) if day.year < 9999 else None
    if next_start is not None and day >= next_start:
        return day.year + 1, 1
    return day.year, (day - _week_start(date(day.year, 1, 1))).days // 7 + 1


def _week_start(day: date) -> date:
    return day - timedelta(days=day.isoweekday() % 7) if day.toordinal() > 7 else day


def _padded(value: int, count: int) -> str:
    return str(value).rjust(count, "0")


def _name(name: str, count: int) -> str:
    return {4: name, 5: name[0]}.get(count, name[:3])


def _text(value: int, count: int, names: list[str]) -> str:
    return _padded(value, count) if count < 3 else _name(names[value - 1], count)


def _year(year: int, count: int) -> str:
    return _padded(year % 100, 2) if count == 2 else _padded(year, count)


def _quarter(m: datetime, count: int) -> str:
    quarter = (m.month - 1) // 3 + 1
    return {3: f"Q{quarter}", 4: _QUARTERS[quarter - 1]}.get(count, _padded(quarter, count if count < 3 else 1))


def _nanos(m: datetime) -> int:
    return m.microsecond * 1000


Print = Callable[[datetime, int], str]

_COMMON: dict[str, Print] = {
    "y": lambda m, n: _year(m.year, n),
    "M": lambda m, n: _text(m.month, n, MONTHS),
    "L": lambda m, n: _text(m.month, n, MONTHS),
    "d": lambda m, n: _padded(m.day, n),
    "D": lambda m, n: _padded(m.timetuple().tm_yday, n),
    "H": lambda m, n: _padded(m.hour, n),
    "k": lambda m, n: _padded(m.hour or 24, n),
    "K": lambda m, n: _padded(m.hour % 12, n),
    "h": lambda m, n: _padded(m.hour % 12 or 12, n),
    "m": lambda m, n: _padded(m.minute, n),
    "s": lambda m, n: _padded(m.second, n),
    "a": lambda m, _: "AM" if m.hour < 12 else "PM",
    "E": lambda m, n: _name(DAYS[m.weekday()], n),
    "G": lambda _, n: {4: "Anno Domini", 5: "A"}.get(n, "AD"),
    "w": lambda m, n: _padded(week_of_year(m.date())[1], n),
    "Y": lambda m, n: _year(week_of_year(m.date())[0], n),
}

DATE_TIME_FORMATTER: dict[str, Print] = {
    **_COMMON,
    "u": lambda m, n: _year(m.year, n),
    "Q": _quarter,
    "q": _quarter,
    "S": lambda m, n: f"{_nanos(m):09d}"[:n],
    "n": lambda m, n: _padded(_nanos(m), n),
    "A": lambda m, n: _padded(((m.hour * 60 + m.minute) * 60 + m.second) * 1000 + m.microsecond // 1000, n),
}
SIMPLE_DATE_FORMAT: dict[str, Print] = {
    **{letter: print_ for letter, print_ in _COMMON.items() if letter != "L"},
    "S": lambda m, n: _padded(m.microsecond // 1000, n),
    "E": lambda m, n: DAYS[m.weekday()] if n >= 4 else DAYS[m.weekday()][:3],
    "M": lambda m, n: _padded(m.month, n) if n < 3 else MONTHS[m.month - 1] if n >= 4 else MONTHS[m.month - 1][:3],
    "u": lambda m, n: _padded(m.isoweekday(), n),
    "F": lambda m, n: _padded((m.day - 1) // 7 + 1, n),
}
_AT_MOST = {
    "H": 2,
    "k": 2,
    "K": 2,
    "h": 2,
    "m": 2,
    "s": 2,
    "d": 2,
    "a": 1,
    "D": 3,
    "w": 2,
    "S": 9,
    "E": 5,
    "Q": 4,
    "q": 4,
}


def check_pattern(pattern: str, letters: dict[str, Print]) -> None:
    """PatternError unless every letter of the pattern is one of `letters`, as often as Java allows."""
    for token in tokens(pattern):
        if token.letter and token.letter not in letters:
            raise PatternError(f"the pattern letter {token.letter} is not supported here")
        if letters is DATE_TIME_FORMATTER and token.count > _AT_MOST.get(token.letter, 19):
            raise PatternError(f"too many pattern letters: {token.letter}")


def formatted(moment: datetime, pattern: str, letters: dict[str, Print]) -> str:
    """The moment by the pattern. PatternError."""
    check_pattern(pattern, letters)
    return "".join(letters[t.letter](moment, t.count) if t.letter else t.text for t in tokens(pattern))


_READ_TEXT = {
    "M": "(" + "|".join(MONTHS) + ")",
    "MMM": "(" + "|".join(name[:3] for name in MONTHS) + ")",
    "E": "(?:" + "|".join(DAYS) + ")",
    "EEE": "(?:" + "|".join(name[:3] for name in DAYS) + ")",
    "a": "(AM|PM)",
}


@lru_cache(maxsize=512)
def _formatter_regex(pattern: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """The regular expression of a DateTimeFormatter, and the field of each of its groups."""
    parts: list[str] = []
    fields: list[str] = []
    for token in tokens(pattern):
        if not token.letter:
            parts.append(re.escape(token.text))
            continue
        parts.append(_formatter_part(token))
        if token.letter != "E":
            fields.append("yy" if token.letter in "yu" and token.count == 2 else token.letter.replace("u", "y"))
    return re.compile("".join(parts), re.ASCII), tuple(fields)


def _formatter_part(token: Token) -> str:
    letter, count = token.letter, token.count
    if letter in ("M", "L") and count >= 3:
        return _READ_TEXT["MMM" if count == 3 else "M"]
    if letter == "E":
        return _READ_TEXT["EEE" if count <= 3 else "E"]
    if letter == "a":
        return _READ_TEXT["a"]
    if letter not in "yuMLdDHhmsSkK":
        raise PatternError(f"the pattern letter {letter} is not supported here")
    if letter == "S":
        return rf"(\d{{{count}}})"
    if letter in "yu" and count != 2:
        return rf"(\d{{{count},19}})" if count < 4 else rf"([+-]?\d{{{count},19}})"
    if letter == "D" and count == 2:
        return r"(\d{2,3})"
    return rf"(\d{{{count}}})" if count > 1 else r"(\d{1,19})"


def parsed_by_formatter(text: str, pattern: str) -> int | None:
    """Microseconds since the epoch; missing fields are those of 1970-01-01 00:00. None when the text does not fit."""
    regex, fields = _formatter_regex(pattern)
    match = regex.fullmatch(text)
    if match is None:
        return None
    values: dict[str, str] = {}
    for name, value in zip(fields, match.groups(), strict=True):
        if values.setdefault(name, value) != value:
            return None
    return _resolved(values)


def _resolved(values: dict[str, str]) -> int | None:
    """The SMART resolver: a day of the month up to 31 becomes the last one, 24:00 the next day."""
    year = 2000 + int(values["yy"]) if "yy" in values else int(values.get("y", 1970))
    month = _month(values.get("M") or values.get("L") or "1")
    day = int(values.get("d", 1))
    hour = _hour(values)
    minute, second = int(values.get("m", 0)), int(values.get("s", 0))
    if hour is None or not (1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= 31 and minute < 60 and second < 60):
        return None
    fraction = values.get("S", "0").ljust(9, "0")
    if hour == 24 and (minute or second or int(fraction)):
        return None
    try:
        if "D" in values:
            start = datetime(year, 1, 1) + timedelta(days=int(values["D"]) - 1)
            if start.year != year:
                return None
        else:
            start = datetime(year, month, min(day, days_in_month(year, month)))
    except (OverflowError, ValueError):
        return None
    return microseconds(start) + ((hour * 60 + minute) * 60 + second) * 1_000_000 + int(fraction[:6])


def _month(text: str) -> int:
    if text.isdecimal():
        return int(text)
    return next(i for i, name in enumerate(MONTHS, 1) if name.startswith(text))


def _hour(values: dict[str, str]) -> int | None:
    """The hour of the day, 0 to 24; None when it is none. A half day and its hour count only together."""
    if "H" in values or "k" in values:
        hour = int(values.get("H") or values["k"])
        if "k" in values and "H" not in values:
            hour = hour % 24 if 1 <= hour <= 24 else 99
        return hour if hour <= 24 else None
    half = values.get("a")
    if half is None or not ("h" in values or "K" in values):
        return 0
    hour = int(values["h"]) % 12 if "h" in values and 1 <= int(values["h"]) <= 12 else int(values.get("K", 99))
    return hour + (12 if half == "PM" else 0) if hour < 12 else None


_JDBC = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?: +(\d+):(\d+):(\d+)(?:\.(\d{1,9}))?)?", re.ASCII)


def parsed_by_jdbc(text: str) -> int | None:
    """java.sql.Timestamp.valueOf, or Date.valueOf for a text without a space: values beyond their range roll over."""
    match = _JDBC.fullmatch(text.strip("".join(map(chr, range(33)))))
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return _rolled(year, month, day, hour, minute, second, int((match.group(7) or "0").ljust(6, "0")[:6]))


def _rolled(year: int, month: int, day: int, hour: int, minute: int, second: int, micros: int) -> int | None:
    """Microseconds since the epoch of a lenient calendar's fields."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    try:
        start = datetime(year, month, 1) + timedelta(days=day - 1)
    except (OverflowError, ValueError):
        return None
    return microseconds(start) + ((hour * 60 + minute) * 60 + second) * 1_000_000 + micros


@lru_cache(maxsize=512)
def _simple_regex(pattern: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """The regular expression of a SimpleDateFormat; a number next to another number has a fixed width."""
    parts: list[str] = []
    fields: list[str] = []
    parsed = tokens(pattern)
    for index, token in enumerate(parsed):
        if not token.letter:
            parts.append(re.escape(token.text))
            continue
        following = parsed[index + 1] if index + 1 < len(parsed) else None
        adjacent = (following is not None and following.letter not in ("", "a", "E", "M")) or (
            following is not None and following.letter == "M" and following.count < 3
        )
        parts.append(_simple_part(token, adjacent))
        if token.letter != "E":
            fields.append(token.letter)
    return re.compile("".join(parts), re.ASCII), tuple(fields)


def _simple_part(token: Token, adjacent: bool) -> str:
    letter, count = token.letter, token.count
    if letter == "M" and count >= 3:
        return "(?i:(" + "|".join([*MONTHS, *(name[:3] for name in MONTHS)]) + "))"
    if letter == "E":
        return "(?i:" + "|".join([*DAYS, *(name[:3] for name in DAYS)]) + ")"
    if letter == "a":
        return "(?i:(AM|PM))"
    if letter not in "yMdDHhmsSkK":
        raise PatternError(f"the pattern letter {letter} is not supported here")
    if letter == "y" and count == 2:
        raise PatternError("a year of two digits depends on today's date")
    return rf"(\d{{{count}}})" if adjacent else r"[ \t]*(-?\d+)"


def parsed_by_simple_format(text: str, pattern: str) -> int | None:
    """Microseconds since the epoch, leniently; None when the beginning of the text does not fit."""
    regex, fields = _simple_regex(pattern)
    match = regex.match(text)
    if match is None or match.end() == 0:
        return None
    values = dict(zip(fields, match.groups(), strict=True))
    month_text = values.get("M", "1")
    month = int(month_text) if month_text.lstrip("-").isdecimal() else _month(month_text.capitalize())
    hour = int(values.get("H", 0))
    if "k" in values:
        hour = int(values["k"]) % 24
    elif "h" in values or "K" in values:
        hour = int(values.get("K") or int(values["h"]) % 12) + (12 if values.get("a", "AM").upper() == "PM" else 0)
    day = int(values["D"]) if "D" in values else int(values.get("d", 1))
    month = 1 if "D" in values else month
    minute, second, millis = int(values.get("m", 0)), int(values.get("s", 0)), int(values.get("S", 0))
    return _rolled(int(values.get("y", 1970)), month, day, hour, minute, second, millis * 1000)


_NO_FIELDS = frozenset("CIJPRTUbfijlort")
"""Letters that are no field of a DateTimeFormatter: Java refuses the pattern, and Flink's TO_TIMESTAMP gives NULL."""


def _check_formatter_input(pattern: str) -> None:
    if any(token.letter in _NO_FIELDS for token in tokens(pattern) if token.letter):
        return
    check_pattern(pattern, DATE_TIME_FORMATTER)
    _formatter_regex(pattern)


def _check_simple_input(pattern: str) -> None:
    check_pattern(pattern, SIMPLE_DATE_FORMAT)
    _simple_regex(pattern)


USES: dict[str, Callable[[str], None]] = {
    "formatter": lambda pattern: check_pattern(pattern, DATE_TIME_FORMATTER),
    "formatter input": _check_formatter_input,
    "simple": lambda pattern: check_pattern(pattern, SIMPLE_DATE_FORMAT),
    "simple input": _check_simple_input,
}
"""What a pattern can be checked for: printing or reading, by either class."""
