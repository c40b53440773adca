"""The same value in another type or another form."""

from __future__ import annotations

import json
import math
import re
import struct
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from velo_shadow.causes.context import Change, Context, Finding
from velo_shadow.causes.floats import doubles
from velo_shadow.model import Cause

_BELOW_MICROSECONDS = re.compile(r"\.[0-9]{7}")
"""Digits that reading drops: times that differ in them alone are not the same."""
_TRUTH = {"true": True, "t": True, "1": True, "yes": True, "false": False, "f": False, "0": False, "no": False}


def same_otherwise(change: Change, _context: Context) -> Finding | None:
    """Two texts for one number, truth value, time or JSON value; or a number that went through 32 bits.

    What differs in case, spaces or the form of its characters is said as well, but has no type that changed.
    """
    left, right = change.left, change.right
    pair = doubles(change)
    if pair is not None:
        return _in_32_bits(*pair)
    if not (isinstance(left, str) and isinstance(right, str)):
        return None
    for reading, what in _READINGS:
        values = reading(left), reading(right)
        if None not in values and values[0] == values[1]:
            return Finding(Cause.TYPE_CHANGE, f"the texts '{left}' and '{right}' are the same {what}")
    for form, what in _FORMS:
        if form(left) == form(right):
            return Finding(Cause.UNKNOWN, f"the texts are the same but for {what}")
    return None


def _in_32_bits(left: float, right: float) -> Finding | None:
    for side, short, long in (("left", left, right), ("right", right, left)):
        if math.isfinite(long) and abs(long) < 3e38 and struct.unpack("f", struct.pack("f", long))[0] == short != long:
            return Finding(Cause.TYPE_CHANGE, f"the {side} is the other side in 32 bits, FLOAT instead of DOUBLE")
    return None


def _number(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _truth(text: str) -> bool | None:
    return _TRUTH.get(text.strip().lower())


def _time(text: str) -> datetime | None:
    if len(text) < 10 or not text[:4].isdecimal():  # shorter texts are no times, and numbers are read above
        return None
    try:
        value = datetime.fromisoformat(text)
        if _BELOW_MICROSECONDS.search(text):
            return None
    except ValueError:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def _json(text: str) -> Any:
    if text[:1] not in "{[":
        return None
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError:
        return None


_READINGS: tuple[tuple[Callable[[str], Any], str], ...] = (
    (_number, "number"),
    (_truth, "truth value"),
    (_time, "time"),
    (_json, "JSON value"),
)
_FORMS: tuple[tuple[Callable[[str], str], str], ...] = (
    (str.casefold, "upper and lower case"),
    (lambda text: "".join(text.split()), "spaces"),
    (lambda text: unicodedata.normalize("NFKC", text), "the form of its characters in Unicode"),
)
