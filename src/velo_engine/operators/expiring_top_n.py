"""Top-N over rows that are taken back, with state time-to-live.

Source: Flink's RetractableTopNFunction. Its state is in three parts, each of which ends by itself a TTL after it was
written: how many rows each sort key of the partition has (written with every row), the rows of each sort key, and the
number of rows that a partition shows where a column says it. So rows may have ended that are still counted. A sort key
whose rows have ended is forgotten when a row before it, or its own, is ranked; until then its rows count in ranks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, RowKind, empty_rows, numpy_column
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.operators.base import OperatorContext
from velo_engine.operators.rank_changes import RankChanges
from velo_engine.operators.sort_order import Key
from velo_engine.operators.top_n import TopN
from velo_engine.operators.vectors import from_arrow
from velo_engine.plan import nodes
from velo_engine.schema import RowSchema


@dataclass(slots=True)
class _Rows:
    """The rows of a sort key in order of arrival, by their codes."""

    rows: list[int]
    written: int


@dataclass(slots=True)
class _Counted:
    """How many rows a sort key counts, and one row that has the key."""

    rows: int
    sample: int


@dataclass(slots=True)
class _Ranking:
    """The state of one partition."""

    limit: int
    limited: int
    """When the limit was written."""
    written: int
    """When the counts were written."""
    keys: list[Key] = field(default_factory=list)
    """Those that are counted, in order."""
    counts: dict[Key, _Counted] = field(default_factory=dict)
    data: dict[Key, _Rows] = field(default_factory=dict)


class ExpiringTopN(TopN):
    """See `plan.nodes.TopN`."""

    def __init__(self, context: OperatorContext, node: nodes.TopN, input_schema: RowSchema, *, ttl_ms: int) -> None:
        super().__init__(context, node, input_schema, retracting=True, ttl_ms=ttl_ms)
        self._rankings: dict[int, _Ranking] = {}
        self._released: list[int] = []
        self._sweep_at = -(2**63)
        self._now = 0

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The changes to the first N."""
        (batch,) = inputs
        out = empty_rows(self._node.schema)
        if len(batch):
            rows = batch.rows
            codes = self._partition_codes(rows)
            changes = RankChanges(self._node.first)
            times = batch.processing_time.before(batch.seq).tolist()
            arriving = zip(self._each(rows, codes), self._limits(rows), times, strict=True)
            for (taken_back, seq, code, key, row), limit, now in arriving:
                self._now = now
                ranking = self._ranking(code, limit)
                if taken_back:
                    self._retract(ranking, key, row, seq, changes)
                else:
                    self._accumulate(ranking, key, row, seq, changes)
                ranking.written = now
                self._released.append(row)
            out = self._output(changes)
        self._sweep(batch.processing_time.closing)
        self._release(self._released)
        self._released = []
        self._context.counters.state_rows = self._held
        return batch.with_rows(out)

    def snapshot(self) -> dict[str, pa.Table]:
        """Partitions, what they count, and their rows."""
        rankings = self._rankings.items()
        opened = [(code, r.limit, r.limited, r.written) for code, r in rankings]
        counts = [(code, c.sample, c.rows) for code, r in rankings for c in r.counts.values()]
        entries = [(code, row, d.written) for code, r in rankings for d in r.data.values() for row in d.rows]
        tables = {
            "opened": _table(opened, "partition", "limit", "limited", "written"),
            "counts": _table(counts, "partition", "sample", "rows"),
            "entries": _table(entries, "partition", "row", "written"),
            "rows": self._rows.snapshot(),
        }
        return tables if self._partition_keys is None else tables | {"partitions": self._partition_keys.snapshot()}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._rows.restore(state["rows"])
        if self._partition_keys is not None:
            self._partition_keys.restore(state["partitions"])
        self._uses = {}
        self._held = state["entries"].num_rows
        opened = _rows_of(state["opened"])
        self._rankings = {code: _Ranking(limit, limited, written) for code, limit, limited, written in opened}
        for (code, sample, rows), key in zip(*self._with_keys(state["counts"], "sample"), strict=True):
            self._rankings[code].counts[key] = _Counted(rows, sample)
            self._use(sample)
        for ranking in self._rankings.values():
            ranking.keys = sorted(ranking.counts)
        for (code, row, written), key in zip(*self._with_keys(state["entries"], "row"), strict=True):
            self._rankings[code].data.setdefault(key, _Rows([], written)).rows.append(row)
            self._use(row)

    def _with_keys(self, table: pa.Table, column: str) -> tuple[list[tuple[int, ...]], list[Key]]:
        """The rows of `table` and, of the rows whose codes are in `column`, the sort keys."""
        return _rows_of(table), self._sort_keys(self._rows.columns(numpy_column(table, column)))

    def _limits(self, rows: pa.Table) -> list[int]:
        """How many rows each row says that its partition shows."""
        column = self._node.limit_column
        if column is None:
            return [self._node.limit] * rows.num_rows
        vector = from_arrow(rows.column(column), self._input.types[column])
        limits = vector.values if vector.valid is None else np.where(vector.valid, vector.values, 0)
        return [int(limit) for limit in limits.tolist()]

    def _ranking(self, code: int, limit: int) -> _Ranking:
        """The state of a partition now."""
        ranking = self._rankings.get(code)
        if ranking is not None and self._ended(ranking.written):
            self._clear(ranking)
            ranking = None
        if ranking is None:
            ranking = self._rankings[code] = _Ranking(limit, self._now, self._now)
        elif self._ended(ranking.limited):
            ranking.limit, ranking.limited = limit, self._now
        return ranking

    def _accumulate(self, ranking: _Ranking, key: Key, row: int, seq: int, changes: RankChanges) -> None:
        counted = ranking.counts.get(key)
        if counted is None:
            ranking.keys.insert(bisect_left(ranking.keys, key), key)
            ranking.counts[key] = _Counted(1, row)
            self._use(row)
        else:
            counted.rows += 1
        if self._numbered:
            self._push_ranks(ranking, key, row, seq, changes)
        else:
            self._push(ranking, key, row, seq, changes)
        data = self._living(ranking, key)
        if data is None:
            data = ranking.data[key] = _Rows([], self._now)
        data.rows.append(row)
        data.written = self._now
        self._use(row)
        self._held += 1

    def _retract(self, ranking: _Ranking, key: Key, row: int, seq: int, changes: RankChanges) -> None:
        pull = self._pull_ranks if self._numbered else self._pull
        removed = pull(ranking, key, row, seq, changes)
        counted = ranking.counts.get(key)
        if counted is not None:
            counted.rows -= 1
            if not counted.rows:
                self._forget(ranking, key)
        data = None if removed else self._living(ranking, key)
        if data is not None:
            if row in data.rows:
                self._remove(data, data.rows.index(row))
            self._put(ranking, key, data)

    def _push_ranks(self, ranking: _Ranking, key: Key, row: int, seq: int, changes: RankChanges) -> None:
        """emitRecordsWithRowNumber."""
        at = bisect_left(ranking.keys, key) + 1
        rank, current = self._rows_to(ranking, at), row
        while at < len(ranking.keys) and rank <= ranking.limit:
            data = self._living(ranking, ranking.keys[at])
            if data is None:
                self._forget(ranking, ranking.keys[at])
                continue
            for behind in data.rows[: ranking.limit - rank + 1]:
                changes.add(RowKind.UPDATE_BEFORE, behind, rank, seq)
                changes.add(RowKind.UPDATE_AFTER, current, rank, seq)
                current = behind
                rank += 1
            at += 1
        if rank <= ranking.limit:
            changes.add(RowKind.INSERT, current, rank, seq)

    def _push(self, ranking: _Ranking, key: Key, row: int, seq: int, changes: RankChanges) -> None:
        """emitRecordsWithoutRowNumber."""
        at = bisect_left(ranking.keys, key) + 1
        rank = self._rows_to(ranking, at)
        if rank > ranking.limit:
            return
        while at < len(ranking.keys) and rank <= ranking.limit:
            behind = ranking.keys[at]
            data = self._living(ranking, behind)
            if data is None:
                self._forget(ranking, behind)
                continue
            if rank + ranking.counts[behind].rows > ranking.limit:
                changes.unranked(RowKind.DELETE, _nth(data, ranking.limit - rank), seq)
                break
            rank += ranking.counts[behind].rows
            at += 1
        changes.unranked(RowKind.INSERT, row, seq)

    def _pull_ranks(self, ranking: _Ranking, key: Key, row: int, seq: int, changes: RankChanges) -> bool:
        """retractRecordWithRowNumber: whether the row was found and taken out."""
        found = self._take_out(ranking, key, row, ranking.limit + 1)
        if found is None:
            return False
        rank, after = found
        previous = row
        at = bisect_left(ranking.keys, key) + 1
        while True:
            for behind in after[: max(ranking.limit - rank + 1, 0)]:
                changes.add(RowKind.UPDATE_BEFORE, previous, rank, seq)
                changes.add(RowKind.UPDATE_AFTER, behind, rank, seq)
                previous = behind
                rank += 1
            if rank > ranking.limit or at == len(ranking.keys):
                break
            data = self._living(ranking, ranking.keys[at])
            after = [] if data is None else data.rows
            if data is None:
                self._forget(ranking, ranking.keys[at])
            else:
                at += 1
        if rank <= ranking.limit:
            changes.add(RowKind.DELETE, previous, rank, seq)
        return True

    def _pull(self, ranking: _Ranking, key: Key, row: int, seq: int, changes: RankChanges) -> bool:
        """retractRecordWithoutRowNumber: whether the row was found and taken out."""
        found = self._take_out(ranking, key, row, ranking.limit)
        if found is None:
            return False
        rank, after = found
        changes.unranked(RowKind.DELETE, row, seq)
        if len(after) > ranking.limit - rank:
            changes.unranked(RowKind.INSERT, after[ranking.limit - rank], seq)
            return True
        rank += len(after)
        at = bisect_left(ranking.keys, key) + 1
        while at < len(ranking.keys) and rank <= ranking.limit:
            behind = ranking.keys[at]
            last = rank + ranking.counts[behind].rows - 1
            if last < ranking.limit:
                rank = last + 1
                at += 1
                continue
            data = self._living(ranking, behind)
            if data is None:
                self._forget(ranking, behind)
                continue
            changes.unranked(RowKind.INSERT, _nth(data, ranking.limit - rank), seq)
            break
        return True

    def _take_out(self, ranking: _Ranking, key: Key, row: int, reach: int) -> tuple[int, list[int]] | None:
        """Take `row` out if its rank is at most `reach`: the rank that it had, and the rows of its sort key behind it.

        A sort key within reach is written though the row is not found in it.
        """
        if key not in ranking.counts:
            return None
        rank = self._rows_to(ranking, bisect_left(ranking.keys, key)) + 1
        if rank > reach:
            return None
        data = self._living(ranking, key)
        if data is None:
            self._forget(ranking, key)
            return None
        seen = data.rows[: reach - rank + 1]
        if row not in seen:
            self._put(ranking, key, data)
            return None
        index = seen.index(row)
        after = data.rows[index + 1 :]
        self._remove(data, index)
        self._put(ranking, key, data)
        return rank + index, after

    def _rows_to(self, ranking: _Ranking, position: int) -> int:
        """How many rows the first sort keys count, as far as it matters: more than the limit are enough."""
        total = 0
        for key in ranking.keys[:position]:
            total += ranking.counts[key].rows
            if total > ranking.limit:
                break
        return total

    def _ended(self, written: int) -> bool:
        return written + self._ttl_ms <= self._now

    def _living(self, ranking: _Ranking, key: Key) -> _Rows | None:
        """The rows of a sort key; those that have ended are given up."""
        data = ranking.data.get(key)
        if data is not None and self._ended(data.written):
            self._drop(ranking, key)
            return None
        return data

    def _put(self, ranking: _Ranking, key: Key, data: _Rows) -> None:
        if data.rows:
            data.written = self._now
        else:
            del ranking.data[key]

    def _remove(self, data: _Rows, index: int) -> None:
        self._unuse(data.rows.pop(index))
        self._held -= 1

    def _drop(self, ranking: _Ranking, key: Key) -> None:
        rows = ranking.data.pop(key).rows
        self._held -= len(rows)
        for row in rows:
            self._unuse(row)

    def _forget(self, ranking: _Ranking, key: Key) -> None:
        """Count the rows of a sort key no more."""
        self._unuse(ranking.counts.pop(key).sample)
        del ranking.keys[bisect_left(ranking.keys, key)]

    def _clear(self, ranking: _Ranking) -> None:
        for key in list(ranking.data):
            self._drop(ranking, key)
        for key in list(ranking.keys):
            self._forget(ranking, key)

    def _use(self, row: int) -> None:
        self._uses[row] = self._uses.get(row, 0) + 1

    def _unuse(self, row: int) -> None:
        self._uses[row] -= 1
        self._released.append(row)

    def _sweep(self, now: int) -> None:
        """Once per TTL: give up what has ended, and forget its partitions."""
        if now < self._sweep_at:
            return
        self._now, self._sweep_at = now, now + self._ttl_ms
        gone = [code for code, ranking in self._rankings.items() if self._ended(ranking.written)]
        for code in gone:
            self._clear(self._rankings.pop(code))
        for ranking in self._rankings.values():
            for key in list(ranking.data):
                self._living(ranking, key)
        if gone and self._partition_keys is not None:
            self._partition_keys.free(np.array(gone, np.int64))


def _nth(data: _Rows, index: int) -> int:
    """One row of a sort key. VeloError JOB_FAILED where Flink's fails: rows have ended that are still counted."""
    if index >= len(data.rows):
        raise VeloError(
            ErrorCode.JOB_FAILED,
            "a Top-N counts rows whose state has ended, and cannot tell which row leaves or enters it (as in Flink, "
            "where the job ends with an IndexOutOfBoundsException)",
            hint="give state.ttl a longer time, or show the rank",
        )
    return data.rows[index]


def _table(rows: Sequence[tuple[int, ...]], *names: str) -> pa.Table:
    """Numbers under their names."""
    numbers = np.array(rows, np.int64).reshape(-1, len(names))
    return pa.table({name: numbers[:, i] for i, name in enumerate(names)})


def _rows_of(table: pa.Table) -> list[tuple[int, ...]]:
    """The rows of a table of numbers."""
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
