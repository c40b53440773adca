"""COVAR_POP, COVAR_SAMP, CORR and the REGR functions, over pairs (y, x) in which neither is NULL.

Flink has none of them; their meaning is the SQL standard's, in DOUBLE: counts, means and sums of products of deviations
are moved on row by row as in Welford's method, and taken back by the reverse step, so that results do not depend on how
the input is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from velo_engine.batch import Bools, Int64s
from velo_engine.operators.accumulators.base import Accumulator, Argument, StateColumn
from velo_engine.operators.accumulators.moments import doubles
from velo_engine.operators.runs import Runs, in_rounds, running_sum
from velo_engine.operators.vectors import Vector
from velo_engine.types import BIGINT, DOUBLE, SqlType

Floats: TypeAlias = npt.NDArray[np.float64]
_NAMES = ("mean_y", "mean_x", "yy", "xx", "xy")


class CoMoments(Accumulator):
    """Count, both means, and the sums of squares and products of the deviations of each slot."""

    mergeable = False

    def __init__(self, arguments: tuple[SqlType, SqlType], function: str) -> None:
        self._arguments = arguments
        self._count = StateColumn(BIGINT)
        self._sums = {name: StateColumn(DOUBLE, 0.0) for name in _NAMES}
        self._finish = FINISHES[function]
        super().__init__({"count": self._count, **self._sums})

    def run(self, runs: Runs, argument: Argument) -> Vector:
        """The result before and after each row; moves the slots on."""
        weights = argument.counts()
        counts = running_sum(runs.lay(self._count.values[runs.opening], weights), runs)
        state = np.zeros((len(_NAMES), runs.size), np.float64)
        for place, column in enumerate(self._sums.values()):
            state[place, runs.heads] = column.values[runs.opening]
        rows = np.zeros((3, runs.size), np.float64)
        rows[0, runs.rows] = doubles(argument.values, self._arguments[0])
        rows[1, runs.rows] = doubles(argument.others[0].values, self._arguments[1])
        rows[2, runs.rows] = weights

        def extend(at: Int64s) -> None:
            with np.errstate(invalid="ignore", over="ignore"):
                state[:, at] = _stepped(rows[:, at], counts[at], state[:, at - 1])

        def whole(head: int, tail: int) -> None:
            for at in range(head + 1, tail + 1):
                extend(np.array([at]))

        in_rounds(runs, extend, whole)
        runs.keep(self._count.values, counts)
        for place, column in enumerate(self._sums.values()):
            runs.keep(column.values, state[place])
        return self._result(counts, state)

    def fold(self, slots: Int64s, argument: Argument) -> None:
        """Moves the slots on, row after row."""
        if len(slots):
            runs = Runs.of(slots)
            self.run(runs, argument.take(runs.order))

    def values(self, slots: Int64s) -> Vector:
        """The result of each slot."""
        state = np.stack([column.values[slots] for column in self._sums.values()])
        return self._result(self._count.values[slots], state)

    def _result(self, counts: Int64s, state: Floats) -> Vector:
        with np.errstate(divide="ignore", invalid="ignore"):
            values, valid = self._finish(counts, state)
        return Vector(values if valid.all() else np.where(valid, values, 0), None if valid.all() else valid)


def _stepped(rows: Floats, count: Int64s, state: Floats) -> Floats:
    """One pair more (weight 1), one less (-1), or none (0), in many runs at once."""
    y, x, weight = rows
    mean_y, mean_x, yy, xx, xy = state
    divisor = np.where(count > 0, count, 1)
    off_y, off_x = y - mean_y, x - mean_x
    new_y, new_x = mean_y + weight * off_y / divisor, mean_x + weight * off_x / divisor
    moved = np.stack(
        [
            new_y,
            new_x,
            yy + weight * off_y * (y - new_y),
            xx + weight * off_x * (x - new_x),
            xy + weight * off_x * (y - new_y),
        ]
    )
    moved = np.where((count <= 0) & (weight != 0), 0.0, moved)
    stepped: Floats = np.where(weight == 0, state, moved)
    return stepped


_Finish: TypeAlias = Callable[[Int64s, Floats], tuple[npt.NDArray[np.float64] | Int64s, Bools]]


def _correlation(counts: Int64s, state: Floats) -> tuple[Floats, Bools]:
    _, _, yy, xx, xy = state
    return np.clip(xy / np.sqrt(xx * yy), -1.0, 1.0), (counts > 0) & (xx > 0) & (yy > 0)


def _determination(counts: Int64s, state: Floats) -> tuple[Floats, Bools]:
    """REGR_R2: NULL when x does not vary, 1 when only x does."""
    _, _, yy, xx, xy = state
    flat = yy <= 0
    return np.where(flat, 1.0, xy * xy / np.where(flat, 1.0, xx * yy)), (counts > 0) & (xx > 0)


def _slope(counts: Int64s, state: Floats) -> tuple[Floats, Bools]:
    return state[4] / state[3], (counts > 0) & (state[3] > 0)


def _intercept(counts: Int64s, state: Floats) -> tuple[Floats, Bools]:
    slope, valid = _slope(counts, state)
    return state[0] - slope * state[1], valid


FINISHES: Mapping[str, _Finish] = {
    "covar_pop": lambda n, s: (s[4] / n, n > 0),
    "covar_samp": lambda n, s: (s[4] / (n - 1), n > 1),
    "corr": _correlation,
    "regr_count": lambda n, _: (n, np.ones(len(n), np.bool_)),
    "regr_avgx": lambda n, s: (s[1], n > 0),
    "regr_avgy": lambda n, s: (s[0], n > 0),
    "regr_sxx": lambda n, s: (s[3], n > 0),
    "regr_syy": lambda n, s: (s[2], n > 0),
    "regr_sxy": lambda n, s: (s[4], n > 0),
    "regr_slope": _slope,
    "regr_intercept": _intercept,
    "regr_r2": _determination,
}
"""By function: results and where they are not NULL."""
