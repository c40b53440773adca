"""From upserts to a full changelog.

Source: Flink's DeduplicateFunctionHelper.processLastRowOnChangelog. A deletion takes the row that stood, not the one
that came: a tombstone has nothing but the key. A row like the one that stands is no change, unless state has a TTL:
then it must keep the state behind it alive.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, ChangeBatch, Int64s, RowKind, empty_rows, make_rows, renumbered
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.changes import changed
from velo_engine.operators.keyed_rows import NO_TTL, KeyedRows
from velo_engine.operators.runs import Runs, running_latest, stable_order
from velo_engine.operators.vectors import from_arrow
from velo_engine.plan.changelog_nodes import ChangelogNormalize as Node

_NOTHING = np.int64(-1)
_FEWEST_KEYS = 1024


class ChangelogNormalize(Operator):
    """See `plan.changelog_nodes.ChangelogNormalize`."""

    def __init__(self, context: OperatorContext, node: Node, *, ttl_ms: int = NO_TTL) -> None:
        self._context = context
        self._node = node
        self._rows = KeyedRows(node.input.schema, node.keys, range(len(node.schema)), ttl_ms)

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """For each upsert or deletion at most two changes."""
        (batch,) = inputs
        if not len(batch):
            return batch.with_rows(empty_rows(self._node.schema))
        slots = self._rows.slots(batch.rows)
        order = stable_order(slots)
        runs = Runs.sorted(order, slots[order], None)
        now = batch.processing_time.before(batch.seq)
        stands, alive = self._lives(runs, self._sets(batch)[order], now)
        same = self._same(batch, runs, stands[runs.rows] & alive)
        out = self._changes(batch, runs, stands, alive, same)
        self._keep(batch, runs, stands, same, now)
        self._context.counters.state_rows = len(self._rows)
        return batch.with_rows(out)

    def snapshot(self) -> dict[str, pa.Table]:
        """The row of each key."""
        return self._rows.snapshot()

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._rows.restore(state)
        self._context.counters.state_rows = len(self._rows)

    def _sets(self, batch: ChangeBatch) -> Bools:
        """The rows that stand for their key from now on; the others remove it."""
        sets: Bools = (batch.kind & 1) == 0
        if self._node.passes is not None:
            passes = batch.rows.column(self._node.passes).fill_null(False)
            sets &= np.asarray(passes.combine_chunks().to_numpy(zero_copy_only=False), np.bool_)
        return sets

    def _lives(self, runs: Runs, sets: Bools, now: Int64s) -> tuple[Bools, Bools]:
        """Per element whether a row stands after it; per row whether one stood before, and had not ended by its TTL."""
        stands = np.empty(runs.size, np.bool_)
        stands[runs.heads] = self._rows.held[runs.opening]
        stands[runs.rows] = sets
        alive = stands[runs.rows - 1]
        if self._rows.forgets:
            # Every row writes the state or clears it, so that its age is the distance to the row before.
            written = runs.lay(self._rows.written[runs.opening], now[runs.order])
            alive &= ~self._rows.expired(written[runs.rows - 1], now[runs.order])
        return stands, alive

    def _changes(self, batch: ChangeBatch, runs: Runs, stands: Bools, alive: Bools, same: Bools) -> pa.Table:
        """The output rows: for each input row the old one, then the new one."""
        sets = stands[runs.rows]
        updates = sets & alive & ~same
        old = updates | (~sets & alive)
        new = updates | (sets & ~alive)
        source = np.empty(runs.size, np.int64)
        source[runs.rows] = runs.order
        source[runs.heads] = len(batch) + np.arange(len(runs.heads))
        rows = np.full((len(runs.order), 2), _NOTHING)
        given = np.ones(runs.size, np.bool_)
        given[runs.rows] = ~same
        rows[runs.order[old], 0] = source[running_latest(given, runs)[runs.rows[old] - 1]]
        rows[runs.order[new], 1] = runs.order[new]
        kinds = np.empty((len(runs.order), 2), np.int8)
        kinds[runs.order, 0] = np.where(sets, RowKind.UPDATE_BEFORE, RowKind.DELETE)
        kinds[runs.order, 1] = np.where(alive, RowKind.UPDATE_AFTER, RowKind.INSERT)
        place = np.flatnonzero(rows.ravel() != _NOTHING)
        seq = batch.seq[place // 2]
        columns = self._rows.picked(batch.rows, runs.opening, rows.ravel()[place])
        return make_rows(self._node.schema, columns, kinds.ravel()[place], seq, renumbered(seq))

    def _same(self, batch: ChangeBatch, runs: Runs, updates: Bools) -> Bools:
        """The updates that change nothing: the row before them goes on standing, as those who have it know it."""
        if self._rows.forgets or not updates.any():
            return np.zeros(len(runs.order), np.bool_)
        types = self._node.schema.types
        laid = [
            runs.lay_vectors(
                self._rows.vector(column, runs.opening),
                from_arrow(batch.rows.column(column), types[column]).take(runs.order),
            )
            for column in self._node.compared
        ]
        return updates & ~changed(laid, runs.rows)

    def _keep(self, batch: ChangeBatch, runs: Runs, stands: Bools, same: Bools, now: Int64s) -> None:
        """Hold the last row of every key that stands, unless it is held already."""
        given = np.ones(runs.size, np.bool_)
        given[runs.rows] = ~same
        row = np.full(runs.size, _NOTHING)
        row[runs.rows] = runs.order
        last = row[running_latest(given, runs)[runs.tails]]
        stays = stands[runs.tails]
        new = stays & (last != _NOTHING)
        self._rows.put(runs.closing[new], batch.rows.take(pa.array(last[new])), now[last[new]])
        self._rows.clear(runs.closing[~stays])
        self._rows.sweep(batch)
        if self._rows.known > max(_FEWEST_KEYS, 2 * len(self._rows)):
            self._rows.forget_unheld()
