"""MATCH_RECOGNIZE: rows wait for the watermark, then each partition's are matched one after the other.

Source: Flink's CepOperator. Rows behind the watermark are late. When the watermark passes waiting rows of a partition,
all that it passes are processed at once, by time, further columns of ORDER BY and arrival; then partial matches that
have lasted too long are forgotten, which may let a match out that they held back. Rows ordered by processing time are
processed as they come.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, Int64s, empty_rows, numpy_column
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.operators.assign_watermark import event_time_ms
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.match.automaton import automaton
from velo_engine.operators.match.definitions import DefinitionCompiler
from velo_engine.operators.match.memory import MemoryLayout
from velo_engine.operators.match.partition import Matching, Partition, Path, Row, SkipError
from velo_engine.operators.match.prepared import PreparedRows
from velo_engine.operators.match.results import Found, MatchResults
from velo_engine.operators.match.saved import restored_partitions, saved_partitions
from velo_engine.operators.match.scalars import NoValueError
from velo_engine.operators.sort_order import Key, sort_keys
from velo_engine.operators.vectors import from_arrow
from velo_engine.plan import nodes
from velo_engine.schema import RowSchema


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A row that the watermark has not passed."""

    key: int
    row: Row
    order: Key
    """Its place among rows of one time, by the further columns of ORDER BY."""


@dataclass(frozen=True, slots=True)
class _Due:
    """Rows of a partition that one event lets through (maybe none), and the time that it has come to be."""

    seq: int
    time: int
    """The watermark, or the processing time; milliseconds."""
    rows: tuple[Row, ...]
    place: tuple[int, int]
    """Its place among those of other partitions at the same event: the time that is due first, and a row's number."""


