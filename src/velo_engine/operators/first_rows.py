"""LIMIT without ORDER BY over rows that are never taken back: the first that come.

Source: Flink's StreamExecLimit, which runs a Top-N without a sort key (AppendOnlyFirstNFunction). With state
time-to-live the count of rows ends a TTL after the last row that was counted; rows beyond the limit are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, ChangeBatch, empty_rows, numpy_column, renumbered
from velo_engine.operators.base import Operator
from velo_engine.operators.keyed_rows import NO_TTL
from velo_engine.plan import nodes


class FirstRows(Operator):
    """Rows number `first` to `limit` of `plan.nodes.TopN` without partition and order. State: how many have come."""

    def __init__(self, node: nodes.TopN, *, ttl_ms: int = NO_TTL) -> None:
        assert not node.order, "what has an order is a Top-N"
        self._node = node
        self._ttl_ms = ttl_ms
        self._come = 0
        self._written = 0

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """Those of the rows that are among the first."""
        (batch,) = inputs
        if self._ttl_ms != NO_TTL:
            shown = batch.rows.filter(pa.array(self._shown(batch)))
            return batch.with_rows(_numbered(shown) if shown.num_rows else empty_rows(self._node.schema))
        start = min(max(self._node.first - 1 - self._come, 0), len(batch))
        stop = min(max(self._node.limit - self._come, 0), len(batch))
        self._come = min(self._come + len(batch), self._node.limit)
        if stop <= start:
            return batch.with_rows(empty_rows(self._node.schema))
        return batch.with_rows(_numbered(batch.rows.slice(start, stop - start)))

    def _shown(self, batch: ChangeBatch) -> Bools:
        """With a TTL: which rows are among the first."""
        shown = np.zeros(len(batch), np.bool_)
        for row, now in enumerate(batch.processing_time.before(batch.seq).tolist()):
            if self._written + self._ttl_ms <= now:
                self._come = 0
            if self._come < self._node.limit:
                self._come += 1
                self._written = now
                shown[row] = self._come >= self._node.first
        return shown

    def snapshot(self) -> dict[str, pa.Table]:
        """How many rows have come, up to the limit."""
        return {"come": pa.table({"rows": np.array([self._come]), "written": np.array([self._written])})}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        come = state["come"]
        self._come, self._written = int(come.column("rows")[0].as_py()), int(come.column("written")[0].as_py())


def _numbered(rows: pa.Table) -> pa.Table:
    """The rows with their numbers within their events."""
    at = rows.schema.get_field_index("sub")
    return rows.set_column(at, "sub", pa.array(renumbered(numpy_column(rows, "seq")), pa.int32()))
