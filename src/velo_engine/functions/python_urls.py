"""URLs, internet addresses and PRINTF, for the kernel, as Java reads and writes them."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal

import pyarrow as pa

from velo_engine.functions.python_function import PythonFunction, row_function

_URL = re.compile(r"(?P<protocol>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>[^#]*)(?:#(?P<ref>.*))?\Z", re.DOTALL)
_KNOWN_PROTOCOLS = ("http", "https", "ftp", "file", "jar", "mailto")


def parse_url(url: str, part: str) -> str | None:
    """A part of a URL by java.net.URL; None for what it refuses."""
    match = _URL.match(url.strip())
    if match is None or match["protocol"].lower() not in _KNOWN_PROTOCOLS:
        return None
    rest, query = match["rest"], None
    if "?" in rest:
        rest, _, query = rest.partition("?")
    authority, path = None, rest
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        path = slash + path
    user, at, host = (authority or "").rpartition("@")
    match part:
        case "HOST":
            return None if authority is None else re.sub(r":\d*\Z", "", host)
        case "PATH":
            return path
        case "QUERY":
            return query
        case "REF":
            return match["ref"]
        case "PROTOCOL":
            return match["protocol"].lower()
        case "FILE":
            return path if query is None else f"{path}?{query}"
        case "AUTHORITY":
            return authority
        case "USERINFO":
            return user if at else None
    return None


def parse_url_key(url: str, part: str, key: str) -> str | None:
    """The value of the first `key` of the query."""
    query = parse_url(url, part) if part == "QUERY" else None
    found = None if query is None else re.search(rf"(?:&|\A){re.escape(key)}=([^&]*)", query)
    return None if found is None else found[1]


def inet_aton(text: str) -> int | None:
    """An IPv4 address as a number; of fewer than four parts the last fills the rest."""
    parts = text.split(".")
    if not 1 < len(parts) <= 4 or not all(part.isascii() and part.isdigit() for part in parts):
        return int(text) if len(parts) == 1 and text.isascii() and text.isdigit() and int(text) < 256 else None
    *firsts, last = (int(part) for part in parts)
    if any(part > 255 for part in (*firsts, last)):
        return None
    return sum(part << 8 * (3 - i) for i, part in enumerate(firsts)) + last


def inet_ntoa(number: int) -> str | None:
    """A number as an IPv4 address."""
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0)) if 0 <= number < 2**32 else None


_SPECIFIER = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")


class _MalformedError(Exception):
    """What java.util.Formatter refuses."""


def printf(template: str, kinds: str, values: list[str | None]) -> str | None:
    """java.util.Formatter over values as text. `kinds` has a letter for each: int, long, double, boolean, other."""
    if "%" in _SPECIFIER.sub("", template):
        return None
    ordinary = iter(range(len(template)))
    try:
        return _SPECIFIER.sub(lambda m: _formatted(m, kinds, values, ordinary), template)
    except _MalformedError:
        return None


def _formatted(match: re.Match[str], kinds: str, values: list[str | None], ordinary: object) -> str:
    explicit, flags, width, precision, conversion = match.groups()
    if conversion == "%":
        return "%"
    if conversion == "n":
        return "\n"
    index = int(explicit) - 1 if explicit else next(ordinary)  # type: ignore[call-overload]
    if index >= len(values):
        raise _MalformedError
    text = _converted(values[index], kinds[index], flags, width, precision, conversion)
    if conversion.isupper():
        text = text.upper()
    fill = " " * (int(width or 0) - len(text.encode("utf-16-le")) // 2)
    return text + fill if "-" in flags else fill + text


def _converted(
    value: str | None, kind: str, flags: str, width: str | None, precision: str | None, conversion: str
) -> str:
    lower = conversion.lower()
    if lower not in "bcdsxofe" or (conversion in "DOF"):
        raise _MalformedError
    if lower == "b":
        text = "false" if value is None else value if kind == "b" else "true"
        return _cut(text, precision)
    if value is None or lower == "s":
        return _cut("null" if value is None else value, precision)
    if lower == "c":
        if kind != "i":
            raise _MalformedError
        return chr(int(value))
    if lower in "dxo":
        if kind not in "il" or precision:
            raise _MalformedError
        return _whole(int(value), kind, flags, width, lower)
    if kind != "d":
        raise _MalformedError
    return _real(value, flags, width, int(precision) if precision else 6, lower)


def _cut(text: str, precision: str | None) -> str:
    """The first UTF-16 units of a text."""
    if precision is None:
        return text
    return text.encode("utf-16-le")[: 2 * int(precision)].decode("utf-16-le", "replace")


def _whole(number: int, kind: str, flags: str, width: str | None, conversion: str) -> str:
    if conversion != "d":
        unsigned = number & (2**32 - 1 if kind == "i" else 2**64 - 1)
        digits = f"{unsigned:{conversion}}"
        return digits.rjust(int(width), "0") if "0" in flags and width else digits
    return _signed(f"{abs(number):,}" if "," in flags else str(abs(number)), number < 0, flags, width)


def _real(value: str, flags: str, width: str | None, precision: int, conversion: str) -> str:
    if value in ("NaN", "Infinity", "-Infinity"):
        return value
    number = Decimal(value)
    unit = Decimal(1).scaleb(-precision)
    if conversion == "f":
        rounded = abs(number).quantize(unit, context=Context(prec=700, rounding=ROUND_HALF_UP))
        digits = f"{rounded:,f}" if "," in flags else f"{rounded:f}"
    else:
        rounded = Context(prec=precision + 1, rounding=ROUND_HALF_UP).plus(abs(number))
        digits = f"{rounded:.{precision}e}" if number else f"{0.0:.{precision}e}"
        mantissa, _, exponent = digits.partition("e")
        digits = f"{mantissa}e{exponent[0]}{exponent[1:].rjust(2, '0')}"
    return _signed(digits, value.startswith("-"), flags, width)


def _signed(digits: str, negative: bool, flags: str, width: str | None) -> str:
    before = "-" if negative else "+" if "+" in flags else " " if " " in flags else ""
    after = ""
    if negative and "(" in flags:
        before, after = "(", ")"
    if "0" in flags and width:
        digits = digits.rjust(int(width) - len(before) - len(after), "0")
    return before + digits + after


_TEXT = "VARCHAR"

KERNEL_FUNCTIONS: tuple[PythonFunction, ...] = (
    row_function("velo_parse_url", (_TEXT, _TEXT), _TEXT, pa.string(), parse_url),
    row_function("velo_parse_url_key", (_TEXT, _TEXT, _TEXT), _TEXT, pa.string(), parse_url_key),
    row_function("velo_inet_aton", (_TEXT,), "BIGINT", pa.int64(), inet_aton),
    row_function("velo_inet_ntoa", ("BIGINT",), _TEXT, pa.string(), inet_ntoa),
    row_function("velo_printf", (_TEXT, _TEXT, f"{_TEXT}[]"), _TEXT, pa.string(), printf),
)
