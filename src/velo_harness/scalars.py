"""The meaning of a scalar's text where no column gives it a type: the YAML 1.2 core rules.

https://yaml.org/spec/1.2.2/#103-core-schema, with two differences: digits with leading zeros are text (0123 is an
identifier far more often than a number), and numbers with a point or an exponent are exact decimals that keep their
zeros, never floats.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, TypeAlias

from velo_harness.yaml_source import YamlMapping, YamlNode, YamlScalar, YamlSequence

PlainValue: TypeAlias = bool | int | Decimal | float | str | list[Any] | dict[str, Any] | None

BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_RADIX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_SPECIAL = {
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)")
_UNIT_MS = {
    **dict.fromkeys(("", "ms", "millisecond", "milliseconds"), 1),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1000),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60_000),
    **dict.fromkeys(("h", "hour", "hours"), 3_600_000),
    **dict.fromkeys(("d", "day", "days"), 86_400_000),
}


def is_null(node: YamlNode) -> bool:
    """Whether the node is a null: an unquoted `null`, `~` or nothing."""
    return isinstance(node, YamlScalar) and node.plain and node.text in _NULLS


def integer_of(text: str) -> int | None:
    """The whole number that the text is by the core rules, or None."""
    if _INTEGER.fullmatch(text):
        return int(text)
    return int(text, 0) if _RADIX.fullmatch(text) else None


def decimal_of(text: str) -> Decimal | None:
    """The finite number that the text is by the core rules, with the digits as written, or None."""
    return Decimal(text) if _DECIMAL.fullmatch(text) else None


def duration_ms_of(text: str) -> int | None:
    """`200ms`, `5s`, `1.5 minutes`, `4h`, `2 days`, or a bare number of milliseconds; None when it is none of these."""
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None or found[2] not in _UNIT_MS:
        return None
    milliseconds = Decimal(found[1]) * _UNIT_MS[found[2]]
    return int(milliseconds) if milliseconds == int(milliseconds) else None


def plain_value(node: YamlNode) -> PlainValue:
    """What the node stands for when nothing gives it a type. Only unquoted text is ever more than text."""
    match node:
        case YamlSequence(items=items):
            return [plain_value(item) for item in items]
        case YamlMapping(entries=entries):
            return {key.text: plain_value(value) for key, value in entries}
        case YamlScalar(text=text, plain=False):
            return text
        case YamlScalar(text=text):
            return _plain_scalar(text)


def _plain_scalar(text: str) -> PlainValue:
    if text in _NULLS:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    if (integer := integer_of(text)) is not None:
        return integer
    if (number := decimal_of(text)) is not None:
        return number
    return _SPECIAL.get(text, text)


def float_of(text: str) -> float | None:
    """The floating-point number that the text is by the core rules; `inf` and `nan` may lack their point."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    if text.lower() in _NAMED_FLOATS:
        return float(text)
    return float(text) if _DECIMAL.fullmatch(text) else None


_NAMED_FLOATS = frozenset({"nan", "infinity", "-infinity", "inf", "-inf"})
