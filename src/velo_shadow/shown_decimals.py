"""Decimals as they were written: without the zeros that the room in their column's type adds.

A column of which only the first records are known has room for more digits than they show (`planning`). What a report
shows of it, and what looks for the causes of a difference, is the number as somebody wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Context, Decimal
from typing import Any

from velo_engine.types import MAX_PRECISION, TypeName
from velo_shadow.compared import Compared
from velo_shadow.model import ComparisonPlan, Difference
from velo_shadow.planning import ROOM

_EXACT = Context(prec=MAX_PRECISION)


def without_room(compared: Compared) -> Compared:
    """The same with its differences and pending rows as they were written."""
    names = _with_room(compared.plan)
    if not names:
        return compared
    differences = tuple(_written(difference, names) for difference in compared.diff.differences)
    pending = tuple(_row(row, names) for row in compared.pending_rows)
    return replace(compared, diff=replace(compared.diff, differences=differences), pending_rows=pending)


def _with_room(plan: ComparisonPlan) -> frozenset[str]:
    columns = (*plan.key, *plan.columns)
    return frozenset(c.name for c in columns if c.type.name is TypeName.DECIMAL and c.type.scale >= ROOM)


def _written(difference: Difference, names: frozenset[str]) -> Difference:
    left, right = difference.left, difference.right
    if difference.column is None:
        left, right = (_row(value, names) if isinstance(value, Mapping) else value for value in (left, right))
    elif difference.column in names:
        left, right = _short(left), _short(right)
    key, row = _row(difference.key, names), _row(difference.row, names)
    return replace(difference, key=key, left=left, right=right, row=row)


def _row(row: Mapping[str, Any], names: frozenset[str]) -> Mapping[str, Any]:
    return {name: _short(value) if name in names else value for name, value in row.items()}


def _short(value: Any) -> Any:
    if not isinstance(value, Decimal):
        return value
    short = value.normalize(_EXACT)
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1), context=_EXACT) if isinstance(exponent, int) and exponent > 0 else short
