"""The first rows of each partition of a window, given out when the window closes: Top-N and deduplication per window.

Source: Flink's SyncStateWindowRankProcessor and RowTimeSyncStateWindowDeduplicateProcessor. Ties rank in order of
arrival; of rows with equal times a deduplication keeps the first or the last to arrive. Partitions of one window come
in the order of their first rows; Flink promises no order among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from velo_engine.batch import ChangeBatch, Int64s, empty_rows, make_rows, renumbered
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.session_time import SessionTime
from velo_engine.operators.sort_codes import sort_codes
from velo_engine.operators.window_rows import WindowRows
from velo_engine.plan import nodes
from velo_engine.plan.nodes import SortKey


class WindowRank(Operator):
    """See `plan.window_nodes.WindowTopN` and `WindowDeduplicate`."""

    def __init__(self, context: OperatorContext, node: nodes.WindowTopN | nodes.WindowDeduplicate) -> None:
        self._context = context
        self._schema = node.schema
        self._input = node.input.schema
        self._partition = node.partition
        self._types = self._input.select(node.partition).types
        if isinstance(node, nodes.WindowTopN):
            self._order, self._first, self._limit = node.order, node.first, node.limit
            self._with_rank, self._newest_first = node.with_rank, False
        else:
            self._order = (SortKey(node.time_column, descending=node.keeps_last),)
            self._first = self._limit = 1
            self._with_rank, self._newest_first = False, node.keeps_last
        time = SessionTime(context.time_zone if node.local_time else None)
        self._waiting = WindowRows(self._input, node.end_column, time, self._reduced)

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The first rows of the windows that close."""
        (batch,) = inputs
        self._waiting.take_in(batch, batch.watermark, self._context.late, self._context.counters)
        rows = self._waiting.complete(batch.watermark.closing)
        self._context.counters.state_rows = len(self._waiting)
        return batch.with_rows(empty_rows(self._schema) if rows is None else self._ranked(rows, batch))

    def snapshot(self) -> dict[str, pa.Table]:
        """The rows of open windows."""
        return {"rows": self._waiting.snapshot()}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._waiting.restore(state["rows"])

    def _ranked(self, rows: pa.Table, batch: ChangeBatch) -> pa.Table:
        """The output rows for complete windows."""
        place, rank = self._ranks(rows)
        shown = (rank >= self._first) & (rank <= self._limit)
        place, rank = place[shown], rank[shown]
        chosen = rows.take(pa.array(place))
        columns: list[Any] = [chosen.column(i) for i in range(len(self._input))]
        if self._with_rank:
            columns.append(pa.array(rank, pa.int64()))
        seq = self._waiting.events(self._waiting.ends(chosen), batch.watermark)
        return make_rows(self._schema, columns, np.zeros(len(place), np.int8), seq, renumbered(seq))

    def _ranks(self, rows: pa.Table) -> tuple[Int64s, Int64s]:
        """The rows in order of their ranks, partition by partition, and the rank of each from 1."""
        partition = KeyDictionary(self._types).encode([rows.column(i) for i in self._partition])
        by: list[npt.NDArray[Any]] = [partition, *sort_codes(self._order, rows, self._input.types)]
        if self._newest_first:
            by.append(-np.arange(rows.num_rows))
        place = np.lexsort(by[::-1])
        ordered = partition[place]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        lengths = np.diff(np.append(starts, len(ordered)))
        return place, np.arange(1, len(ordered) + 1) - np.repeat(starts, lengths)

    def _reduced(self, rows: pa.Table) -> pa.Table:
        """The rows that may still be among the first, in their order."""
        place, rank = self._ranks(rows)
        kept = np.sort(place[rank <= self._limit])
        return rows.take(pa.array(kept))
