"""Floating point: the order of additions."""

from __future__ import annotations

import math

from velo_shadow.causes.context import Context, Finding
from velo_shadow.model import Cause, Difference

_RELATIVE = 1e-6
"""Beyond that two orders of adding the same numbers do not come apart, but for cancellation."""


def association(difference: Difference, _context: Context) -> Finding | None:
    """Two floating-point numbers a little apart, beyond the tolerance."""
    left, right = difference.left, difference.right
    if not (isinstance(left, float) and isinstance(right, float) and math.isfinite(left) and math.isfinite(right)):
        return None
    larger = max(abs(left), abs(right))
    if not larger or abs(left - right) > _RELATIVE * larger:
        return None
    units = abs(left - right) / math.ulp(larger)
    return Finding(Cause.FLOAT_ASSOCIATION, f"they are {units:.0f} units in the last place apart")
