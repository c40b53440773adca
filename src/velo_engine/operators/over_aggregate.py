"""OVER: each row of the input once, with values over the rows of its frame.

By event time rows wait until the watermark reaches their time and are then given out in the order of time; which rows
are late is said in `over_lateness`. By arrival and by processing time they are given out at once, but for RANGE with a
bound, where the rows of one millisecond wait for its end (ProcTimeRangeBoundedPrecedingFunction).

Source: Flink's StreamExecOverAggregate and the classes that it makes. Rows that fire at the same watermark step and
time in different partitions stand in order of arrival; in Flink their order is that of a heap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import (
    FINAL_WATERMARK,
    ChangeBatch,
    Int64s,
    StepFunction,
    empty_rows,
    make_rows,
    numpy_column,
    renumbered,
)
from velo_engine.operators.accumulators.base import StateColumn
from velo_engine.operators.assign_watermark import event_time_ms
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.over_buffer import BufferPlaces
from velo_engine.operators.over_frames import BoundedFrames, Fired, Frames, UnboundedFrames
from velo_engine.operators.over_lateness import NEVER, Arrivals, BoundedLateness, Held, firing_steps
from velo_engine.operators.over_pending import PendingRows, Waiting
from velo_engine.operators.over_places import Places
from velo_engine.operators.over_values import OverValues
from velo_engine.operators.runs import Runs, running_extreme, stable_order
from velo_engine.operators.vectors import Vector, to_arrow
from velo_engine.plan.expressions import AggregateCall
from velo_engine.plan.over_node import OverAggregate as OverNode
from velo_engine.plan.over_node import OverOrder, PlacedCall
from velo_engine.schema import RowSchema
from velo_engine.types import BIGINT

_FEWEST_PARTITIONS = 1024

_NO_TIME = -(2**62)
"""Before every time."""


class FrameCalls:
    """All calls of a window: the aggregates and the functions of places, in the order of the plan."""

    def __init__(self, node: OverNode, input_schema: RowSchema) -> None:
        self._is_aggregate = [isinstance(call, AggregateCall) for call in node.calls]
        aggregates = [call for call in node.calls if isinstance(call, AggregateCall)]
        places = [call for call in node.calls if isinstance(call, PlacedCall)]
        self._frames = _frames(aggregates, input_schema, node) if aggregates else None
        in_buffer = node.order is OverOrder.ARRIVAL
        self._places = Places(places, input_schema, node.frame) if places and not in_buffer else None
        self._buffer = BufferPlaces(places, input_schema, node) if places and in_buffer else None

    @property
    def held(self) -> int:
        """Rows kept because they will leave a frame."""
        return 0 if self._frames is None else self._frames.held

    def values(self, fired: Fired) -> list[Vector]:
        """Per call the result for each row."""
        aggregates = iter([] if self._frames is None else self._frames.values(fired))
        places: Iterator[Vector] = iter(())
        if self._places is not None:
            places = iter(self._places.values(fired))
        if self._buffer is not None:
            places = iter(self._buffer.values(fired.rows, fired.code, fired.time))
        return [next(aggregates if is_aggregate else places) for is_aggregate in self._is_aggregate]

    def reserve(self, partitions: int) -> None:
        """Make room for partitions below `partitions`."""
        if self._frames is not None:
            self._frames.reserve(partitions)

    def forget(self, partitions: Int64s) -> None:
        """These partitions are empty again."""
        if self._frames is not None:
            self._frames.forget(partitions)
        if self._places is not None:
            self._places.forget(partitions)

    def snapshot(self, partitions: Int64s) -> dict[str, pa.Table]:
        """The state of `partitions`."""
        tables: dict[str, pa.Table] = {}
        if self._frames is not None:
            tables |= {f"frames.{name}": table for name, table in self._frames.snapshot(partitions).items()}
        if self._places is not None:
            tables |= {f"places.{name}": table for name, table in self._places.snapshot().items()}
        if self._buffer is not None:
            tables |= {f"buffer.{name}": table for name, table in self._buffer.snapshot().items()}
        return tables

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Take over a snapshot; this object is new."""
        if self._frames is not None:
            self._frames.restore(_under("frames.", state))
        if self._places is not None:
            self._places.restore(_under("places.", state))
        if self._buffer is not None:
            self._buffer.restore(_under("buffer.", state))