class MatchRecognize(Operator):
    """See `plan.match_nodes.MatchRecognize`."""

    def __init__(self, context: OperatorContext, node: nodes.MatchRecognize, input_schema: RowSchema) -> None:
        self._context = context
        self._node = node
        self._input = input_schema
        self._keys = KeyDictionary(input_schema.select(node.partition).types) if node.partition else None
        self._prepared = PreparedRows(context.kernel, input_schema, context.time_zone)
        self._matching = _matching(context, node, self._prepared)
        self._results = MatchResults(context.kernel, node, context.time_zone)
        self._partitions: dict[int, Partition] = {}
        self._waiting: list[_Waiting] = []
        self._rows = empty_rows(input_schema)
        self._numbers: Int64s = np.empty(0, np.int64)
        self._alive: WeakValueDictionary[int, Row] = WeakValueDictionary()
        """The rows that wait or to which a match refers, by number."""
        self._next_number = 0
        self._next_place = 0
        self._deadlines: list[tuple[int, int]] = []
        """When partial matches expire, and in which partition; a heap. A partition's matches may expire later than its
        entry says, never earlier."""
        self._timed: set[int] = set()
        """The partitions that have an entry."""

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The matches that the rows and the watermark complete."""
        (batch,) = inputs
        out = self._output(batch)
        self._forget()
        return batch.with_rows(out)

    def snapshot(self) -> dict[str, pa.Table]:
        """The rows that are alive, which of them wait, the matches, the keys."""
        self._compact()
        waiting = sorted(w.row.number for w in self._waiting)
        keys = {w.row.number: w.key for w in self._waiting}
        tables = {
            "rows": self._rows.append_column("number", pa.array(self._numbers)),
            "waiting": pa.table(
                {
                    "number": pa.array(waiting, pa.int64()),
                    "key": pa.array([keys[n] for n in waiting], pa.int64()),
                    "time": pa.array([self._alive[n].time for n in waiting], pa.int64()),
                }
            ),
            "next": pa.table({"number": [self._next_number], "place": [self._next_place]}),
            **saved_partitions(self._partitions),
        }
        return tables if self._keys is None else tables | {"keys": self._keys.snapshot()}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._numbers = numpy_column(state["rows"], "number").copy()
        self._rows = state["rows"].drop_columns(["number"])
        prepared = self._prepared.rows(self._rows, None)
        orders = self._orders(self._rows)
        at = {number: i for i, number in enumerate(self._numbers.tolist())}
        rows: dict[int, Row] = {}

        def row(number: int, time: int) -> Row:
            if number not in rows:
                rows[number] = self._alive[number] = Row(number, time, prepared[at[number]])
            return rows[number]

        waiting = state["waiting"]
        columns = (numpy_column(waiting, name).tolist() for name in ("key", "number", "time"))
        self._waiting = [_Waiting(k, row(n, t), orders[at[n]]) for k, n, t in zip(*columns, strict=True)]
        self._partitions = restored_partitions(state, row, self._matching)
        self._next_number = int(numpy_column(state["next"], "number")[0])
        self._next_place = int(numpy_column(state["next"], "place")[0])
        self._deadlines, self._timed = [], set()
        for key, partition in self._partitions.items():
            self._set_deadline(key, partition)
        if self._keys is not None:
            self._keys.restore(state["keys"])

    def _take_in(self, batch: ChangeBatch) -> list[_Waiting]:
        """Keep the rows of the batch that are not late."""
        rows, seq = batch.rows, batch.seq
        if self._node.processing_time:
            time = batch.processing_time.before(seq)
        else:
            time = event_time_ms(rows.column(self._node.order[0].column))
            watermark = batch.watermark.before(seq)
            late = watermark >= time
            if late.any():
                self._context.counters.late += int(late.sum())
                self._context.late(rows.filter(pa.array(late)), (watermark - time)[late])
                rows, seq, time = rows.filter(pa.array(~late)), seq[~late], time[~late]
        n = rows.num_rows
        if n == 0:
            return []
        keys = np.zeros(n, np.int64)
        if self._keys is not None:
            keys = self._keys.encode([rows.column(i) for i in self._node.partition])
        numbers = np.arange(self._next_number, self._next_number + n)
        self._next_number += n
        self._rows = pa.concat_tables([self._rows, rows])
        self._numbers = np.concatenate([self._numbers, numbers])
        prepared = self._prepared.rows(rows, batch.processing_time.before(seq))
        arrived = [
            _Waiting(k, Row(number, t, values), order)
            for k, number, t, values, order in zip(
                keys.tolist(), numbers.tolist(), time.tolist(), prepared, self._orders(rows), strict=True
            )
        ]
        for waiting in arrived:
            self._alive[waiting.row.number] = waiting.row
        return arrived

    def _orders(self, rows: pa.Table) -> Sequence[Key]:
        """The further sort keys of each row."""
        further = self._node.order[1:]
        if not further:
            return [()] * rows.num_rows
        types = self._input.types
        return sort_keys(further, [from_arrow(rows.column(k.column), types[k.column]) for k in further])

    def _due_at_once(self, batch: ChangeBatch, arrived: Sequence[_Waiting]) -> Iterator[tuple[int, list[_Due]]]:
        """By processing time every row is due when it comes."""
        turns: dict[int, list[_Due]] = {}
        for waiting, seq in zip(arrived, batch.seq.tolist(), strict=True):
            row = waiting.row
            turns.setdefault(waiting.key, []).append(_Due(seq, row.time, (row,), (0, row.number)))
        yield from turns.items()

    def _due(self, batch: ChangeBatch, arrived: Sequence[_Waiting]) -> Iterator[tuple[int, list[_Due]]]:
        """Per partition the rows that the watermark passes, step by step."""
        waiting = [*self._waiting, *arrived]
        watermark = batch.watermark
        closing = watermark.closing
        passed = [w for w in waiting if w.row.time <= closing]
        self._waiting = [w for w in waiting if w.row.time > closing]
        passed.sort(key=lambda w: (w.key, w.row.time, w.order, w.row.number))
        steps = np.searchsorted(watermark.values, np.array([w.row.time for w in passed], np.int64))
        visited = set()
        at = 0
        for key, group in groupby(passed, key=attrgetter("key")):
            turns = []
            rows = list(group)
            own = steps[at : at + len(rows)].tolist()
            at += len(rows)
            for step, pairs in groupby(zip(own, rows, strict=True), key=lambda pair: pair[0]):
                due = tuple(w.row for _, w in pairs)
                place = (due[0].time, due[0].number)
                turns.append(_Due(int(watermark.seqs[step]), int(watermark.values[step]), due, place))
            visited.add(key)
            yield key, turns
        while self._deadlines and self._deadlines[0][0] <= closing:
            _, key = heapq.heappop(self._deadlines)
            self._timed.discard(key)
            if key not in visited:
                visited.add(key)
                yield key, []

    def _matched(self, key: int, turns: Sequence[_Due], batch: ChangeBatch) -> Iterator[tuple[tuple[int, ...], Found]]:
        """The matches of a partition, each with its place among those of other partitions."""
        partition = self._partitions.get(key) or Partition(self._matching)
        for turn in self._with_expiry(partition, turns, batch):
            for i, (path, time) in enumerate(self._turn(partition, turn)):
                yield (turn.seq, *turn.place, i), Found(path, turn.seq, time)
        if partition.idle:
            self._partitions.pop(key, None)
        else:
            self._partitions[key] = partition
            self._set_deadline(key, partition)

    def _set_deadline(self, key: int, partition: Partition) -> None:
        within, first = self._within_ms, partition.first_to_expire()
        if within is not None and first is not None and key not in self._timed:
            self._timed.add(key)
            heapq.heappush(self._deadlines, (first.time + within, key))

    @property
    def _within_ms(self) -> int | None:
        """After what time the watermark ends a partial match; by processing time only a row does."""
        return None if self._node.processing_time else self._node.within_ms

    def _with_expiry(self, partition: Partition, turns: Sequence[_Due], batch: ChangeBatch) -> Iterator[_Due]:
        """The turns of a partition, and between and behind them those at which partial matches expire."""
        pending = list(reversed(turns))
        while True:
            expiry = self._expiry(partition, batch)
            if expiry is not None and (not pending or expiry.seq < pending[-1].seq):
                yield expiry
            elif pending:
                yield pending.pop()
            else:
                return

    def _expiry(self, partition: Partition, batch: ChangeBatch) -> _Due | None:
        """When in this batch the watermark ends a partial match."""
        within, watermark = self._within_ms, batch.watermark
        first = None if within is None else partition.first_to_expire()
        if within is None or first is None:
            return None
        deadline = first.time + within
        if deadline > watermark.closing or not len(watermark.seqs):
            return None
        step = int(np.searchsorted(watermark.values, deadline))
        return _Due(int(watermark.seqs[step]), int(watermark.values[step]), (), (deadline, first.number))

    def _turn(self, partition: Partition, turn: _Due) -> Iterator[tuple[Path, int]]:
        """Process the rows of a turn; the matches, each with the time at which it is given out."""
        matching = self._matching
        time = None
        for row in turn.rows:
            if row.time != time:
                time = row.time
                for path in partition.expire(time, matching):
                    yield path, time
            row.place = self._next_place
            self._next_place += 1
            try:
                paths = partition.advance(row, matching)
            except (NoValueError, SkipError) as problem:
                raise self._failure(problem) from None
            for path in paths:
                yield path, row.time
        if not self._node.processing_time:
            for path in partition.expire(turn.time, matching):
                yield path, turn.time

    def _failure(self, problem: NoValueError | SkipError) -> VeloError:
        """A definition without a value, or a match that cannot be skipped from, ends the job, as in Flink."""
        if isinstance(problem, SkipError):
            return VeloError(ErrorCode.JOB_FAILED, f"AFTER MATCH: {problem}", location=self._node.location)
        return VeloError(
            ErrorCode.JOB_FAILED,
            f"DEFINE: {problem}",
            location=self._node.location,
            hint="guard the condition (CASE, NULLIF, TRY_CAST)",
        )

    def _output(self, batch: ChangeBatch) -> pa.Table:
        """Take the batch in; the matches, in order."""
        arrived = self._take_in(batch)
        due = self._due_at_once(batch, arrived) if self._node.processing_time else self._due(batch, arrived)
        found = [match for key, turns in due for match in self._matched(key, turns, batch)]
        if not found:
            return empty_rows(self._node.schema)
        found.sort(key=itemgetter(0))
        matches = [match for _, match in found]
        times = batch.processing_time.before(np.array([match.seq for match in matches], np.int64))
        return self._results.rows(matches, self._numbers, self._rows, times)

    def _forget(self) -> None:
        """Give up rows to which nothing refers, and the keys of partitions without rows, now and then."""
        self._context.counters.state_rows = len(self._alive)
        if len(self._numbers) > 2 * len(self._alive) + _KEPT_ROWS:
            self._compact()
        elif self._rows.column("seq").num_chunks > _KEPT_CHUNKS:
            self._rows = self._rows.combine_chunks()

    def _compact(self) -> None:
        alive = np.fromiter(self._alive.keys(), np.int64, len(self._alive))
        alive.sort()
        kept = np.searchsorted(self._numbers, alive)
        self._rows = self._rows.take(pa.array(kept)).combine_chunks()
        self._numbers = alive
        if self._keys is None:
            return
        used = {*self._partitions, *(w.key for w in self._waiting)}
        gone = np.setdiff1d(self._keys.codes(), np.fromiter(used, np.int64, len(used)))
        if len(gone):
            self._keys.free(gone)
            self._deadlines = [(time, key) for time, key in self._deadlines if key in used]
            heapq.heapify(self._deadlines)
            self._timed &= used


_KEPT_ROWS = 1000
"""So many rows may be kept that nothing refers to."""

_KEPT_CHUNKS = 64
"""So many pieces of Arrow columns may be kept before they are put together."""


def _matching(context: OperatorContext, node: nodes.MatchRecognize, prepared: PreparedRows) -> Matching:
    layout = MemoryLayout()
    compiler = DefinitionCompiler(context.kernel, prepared, layout, context.time_zone)
    judges: list[Any] = [
        None if variable.definition is None else compiler.judge(i, variable.definition)
        for i, variable in enumerate(node.pattern)
    ]
    takes = [layout.take(i) for i in range(len(node.pattern))]
    names = [variable.name for variable in node.pattern]
    return Matching(automaton(node.pattern), judges, takes, layout.empty, node.after, names, node.within_ms)
