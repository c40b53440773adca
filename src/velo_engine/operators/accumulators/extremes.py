"""MIN and MAX over rows that are never taken back.

Rules (Flink's MinAggFunction, MaxAggFunction: a value replaces the result only when it is smaller or larger): the
first of equal values counts, which shows for 0.0 and -0.0; every comparison with NaN is false, so a NaN that comes
first stays and any other NaN is passed over. Strings compare by their UTF-8 bytes, the order of code points.
"""

from __future__ import annotations

import numpy as np

from velo_engine.batch import Bools, Int64s
from velo_engine.operators.accumulators.base import Accumulator, Argument, StateColumn
from velo_engine.operators.runs import Runs, running_any, running_extreme
from velo_engine.operators.vectors import Values, Vector
from velo_engine.types import BINARIES, BOOLEAN, STRINGS, SqlType


class Extreme(Accumulator):
    """The least or the largest value of each slot; NULL before the first."""

    retractable = False

    def __init__(self, kind: SqlType, *, largest: bool) -> None:
        self._ranked = kind.name in STRINGS or kind.name in BINARIES
        self._best = StateColumn(kind, None if self._ranked else 0)
        self._found = StateColumn(BOOLEAN, False)
        self._largest = largest
        super().__init__({"best": self._best, "found": self._found})

    def run(self, runs: Runs, argument: Argument) -> Vector:
        """The result before and after each row; moves the slots on."""
        present = runs.lay(self._found.values[runs.opening], _counting(argument))
        values = runs.lay(self._best.values[runs.opening], argument.values)
        if values.dtype.kind == "f":
            present = _without_passed_nan(values, present, runs)
        if self._ranked:
            ranks, ranked = _ranks(values, present)
            at, found = running_extreme(ranks, present, runs, largest=self._largest)
            best: Values = ranked[np.where(found, at, 0)]
        else:
            best, found = running_extreme(values, present, runs, largest=self._largest)
        self._widen(best)
        runs.keep(self._best.values, best)
        runs.keep(self._found.values, found)
        return Vector(best, None if found.all() else found)

    def fold(self, slots: Int64s, argument: Argument) -> None:
        """Moves the slots on, row after row."""
        values = argument.values
        if argument.weight is not None:
            counting = argument.weight != 0
            slots, values = slots[counting], values[counting]
        if len(slots) == 0:
            return
        if values.dtype.kind not in "iu" or self._best.values.dtype != values.dtype:
            # Floats need the rule about zeros and NaN, strings need ranks, wide decimals have no fast minimum.
            runs = Runs.of(slots)
            self.run(runs, Argument(values[runs.order], None))
            return
        fresh = np.flatnonzero(~self._found.values[slots])
        self._best.values[slots[fresh]] = values[fresh]
        self._found.values[slots[fresh]] = True
        (np.maximum if self._largest else np.minimum).at(self._best.values, slots, values)

    def values(self, slots: Int64s) -> Vector:
        """The result of each slot."""
        found = self._found.values[slots]
        return Vector(self._best.values[slots], None if found.all() else found)

    def merged(self, slots: Int64s) -> Vector:
        """The least or largest of the results."""
        better = np.greater if self._largest else np.less
        best, found = self._best.values[slots[:, 0]], self._found.values[slots[:, 0]]
        for column in slots[:, 1:].T:
            other, present = self._best.values[column], self._found.values[column]
            wins = present & ~found
            both = present & found
            wins[both] = better(other[both], best[both])
            best, found = np.where(wins, other, best), found | present
        return Vector(best, None if found.all() else found)

    def _widen(self, values: Values) -> None:
        if values.dtype == np.object_ and self._best.values.dtype != np.object_:
            self._best.values = self._best.values.astype(np.object_)


def _counting(argument: Argument) -> Bools:
    return np.ones(len(argument.values), np.bool_) if argument.weight is None else argument.weight != 0


def _without_passed_nan(values: Values, present: Bools, runs: Runs) -> Bools:
    """Only the elements that can become the result: after a leading NaN none, else all that are not NaN."""
    nan = np.isnan(values) & present
    if not nan.any():
        return present
    before = np.zeros(runs.size, np.bool_)
    before[1:] = running_any(present, runs)[:-1]
    before[runs.heads] = False
    leading = nan & ~before
    stuck = running_any(leading, runs)
    return np.where(stuck, leading, present & ~nan)


def _ranks(values: Values, present: Bools) -> tuple[Int64s, Values]:
    """For each element the rank of its value among the present ones, and the values by rank."""
    distinct = sorted(set(values[present].tolist()))
    rank = {value: i for i, value in enumerate(distinct)}
    ranks = np.zeros(len(values), np.int64)
    ranks[present] = np.fromiter(map(rank.__getitem__, values[present].tolist()), np.int64, int(present.sum()))
    table = np.empty(len(distinct) or 1, np.object_)
    table[: len(distinct)] = distinct
    return ranks, table
