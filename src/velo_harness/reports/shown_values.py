"""Values as reports show them: plain, without secrets and without characters that could steer a terminal."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

SHOWN_CHARACTERS = 80
"""Of one value in a table."""
_EXCERPT = 200
"""Characters of a source line in an error."""
_QUOTED = re.compile(r" *\d+ \| ")
_CARETS = re.compile(r" *\| *\^+$")


def text_of(value: Any) -> str:
    """A value for people: NULL for None, decimals at full scale, times in SQL's form.

    Text stands in quotes when it is empty, begins or ends with a space, or could be taken for NULL.
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.isoformat(sep=" ")
        case str():
            unclear = value in ("", "NULL") or value != value.strip()
            return f'"{printable(value)}"' if unclear else printable(value)
        case bytes():
            return "0x" + value.hex()
        case Mapping():
            return "{" + ", ".join(f"{printable(str(k))}: {text_of(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(text_of(v) for v in value) + "]"
        case _:
            return printable(str(value))


def printable(text: str) -> str:
    """`text` with control characters, escapes and unpaired surrogates written out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def printable_lines(text: str) -> str:
    """Text of several lines for people: as `printable`, keeping line breaks, secrets masked, long excerpts cut."""
    lines = [printable(line) for line in masked(text).split("\n")]
    for at, line in enumerate(lines):
        if len(line) > _EXCERPT and (start := _QUOTED.match(line)):
            carets = lines[at + 1] if at + 1 < len(lines) and _CARETS.match(lines[at + 1]) else ""
            lines[at], cut = _cut_excerpt(line, carets, start.end())
            if carets:
                lines[at + 1] = cut
    return "\n".join(lines)


def _cut_excerpt(line: str, carets: str, start: int) -> tuple[str, str]:
    """A quoted source line and its carets, cut to what stands around the first caret."""
    first = max(start, carets.find("^") - _EXCERPT // 2)
    before, after = "…" if first > start else "", "…" if first + _EXCERPT < len(line) else ""
    shown = f"{line[:start]}{before}{line[first : first + _EXCERPT]}{after}"
    return shown, f"{carets[:start]}{' ' * len(before)}{carets[first : first + _EXCERPT]}"


def masked(text: str) -> str:
    """`text` without the values of passwords and the like, and without the user in URLs."""
    return _URL_USER.sub(r"\1***@", _SECRET.sub(r"\1***", text))


_SECRET = re.compile(
    r"""((?:password|passwd|secret|token|credentials?|sasl\.jaas\.config)['"]?\s*[=:]\s*)('[^'\n]*'|"[^"\n]*"|[^\s,}]+)""",
    re.IGNORECASE,
)
_URL_USER = re.compile(r"(://)[^/\s@'\"]+@")


def json_value(value: Any) -> Any:
    """A value for JSON: decimals, dates and times as text, so that nothing is rounded; bytes as base64."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if value == value and abs(value) != float("inf") else str(value)
        case Decimal():
            return format(value, "f")
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return base64.b64encode(value).decode()
        case Mapping():
            return {str(k): json_value(v) for k, v in value.items()}
        case list() | tuple():
            return [json_value(v) for v in value]
        case _:
            return str(value)


def table_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rows as an aligned table; a column that a row lacks is blank there."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[printable(name) for name in names]]
    cells += [[_cut(text_of(row[name])) if name in row else "" for name in names] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