def _under(prefix: str, state: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    return {name.removeprefix(prefix): table for name, table in state.items() if name.startswith(prefix)}


def _frames(calls: list[AggregateCall], schema: RowSchema, node: OverNode) -> Frames:
    frame = node.frame
    if frame.preceding is None:
        return UnboundedFrames(calls, schema)
    if frame.rows:
        return BoundedFrames(calls, schema, rows=frame.preceding + 1, span_ms=node.expire_ms)
    return BoundedFrames(calls, schema, rows=None, span_ms=frame.preceding)


class _Over(Operator):
    """What all of them have: partitions, calls, and rows made of results."""

    def __init__(self, context: OperatorContext, node: OverNode, input_schema: RowSchema) -> None:
        self._context = context
        self._node = node
        self._input = input_schema
        self._keys = KeyDictionary(input_schema.select(node.partition).types) if node.partition else None
        self._calls = FrameCalls(node, input_schema)

    def _codes(self, rows: pa.Table) -> Int64s:
        """The partition of each row."""
        if self._keys is None:
            self._calls.reserve(1)
            return np.zeros(rows.num_rows, np.int64)
        codes = self._keys.encode([rows.column(i) for i in self._node.partition])
        self._calls.reserve(self._keys.capacity)
        return codes

    def _partitions(self) -> Int64s:
        return np.zeros(1, np.int64) if self._keys is None else self._keys.codes()

    def _rows(self, fired: Fired, order: Int64s, seq: Int64s) -> pa.Table:
        """The output rows, `order` being the place among `fired` of each; `seq` is in the order of the output."""
        results = self._calls.values(fired)
        place = pa.array(order)
        columns = [fired.rows.column(i).take(place) for i in range(len(self._input))]
        columns += [to_arrow(v.take(order), c.type) for v, c in zip(results, self._node.calls, strict=True)]
        return make_rows(self._node.schema, columns, np.zeros(len(seq), np.int8), seq, renumbered(seq))

    def snapshot(self) -> dict[str, pa.Table]:
        """Partitions and calls."""
        tables = {f"calls.{name}": table for name, table in self._calls.snapshot(self._partitions()).items()}
        return tables if self._keys is None else tables | {"keys": self._keys.snapshot()}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._calls = FrameCalls(self._node, self._input)
        if self._keys is not None:
            self._keys.restore(state["keys"])
        self._calls.reserve(1 if self._keys is None else self._keys.capacity)
        self._calls.restore(_under("calls.", state))


class OverArrival(_Over):
    """ROWS WINDOW BUFFER, and processing time without a bounded RANGE: rows are given out as they come."""

    def __init__(self, context: OperatorContext, node: OverNode, input_schema: RowSchema) -> None:
        super().__init__(context, node, input_schema)
        self._clock = StateColumn(BIGINT, _NO_TIME)
        """By partition the highest time that its rows had, by which they grow old."""

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """Every row with its values."""
        (batch,) = inputs
        if not len(batch):
            return batch.with_rows(empty_rows(self._node.schema))
        code = self._codes(batch.rows)
        order = stable_order(code)
        count = len(order)
        code = code[order]
        fired = Fired(
            rows=batch.rows.take(pa.array(order)),
            code=code,
            time=self._ages(code, batch, order),
            epoch=np.zeros(count, np.int64),
            last_peer=np.arange(count),
        )
        place = np.empty(count, np.int64)
        place[order] = np.arange(count)
        out = self._rows(fired, place, batch.seq)
        self._context.counters.state_rows = self._calls.held
        return batch.with_rows(out)

    def snapshot(self) -> dict[str, pa.Table]:
        """Partitions, calls, clocks."""
        partitions = self._partitions()
        self._clock.reserve(int(partitions.max(initial=0)) + 1)
        clocks = pa.table({"partition": partitions, "clock": self._clock.snapshot(partitions)})
        return {**super().snapshot(), "clocks": clocks}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        super().restore(state)
        partitions = numpy_column(state["clocks"], "partition")
        self._clock = StateColumn(BIGINT, _NO_TIME)
        self._clock.reserve(int(partitions.max(initial=0)) + 1)
        self._clock.restore(partitions, state["clocks"].column("clock"))

    def _ages(self, code: Int64s, batch: ChangeBatch, order: Int64s) -> Int64s:
        """The clock of each row's partition when it came; rows stand partition by partition."""
        if self._node.expire_ms is None:
            return np.zeros(len(code), np.int64)
        if self._node.expire_column is None:
            time = batch.processing_time.before(batch.seq)[order]
        else:
            time = event_time_ms(batch.rows.column(self._node.expire_column))[order]
        self._clock.reserve(int(code.max()) + 1)
        runs = Runs.sorted(np.arange(len(code)), code, None)
        laid = runs.lay(self._clock.values[runs.opening], time)
        clock, _ = running_extreme(laid, np.ones(runs.size, np.bool_), runs, largest=True)
        runs.keep(self._clock.values, clock)
        return clock[runs.rows]


class OverTime(_Over):
    """By event time, and by processing time with a bounded RANGE: rows wait for their time to pass."""

    def __init__(self, context: OperatorContext, node: OverNode, input_schema: RowSchema) -> None:
        super().__init__(context, node, input_schema)
        self._lateness = self._new_lateness()
        self._pending = PendingRows(empty_rows(input_schema))
        self._sweep_at = _FEWEST_PARTITIONS

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The rows whose time has passed."""
        (batch,) = inputs
        clock = self._clock(batch)
        if not len(batch) and not len(clock.seqs):
            return batch.with_rows(empty_rows(self._node.schema))
        held = firing_steps(clock, self._pending.time, None)
        held[~self._pending.live] = NEVER
        step = held
        if len(batch):
            step = np.concatenate([held, self._take_in(batch, clock, held)])
        due = np.flatnonzero(step < NEVER)
        out = empty_rows(self._node.schema)
        if len(due):
            step = step[due]
            by_partition = np.lexsort((self._pending.time[due], step, self._pending.code[due]))
            waiting, step = self._pending.take(due[by_partition]), step[by_partition]
            if self._lateness is not None:
                self._lateness.passed(clock, waiting.code, waiting.time, waiting.epoch)
            out = self._given_out(waiting, step, due[by_partition], clock)
        elif self._lateness is not None:
            none = np.empty(0, np.int64)
            self._lateness.passed(clock, none, none, none)
        self._forget_partitions(clock.closing)
        self._context.counters.state_rows = len(self._pending) + self._calls.held
        return batch.with_rows(out)

    def snapshot(self) -> dict[str, pa.Table]:
        """Partitions, calls, the rows that wait, and what decides on lateness."""
        tables = {**super().snapshot(), "pending": self._pending.snapshot()}
        if self._lateness is not None:
            tables |= {f"lateness.{n}": t for n, t in self._lateness.snapshot(self._partitions()).items()}
        return tables

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        super().restore(state)
        self._pending.restore(state["pending"])
        self._lateness = self._new_lateness()
        if self._lateness is not None:
            self._lateness.restore(_under("lateness.", state))
            self._lateness.reserve(1 if self._keys is None else self._keys.capacity)

    @property
    def _by_event_time(self) -> bool:
        return self._node.order is OverOrder.EVENT_TIME

    def _new_lateness(self) -> BoundedLateness | None:
        frame = self._node.frame
        return None if frame.preceding is None else BoundedLateness(None if frame.rows else frame.preceding)

    def _clock(self, batch: ChangeBatch) -> StepFunction:
        """The steps of time that give rows out. By processing time a row waits for the next millisecond; what waits at
        the end of bounded input is given out then."""
        if self._by_event_time:
            return batch.watermark
        time = batch.processing_time
        ends = batch.watermark.closing == FINAL_WATERMARK and batch.watermark.opening != FINAL_WATERMARK
        seqs = np.append(time.seqs, batch.watermark.seqs[-1:] if ends else np.empty(0, np.int64))
        values = np.append(time.values, [FINAL_WATERMARK] if ends else np.empty(0, np.int64))
        highest = np.maximum.accumulate(np.append(time.opening, values))
        rises = highest[1:] > highest[:-1]
        if ends and len(seqs) > 1 and seqs[-2] == seqs[-1]:
            rises[-2] = False
        return StepFunction(time.opening, seqs[rises], values[rises])

    def _take_in(self, batch: ChangeBatch, clock: StepFunction, held: Int64s) -> Int64s:
        """Keep the rows that are not late; at which step each of them is given out."""
        rows, seq = batch.rows, batch.seq
        code = self._codes(rows)
        if self._by_event_time:
            assert self._node.order_column is not None
            time = event_time_ms(rows.column(self._node.order_column))
        else:
            time = clock.before(seq) + 1
        step = firing_steps(clock, time, seq)
        if self._lateness is None:
            accepted, epoch = time > clock.before(seq), np.zeros(len(code), np.int64)
        else:
            self._lateness.reserve(int(code.max()) + 1)
            waiting = Held(self._pending.code, self._pending.time, held)
            accepted, epoch = self._lateness.admit(Arrivals(code, time, seq, step), clock, waiting)
        if not accepted.all():
            late = ~accepted
            self._context.counters.late += int(late.sum())
            self._context.late(rows.filter(pa.array(late)), np.maximum(clock.before(seq)[late] - time[late], 0))
            rows, code, time, epoch, step = (
                rows.filter(pa.array(accepted)),
                *(values[accepted] for values in (code, time, epoch, step)),
            )
        self._pending.add(Waiting(rows, code, time, epoch))
        return step

    def _given_out(self, waiting: Waiting, step: Int64s, arrival: Int64s, clock: StepFunction) -> pa.Table:
        """The output for rows in the order of their partitions."""
        count = len(step)
        last_peer = np.arange(count)
        if not self._node.frame.rows:
            parts = (waiting.code, waiting.time, waiting.epoch)
            ends = np.append(np.logical_or.reduce([part[1:] != part[:-1] for part in parts]), True)
            last = np.flatnonzero(ends)
            last_peer = last[np.searchsorted(last, np.arange(count))]
        fired = Fired(waiting.rows, waiting.code, waiting.time, waiting.epoch, last_peer)
        order = np.lexsort((arrival, waiting.time, step))
        return self._rows(fired, order, clock.seqs[step[order]])

    def _forget_partitions(self, now: int) -> None:
        """Free the partitions of a bounded RANGE that have been cleaned up, once there are many."""
        if self._lateness is None or self._keys is None or len(self._keys) < self._sweep_at:
            return
        in_use = self._lateness.in_use(now)
        if in_use is None:
            return
        waiting = self._pending.code[self._pending.live]
        gone = np.setdiff1d(self._keys.codes(), np.concatenate([in_use, waiting]))
        self._calls.forget(gone)
        self._lateness.forget(gone)
        self._keys.free(gone)
        self._sweep_at = max(_FEWEST_PARTITIONS, 2 * len(self._keys))


def over_operator(context: OperatorContext, node: OverNode, input_schema: RowSchema) -> Operator:
    """The operator that runs `node`."""
    if node.order is OverOrder.EVENT_TIME:
        return OverTime(context, node, input_schema)
    if node.order is OverOrder.ARRIVAL:
        return OverArrival(context, node, input_schema)
    if node.order is OverOrder.PROCESSING_TIME:
        waits = not node.frame.rows and node.frame.preceding is not None
        return (OverTime if waits else OverArrival)(context, node, input_schema)
    return OverValues(context, node, input_schema)
