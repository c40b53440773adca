"""OVER ordered by what is no time: a row that comes or goes changes the results of the rows that sort behind it.

Source: Flink's AbstractNonTimeUnboundedPrecedingOver with NonTimeRowsUnboundedPrecedingFunction and
NonTimeRangeUnboundedPrecedingFunction. Rows of a partition stand in order, those of equal values in order of arrival.
For ROWS each has a result of its own, for RANGE those of equal values have one. After each row the results from its
place on are computed anew and given out as -U and +U; where accumulators are what they were before, Flink stops. A row
that is taken back leaves as -D, whatever kind it came with; a row that is not there is ignored.

The results after every row of a batch are computed together: one run per row over the rows of its partition. So a row
costs time in the size of its partition, as in Flink.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, RowKind, empty_rows, make_rows, numpy_column, renumbered
from velo_engine.operators.accumulators import AggregateCalls
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.runs import Runs
from velo_engine.operators.sort_order import Key, sort_keys
from velo_engine.operators.vectors import Vector, from_arrow, to_arrow, vector_of
from velo_engine.plan.expressions import AggregateCall
from velo_engine.plan.nodes import SortKey
from velo_engine.plan.over_node import OverAggregate as OverNode
from velo_engine.schema import RowSchema
from velo_engine.types import BIGINT

Result: TypeAlias = tuple[Any, ...]
"""The value of each call, None for NULL; then what else the accumulators hold."""

_MOST_ELEMENTS = 200_000
"""Rows in the runs that are computed together."""


@dataclass(slots=True)
class _Peers:
    """Rows of equal order, in order of arrival."""

    key: Key
    rows: list[int]
    """Row codes."""
    results: list[Result]
    """For ROWS one for each row, for RANGE one for all."""


_Order: TypeAlias = "tuple[tuple[_Peers, tuple[int, ...]], ...]"
"""The peers of a partition in order, with the rows that they had at some time."""


@dataclass(slots=True)
class _Partition:
    """Peers in order; `keys` are theirs."""

    keys: list[Key] = field(default_factory=list)
    peers: list[_Peers] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Event:
    """A row that came or went, with the order of its partition after it."""

    seq: int
    kind: RowKind
    row: int
    at: int
    """The place of its peers before it went, or after it came."""
    among: int
    """Its place among its peers; for a row that came the last."""
    peers: _Peers
    order: _Order
    """Of its partition after it."""


@dataclass(slots=True)
class _Changes:
    """Output rows being collected."""

    seq: list[int] = field(default_factory=list)
    kind: list[int] = field(default_factory=list)
    row: list[int] = field(default_factory=list)
    result: list[Result] = field(default_factory=list)

    def add(self, event: _Event, kind: RowKind, row: int, result: Result) -> None:
        self.seq.append(event.seq)
        self.kind.append(kind)
        self.row.append(row)
        self.result.append(result)

    def update(self, event: _Event, row: int, old: Result, new: Result) -> None:
        self.add(event, RowKind.UPDATE_BEFORE, row, old)
        self.add(event, RowKind.UPDATE_AFTER, row, new)


class OverValues(Operator):
    """See `plan.over_node.OverAggregate` with OverOrder.VALUES."""

    def __init__(self, context: OperatorContext, node: OverNode, input_schema: RowSchema) -> None:
        self._context = context
        self._node = node
        self._input = input_schema
        self._per_row = node.frame.rows
        calls = [call for call in node.calls if isinstance(call, AggregateCall)]
        # Flink sums what may be NULL with a count beside it, which changes with every value that is not NULL.
        counts = [
            AggregateCall("count", call.args, BIGINT) for call in calls if call.function == "sum" and call.type.nullable
        ]
        self._calls = (*calls, *counts)
        self._reduced = [call.function == "sum" and call.type.nullable for call in self._calls]
        self._partition_keys = KeyDictionary(input_schema.select(node.partition).types) if node.partition else None
        self._rows = KeyDictionary(input_schema.types)
        self._uses: dict[int, int] = {}
        self._partitions: dict[int, _Partition] = {}
        self._emptied = False
        """Whether a partition may have lost its last row in this batch."""

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The changes to the results."""
        (batch,) = inputs
        if not len(batch):
            return batch.with_rows(empty_rows(self._node.schema))
        changes = _Changes()
        released: set[int] = set()
        waiting: list[_Event] = []
        elements = 0
        for event in self._events(batch, released):
            waiting.append(event)
            elements += sum(len(rows) for _, rows in event.order)
            if elements > _MOST_ELEMENTS:
                self._settle(waiting, changes)
                waiting, elements = [], 0
        self._settle(waiting, changes)
        out = self._output(changes)
        self._release(released)
        self._forget_partitions()
        self._context.counters.state_rows = sum(self._uses.values())
        return batch.with_rows(out)

    def snapshot(self) -> dict[str, pa.Table]:
        """Partitions and their rows in order; the results follow from them."""
        held = [
            (code, row)
            for code, partition in self._partitions.items()
            for peers in partition.peers
            for row in peers.rows
        ]
        entries = np.array(held, np.int64).reshape(-1, 2)
        tables = {
            "entries": pa.table({"partition": entries[:, 0], "row": entries[:, 1]}),
            "rows": self._rows.snapshot(),
        }
        return tables if self._partition_keys is None else tables | {"partitions": self._partition_keys.snapshot()}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._rows.restore(state["rows"])
        if self._partition_keys is not None:
            self._partition_keys.restore(state["partitions"])
        self._partitions, self._uses = {}, {}
        rows = numpy_column(state["entries"], "row")
        keys = self._sort_keys(self._rows.columns(rows))
        codes = numpy_column(state["entries"], "partition").tolist()
        for code, row, key in zip(codes, rows.tolist(), keys, strict=True):
            self._insert(self._partitions.setdefault(code, _Partition()), key, row)
        for partition in self._partitions.values():
            order = tuple((peers, tuple(peers.rows)) for peers in partition.peers)
            (results,) = self._results([order])
            for (peers, _), found in zip(order, results, strict=True):
                peers.results = found

    def _sort_keys(self, columns: Sequence[Any]) -> list[Key]:
        assert self._node.order_column is not None
        column = self._node.order_column
        return sort_keys([SortKey(column)], [from_arrow(columns[column], self._input.types[column])])

    def _events(self, batch: ChangeBatch, released: set[int]) -> Iterator[_Event]:
        """The rows of a batch one after another; the order of the partitions moves on."""
        columns = [batch.rows.column(i) for i in range(len(self._input))]
        codes = [0] * len(batch)
        if self._partition_keys is not None:
            codes = self._partition_keys.encode([columns[i] for i in self._node.partition]).tolist()
        rows = self._rows.encode(columns).tolist()
        steps = zip(batch.seq.tolist(), batch.kind.tolist(), codes, rows, self._sort_keys(columns), strict=True)
        for seq, kind, code, row, key in steps:
            partition = self._partitions.setdefault(code, _Partition())
            self._uses.setdefault(row, 0)
            if kind in (RowKind.INSERT, RowKind.UPDATE_AFTER):
                peers, at, among = self._insert(partition, key, row)
            else:
                released.add(row)
                found = self._remove(partition, key, row)
                if found is None:
                    continue
                peers, at, among = found
            order = tuple((peers, tuple(peers.rows)) for peers in partition.peers)
            yield _Event(seq, RowKind(kind), row, at, among, peers, order)

    def _insert(self, partition: _Partition, key: Key, row: int) -> tuple[_Peers, int, int]:
        """Put a row in; its peers, their place, and its own among them."""
        self._uses[row] = self._uses.get(row, 0) + 1
        at = bisect_left(partition.keys, key)
        if at == len(partition.keys) or partition.keys[at] != key:
            partition.keys.insert(at, key)
            partition.peers.insert(at, _Peers(key, [], []))
        peers = partition.peers[at]
        peers.rows.append(row)
        return peers, at, len(peers.rows) - 1

    def _remove(self, partition: _Partition, key: Key, row: int) -> tuple[_Peers, int, int] | None:
        """Take a row out; its peers, their place and its own among them before, None when it is not there."""
        at = bisect_left(partition.keys, key)
        if at == len(partition.keys) or partition.keys[at] != key or row not in partition.peers[at].rows:
            return None
        peers = partition.peers[at]
        among = peers.rows.index(row)
        self._uses[row] -= 1
        del peers.rows[among]
        if not peers.rows:
            del partition.keys[at], partition.peers[at]
            self._emptied |= not partition.keys
        return peers, at, among

    def _settle(self, events: Sequence[_Event], changes: _Changes) -> None:
        """The changes that the events make, in their order."""
        computed = self._results([event.order for event in events])
        for event, results in zip(events, computed, strict=True):
            if event.kind in (RowKind.INSERT, RowKind.UPDATE_AFTER):
                self._came(event, results, changes)
            else:
                self._went(event, results, changes)

    def _came(self, event: _Event, results: Sequence[list[Result]], changes: _Changes) -> None:
        peers, rows = event.order[event.at]
        new = results[event.at]
        if self._per_row or not peers.results or peers.results == new:
            changes.add(event, event.kind, event.row, new[-1])
        else:
            for place, row in enumerate(rows):
                if place == event.among:
                    changes.add(event, event.kind, row, new[0])
                else:
                    changes.update(event, row, peers.results[0], new[0])
        peers.results = [*peers.results, new[-1]] if self._per_row else new
        self._behind(event, event.at + 1, results, changes)

    def _went(self, event: _Event, results: Sequence[list[Result]], changes: _Changes) -> None:
        peers = event.peers
        left = event.at < len(event.order) and event.order[event.at][0] is peers
        rows, new = (event.order[event.at][1], results[event.at]) if left else ((), [])
        if self._per_row:
            changes.add(event, RowKind.DELETE, event.row, peers.results.pop(event.among))
            for place in range(event.among, len(rows)):
                if peers.results[place] == new[place]:
                    break
                changes.update(event, rows[place], peers.results[place], new[place])
                peers.results[place] = new[place]
        else:
            old = peers.results
            changed = left and old != new
            for place, row in enumerate((*rows[: event.among], event.row, *rows[event.among :])):
                if place == event.among:
                    changes.add(event, RowKind.DELETE, row, old[0])
                elif changed:
                    changes.update(event, row, old[0], new[0])
            peers.results = new
        self._behind(event, event.at + left, results, changes)

    def _behind(self, event: _Event, first: int, results: Sequence[list[Result]], changes: _Changes) -> None:
        """The rows that sort behind, as long as their results change."""
        for (peers, rows), new in zip(event.order[first:], results[first:], strict=True):
            for place, row in enumerate(rows):
                at = place if self._per_row else 0
                if peers.results[at] == new[at]:
                    return
                changes.update(event, row, peers.results[at], new[at])
                if self._per_row:
                    peers.results[place] = new[place]
            peers.results = new

    def _results(self, orders: Sequence[_Order]) -> list[list[list[Result]]]:
        """For each order of a partition, for each of its peers: the results, see `_Peers`."""
        rows = np.array([row for order in orders for _, members in order for row in members], np.int64)
        if not len(rows):
            return [[] for _ in orders]
        lengths = np.array([sum(len(members) for _, members in order) for order in orders])
        fresh = np.zeros(len(rows), np.bool_)
        fresh[(np.cumsum(lengths) - lengths)[lengths > 0]] = True
        distinct, positions = np.unique(rows, return_inverse=True)
        table = pa.table(self._rows.columns(distinct), schema=self._input.physical())
        calls = AggregateCalls(self._calls, self._input, retracting=False, reduced=self._reduced)
        calls.reserve(2)
        runs = Runs.sorted(np.arange(len(rows)), np.ones(len(rows), np.int64), fresh)
        columns = [_values(vector.take(runs.rows)) for vector in calls.run(runs, table, positions, None)]
        every = iter(list(zip(*columns, strict=True)))
        return [[self._kept([next(every) for _ in members]) for _, members in order] for order in orders]

    def _kept(self, results: list[Result]) -> list[Result]:
        return results if self._per_row else results[-1:]

    def _output(self, changes: _Changes) -> pa.Table:
        if not changes.kind:
            return empty_rows(self._node.schema)
        columns = self._rows.columns(np.array(changes.row, np.int64))
        for i, call in enumerate(self._node.calls):
            columns.append(to_arrow(vector_of([result[i] for result in changes.result], call.type), call.type))
        seq = np.array(changes.seq, np.int64)
        return make_rows(self._node.schema, columns, np.array(changes.kind, np.int8), seq, renumbered(seq))

    def _forget_partitions(self) -> None:
        """Forget the partitions without rows."""
        gone = [code for code, partition in self._partitions.items() if not partition.keys] if self._emptied else []
        self._emptied = False
        for code in gone:
            del self._partitions[code]
        if gone and self._partition_keys is not None:
            self._partition_keys.free(np.array(gone, np.int64))

    def _release(self, rows: set[int]) -> None:
        """Forget rows that are held nowhere any more."""
        gone = sorted(row for row in rows if self._uses.get(row) == 0)
        if gone:
            self._rows.free(np.array(gone, np.int64))
            for row in gone:
                del self._uses[row]


def _values(vector: Vector) -> list[Any]:
    """The values of a vector, None for NULL."""
    values: list[Any] = vector.values.tolist()
    if vector.valid is None:
        return values
    return [value if valid else None for value, valid in zip(values, vector.valid.tolist(), strict=True)]
