"""JSON text and paths as Flink reads and prints them (Jackson, Jayway JsonPath).

A path is `[lax|strict] $.member['member'][index][*].*`; strict is the default. Filters, slices, `..` and functions
are refused. Numbers keep their digits and print as BigDecimal does.
Source: Flink's SqlJsonUtils, held by recorded answers.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

Json: TypeAlias = Any
"""None, bool, int, Decimal, str, list or dict."""


class JsonPathError(Exception):
    """A path that this engine does not read."""


class JsonReadError(Exception):
    """A text that is not JSON, or a strict path that leads nowhere."""


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path."""

    lax: bool
    steps: tuple[str | int | None, ...]
    """Member names, element positions, None for every element or member."""
    several: bool
    """Whether it may have several results, which come as a list."""


_MODE = re.compile(r"\s*(strict|lax)\s+(.+)$", re.DOTALL)
_STEP = re.compile(
    r"""
    \.(?P<name>[^.\[\]()'"*?@,:\s]+)
    | \.?\[\s*'(?P<single>(?:[^'\\]|\\.)*)'\s*\]
    | \.?\[\s*"(?P<double>(?:[^"\\]|\\.)*)"\s*\]
    | \.?\[\s*(?P<index>-?\d+)\s*\]
    | (?P<all>\.?\[\s*\*\s*\]|\.\*)
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=512)
def parse_path(text: str) -> Path:
    """The path of `text`. JsonPathError."""
    mode = _MODE.match(text)
    body = (mode.group(2) if mode else text).strip()
    if not body.startswith("$"):
        body = "$." + body
    steps: list[str | int | None] = []
    position = 1
    while position < len(body):
        match = _STEP.match(body, position)
        if match is None:
            raise JsonPathError(f"the path {text} has a part that this engine does not read: {body[position:]}")
        steps.append(_step(match))
        position = match.end()
    return Path(mode is not None and mode.group(1) == "lax", tuple(steps), None in steps)


def _step(match: re.Match[str]) -> str | int | None:
    if match.group("index") is not None:
        return int(match.group("index"))
    if match.group("all") is not None:
        return None
    quoted = match.group("single") if match.group("single") is not None else match.group("double")
    return match.group("name") if quoted is None else re.sub(r"\\(.)", r"\1", quoted)


def _no_constant(name: str) -> Json:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)


def _number(digits: str) -> int | Decimal:
    return int(digits) if digits.lstrip("-").isdecimal() else Decimal(digits)


_FAST_DECODER = msgspec.json.Decoder(float_hook=_number)

KEPT_TEXTS, LONGEST_KEPT = 4096, 4096
"""How many texts of how many characters stay parsed: several calls often read the same vector of rows."""


def parse(text: str) -> Json:
    """The JSON value at the beginning of `text`; what follows it does not count. Not to be changed. JsonReadError."""
    return _parsed_and_kept(text) if len(text) <= LONGEST_KEPT else _parsed(text)


@lru_cache(maxsize=KEPT_TEXTS)
def _parsed_and_kept(text: str) -> Json:
    return _parsed(text)


def _parsed(text: str) -> Json:
    """A whole text by the fast decoder, anything else by the one that says where a value ends."""
    try:
        return _FAST_DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return _parsed_beginning(text)


def _parsed_beginning(text: str) -> Json:
    try:
        value, end = _DECODER.raw_decode(text, len(text) - len(text.lstrip(" \t\r\n")))
    except (ValueError, RecursionError):
        raise JsonReadError("not JSON") from None
    if is_scalar(value) and not isinstance(value, str) and text[end : end + 1].strip(" \t\r\n"):
        raise JsonReadError("not JSON: something touches the end of a number or word")
    return value


def read(text: str, path: Path) -> Json:
    """What a path leads to, None for nothing and for null. JsonReadError, of a strict path."""
    try:
        return _follow(parse(text), path.steps, several=path.several)
    except JsonReadError:
        if path.lax:
            return None
        raise


def _follow(value: Json, steps: tuple[str | int | None, ...], several: bool) -> Json:
    found = [value]
    wide = False
    for step in steps:
        if step is None:
            found = [child for item in found for child in _children(item)]
            wide = True
        else:
            found = [child for item in found for child in _child(item, step, wide)]
    return found if several else found[0]


def _children(item: Json) -> list[Json]:
    return item if isinstance(item, list) else list(item.values()) if isinstance(item, dict) else []


def _child(item: Json, step: str | int, wide: bool) -> list[Json]:
    """The member or element, which must be there unless a wildcard stands before."""
    if isinstance(step, str) and isinstance(item, dict) and step in item:
        return [item[step]]
    if isinstance(step, int) and isinstance(item, list) and -len(item) <= step < len(item):
        return [item[step]]
    if wide:
        return []
    raise JsonReadError(f"there is no {step}")


def is_scalar(value: Json) -> bool:
    """Whether a value is neither an array nor an object."""
    return not isinstance(value, list | dict)


def scalar_text(value: Json) -> str:
    """A scalar as Java's toString."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value) if isinstance(value, int | Decimal) else well_formed(value)


def number_text(value: int | Decimal) -> str:
    """A number as BigDecimal prints it; it has no negative zero."""
    if isinstance(value, Decimal) and not value:
        value = abs(value)
    return str(value)


def dump(value: Json) -> str:
    """JSON text without spaces, as Jackson writes it."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "{" + ",".join(f"{quoted(key)}:{dump(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(dump(item) for item in value) + "]"
    return quoted(value) if isinstance(value, str) else scalar_text(value)


_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(text: str) -> str:
    """A JSON string."""
    return (
        '"'
        + re.sub(r'["\\\x00-\x1f]', lambda m: _SHORT_ESCAPES.get(m[0]) or f"\\u{ord(m[0]):04X}", well_formed(text))
        + '"'
    )


def well_formed(text: str) -> str:
    """Halves of characters replaced, which cannot be written."""
    return re.sub("[\ud800-\udfff]", "?", text)
