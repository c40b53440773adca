"""The aggregates of OVER: a row joins the frame of its partition, rows that leave it are taken back.

As in Flink's OVER functions one accumulator per partition is carried on and never computed anew: that shows in sums of
floating point, from which subtracting does not remove every trace.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, Int64s
from velo_engine.operators.accumulators import AggregateCalls
from velo_engine.operators.frame_queue import FrameQueues, Moves
from velo_engine.operators.runs import Runs
from velo_engine.operators.sliding_extremes import SlidingExtreme
from velo_engine.operators.vectors import Vector, from_arrow
from velo_engine.plan.expressions import AggregateCall
from velo_engine.schema import RowSchema


@dataclass(frozen=True, slots=True)
class Fired:
    """Rows that are given out, partition by partition, in the order of their partition; at least one."""

    rows: pa.Table
    """The columns of the input."""
    code: Int64s
    """Of the partition."""
    time: Int64s
    """By which RANGE and expiry measure; milliseconds."""
    epoch: Int64s
    """A partition that begins anew has another epoch than its rows before."""
    last_peer: Int64s
    """The row up to which the frame reaches: the row itself, or for RANGE the last one of its time."""

    def __len__(self) -> int:
        return len(self.code)

    @property
    def starts(self) -> Bools:
        """Whether a row is the first of its partition or epoch among these."""
        changes = (self.code[1:] != self.code[:-1]) | (self.epoch[1:] != self.epoch[:-1])
        return np.concatenate([[True], changes])


class Frames(ABC):
    """Aggregates over the frames of rows. The state of partition *p* is in slot *p + 1*."""

    @abstractmethod
    def values(self, fired: Fired) -> list[Vector]:
        """Per call the result for each row; the frames move on."""

    @abstractmethod
    def reserve(self, partitions: int) -> None:
        """Make room for partitions below `partitions`."""

    @abstractmethod
    def forget(self, partitions: Int64s) -> None:
        """These partitions are empty again."""

    @abstractmethod
    def snapshot(self, partitions: Int64s) -> dict[str, pa.Table]:
        """The state of `partitions`."""

    @abstractmethod
    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Take over a snapshot; this object is new."""

    @property
    def held(self) -> int:
        """Rows kept because they will leave a frame."""
        return 0


def _reduced(calls: Sequence[AggregateCall]) -> list[bool]:
    """Flink computes SUM over a frame as $SUM0 where the result may be NULL."""
    return [call.function == "sum" and call.type.nullable for call in calls]


