"""LIMIT without ORDER BY over rows that are never taken back: the first that come.

Source: Flink's StreamExecLimit, which runs a Top-N without a sort key.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, empty_rows, numpy_column, renumbered
from velo_engine.operators.base import Operator
from velo_engine.plan import nodes


class FirstRows(Operator):
    """Rows number `first` to `limit` of `plan.nodes.TopN` without partition and order. State: how many have come."""

    def __init__(self, node: nodes.TopN) -> None:
        assert not node.order, "what has an order is a Top-N"
        self._node = node
        self._come = 0

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """Those of the rows that are among the first."""
        (batch,) = inputs
        start = min(max(self._node.first - 1 - self._come, 0), len(batch))
        stop = min(max(self._node.limit - self._come, 0), len(batch))
        self._come = min(self._come + len(batch), self._node.limit)
        if stop <= start:
            return batch.with_rows(empty_rows(self._node.schema))
        rows = batch.rows.slice(start, stop - start)
        at = rows.schema.get_field_index("sub")
        return batch.with_rows(rows.set_column(at, "sub", pa.array(renumbered(numpy_column(rows, "seq")), pa.int32())))

    def snapshot(self) -> dict[str, pa.Table]:
        """How many rows have come, up to the limit."""
        return {"come": pa.table({"rows": np.array([self._come])})}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._come = int(state["come"].column("rows")[0].as_py())
