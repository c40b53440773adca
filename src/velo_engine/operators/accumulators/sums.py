"""SUM and AVG.

Rules (Flink's SumAggFunction, SumWithRetractAggFunction, AvgAggFunction): SUM of integers and floats has the type of
its argument and wraps as Java does; AVG of integers adds in BIGINT and truncates toward zero; AVG of FLOAT adds in
DOUBLE. AVG of a decimal divides with 38 significant digits HALF_UP, then rounds to its scale HALF_UP
(DecimalDataUtils.divide). Without a counted row both are NULL. Beside certain other calls Flink computes them in
another way, see `reduction`.
"""

from __future__ import annotations

import decimal as exact
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from velo_engine.batch import Bools, Int64s
from velo_engine.operators.accumulators.adders import DECIMAL_LIMIT, Adder, DecimalAdder, FloatAdder, IntegerAdder
from velo_engine.operators.accumulators.base import Accumulator, Argument
from velo_engine.operators.accumulators.counts import Count
from velo_engine.operators.runs import Runs
from velo_engine.operators.vectors import Values, Vector, dtype_of
from velo_engine.types import BIGINT, DOUBLE, FLOATS, INTEGERS, SqlType

_Finish = Callable[[Values, Int64s], tuple[Values, Bools | None]]
"""From totals and counts (never 0) to results and, where some are NULL, their validity."""

_INT64_LIMIT = 2**63


class SumOverCount(Accumulator):
    """A total, a count, and the result made of both; NULL where the count is 0."""

    def __init__(self, adder: Adder, finish: _Finish) -> None:
        self._adder = adder
        self._count = Count()
        self._finish = finish
        super().__init__({**adder.state, **self._count.state})

    def run(self, runs: Runs, argument: Argument) -> Vector:
        """The result before and after each row; moves the slots on."""
        return self._result(self._adder.run(runs, argument), self._count.run(runs, argument).values)

    def fold(self, slots: Int64s, argument: Argument) -> None:
        """Moves the slots on, row after row."""
        self._adder.fold(slots, argument)
        self._count.fold(slots, argument)

    def values(self, slots: Int64s) -> Vector:
        """The result of each slot."""
        return self._result(self._adder.totals(slots), self._count.values(slots).values)

    def merged(self, slots: Int64s) -> Vector:
        """The result of each row of slots."""
        counts = self._count.values(slots).values
        return self._result(self._adder.merged(slots, counts != 0), counts.sum(axis=1))

    def restore(self, slots: Int64s, state: Mapping[str, Any]) -> None:
        """Takes over a snapshot."""
        super().restore(slots, state)
        if isinstance(self._adder, DecimalAdder):
            self._adder.after_restore()

    def _result(self, totals: Vector, counts: Int64s) -> Vector:
        valid = counts != 0
        if totals.valid is not None:
            valid &= totals.valid
        if not valid.all():
            counts = np.where(valid, counts, 1)
        values, whole = self._finish(totals.values, counts)
        if whole is not None:
            valid &= whole
        return Vector(values, None if valid.all() else valid)


def sum_of(argument: SqlType, result: SqlType, *, reduced: bool) -> SumOverCount:
    """SUM over a column of type `argument`; see `reduction` for `reduced`."""
    if argument.name in INTEGERS:
        return SumOverCount(IntegerAdder(), _wrapped(result))
    if argument.name in FLOATS:
        # An empty total is -0.0, so that the first value, even -0.0, is kept as it is; $SUM0 begins with 0.0.
        return SumOverCount(FloatAdder(result, 0.0 if reduced else -0.0), lambda totals, _: (totals, None))
    return SumOverCount(DecimalAdder(result.scale, sticky=reduced), lambda totals, _: (totals, None))


