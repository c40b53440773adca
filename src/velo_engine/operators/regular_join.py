"""Joins without a time bound: both sides are kept, and what a row does to the result depends on the other side's rows.

Source: Flink's StreamingJoinOperator, StreamingSemiAntiJoinOperator and their record state views. An accumulating row
of an outer side without match gives +I padded with NULL; the first match of a padded row takes the padding back (-D)
before the joined row; when the last match is taken back the padding returns (+I). A side that is not outer passes its
row kinds on when the other side is not outer either. A semi join gives a left row out, with the kind of the row that
caused it, when its first match comes and when its last match goes; an anti join takes it back (-D) and gives it out
again (+I). Which of several matches comes first is not specified by Flink; here it is the order in which the rows came.

A batch is joined as a whole. A row is there from its place in the batch (or from before) to the place at which an equal
row is taken back; each row of a batch meets the rows of the other side that are there at its place. The number of
matches of a row is a running sum over the rows that met it. With state time-to-live a row also leaves by the clock
(`join_lives`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from velo_engine.batch import (
    Bools,
    ChangeBatch,
    Int8s,
    Int64s,
    RowKind,
    empty_rows,
    lower_watermark,
    make_rows,
    renumbered,
)
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.held_rows import NO_SLOT
from velo_engine.operators.join_inputs import JoinKeys, merge_order
from velo_engine.operators.join_lives import SideLives
from velo_engine.operators.join_side import NO_KEY, JoinSide, SideRows
from velo_engine.operators.keyed_rows import NO_TTL
from velo_engine.operators.pair_condition import PairCondition
from velo_engine.plan import nodes
from velo_engine.plan.nodes import JoinKind

UniqueKeys: TypeAlias = tuple[tuple[int, ...] | None, tuple[int, ...] | None]
"""By side, columns that identify its rows; None for none."""

_SIDES = ("left", "right")
_BEFORE, _PAIR, _AFTER = range(3)
"""What one match gives, in order: a padding taken back, the pair, a padding."""


@dataclass(frozen=True, slots=True)
class _Met:
    """Rows of one side's batch and the rows of the other side that they meet, one element a pair."""

    row: Int64s
    """Number of the row in its batch."""
    other: Int64s
    """Slot of the row it meets."""


@dataclass(frozen=True, slots=True)
class _Changes:
    """Rows of the result, from the view of the side that caused them."""

    place: Int64s
    nth: Int64s
    """Which of the matches of the row at `place`."""
    part: int
    kind: Int8s
    own: Int64s
    """Slot, or NO_SLOT."""
    other: Int64s


