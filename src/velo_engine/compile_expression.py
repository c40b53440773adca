"""From bound expressions to kernel SQL that never raises: the value, and what is wrong where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from velo_engine.plan.expressions import Expression


@dataclass(frozen=True, slots=True)
class Compiled:
    """Kernel SQL of one expression, over one row."""

    value: str
    """Its value, of the physical form of its type; NULL where `error` is not NULL."""
    error: str | None
    """A VARCHAR: why the row has no value, or NULL. None when the expression cannot fail."""


def compile_expression(expression: Expression, column: Callable[[int], str], *, time_zone: str = "UTC") -> Compiled:
    """The kernel SQL of `expression`, where `column(i)` is the SQL of input column *i*."""
    raise NotImplementedError
