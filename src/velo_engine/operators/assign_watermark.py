"""Event time: the watermark generator.

On-event generation: the watermark after a row is the maximum of `time - delay` over the rows so far, per partition,
and the minimum over partitions. Source: Flink's BoundedOutOfOrderness in SQL form (WATERMARK FOR ts AS ts - INTERVAL …)
with `pipeline.auto-watermark-interval = 0`, and per-partition watermarks of its Kafka source.

With an idle timeout a partition that has given no row for that long, by processing time, holds the watermark back no
more; its next row makes it active again. When all are idle, the watermark stays where it is and the edge is idle. It
never goes back. Source: Flink's WatermarksWithIdleness and WatermarkOutputMultiplexer. The idle timeout is over when
the clock has reached it; Flink looks from time to time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from velo_engine.batch import (
    FINAL_WATERMARK,
    INITIAL_WATERMARK,
    ChangeBatch,
    Int64s,
    PartitionStatement,
    StepFunction,
    numpy_column,
)
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.plan.nodes import AssignWatermark as AssignWatermarkNode

LOWEST_WATERMARK = 0
"""A watermark is given out once it is above this: rows of times up to 1970 come before any watermark. Source: Flink's
WatermarkAssignerOperator, whose last watermark is 0 at first."""


class AssignWatermark(Operator):
    """Gives the edge the watermark of its time column; see the plan node of the same name.

    `partitions` is how many partitions the source has; one that has not delivered anything yet holds the watermark
    back. `scanned`: the input is a source, whose stated watermarks count beside those of its rows.
    """

    def __init__(
        self, context: OperatorContext, node: AssignWatermarkNode, partitions: int, *, scanned: bool = False
    ) -> None:
        self._context = context
        self._time = f"c{node.time_column}"
        self._partition = None if node.partition_column is None else f"c{node.partition_column}"
        self._delay = node.delay_ms
        self._timeout = node.idle_timeout_ms
        self._scanned = scanned
        self._highest = np.full(partitions if self._partition else 1, INITIAL_WATERMARK, np.int64)
        self._opening = INITIAL_WATERMARK
        self._last_row: Int64s | None = None
        """Processing time of the last row of each partition, at first the start of the job."""
        self._idle = np.zeros(len(self._highest), np.bool_)

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The same rows, less those without a time, under the new watermark."""
        (batch,) = inputs
        rows = self._without_null_time(batch.rows)
        idle = batch.idle
        if self._timeout is None and idle is None and not batch.stated and not self._is_stated(batch):
            seqs, values = self._steps(rows)
        else:
            seqs, values, idle = self._steps_by_clock(rows, batch)
        given = values > LOWEST_WATERMARK
        seqs, values = seqs[given], values[given]
        final = batch.watermark.seqs[batch.watermark.values == FINAL_WATERMARK]
        if len(final):
            seqs, values = np.append(seqs, final[0]), np.append(values, FINAL_WATERMARK)
        watermark = StepFunction(self._opening, seqs, values)
        self._opening = watermark.closing
        return ChangeBatch(rows, batch.first_seq, batch.end_seq, watermark, batch.processing_time, idle)

    def snapshot(self) -> dict[str, pa.Table]:
        """The highest watermark of each partition and of the edge, and what is idle since when."""
        partitions = {"ms": self._highest, "idle": self._idle}
        if self._last_row is not None:
            partitions["last_row"] = self._last_row
        return {"highest": pa.table(partitions), "edge": pa.table({"ms": np.array([self._opening])})}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._highest = numpy_column(state["highest"], "ms").copy()
        self._idle = np.asarray(state["highest"].column("idle")).astype(np.bool_)
        has_clock = "last_row" in state["highest"].column_names
        self._last_row = numpy_column(state["highest"], "last_row").copy() if has_clock else None
        self._opening = int(numpy_column(state["edge"], "ms")[0])

    def _is_stated(self, batch: ChangeBatch) -> bool:
        """Whether ticks state the event time of the source."""
        marks = batch.watermark
        return self._scanned and (marks.opening != INITIAL_WATERMARK or bool((marks.values != FINAL_WATERMARK).any()))

    def _without_null_time(self, rows: pa.Table) -> pa.Table:
        time = rows.column(self._time)
        if not time.null_count:
            return rows
        missing = np.asarray(time.is_null())
        bad = rows.filter(pa.array(missing))
        self._context.counters.dead_lettered += bad.num_rows
        self._context.failures(bad, ["the event time is NULL"] * bad.num_rows)
        return rows.filter(pa.array(~missing))

    def _steps(self, rows: pa.Table) -> tuple[Int64s, Int64s]:
        """The events at which the watermark of the edge rises, and to what."""
        if not rows.num_rows:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        seq: Int64s = numpy_column(rows, "seq")
        candidate = event_time_ms(rows.column(self._time)) - self._delay
        edge = self._edge_watermark(self._partitions(rows), candidate)
        last_of_event = np.append(seq[1:] != seq[:-1], True)
        seq, edge = seq[last_of_event], edge[last_of_event]
        return _rises(self._opening, seq, edge)

    def _partitions(self, rows: pa.Table) -> Int64s | None:
        return None if self._partition is None else numpy_column(rows, self._partition)

    def _edge_watermark(self, partition: Int64s | None, candidate: Int64s) -> Int64s:
        """The minimum over partitions of each one's running maximum, after every row; idle ones do not count until
        their first row."""
        if partition is None:
            self._idle[0] = False
            running = np.maximum.accumulate(np.maximum(candidate, self._highest[0]))
            self._highest[0] = running[-1]
            return running
        edge: Int64s = np.full(len(candidate), FINAL_WATERMARK, np.int64)
        for p in range(len(self._highest)):
            mine = partition == p
            own = np.where(mine, candidate, self._highest[p])
            running = np.maximum.accumulate(np.maximum(own, self._highest[p]))
            self._highest[p] = running[-1]
            if self._idle[p]:
                running = np.where(np.maximum.accumulate(mine), running, FINAL_WATERMARK)
                self._idle[p] = not mine.any()
            edge = np.minimum(edge, running)
        return edge

    def _steps_by_clock(self, rows: pa.Table, batch: ChangeBatch) -> tuple[Int64s, Int64s, StepFunction]:
        """The events at which the watermark rises, to what, and when the edge is idle.

        The clock, stated watermarks and stated idleness cut the rows into stretches without any of these.
        """
        if self._last_row is None:
            self._last_row = np.full(len(self._highest), batch.processing_time.opening)
        seq: Int64s = numpy_column(rows, "seq")
        candidate = event_time_ms(rows.column(self._time)) - self._delay if rows.num_rows else np.empty(0, np.int64)
        partition = self._partitions(rows)
        was_idle = opening_idle = bool(self._idle.all())
        steps: list[tuple[int, int]] = []
        changes: list[tuple[int, int]] = []
        at = 0
        for moment in self._moments(batch):
            # Rows up to and including the event of the moment come before it.
            upto = int(np.searchsorted(seq, moment.seq, side="right"))
            if upto > at:
                own = None if partition is None else partition[at:upto]
                marks = self._edge_watermark(own, candidate[at:upto])
                self._last_row[0 if own is None else np.unique(own)] = moment.before_ms
                steps += zip(seq[at:upto].tolist(), marks.tolist(), strict=True)
                if was_idle:
                    changes.append((int(seq[at]), 0))
                at, was_idle = upto, False
            if moment.mark is not None:
                steps.append((moment.seq, moment.mark))
                self._idle[:] = False
                self._last_row[:] = moment.before_ms if moment.after_ms is None else moment.after_ms
            self._idle |= moment.all_idle
            for statement in moment.stated:
                self._state(statement, moment)
            if self._timeout is not None and moment.after_ms is not None:
                self._idle |= moment.after_ms - self._last_row >= self._timeout
            if moment.seq == _END:
                break
            active = self._highest[~self._idle]
            if len(active):
                steps.append((moment.seq, int(active.min())))
            if was_idle is bool(len(active)):
                changes.append((moment.seq, int(not len(active))))
            was_idle = not len(active)
        events = np.array([s for s, _ in steps], np.int64)
        marks = np.maximum.accumulate(np.array([self._opening, *(m for _, m in steps)], np.int64))[1:]
        last = np.append(events[1:] != events[:-1], True)[: len(events)]
        raised = _rises(self._opening, events[last], marks[last])
        ended = batch.watermark.seqs[batch.watermark.values == FINAL_WATERMARK].tolist()
        if ended and was_idle:
            changes.append((ended[0], 0))
        idle = StepFunction(
            int(opening_idle), np.array([s for s, _ in changes], np.int64), np.array([v for _, v in changes], np.int64)
        )
        return (*raised, idle)

    def _state(self, statement: PartitionStatement, moment: _Moment) -> None:
        """What is stated about a partition counts as if its rows had said so."""
        p = statement.partition if self._partition is not None else 0
        if statement.watermark_ms is None:
            self._idle[p] = True
            return
        assert self._last_row is not None
        self._highest[p] = max(self._highest[p], statement.watermark_ms)
        self._idle[p] = False
        self._last_row[p] = moment.before_ms if moment.after_ms is None else moment.after_ms

    def _moments(self, batch: ChangeBatch) -> Iterator[_Moment]:
        """What happens besides rows, in order; at last the end of the batch."""
        clock, marks, idle = batch.processing_time, batch.watermark, batch.idle
        stated = {s: v for s, v in zip(marks.seqs.tolist(), marks.values.tolist(), strict=True) if v != FINAL_WATERMARK}
        if not self._scanned:
            stated = {}
        called = set() if idle is None else set(idle.seqs[idle.values == 1].tolist())
        ticking = set(clock.seqs.tolist())
        of_partitions: dict[int, list[PartitionStatement]] = {}
        for statement in batch.stated:
            of_partitions.setdefault(statement.seq, []).append(statement)
        seqs = sorted(ticking | stated.keys() | called | of_partitions.keys())
        before = clock.before(np.array([*seqs, _END], np.int64)).tolist()
        after = clock.after(np.array(seqs, np.int64)).tolist()
        for i, seq in enumerate(seqs):
            moved = after[i] if seq in ticking else None
            own = tuple(of_partitions.get(seq, ()))
            yield _Moment(seq, before[i], moved, stated.get(seq), seq in called, own)
        yield _Moment(_END, before[-1], None, None, False, ())


_END = 2**63 - 1
"""Behind all events of a batch."""


@dataclass(frozen=True, slots=True)
class _Moment:
    """An event at which the clock moves, or something is stated about the source."""

    seq: int
    before_ms: int
    """The clock before it."""
    after_ms: int | None
    """The clock from it on, where it moves."""
    mark: int | None
    """A stated watermark."""
    all_idle: bool
    """The source is called idle."""
    stated: tuple[PartitionStatement, ...]
    """Of single partitions."""


def _rises(opening: int, seqs: Int64s, values: Int64s) -> tuple[Int64s, Int64s]:
    """The steps at which a rising value rises."""
    rises = values > np.concatenate([[opening], values[:-1]]) if len(values) else np.empty(0, np.bool_)
    return seqs[rises], values[rises]


def event_time_ms(column: pa.ChunkedArray) -> Int64s:
    """A TIMESTAMP or TIMESTAMP_LTZ column without nulls as milliseconds since the epoch, rounded down."""
    ms: Int64s = np.floor_divide(column.cast(pa.int64()).to_numpy(), 1000)
    return ms