class UnboundedFrames(Frames):
    """UNBOUNDED PRECEDING: rows join and never leave."""

    def __init__(self, calls: Sequence[AggregateCall], schema: RowSchema) -> None:
        self._calls = AggregateCalls(calls, schema, retracting=False, reduced=_reduced(calls))

    def values(self, fired: Fired) -> list[Vector]:
        """Per call the result for each row; the frames move on."""
        runs = Runs.sorted(np.arange(len(fired)), fired.code + 1, None)
        results = self._calls.run(runs, fired.rows, None, None)
        at = runs.rows[fired.last_peer]
        return [result.take(at) for result in results]

    def reserve(self, partitions: int) -> None:
        """Make room."""
        self._calls.reserve(partitions + 1)

    def forget(self, partitions: Int64s) -> None:
        """Empty again."""
        self._calls.clear(partitions + 1)

    def snapshot(self, partitions: Int64s) -> dict[str, pa.Table]:
        """The accumulators."""
        return self._calls.snapshot(partitions + 1)

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Take over a snapshot."""
        self._calls.restore(state)


class BoundedFrames(Frames):
    """n PRECEDING or an interval: the rows of each partition stand in a queue from which they leave."""

    def __init__(
        self, calls: Sequence[AggregateCall], schema: RowSchema, rows: int | None, span_ms: int | None
    ) -> None:
        """A frame has at most `rows` rows, none more than `span_ms` older than the newest; None: no such bound."""
        used = sorted({i for call in calls for i in (*call.args, call.filter) if i is not None})
        place = {column: i for i, column in enumerate(used)}
        self._used = used
        schema = schema.select(used)
        moved = [
            replace(
                call,
                args=tuple(place[i] for i in call.args),
                filter=None if call.filter is None else place[call.filter],
            )
            for call in calls
        ]
        self._slides = [call.function in ("min", "max") for call in moved]
        carried = [call for call, slides in zip(moved, self._slides, strict=True) if not slides]
        self._sliding = [call for call, slides in zip(moved, self._slides, strict=True) if slides]
        self._extremes = [
            SlidingExtreme(schema.types[call.args[0]], largest=call.function == "max") for call in self._sliding
        ]
        self._schema = schema
        self._calls = AggregateCalls(carried, schema, retracting=True, reduced=_reduced(carried))
        self._queues = FrameQueues(schema, rows, span_ms)

    @property
    def held(self) -> int:
        """Rows in the queues."""
        return len(self._queues)

    def values(self, fired: Fired) -> list[Vector]:
        """Per call the result for each row; the frames move on."""
        arguments = fired.rows.select(self._used).rename_columns(self._schema.physical().names)
        moves = self._queues.move(fired.code, fired.time, fired.epoch, arguments)
        carried = iter(self._carried(fired, arguments, moves) if not all(self._slides) else [])
        extremes = iter([self._extreme(i, fired, arguments, moves) for i in range(len(self._sliding))])
        return [next(extremes if slides else carried) for slides in self._slides]

    def _extreme(self, i: int, fired: Fired, arguments: pa.Table, moves: Moves) -> Vector:
        """MIN or MAX number `i`."""
        (column,) = self._sliding[i].args
        argument = from_arrow(arguments.column(column), self._schema.types[column])
        counts = np.ones(len(fired), np.bool_) if argument.valid is None else argument.valid
        result = self._extremes[i].run(fired.code, moves.number, moves.oldest, moves.fresh, argument.values, counts)
        return result.take(fired.last_peer)

    def _carried(self, fired: Fired, arguments: pa.Table, moves: Moves) -> list[Vector]:
        """The calls whose accumulators take rows in and give them up again."""
        count, leaving = len(fired), len(moves.leaves_at)
        joins = np.arange(count) + np.searchsorted(moves.leaves_at, np.arange(count), side="right")
        leaves = np.arange(leaving) + moves.leaves_at
        row = np.empty(count + leaving, np.int64)
        row[joins], row[leaves] = np.arange(count), np.arange(count, count + leaving)
        slots = np.empty(count + leaving, np.int64)
        slots[joins], slots[leaves] = fired.code + 1, fired.code[moves.leaves_at] + 1
        fresh = np.zeros(count + leaving, np.bool_)
        fresh[joins] = moves.fresh
        sign = np.ones(count + leaving, np.int8)
        sign[count:] = -1
        table = pa.concat_tables([arguments, moves.leaving]) if leaving else arguments
        if not self._used:
            table = pa.table({"none": pa.nulls(count + leaving)})
        runs = Runs.sorted(np.arange(count + leaving), slots, fresh if moves.fresh.any() else None)
        results = self._calls.run(runs, table, row, sign if leaving else None)
        at = runs.rows[joins[fired.last_peer]]
        return [result.take(at) for result in results]

    def reserve(self, partitions: int) -> None:
        """Make room."""
        self._calls.reserve(partitions + 1)

    def forget(self, partitions: Int64s) -> None:
        """Empty again."""
        self._calls.clear(partitions + 1)
        self._queues.forget(partitions)
        for extreme in self._extremes:
            extreme.forget(partitions)

    def snapshot(self, partitions: Int64s) -> dict[str, pa.Table]:
        """Accumulators, queues, and the values that may become an extreme."""
        extremes = {f"extreme{i}": extreme.snapshot() for i, extreme in enumerate(self._extremes)}
        return {**self._calls.snapshot(partitions + 1), "queued": self._queues.snapshot(), **extremes}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Take over a snapshot."""
        self._calls.restore(state)
        for i, extreme in enumerate(self._extremes):
            extreme.restore(state[f"extreme{i}"])
        self._queues.restore(state["queued"])
