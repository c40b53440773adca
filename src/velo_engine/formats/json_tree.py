"""JSON arrays and objects as text, for string columns: what Jackson's tree prints.

Source: JsonParserToRowDataConverters.convertToString of Flink 2.3 (readValueAsTree().toString()): no white space, the
last of equal keys, numbers with a point or exponent as Java prints the double.
"""

from __future__ import annotations

import json
import math
from typing import Any

from velo_engine.formats.scalar_text import java_double_text


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