def average_of(argument: SqlType, result: SqlType, *, reduced: bool) -> SumOverCount:
    """AVG over a column of type `argument`; see `reduction` for `reduced`."""
    dtype = dtype_of(result)
    if argument.name in INTEGERS:
        wrapped = _wrapped(argument if reduced else BIGINT)
        return SumOverCount(IntegerAdder(), lambda t, n: (truncated(_wide(wrapped(t, n)[0]), n).astype(dtype), None))
    if argument.name in FLOATS:
        adder = FloatAdder(argument if reduced else DOUBLE, 0.0)
        return SumOverCount(adder, lambda totals, counts: ((totals / counts).astype(dtype), None))
    shift = result.scale - argument.scale
    limit = DECIMAL_LIMIT // 10**shift if reduced else DECIMAL_LIMIT
    return SumOverCount(DecimalAdder(argument.scale, sticky=True), lambda t, n: _below(limit, t, n, shift))


def _wrapped(kind: SqlType) -> _Finish:
    """The low bits of a 64-bit total, which is what adding in the type itself gives."""
    dtype = dtype_of(kind)
    return lambda totals, _: (totals.astype(dtype, copy=False), None)


def _wide(values: Values) -> Int64s:
    return values.astype(np.int64, copy=False)


def _below(limit: int, totals: Values, counts: Int64s, shift: int) -> tuple[Values, Bools | None]:
    """The rounded quotient; NULL where the total itself does not fit the result's type."""
    if limit >= _INT64_LIMIT and totals.dtype != np.object_:
        return rounded_quotient(totals, counts, shift)
    fits = np.array([-limit < t < limit for t in totals.tolist()], np.bool_)
    values, valid = rounded_quotient(np.where(fits, totals, 0), counts, shift)
    return values, fits if valid is None else fits & valid


def truncated(totals: Int64s, counts: Int64s) -> Int64s:
    """Integer division toward zero, Java's `/`."""
    with np.errstate(over="ignore"):
        quotient = totals // counts
    inexact = quotient * counts != totals
    rounded: Int64s = quotient + (inexact & ((totals < 0) != (counts < 0)))
    return rounded


def rounded_quotient(totals: Values, counts: Int64s, shift: int) -> tuple[Values, Bools | None]:
    """`totals / counts * 10**shift` as integers, exactly as Flink rounds; invalid where it has more than 38 digits."""
    power = 10**shift
    if totals.dtype != np.object_ and len(totals):
        largest, divisor = int(np.abs(totals).max()), int(np.abs(counts).max())
        if 2 * largest * power + divisor < _INT64_LIMIT:
            return _half_up(np.abs(totals) * (2 * power), counts, totals), None
        # Whole part and remainder apart, so that only the quotient must fit.
        size = np.abs(counts)
        whole = np.abs(totals) // size
        if 2 * divisor * power + divisor < _INT64_LIMIT and (int(whole.max()) + 1) * power < _INT64_LIMIT:
            rest = np.abs(totals) - whole * size
            parts = whole * power + (rest * (2 * power) + size) // (2 * size)
            return np.where((totals < 0) != (counts < 0), -parts, parts), None
    return _wide_quotient(totals.astype(np.object_), counts, shift)


def _half_up(doubled: Int64s, counts: Int64s, signed: Int64s) -> Int64s:
    """`doubled / 2 / counts` rounded HALF_UP in magnitude, with the sign of `signed / counts`."""
    size = np.abs(counts)
    quotient: Int64s = (doubled + size) // (2 * size)
    return np.where((signed < 0) != (counts < 0), -quotient, quotient)


_DIVIDE = exact.Context(prec=38, rounding=exact.ROUND_HALF_UP, Emax=999999, Emin=-999999)
_SCALE = exact.Context(prec=200, rounding=exact.ROUND_HALF_UP, Emax=999999, Emin=-999999)


def _wide_quotient(totals: npt.NDArray[np.object_], counts: Int64s, shift: int) -> tuple[Values, Bools | None]:
    """The same for numbers beyond 64 bits, where the first rounding (to 38 digits) can show."""
    out = np.zeros(len(totals), np.object_)
    for i, (total, count) in enumerate(zip(totals.tolist(), counts.tolist(), strict=True)):
        quotient = _DIVIDE.divide(exact.Decimal(total), exact.Decimal(count))
        out[i] = int(_SCALE.to_integral_value(_SCALE.scaleb(quotient, shift)))
    fits = np.array([-DECIMAL_LIMIT < v < DECIMAL_LIMIT for v in out.tolist()], np.bool_)
    if fits.all():
        return out, None
    out[~fits] = 0
    return out, fits
