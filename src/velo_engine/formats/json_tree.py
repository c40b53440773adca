"""JSON arrays and objects as text, for string columns: what Jackson's tree prints.

Source: JsonParserToRowDataConverters.convertToString of Flink 2.3 (readValueAsTree().toString()): no white space, the
last of equal keys, numbers with a point or exponent as Java prints the double.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any


class _Number(str):
    """A number as it is printed."""

    __slots__ = ()


def tree_text(raw: bytes) -> str:
    """The array or object `raw` as Flink stores it in a STRING column."""
    return _text(json.loads(raw, parse_float=_double, parse_int=_Number))


def _double(token: str) -> _Number:
    value = float(token)
    return _Number(java_double_text(value) if math.isfinite(value) else f'"{java_double_text(value)}"')


def _text(value: Any) -> str:
    match value:
        case _Number():
            return str(value)
        case dict():
            return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{_text(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ",".join(map(_text, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def java_double_text(value: float) -> str:
    """`value` as Java's Double.toString (JDK 19 and later: the shortest digits that read back the same)."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    parts = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, parts.digits)).rstrip("0")
    exponent = len(parts.digits) + int(parts.exponent) - 1
    return f"{'-' * parts.sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"
