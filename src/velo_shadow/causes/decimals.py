"""Numbers of which one was rounded, or that are written in another decimal unit."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from velo_shadow.causes.context import Change, Context, Finding
from velo_shadow.causes.floats import doubles
from velo_shadow.causes.rows import is_number
from velo_shadow.model import Cause

_SHARE = 0.8
"""Of the column's differences that must be rounded as well: some numbers have fewer digits by accident."""
_FLOAT_DIGITS = 10
"""After the point, of a floating-point number that somebody rounded."""
_MORE_DIGITS = 3
"""That the other number has: sums of rounded floating-point numbers have as many as fit."""
_ALIKE = 3
"""Differences of one factor: more than accident."""
_DIGITS = 2
"""Of a number that another one has as well, with the point elsewhere."""


def rounding(change: Change, context: Context) -> Finding | None:
    """One side is the other with fewer digits, or both are one unit of the shorter one's last digit apart."""
    mine = _rounded(change)
    changes = context.changes[change.column]
    if mine is None:
        return _factor(change, changes)
    alike = sum((one := _rounded(other)) is not None and one[0] in (mine[0], "") for other in changes)
    if alike < _SHARE * len(changes):
        return None
    often = f", in {alike} of {len(changes)} differences alike" if len(changes) > 1 else ""
    return Finding(Cause.DECIMAL_ROUNDING, mine[1] + often)


def _rounded(change: Change) -> tuple[str, str] | None:
    """The side with fewer digits ("" when both have as many), and how it comes from the other."""
    left, right = _decimal(change.left), _decimal(change.right)
    if left is None or right is None or left == right:
        return None
    is_float = doubles(change) is not None
    places = [max(0, -int(value.normalize().as_tuple().exponent)) for value in (left, right)]
    shorter, longer = (left, right) if places[0] <= places[1] else (right, left)
    unit = Decimal(1).scaleb(-min(places))
    apart = abs(left - right)
    if is_float and (min(places) > _FLOAT_DIGITS or max(places) < min(places) + _MORE_DIGITS):
        return None
    if places[0] != places[1] and apart < unit:
        half_up = longer.quantize(unit, ROUND_HALF_UP) == shorter
        how = "rounded (half up)" if half_up else "cut or rounded another way"
        side = "left" if shorter is left else "right"
        return side, f"the {side} is {how} to {min(places)} digits after the point"
    if places[0] == places[1] and places[0] > 0 and apart == unit:
        return "", f"they are one unit of the last digit apart ({unit})"
    return None


def _factor(change: Change, changes: tuple[Change, ...]) -> Finding | None:
    """All of the column's differences are of one power of ten: cents against euros."""
    mine = _power(change)
    alike = sum(_power(other) == mine for other in changes)
    if mine is None or alike < _SHARE * len(changes) or (alike < _ALIKE and not _has_digits(change)):
        return None
    evidence = f"the right is the left times 10^{mine} in {alike} of {len(changes)} differences"
    return Finding(Cause.DECIMAL_ROUNDING, evidence)


def _power(change: Change) -> int | None:
    left, right = _decimal(change.left), _decimal(change.right)
    if not left or not right or (left < 0) != (right < 0):
        return None
    power = round(math.log10(abs(right / left)))
    scaled = left.scaleb(power)
    return power if power and abs(scaled - right) <= abs(right) * Decimal("1e-12") else None


def _has_digits(change: Change) -> bool:
    """Whether a number shows so many digits that another one with the same is no accident."""
    value = _decimal(change.left)
    return value is not None and len(value.normalize().as_tuple().digits) >= _DIGITS


def _decimal(value: Any) -> Decimal | None:
    """A number as it is written; None: it is none, or not finite."""
    if not is_number(value) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
