"""Rows grouped by slot, and running computations within each group: the heart of the array kernels.

A *run* is the rows of one slot in arrival order, headed by one more element for the slot's state before them. All runs
stand one after another in arrays of `size` elements, so a state before and after every row is one array, the state
before an element is its left neighbour, and a running sum that starts from the old state needs no special case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from velo_engine.batch import Bools, Int64s
from velo_engine.operators.vectors import Values, Vector

EMPTY_SLOT = 0
"""The slot that always holds the initial state and is never written."""

NO_SLOT = -1
"""As closing slot: the state after the run is forgotten."""

_SHORT_SORT = 2**16
_LARGEST_BAND = 2**62


@dataclass(frozen=True, slots=True)
class Runs:
    """N rows in G runs, laid out in N + G elements."""

    order: Int64s
    """Input row of each row element, run after run, in arrival order within a run; length N."""
    rows: Int64s
    """Element of each row, in the same order; length N."""
    heads: Int64s
    """Element of each run's opening state; length G."""
    tails: Int64s
    """Element of each run's last row; length G."""
    opening: Int64s
    """Slot that holds each run's state before; length G."""
    closing: Int64s
    """Slot that takes each run's state after, or NO_SLOT; length G."""
    lengths: Int64s
    """Elements of each run, the opening state included; length G."""
    size: int

    @staticmethod
    def of(slots: Int64s) -> Runs:
        """One run per distinct slot, for rows in arrival order, at least one."""
        order = stable_order(slots)
        return Runs.sorted(order, slots[order], None)

    @staticmethod
    def sorted(order: Int64s, slots: Int64s, starts_run: Bools | None) -> Runs:
        """Runs of rows in the given order; `slots` are those of the ordered rows, equal slots adjacent.

        A run starts where the slot changes, and also where `starts_run` is true: then the slot's earlier state is
        given up, the new run opens empty, and only a slot's last run is kept.
        """
        n = len(order)
        changes = np.empty(n, np.bool_)
        changes[0] = True
        np.not_equal(slots[1:], slots[:-1], out=changes[1:])
        begins = changes if starts_run is None else changes | starts_run
        starts = np.flatnonzero(begins)
        count = len(starts)
        heads = starts + np.arange(count)
        tails = np.append(heads[1:], n + count) - 1
        lengths = tails - heads + 1
        rows = np.arange(1, n + 1) + np.repeat(np.arange(count), lengths - 1)
        opening = closing = slots[starts]
        if starts_run is not None:
            opening = np.where(starts_run[starts], EMPTY_SLOT, opening)
            replaced = np.append(starts_run[starts[1:]] & ~changes[starts[1:]], False)
            closing = np.where(replaced, NO_SLOT, closing)
        return Runs(order, rows, heads, tails, opening, closing, lengths, n + count)

    @property
    def starts(self) -> Int64s:
        """Place of each run's first row among the N rows."""
        return self.heads - np.arange(len(self.heads))

    def lay(self, opening: Values, rows: Values) -> Values:
        """One array of all elements: the opening states at the heads, `rows` (in run order) behind them."""
        out = np.empty(self.size, np.result_type(opening, rows) if opening.dtype != rows.dtype else rows.dtype)
        out[self.heads] = opening
        out[self.rows] = rows
        return out

    def lay_vectors(self, opening: Vector, rows: Vector) -> Vector:
        """As `lay`, for columns with NULLs."""
        values = self.lay(opening.values, rows.values)
        if opening.valid is None and rows.valid is None:
            return Vector(values)
        valid = [np.ones(len(v), np.bool_) if v.valid is None else v.valid for v in (opening, rows)]
        return Vector(values, self.lay(valid[0], valid[1]))

    def keep(self, store: Values, states: Values) -> None:
        """Put the state after each run into its closing slot of `store`."""
        last = states[self.tails]
        if self.closing is not self.opening:
            kept = self.closing != NO_SLOT
            store[self.closing[kept]] = last[kept]
        else:
            store[self.closing] = last


def stable_order(slots: Int64s) -> Int64s:
    """The permutation that sorts `slots` and keeps the order of equal ones."""
    if len(slots) and int(slots.max()) < _SHORT_SORT and int(slots.min()) >= 0:
        # numpy sorts 16-bit integers by radix, several times faster.
        return np.argsort(slots.astype(np.uint16), kind="stable")
    return np.argsort(slots, kind="stable")


def running_sum(x: Values, runs: Runs) -> Values:
    """Sums from the head of each run to each element; integers wrap modulo 2**64 as Java's long does."""
    total = np.cumsum(x)
    before = total[runs.heads] - x[runs.heads]
    out: Values = total - np.repeat(before, runs.lengths)
    return out


