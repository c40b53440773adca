"""The functions of an OVER window: which there are, and how Flink's planner rewrites some of them.

Aggregates take any frame. Functions of places (LAG, ROW_NUMBER, …) have no frame of their own. Of these Flink runs LAG,
ROW_NUMBER, RANK and DENSE_RANK over a stream, and numbers ties by RANK and DENSE_RANK as COUNT(*) over the default
frame would: its functions get no order keys there. So do we. NTILE, PERCENT_RANK, CUME_DIST and NTH_VALUE, which Flink
refuses over a stream, look at the rows of the frame and no others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from velo_engine.functions.table import FUNCTIONS
from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression, Literal
from velo_engine.types import BIGINT, DOUBLE, SqlType, TypeName, decimal


@dataclass(frozen=True, slots=True)
class PlacedFunction:
    """A function of places."""

    least_args: int
    most_args: int
    result: SqlType | None
    """None: the type of its first argument."""


_COUNTED = BIGINT.as_nullable(False)
_SHARE = DOUBLE.as_nullable(False)

PLACED_FUNCTIONS = {
    "lag": PlacedFunction(1, 3, None),
    "lead": PlacedFunction(1, 3, None),
    "row_number": PlacedFunction(0, 0, _COUNTED),
    "rank": PlacedFunction(0, 0, _COUNTED),
    "dense_rank": PlacedFunction(0, 0, _COUNTED),
    "ntile": PlacedFunction(1, 1, _COUNTED),
    "percent_rank": PlacedFunction(0, 0, _SHARE),
    "cume_dist": PlacedFunction(0, 0, _SHARE),
    "nth_value": PlacedFunction(2, 2, None),
}
"""By lower-case name."""

WITHOUT_FRAME = frozenset(PLACED_FUNCTIONS) - {"nth_value"}
"""Functions that cannot be written with ROWS or RANGE (Calcite's SqlAggFunction.allowsFraming)."""

VARIANCES = {
    "var_pop": (False, False),
    "var_samp": (True, False),
    "stddev_pop": (False, True),
    "stddev_samp": (True, True),
}
"""(of a sample, the square root of it)."""

Totals = Callable[[str, Expression], ColumnRef]
"""The column of an aggregate (SUM or COUNT) of an expression over the same window."""


def average(argument: Expression, result: SqlType, over: Totals) -> Expression:
    """AVG as SUM / COUNT, cast to its own type; DECIMAL sums are cast before they are divided."""
    total: Expression = over("sum", argument)
    if result.name is TypeName.DECIMAL:
        total = _as(total, result)
    return _as(_call("divide", total, over("count", argument)), result)


def variance(function: str, argument: Expression, result: SqlType, over: Totals) -> Expression:
    """VAR or STDDEV from sums over the frame, in the argument's own type.

    (SUM(x * x) - SUM(x) * SUM(x) / n) / n, and for a sample CASE WHEN n = 1 THEN NULL ELSE n - 1 END as the divisor, as
    Flink's plans show (Calcite's AvgVarianceConvertlet). Group aggregates go another way.
    """
    sample, root = VARIANCES[function]
    value = _as(argument, result)
    count = over("count", value)
    total = over("sum", value)
    squares = over("sum", _call("times", value, value))
    number = _as(count, result)
    spread = _call("minus", squares, _call("divide", _call("times", total, total), number))
    variance_ = _as(_call("divide", spread, _less_one(count) if sample else number), result)
    if not root:
        return variance_
    half = Literal(Decimal("0.5"), decimal(2, 1).as_nullable(False))
    return _as(_call("power", variance_, half), result)


def _less_one(count: Expression) -> Expression:
    one = Literal(1, BIGINT.as_nullable(False))
    alone = _call("equals", count, one)
    return Case(((alone, Literal(None, BIGINT)),), _call("minus", count, one), BIGINT)


def _as(value: Expression, kind: SqlType) -> Expression:
    if value.type.as_nullable() == kind.as_nullable():
        return value
    return Cast(value, kind.as_nullable(value.type.nullable))


def _call(name: str, *args: Expression) -> Expression:
    function = FUNCTIONS[name]
    if function.expand is not None:
        return function.expand(args)
    assert function.bind is not None
    bound, result = function.bind(function, args)
    return Call(name, bound, result)
