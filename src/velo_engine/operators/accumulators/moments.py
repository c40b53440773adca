"""STDDEV_POP, STDDEV_SAMP, VAR_POP and VAR_SAMP by Welford's method, row after row.

Rule: Flink rewrites them over its internal WELFORD_M2 (WelfordM2AggFunction) in DOUBLE and casts to the result's type:
the sum of squared deviations divided by the count, or by the count less one for the samples (NULL for a single row).
The rounding of each step shows in the result, so the steps are Flink's, in arrival order.
"""

from __future__ import annotations

import decimal as exact
from typing import Any

import numpy as np
import numpy.typing as npt

from velo_engine.batch import Int64s
from velo_engine.operators.accumulators.adders import DECIMAL_LIMIT
from velo_engine.operators.accumulators.base import Accumulator, Argument, StateColumn
from velo_engine.operators.runs import Runs, in_rounds, running_sum
from velo_engine.operators.vectors import Values, Vector, dtype_of, object_array
from velo_engine.types import BIGINT, DOUBLE, FLOATS, SqlType, TypeName

_EXACT_INTEGERS = 2**53


class Moments(Accumulator):
    """Count, mean and sum of squared deviations of each slot."""

    def __init__(self, argument: SqlType, result: SqlType, *, sample: bool, root: bool) -> None:
        self._argument = argument
        self._kind = result
        self._sample = sample
        self._root = root
        self._count = StateColumn(BIGINT)
        self._mean = StateColumn(DOUBLE, 0.0)
        self._squares = StateColumn(DOUBLE, 0.0)
        super().__init__({"count": self._count, "mean": self._mean, "squares": self._squares})

    def run(self, runs: Runs, argument: Argument) -> Vector:
        """The result before and after each row; moves the slots on."""
        weights = argument.counts()
        counts = running_sum(runs.lay(self._count.values[runs.opening], weights), runs)
        mean = np.zeros(runs.size, np.float64)
        mean[runs.heads] = self._mean.values[runs.opening]
        squares = np.zeros(runs.size, np.float64)
        squares[runs.heads] = self._squares.values[runs.opening]
        x = np.zeros(runs.size, np.float64)
        x[runs.rows] = doubles(argument.values, self._argument)
        weight = np.zeros(runs.size, np.int64)
        weight[runs.rows] = weights

        def extend(at: Int64s) -> None:
            with np.errstate(invalid="ignore", over="ignore"):  # Infinity less Infinity is NaN, as in Java
                mean[at], squares[at] = _stepped(x[at], weight[at], counts[at], mean[at - 1], squares[at - 1])

        def whole(head: int, tail: int) -> None:
            span = slice(head, tail + 1)
            mean[span], squares[span] = _walked(
                x[span].tolist(), weight[span].tolist(), counts[span].tolist(), mean[head], squares[head]
            )

        in_rounds(runs, extend, whole)
        runs.keep(self._count.values, counts)
        runs.keep(self._mean.values, mean)
        runs.keep(self._squares.values, squares)
        return self._result(counts, squares)

    def fold(self, slots: Int64s, argument: Argument) -> None:
        """Moves the slots on, row after row."""
        if len(slots):
            runs = Runs.of(slots)
            self.run(runs, argument.take(runs.order))

    def values(self, slots: Int64s) -> Vector:
        """The result of each slot."""
        return self._result(self._count.values[slots], self._squares.values[slots])

    def merged(self, slots: Int64s) -> Vector:
        """The result of each row of slots, by the parallel form of Welford's method (WelfordM2AggFunction.merge)."""
        counts, means, sums = self._count.values[slots], self._mean.values[slots], self._squares.values[slots]
        count, mean, squares = counts[:, 0], means[:, 0], sums[:, 0]
        for j in range(1, slots.shape[1]):
            other = counts[:, j]
            both = count + other
            share = other.astype(np.float64) / np.maximum(both, 1)
            apart = means[:, j] - mean
            weighted = count.astype(np.float64) * other / np.maximum(both, 1)
            joined = squares + sums[:, j] + weighted * apart * apart
            first, none = count == 0, other == 0
            squares = np.where(none, squares, np.where(first, sums[:, j], joined))
            mean = np.where(none, mean, np.where(first, means[:, j], mean + share * apart))
            count = both
        return self._result(count, squares)

    def _result(self, counts: Int64s, squares: npt.NDArray[np.float64]) -> Vector:
        divisor = counts - 1 if self._sample else counts
        # WELFORD_M2 is NULL for a negative sum, which only rounding after retractions can leave.
        valid = (divisor > 0) & ~(squares < 0)
        variance = np.where(valid, squares, 0.0) / np.where(valid, divisor, 1)
        return _cast(np.sqrt(variance) if self._root else variance, valid, self._kind)