def running_float_sum(x: npt.NDArray[Any], runs: Runs) -> npt.NDArray[Any]:
    """Sums from the head of each run, adding strictly from left to right in the precision of `x`.

    Floating-point addition is not associative, so no difference of prefix sums will do. Long runs are summed one by one
    (numpy's cumsum is sequential), all short ones together, one addition per round.
    """
    out = x.copy()

    def extend(at: npt.NDArray[np.int64]) -> None:
        out[at] += out[at - 1]

    def whole(head: int, tail: int) -> None:
        np.cumsum(x[head : tail + 1], out=out[head : tail + 1])

    in_rounds(runs, extend, whole)
    return out


def in_rounds(runs: Runs, extend: Callable[[Int64s], None], whole: Callable[[int, int], None]) -> None:
    """Walk all runs from left to right by whichever way takes fewer steps.

    `extend(elements)` handles the k-th element of many runs at once, for k = 1, 2, …; `whole(head, tail)` handles one
    run from head to tail. Runs longer than a limit are handled whole; the limit is where the number of longer runs and
    of rounds is about the same (the h-index of the lengths).
    """
    lengths = runs.lengths - 1
    by_length = np.argsort(-lengths, kind="stable")
    descending = lengths[by_length]
    limit = int(np.searchsorted(np.arange(1, len(descending) + 1) - descending, 0, side="left"))
    for run in by_length[:limit].tolist():
        whole(int(runs.heads[run]), int(runs.tails[run]))
    rest = by_length[limit:]
    heads, left = runs.heads[rest], lengths[rest]
    for step in range(1, int(left[0]) + 1 if len(left) else 1):
        active = int(np.searchsorted(-left, -step, side="right"))
        extend(heads[:active] + step)


def running_extreme(x: Values, present: Bools, runs: Runs, *, largest: bool) -> tuple[Values, Bools]:
    """The least (or largest) present element from the head of each run to each element, and whether there is any.

    Of equal elements the first counts (Flink replaces a minimum only by a smaller value; 0.0 and -0.0 are equal).
    """
    found = running_any(present, runs)
    if x.dtype.kind in "iu":
        banded = _banded_extreme(x, present, runs, largest=largest)
        if banded is not None:
            return banded, found
    return _scanned_extreme(x, present, runs, largest=largest), found


def running_any(flags: Bools, runs: Runs) -> Bools:
    """Whether any element from the head of each run to each element is true."""
    return running_latest(flags, runs) >= 0


def running_latest(flags: Bools, runs: Runs) -> Int64s:
    """The last true element from the head of each run to each element; -1 where there is none."""
    latest = np.maximum.accumulate(np.where(flags, np.arange(runs.size), -1))
    return np.where(latest >= np.repeat(runs.heads, runs.lengths), latest, -1)


def _banded_extreme(x: Values, present: Bools, runs: Runs, *, largest: bool) -> Values | None:
    """For integers of a small range: each run moved into a band of numbers of its own, one running maximum over all."""
    values = x[present]
    if len(values) == 0:
        return x
    low, high = int(values.min()), int(values.max())
    width = high - low + 2
    if max(-low, high, width * len(runs.heads)) >= _LARGEST_BAND:
        return None
    base = np.repeat(np.arange(len(runs.heads)) * width, runs.lengths)
    distance = x.astype(np.int64, copy=False)
    distance = distance - (low - 1) if largest else (high + 1) - distance
    best = np.maximum.accumulate(np.where(present, distance, 0) + base) - base
    return (best + (low - 1) if largest else (high + 1) - best).astype(x.dtype, copy=False)


def _scanned_extreme(x: Values, present: Bools, runs: Runs, *, largest: bool) -> Values:
    """For any comparable values: each element looks back 1, 2, 4, … elements (Hillis and Steele's parallel scan)."""
    better = np.greater if largest else np.less
    best, found = x.copy(), present.copy()
    depth = np.arange(runs.size) - np.repeat(runs.heads, runs.lengths)
    step = 1
    longest = int(runs.lengths.max())
    while step < longest:
        use = (depth[step:] >= step) & found[:-step]
        earlier, mine = best[:-step], best[step:]
        both = use & found[step:]
        lost = np.zeros(len(mine), np.bool_)
        lost[both] = better(mine[both], earlier[both])
        use &= ~lost
        best[step:] = np.where(use, earlier, mine)
        found[step:] |= use
        step *= 2
    return best
