"""Whether Flink computes SUM and AVG from totals and counts that calls share.

Flink's planner may rewrite all calls of an aggregate (Calcite's AggregateReduceFunctionsRule): SUM(x) becomes $SUM0(x),
NULL where COUNT(x) is 0, and AVG(x) becomes SUM(x) / COUNT(x). It does when that leaves fewer calls to compute, and
always beside STDDEV and VAR, which it computes in no other way. One can tell: the average of integers is then that of
the wrapped sum, a decimal total that overflowed stays NULL, FLOAT is averaged in FLOAT, and -0.0 becomes 0.0.
"""

from __future__ import annotations

from collections.abc import Sequence

from velo_engine.plan.expressions import AggregateCall
from velo_engine.schema import RowSchema

MOMENTS = {
    "stddev_pop": (False, True),
    "stddev_samp": (True, True),
    "var_pop": (False, False),
    "var_samp": (True, False),
}
"""(of a sample, take the square root)"""

_Shared = tuple[str, tuple[int, ...], bool, int | None]


def is_reduced(calls: Sequence[AggregateCall], schema: RowSchema) -> bool:
    """Whether the calls of one aggregate over rows of `schema` are rewritten."""
    if any(call.function in MOMENTS for call in calls):
        return True
    plain = {_shared(call, call.function, schema) for call in calls}
    reduced = set()
    for call in calls:
        if call.function in ("sum", "avg"):
            reduced |= {_shared(call, "$sum0", schema), _shared(call, "count", schema)}
        else:
            reduced.add(_shared(call, call.function, schema))
    return len(reduced) < len(plain)


def _shared(call: AggregateCall, function: str, schema: RowSchema) -> _Shared:
    """What calls have in common that are computed once. COUNT(x) of an x that is never NULL is COUNT(*)."""
    args = call.args
    if function == "count" and not call.distinct:
        args = tuple(i for i in args if schema.types[i].nullable)
    return function, args, call.distinct, call.filter
