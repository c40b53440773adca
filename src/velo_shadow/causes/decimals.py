"""Numbers of which one was rounded, or that are written in another decimal unit."""

from __future__ import annotations

import math
from collections import Counter
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
        return _factor(change, context)
    sides = context.once(_rounded_sides, change.column)
    alike = sum(sides[side] for side in {mine[0], ""})
    if alike < _SHARE * len(changes):
        return None
    often = f", in {alike} of {len(changes)} differences alike" if len(changes) > 1 else ""
    return Finding(Cause.DECIMAL_ROUNDING, mine[1] + often)


def _rounded_sides(context: Context, column: str) -> Counter[str]:
    """By side with fewer digits, how many differences of a column are those of rounding."""
    return Counter(found[0] for one in context.changes[column] if (found := _rounded(one)) is not None)


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


def _powers(context: Context, column: str, is_rounded: bool) -> Counter[int | None]:
    return Counter(_power(one, is_rounded=is_rounded) for one in context.changes[column])


def _factor(change: Change, context: Context) -> Finding | None:
    """All of the column's differences are of one power of ten: cents against euros; of several, up to rounding."""
    changes = context.changes[change.column]
    for is_rounded in (False, True):
        powers = context.once(_powers, change.column, is_rounded)
        if max((n for power, n in powers.items() if power is not None), default=0) < _SHARE * len(changes):
            continue
        mine = _power(change, is_rounded=is_rounded)
        alike = powers[mine]
        few = alike < _ALIKE and (is_rounded or not _has_digits(change))
        if mine is not None and alike >= _SHARE * len(changes) and not few:
            rounded = ", rounded," if is_rounded else ""
            evidence = f"the right is the left times 10^{mine}{rounded} in {alike} of {len(changes)} differences"
            return Finding(Cause.DECIMAL_ROUNDING, evidence)
    return None


def _power(change: Change, *, is_rounded: bool) -> int | None:
    left, right = _decimal(change.left), _decimal(change.right)
    if not left or not right or (left < 0) != (right < 0):
        return None
    power = right.adjusted() - left.adjusted()
    scaled = left.scaleb(power)
    near = abs(right) * Decimal("1e-12")
    if is_rounded:
        digits = right.normalize().as_tuple()
        near = Decimal(1).scaleb(int(digits.exponent)) if len(digits.digits) > _DIGITS else Decimal(0)
    return power if power and abs(scaled - right) <= near else None


def constant_change(change: Change, context: Context) -> Finding | None:
    """Only said, for it has many causes: all numbers of the column have the other sign, or are as much off."""
    said = context.once(_constant, change.column)
    return None if said is None else Finding(Cause.UNKNOWN, said)


def _constant(context: Context, column: str) -> str | None:
    changes = context.changes[column]
    values = [(_decimal(one.left), _decimal(one.right)) for one in changes]
    pairs = [(left, right) for left, right in values if left is not None and right is not None]
    if len(changes) < _ALIKE or len(pairs) < len(changes):
        return None
    if all(left == -right for left, right in pairs):
        return f"the sides have opposite signs in all {len(changes)} differences"
    offsets = {right - left for left, right in pairs}
    return f"the right is {offsets.pop():+f} off in all {len(changes)} differences" if len(offsets) == 1 else None


def _has_digits(change: Change) -> bool:
    """Whether a number shows so many digits that another one with the same is no accident."""
    value = _decimal(change.left)
    return value is not None and len(value.normalize().as_tuple().digits) >= _DIGITS


def _decimal(value: Any) -> Decimal | None:
    """A number as it is written; None: it is none, or not finite."""
    if not is_number(value) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