class RegularJoin(Operator):
    """See `plan.nodes.RegularJoin`."""

    def __init__(
        self,
        context: OperatorContext,
        node: nodes.RegularJoin,
        *,
        ttl_ms: int = NO_TTL,
        unique: UniqueKeys = (None, None),
    ) -> None:
        """The unique keys of the inputs matter to what a TTL forgets only."""
        self._context = context
        self._node = node
        self._none = empty_rows(node.schema)
        self._condition = None if node.condition is None else PairCondition(context, node.condition)
        self._keys = JoinKeys(node.left.schema, node.left_keys, node.right_keys, node.null_safe_keys)
        self._outer = (node.kind in (JoinKind.LEFT, JoinKind.FULL), node.kind in (JoinKind.RIGHT, JoinKind.FULL))
        self._ttl_ms = ttl_ms
        counted = (self._outer[0] or node.kind.one_sided, self._outer[1])
        self._sides = (
            JoinSide(node.left.schema, counted=counted[0], ttl_ms=ttl_ms, unique=unique[0]),
            JoinSide(node.right.schema, counted=counted[1], ttl_ms=ttl_ms, unique=unique[1]),
        )

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The changes that both inputs cause, in the order of their events; of one event the left rows first."""
        left, right = inputs
        rows = self._none
        if len(left) or len(right):
            rows = self._joined(left, right)
        for side in self._sides:
            self._keys.idle(side.sweep(left.processing_time.closing))
        self._context.counters.state_rows = sum(len(side.rows) for side in self._sides)
        watermark = lower_watermark(left.watermark, right.watermark)
        return ChangeBatch(rows, left.first_seq, left.end_seq, watermark, left.processing_time)

    def snapshot(self) -> dict[str, pa.Table]:
        """Keys, and the rows of each side."""
        sides = {name: side.snapshot() for name, side in zip(_SIDES, self._sides, strict=True)}
        return {**self._keys.snapshot(), **sides}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._keys.restore(state)
        for name, side in zip(_SIDES, self._sides, strict=True):
            side.restore(state[name])

    def _joined(self, left: ChangeBatch, right: ChangeBatch) -> pa.Table:
        batches = (left, right)
        arriving = self._arriving(left, right)
        seq = np.concatenate([batch.seq for batch in batches])[merge_order(left, right)]
        if self._ttl_ms == NO_TTL:
            ended = [side.mark_ends(mine) for side, mine in zip(self._sides, arriving, strict=True)]
            met = self._met(arriving)
            counts = self._counted(arriving, met)
        else:
            ended, met, counts = self._living(arriving, left.processing_time.before(seq))
        show = self._one_sided if self._node.kind.one_sided else self._two_sided
        out = self._output(show(arriving, met, counts), seq)
        for side, mine, gone in zip(self._sides, arriving, ended, strict=True):
            self._keys.idle(side.close(mine, gone))
        self._keys.free_idle(lambda: np.union1d(*(side.buckets.live_keys() for side in self._sides)))
        return out

    def _met(self, arriving: tuple[SideRows, SideRows]) -> list[_Met]:
        """By side, whom its rows meet."""
        met = []
        for number, rows in enumerate(arriving):
            pairs = self._sides[1 - number].matches_of(rows, arriving[1 - number])
            met.append(self._satisfying(number, rows, _Met(*pairs)))
        return met

    def _living(
        self, arriving: tuple[SideRows, SideRows], now: Int64s
    ) -> tuple[list[Int64s], list[_Met], list[Int64s]]:
        """With a TTL: the held rows that end, whom each side's rows meet, and as `_counted`."""
        lives = [SideLives(side, mine, now) for side, mine in zip(self._sides, arriving, strict=True)]
        met = self._met(arriving)
        for number, rows in enumerate(arriving):
            pairs = met[number]
            there = lives[1 - number].alive(pairs.other, rows.place[pairs.row])
            met[number] = _Met(pairs.row[there], pairs.other[there])
        before = [np.empty(0, np.int64), np.empty(0, np.int64)]
        for number, side in enumerate(self._sides):
            if side.counted:
                others, pairs = arriving[1 - number], met[1 - number]
                steps = np.where(others.adds[pairs.row], 1, -1)
                matches = np.bincount(met[number].row, minlength=len(arriving[number].slot))
                before[number] = lives[number].count(pairs.other, others.place[pairs.row], steps, matches)
        ended = [of_side.ended() for of_side in lives]
        for of_side in lives:
            of_side.close()
        return ended, met, before

    def _arriving(self, left: ChangeBatch, right: ChangeBatch) -> tuple[SideRows, SideRows]:
        order = merge_order(left, right)
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        found = []
        for number, (batch, place) in enumerate(zip((left, right), np.split(places, [len(left)]), strict=True)):
            key, complete = self._keys.encode(batch, right=bool(number))
            if complete is not None:
                key = np.where(complete, key, NO_KEY)
            side = self._sides[number]
            kind = batch.kind
            slot = side.take(batch.rows.columns[: side.rows.width], kind, key)
            found.append(SideRows(place, key, kind, slot))
        return found[0], found[1]

    def _satisfying(self, side: int, rows: SideRows, met: _Met) -> _Met:
        """The pairs that satisfy the condition."""
        if self._condition is None or not len(met.row):
            return met
        own, other = rows.slot[met.row], met.other
        columns = [self._sides[side].rows.columns(own), self._sides[1 - side].rows.columns(other)]
        ordered = columns if side == 0 else columns[::-1]
        kept = self._condition.holds([*ordered[0], *ordered[1]], len(own))
        return _Met(met.row[kept], met.other[kept])

    def _two_sided(
        self, arriving: tuple[SideRows, SideRows], met: list[_Met], counts: list[Int64s]
    ) -> list[list[_Changes]]:
        found: list[list[_Changes]] = []
        for side in (0, 1):
            rows, pairs = arriving[side], met[side]
            own_outer, other_outer = self._outer[side], self._outer[1 - side]
            adds = rows.adds[pairs.row]
            kind = rows.kind[pairs.row]
            if own_outer:
                kind = np.where(adds, RowKind.INSERT, RowKind.DELETE).astype(np.int8)
            elif other_outer:
                kind = np.where(adds, RowKind.INSERT, kind).astype(np.int8)
            place, nth = rows.place[pairs.row], renumbered(pairs.row).astype(np.int64)
            own = rows.slot[pairs.row]
            changes = [_Changes(place, nth, _PAIR, kind, own, pairs.other)]
            if other_outer:
                before = counts[1 - side]
                changes.append(_padded(place, nth, pairs.other, adds & (before == 0), RowKind.DELETE, _BEFORE))
                changes.append(_padded(place, nth, pairs.other, ~adds & (before == 1), RowKind.INSERT, _AFTER))
            if own_outer:
                alone = np.flatnonzero(np.bincount(pairs.row, minlength=len(rows.slot)) == 0)
                pads = np.where(rows.adds[alone], RowKind.INSERT, RowKind.DELETE).astype(np.int8)
                missing = np.full(len(alone), NO_SLOT)
                zeros = np.zeros(len(alone), np.int64)
                changes.append(_Changes(rows.place[alone], zeros, _PAIR, pads, rows.slot[alone], missing))
            found.append(changes)
        return found

    def _one_sided(
        self, arriving: tuple[SideRows, SideRows], met: list[_Met], counts: list[Int64s]
    ) -> list[list[_Changes]]:
        """The left rows as they come, when their matching decides; those whose matching the right side changes."""
        anti = self._node.kind is JoinKind.ANTI
        left, right = arriving
        before = counts[0]
        shown = np.flatnonzero((np.bincount(met[0].row, minlength=len(left.slot)) == 0) == anti)
        missing, zeros = np.full(len(shown), NO_SLOT), np.zeros(len(shown), np.int64)
        own = _Changes(left.place[shown], zeros, _PAIR, left.kind[shown], left.slot[shown], missing)
        pairs = met[1]
        adds, kind = right.adds[pairs.row], right.kind[pairs.row]
        changed = np.flatnonzero(before == np.where(adds, 0, 1))
        if anti:
            kind = np.where(adds, RowKind.DELETE, RowKind.INSERT).astype(np.int8)
        nth = renumbered(pairs.row).astype(np.int64)[changed]
        place = right.place[pairs.row[changed]]
        missing = np.full(len(changed), NO_SLOT)
        return [[own], [_Changes(place, nth, _PAIR, kind[changed], missing, pairs.other[changed])]]

    def _counted(self, arriving: tuple[SideRows, SideRows], met: list[_Met]) -> list[Int64s]:
        """For each side, of every pair in which a row of the other side met one of its rows: its matches before.

        Only where matches count; the counts held are brought up to date.
        """
        before = [np.empty(0, np.int64), np.empty(0, np.int64)]
        for number, side in enumerate(self._sides):
            if not side.counted:
                continue
            own, pairs, others = arriving[number], met[1 - number], arriving[1 - number]
            # A row of this batch starts with the matches that were there when it came.
            side.matches[own.slot] = np.bincount(met[number].row, minlength=len(own.slot))
            before[number] = np.empty(len(pairs.row), np.int64)
            order = np.argsort(pairs.other, kind="stable")
            slots = pairs.other[order]
            steps = np.where(others.adds[pairs.row[order]], 1, -1)
            after = _running_by(slots, steps) + side.matches[slots]
            before[number][order] = after - steps
            side.matches[slots] = after
        return before

    def _output(self, changes: list[list[_Changes]], seq: Int64s) -> pa.Table:
        """The rows of the result in order; of a row's matches one after the other."""
        parts = [(side, part) for side, of_side in enumerate(changes) for part in of_side if len(part.place)]
        if not parts:
            return self._none
        place, nth, kind = (
            np.concatenate([getattr(part, name) for _, part in parts]) for name in ("place", "nth", "kind")
        )
        left = np.concatenate([part.other if side else part.own for side, part in parts])
        right = np.concatenate([part.own if side else part.other for side, part in parts])
        within = nth * 3 + np.concatenate([np.full(len(part.place), part.part) for _, part in parts])
        order = np.argsort(place * (int(within.max()) + 1) + within, kind="stable")
        columns = self._sides[0].rows.columns(left[order])
        if not self._node.kind.one_sided:
            columns += self._sides[1].rows.columns(right[order])
        seq = seq[place[order]]
        return make_rows(self._node.schema, columns, kind[order], seq, renumbered(seq))


def _padded(place: Int64s, nth: Int64s, other: Int64s, where: Bools, kind: RowKind, part: int) -> _Changes:
    """A row of the other side without match, for each pair `where` so."""
    at = np.flatnonzero(where)
    kinds = np.full(len(at), kind, np.int8)
    return _Changes(place[at], nth[at], part, kinds, np.full(len(at), NO_SLOT), other[at])


def _running_by(slots: Int64s, steps: Int64s) -> Int64s:
    """Running sums of `steps` within each run of equal `slots`."""
    total = np.cumsum(steps)
    if not len(slots):
        return total
    starts = np.flatnonzero(np.concatenate([[True], slots[1:] != slots[:-1]]))
    lengths = np.diff(np.append(starts, len(slots)))
    running: Int64s = total - np.repeat(total[starts] - steps[starts], lengths)
    return running
