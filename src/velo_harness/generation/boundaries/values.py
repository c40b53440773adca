"""Values of SQL types next to each other: what is just below, at and just above a boundary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

import numpy as np

from velo_engine.errors import VeloError
from velo_engine.types import FLOATS, INTEGERS, STRINGS, TIMESTAMPS, SqlType, TypeName
from velo_harness.generation.patterns import matching

FLOAT_STEP = 0.001
"""How far from a boundary floating-point values lie, relative to numbers beyond 1."""

_BITS = {TypeName.TINYINT: 8, TypeName.SMALLINT: 16, TypeName.INT: 32, TypeName.BIGINT: 64}
_EPOCH = datetime(1970, 1, 1)


def around(value: Any, kind: SqlType, *, ordered: bool) -> list[Any]:
    """Values of `kind` below, at and above `value`; for text that is not compared by order, equal to it and not.

    Where the type does not hold the value itself, those on both sides of it.
    """
    try:
        return [v for v in dict.fromkeys(_around(value, kind, ordered=ordered)) if _fits(v, kind)]
    except (InvalidOperation, OverflowError, ValueError, TypeError):
        return []


def _around(value: Any, kind: SqlType, *, ordered: bool) -> Sequence[Any]:
    if kind.name in STRINGS:
        return _texts(str(value), ordered=ordered)
    if kind.name in INTEGERS:
        whole = int(Decimal(str(value)).to_integral_value(ROUND_FLOOR))
        return whole - 1, whole, whole + 1
    if kind.name is TypeName.DECIMAL:
        step = Decimal(1).scaleb(-kind.scale)
        near = Decimal(str(value)).quantize(step, ROUND_FLOOR)
        return near - step, near, near + step
    if kind.name in FLOATS:
        number = float(value)
        step_size = FLOAT_STEP * max(1.0, abs(number))
        return number - step_size, number, number + step_size
    if kind.name is TypeName.BOOLEAN:
        return True, False
    if kind.name is TypeName.DATE:
        day = value.date() if isinstance(value, datetime) else value
        return day - timedelta(days=1), day, day + timedelta(days=1)
    if kind.name in TIMESTAMPS:
        moment = value if isinstance(value, datetime) else datetime.combine(value, time())
        unit = timedelta(microseconds=10 ** (6 - min(kind.precision, 3)))
        return moment - unit, moment, moment + unit
    if kind.name is TypeName.TIME:
        return _clocks(value)
    return (value,)


def _texts(text: str, *, ordered: bool) -> list[str]:
    if ordered:
        return [text[:-1], text, text + "a"]
    other = text.swapcase()
    return [text, text + "x", other] if other != text else [text, text + "x"]


def _clocks(value: time) -> list[time]:
    second = timedelta(seconds=1)
    moment = datetime.combine(date(2000, 1, 2), value)
    return [m.time() for m in (moment - second, moment, moment + second) if m.date() == moment.date()]


def _fits(value: Any, kind: SqlType) -> bool:
    if kind.name in _BITS:
        half = 2 ** (_BITS[kind.name] - 1)
        return bool(-half <= value < half)
    if kind.name is TypeName.DECIMAL:
        return bool(abs(Decimal(value)) < Decimal(10) ** (kind.precision - kind.scale))
    return not (kind.name in STRINGS and len(value) > kind.length)


def like_texts(pattern: str) -> list[str]:
    """Texts that a LIKE pattern takes, with its wildcards filled shortly and longer, and texts that it does not."""
    shortest = pattern.replace("%", "").replace("_", "y")
    longer = pattern.replace("%", "xx").replace("_", "z")
    return [shortest, longer, shortest[1:], shortest[:-1], "x" + shortest, shortest + "x", shortest.swapcase()]


def function_texts(function: str, literal: str) -> list[str]:
    """Texts for a function with a literal: what a pattern finds, a URL, or the literal between others."""
    if function == "parse_url":
        return ["http://user@Shop.example:81/item/42?a=1&b=2#top"]
    if function.startswith("regexp") or function == "similar":
        try:
            found = matching(np.random.default_rng(1), 1, literal)[0].as_py()
        except (VeloError, re.error):
            return []
        return [found, f"http://Shop.example/{found}/{found}?a=1", found[:-1]]
    return [f"ab{literal}cd{literal}ef{literal}gh"]


def of_instant(ms: int, kind: SqlType, *, seconds: bool = False) -> Any:
    """An instant as a column of event times holds it: a timestamp, a number since the epoch, or text."""
    if kind.name in INTEGERS:
        return ms // 1000 if seconds else ms
    moment = _EPOCH + timedelta(milliseconds=ms)
    if kind.name in STRINGS:
        return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{ms % 1000:03d}"
    return moment


def to_instant(value: Any) -> int | None:
    """The milliseconds of a value of an event-time column."""
    if isinstance(value, datetime):
        return round(value.replace(tzinfo=UTC).timestamp() * 1000)
    return value if isinstance(value, int) else None
