"""The aggregate calls of windows over rows that may be taken back.

Beside the query's calls Flink then computes one more, a COUNT(*): a window where it is 0 has no result
(WindowIsEmptySupplier, RecordCounter). It counts below 0 when more is taken back than was there.
"""

from __future__ import annotations

import numpy as np

from velo_engine.batch import Int8s
from velo_engine.operators.accumulators import AggregateCalls
from velo_engine.operators.accumulators.reduction import is_reduced
from velo_engine.plan import nodes
from velo_engine.plan.expressions import AggregateCall
from velo_engine.schema import RowSchema
from velo_engine.types import BIGINT

_RECORDS = AggregateCall("count", (), BIGINT.as_nullable(False))


def window_calls(node: nodes.WindowAggregate, schema: RowSchema, *, retracting: bool) -> AggregateCalls:
    """The calls of a window over rows of `schema`; with `retracting` the last one counts the rows that are left."""
    if not retracting:
        return AggregateCalls(node.calls, schema, retracting=False)
    reduced = [is_reduced(node.calls, schema)] * len(node.calls)
    return AggregateCalls([*node.calls, _RECORDS], schema, retracting=True, reduced=[*reduced, False])


def signs(kind: Int8s) -> Int8s | None:
    """Per row -1 when it takes back, else 1; None when none takes back."""
    takes_back = kind & 1
    return np.subtract(1, 2 * takes_back, dtype=np.int8) if takes_back.any() else None
