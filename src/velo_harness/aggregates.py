"""Exact aggregates over one column of a relation: for templates and `aggregate_check`, not for streams."""

from __future__ import annotations

from decimal import Context
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.types import FLOATS, INTEGERS, NUMERICS, TypeName
from velo_harness.relation import Relation
from velo_harness.row_codes import codes_of

AGGREGATES = ("count", "distinct", "sum", "avg", "min", "max")
"""`distinct` counts the different values. NULLs never count."""

_MEAN = Context(prec=38)
_WIDEST = 76


class NotAggregable(Exception):  # noqa: N818 - a finding about the data, turned into an error at its place
    """The column's type has no such aggregate; the text says so in the user's terms."""


def aggregate(function: str, relation: Relation, position: int) -> Any:
    """The aggregate as int, Decimal, float or a date or time; None over no values.

    Integers and decimals are summed exactly, floats in the order of the rows, as a stream would.
    """
    column = relation.column(position)
    if function == "count":
        return len(column) - column.null_count
    if function == "distinct":
        return len(np.unique(codes_of([(relation.type(position), column.drop_null())])))
    if len(column) == column.null_count:
        return None
    if function in ("min", "max"):
        return _extreme(function, relation, position)
    total = _sum(relation, position)
    if function == "sum":
        return total
    count = len(column) - column.null_count
    return total / count if isinstance(total, float) else _MEAN.divide(total, count)


def _extreme(function: str, relation: Relation, position: int) -> Any:
    import pyarrow.compute as pc

    try:
        return pc.min_max(relation.column(position))[function].as_py()
    except pa.ArrowNotImplementedError:
        raise NotAggregable(f"{function.upper()} of {relation.type(position)} is not defined") from None


def _sum(relation: Relation, position: int) -> Any:
    import pyarrow.compute as pc

    kind = relation.type(position)
    column = relation.column(position)
    if kind.name in FLOATS:
        return float(column.drop_null().to_numpy().astype("float64").cumsum()[-1])
    if kind.name not in NUMERICS:
        raise NotAggregable(f"{relation.schema.names[position]} is {kind}, which cannot be summed")
    # 64-bit and 38-digit sums wrap silently in Arrow: add in a type that no table can overflow.
    scale = kind.scale if kind.name is TypeName.DECIMAL else 0
    if kind.name in INTEGERS:
        column = column.cast(pa.decimal128(19, 0))
    total = pc.sum(column.cast(pa.decimal256(_WIDEST, scale))).as_py()
    return int(total) if kind.name in INTEGERS else total