def doubles(values: Values, kind: SqlType) -> npt.NDArray[np.float64]:
    """Numbers of `kind` as DOUBLE, correctly rounded."""
    if kind.name is not TypeName.DECIMAL or not kind.scale:
        return values.astype(np.float64)
    if values.dtype != np.object_ and (not len(values) or int(np.abs(values).max()) < _EXACT_INTEGERS):
        return values / 10.0**kind.scale
    return np.array([float(exact.Decimal(int(v)).scaleb(-kind.scale)) for v in values.tolist()], np.float64)


def _stepped(
    x: npt.NDArray[np.float64],
    weight: Int64s,
    count: Int64s,
    mean: npt.NDArray[np.float64],
    squares: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """One step of many runs: adding (delta from the old mean, then from the new), or taking back, the reverse."""
    divisor = np.where(count > 0, count, 1)
    change = x - mean
    moved = mean + weight * (change / divisor)
    changed = squares + weight * (change * (x - moved))
    still = weight == 0
    emptied = (count <= 0) & ~still
    return (
        np.where(still, mean, np.where(emptied, 0.0, moved)),
        np.where(still, squares, np.where(emptied, 0.0, changed)),
    )


def _walked(
    x: list[float], weight: list[int], count: list[int], mean: float, squares: float
) -> tuple[list[float], list[float]]:
    """All steps of one long run; the first element is its opening state."""
    means, sums = [float(mean)], [float(squares)]
    mean, squares = means[0], sums[0]
    for value, sign, rows in zip(x[1:], weight[1:], count[1:], strict=True):
        if sign:
            if rows > 0:
                change = value - mean
                mean += sign * (change / rows)
                squares += sign * (change * (value - mean))
            else:
                mean = squares = 0.0
        means.append(mean)
        sums.append(squares)
    return means, sums


def _cast(values: npt.NDArray[np.float64], valid: npt.NDArray[np.bool_], kind: SqlType) -> Vector:
    """DOUBLE to the result's type: integers are cut off, decimals rounded HALF_UP, NULL beyond their precision."""
    out: Values
    if kind.name in FLOATS:
        out = values.astype(dtype_of(kind))
    elif kind.name is TypeName.DECIMAL:
        out = object_array([_unscaled(v, kind.scale) for v in values.tolist()])
        fits = np.array([abs(v) < min(10**kind.precision, DECIMAL_LIMIT) for v in out.tolist()], np.bool_)
        valid = valid & fits
        out = np.where(valid, out, 0)
    else:
        # Java's narrowing: to int or long at its bounds, and from int to the narrower types by the low bits.
        bounds = np.iinfo(np.int64 if kind.name is TypeName.BIGINT else np.int32)
        inside = (values >= float(bounds.min)) & (values < float(bounds.max))
        whole = np.where(inside, values, 0.0).astype(np.int64)
        out = np.where(inside, whole, np.where(values < 0, bounds.min, bounds.max)).astype(dtype_of(kind))
    return Vector(out, None if valid.all() else valid)


def _unscaled(value: Any, scale: int) -> int:
    """The shortest decimal form of a double (BigDecimal.valueOf) at `scale`, HALF_UP."""
    with exact.localcontext(exact.Context(prec=400, rounding=exact.ROUND_HALF_UP)):
        return int(exact.Decimal(repr(value)).scaleb(scale).to_integral_value())
