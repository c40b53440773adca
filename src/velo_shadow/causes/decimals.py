"""Exact numbers of which one was rounded."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from velo_shadow.causes.context import Context, Finding
from velo_shadow.model import Cause, Difference


def rounding(difference: Difference, _context: Context) -> Finding | None:
    """One side is the other with fewer digits, or both are one unit of the shorter one's last digit apart."""
    left, right = difference.left, difference.right
    if not (isinstance(left, Decimal) and isinstance(right, Decimal)):
        return None
    places = [max(0, -int(value.normalize().as_tuple().exponent)) for value in (left, right)]
    shorter, longer = (left, right) if places[0] <= places[1] else (right, left)
    unit = Decimal(1).scaleb(-min(places))
    apart = abs(left - right)
    if places[0] != places[1] and apart < unit:
        half_up = longer.quantize(unit, ROUND_HALF_UP) == shorter
        how = "rounded (half up)" if half_up else "cut or rounded another way"
        side = "left" if shorter is left else "right"
        return Finding(Cause.DECIMAL_ROUNDING, f"the {side} is {how} to {min(places)} digits after the point")
    if places[0] == places[1] and places[0] > 0 and apart == unit:
        return Finding(Cause.DECIMAL_ROUNDING, f"they are one unit of the last digit apart ({unit})")
    return None
