"""Floating point: the order of additions."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

from velo_shadow.causes.context import Change, Context, Finding
from velo_shadow.model import Cause

_RELATIVE = 1e-6
"""Beyond that two orders of adding the same numbers do not come apart, but for cancellation."""
_FEW_UNITS = 64
"""In the last place: no rounding to digits is so small, whatever digits are left."""


_DIGITS = 15
"""From which on a number that has the shortest form of one of 64 bits is most likely one."""


def doubles(change: Change) -> tuple[float, float] | None:
    """Both values as floating-point numbers; also those of files without types, which show them by their digits."""
    values = change.left, change.right
    if all(isinstance(value, Decimal) for value in values):
        if max(len(value.normalize().as_tuple().digits) for value in values) < _DIGITS:
            return None
        if any(Decimal(repr(float(value))) != value for value in values):
            return None
        values = float(change.left), float(change.right)
    left, right = values
    if isinstance(left, float) and isinstance(right, float) and math.isfinite(left) and math.isfinite(right):
        return left, right
    return None


def last_places(change: Change, _context: Context) -> Finding | None:
    """Two floating-point numbers that differ in their last places only."""
    return _association(change, lambda units, _: units <= _FEW_UNITS)


def association(change: Change, _context: Context) -> Finding | None:
    """Two floating-point numbers a little apart, beyond the tolerance."""
    return _association(change, lambda _, relative: relative <= _RELATIVE)


def _association(change: Change, is_near: Callable[[float, float], bool]) -> Finding | None:
    pair = doubles(change)
    if pair is None:
        return None
    left, right = pair
    larger = max(abs(left), abs(right))
    if not larger:
        return None
    units = abs(left - right) / math.ulp(larger)
    if not is_near(units, abs(left - right) / larger):
        return None
    return Finding(Cause.FLOAT_ASSOCIATION, f"they are {units:.0f} units in the last place apart")
