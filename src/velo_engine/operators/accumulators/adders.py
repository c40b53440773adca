"""Running totals per slot, one class per family of types: the part that SUM and AVG share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from velo_engine.batch import Bools, Int64s
from velo_engine.operators.accumulators.base import Argument, StateColumn
from velo_engine.operators.runs import Runs, running_float_sum, running_sum
from velo_engine.operators.vectors import Values, Vector, fits_int64
from velo_engine.types import BIGINT, BOOLEAN, SqlType, decimal

DECIMAL_LIMIT = 10**38
"""Unscaled decimals are below this in magnitude."""

_INT64_LIMIT = 2**63


class Adder(ABC):
    """Adds and takes back values. A total is NULL only after a decimal overflow."""

    def __init__(self, total: StateColumn) -> None:
        self._total = total
        self.state: dict[str, StateColumn] = {"total": total}

    @abstractmethod
    def run(self, runs: Runs, argument: Argument) -> Vector:
        """The total at every element of `runs`; moves the slots on."""

    @abstractmethod
    def fold(self, slots: Int64s, argument: Argument) -> None:
        """Moves the slots on by one row each, in the order given."""

    @abstractmethod
    def merged(self, slots: Int64s, holding: Bools) -> Vector:
        """The sum of the totals in each row of a matrix of slots, from left to right; `holding`: the slot has rows."""

    def totals(self, slots: Int64s) -> Vector:
        """The total in each of `slots`."""
        return Vector(self._total.values[slots])


class IntegerAdder(Adder):
    """int64 totals that wrap; a narrower type keeps the low bits, which is its own wrapping."""

    def __init__(self) -> None:
        super().__init__(StateColumn(BIGINT))

    def run(self, runs: Runs, argument: Argument) -> Vector:
        """Exact modulo 2**64."""
        totals = running_sum(runs.lay(self._total.values[runs.opening], _weighted(argument)), runs)
        runs.keep(self._total.values, totals)
        return Vector(totals)

    def fold(self, slots: Int64s, argument: Argument) -> None:
        """Exact modulo 2**64."""
        np.add.at(self._total.values, slots, _weighted(argument))

    def merged(self, slots: Int64s, holding: Bools) -> Vector:  # noqa: ARG002
        """Exact modulo 2**64."""
        return Vector(self._total.values[slots].sum(axis=1))


class FloatAdder(Adder):
    """Totals in the precision of `kind`, added strictly in arrival order."""

    def __init__(self, kind: SqlType, initial: float) -> None:
        super().__init__(StateColumn(kind, initial))

    def run(self, runs: Runs, argument: Argument) -> Vector:
        """One rounding per row, as Flink's."""
        totals = running_float_sum(runs.lay(self._total.values[runs.opening], self._terms(argument)), runs)
        runs.keep(self._total.values, totals)
        return Vector(totals)

    def fold(self, slots: Int64s, argument: Argument) -> None:
        """`ufunc.at` is unbuffered: it adds element after element."""
        np.add.at(self._total.values, slots, self._terms(argument))

    def merged(self, slots: Int64s, holding: Bools) -> Vector:  # noqa: ARG002
        """One rounding per slot."""
        total = self._total.values[slots[:, 0]]
        for column in slots[:, 1:].T:
            total = total + self._total.values[column]
        return Vector(total)

    def _terms(self, argument: Argument) -> npt.NDArray[Any]:
        """What to add per row. A row that does not count adds -0.0, the number that changes no other, not even -0.0."""
        dtype = self._total.values.dtype
        values = argument.values.astype(dtype, copy=False)
        if argument.weight is None:
            return values
        terms: npt.NDArray[Any] = np.where(argument.weight < 0, -values, values)
        terms[argument.weight == 0] = -0.0
        return terms


class DecimalAdder(Adder):
    """Unscaled totals: int64 as long as no total can leave it, else Python integers.

    A total of more than 38 digits is NULL (DecimalData.fromBigDecimal). With `sticky` it stays NULL, as AVG's total
    does in Flink (NULL + x is NULL); else the next value starts a new total, as SUM's does (`sum` IS NULL means empty).
    """

    def __init__(self, scale: int, *, sticky: bool) -> None:
        super().__init__(StateColumn(decimal(38, scale)))
        self._overflowed = StateColumn(BOOLEAN, False)
        self.state["overflowed"] = self._overflowed
        self._sticky = sticky
        self._magnitude = 0
        self._ever_overflowed = False

    def run(self, runs: Runs, argument: Argument) -> Vector:
        """Exact, or NULL where the total has more than 38 digits."""
        terms = _weighted(argument)
        opening = self._total.values[runs.opening]
        if self._stays_int64(terms, int(runs.lengths.max())):
            totals = running_sum(runs.lay(opening, terms), runs)
            self._put(runs, totals)
            return Vector(totals, self._valid_at(runs))
        wide = runs.lay(opening.astype(np.object_), terms.astype(np.object_))
        totals = running_sum(wide, runs)
        if not self._ever_overflowed and _magnitude(totals) < DECIMAL_LIMIT:
            self._put(runs, totals)
            return Vector(totals)
        return self._run_with_overflow(runs, wide, argument)

    def fold(self, slots: Int64s, argument: Argument) -> None:
        """As `run`, without the totals on the way."""
        terms = _weighted(argument)
        if not self._ever_overflowed and self._stays_int64(terms, len(terms)):
            np.add.at(self._total.values, slots, terms)
            self._magnitude = max(self._magnitude, _magnitude(self._total.values[slots]))
        elif len(slots):
            runs = Runs.of(slots)
            self.run(runs, argument.take(runs.order))

    def totals(self, slots: Int64s) -> Vector:
        """NULL after an overflow."""
        values = self._total.values[slots]
        return Vector(values, ~self._overflowed.values[slots] if self._ever_overflowed else None)

    def merged(self, slots: Int64s, holding: Bools) -> Vector:
        """Exact, or NULL as after adding row by row."""
        if not self._ever_overflowed and self._magnitude * slots.shape[1] < _INT64_LIMIT:
            return Vector(self._total.values[slots].sum(axis=1))
        parts = self._total.values[slots].astype(np.object_)
        lost = self._overflowed.values[slots]
        total, valid = parts[:, 0], ~lost[:, 0]
        for j in range(1, slots.shape[1]):
            total = total + parts[:, j]
            # When not sticky, a NULL total counts as empty, and the next slot with a total starts a new one.
            valid = valid & ~lost[:, j] if self._sticky else valid | (holding[:, j] & ~lost[:, j])
            valid &= np.array([-DECIMAL_LIMIT < t < DECIMAL_LIMIT for t in total], np.bool_)
            total = np.where(valid, total, 0)
        return Vector(total, None if valid.all() else valid)

    def after_restore(self) -> None:
        """Derive what `run` needs to know about the totals."""
        self._magnitude = _magnitude(self._total.values)
        self._ever_overflowed = bool(self._overflowed.values.any())

    def _stays_int64(self, terms: Values, rows: int) -> bool:
        """Whether no total can leave int64 while each slot takes at most `rows` of `terms`."""
        if terms.dtype == np.object_ or self._total.values.dtype == np.object_ or self._ever_overflowed:
            return False
        return self._magnitude + rows * _magnitude(terms) < _INT64_LIMIT

    def _put(self, runs: Runs, totals: Values) -> None:
        last = totals[runs.tails]
        self._magnitude = max(self._magnitude, _magnitude(last))
        if last.dtype == np.object_ and self._total.values.dtype != np.object_ and not fits_int64(last):
            self._total.values = self._total.values.astype(np.object_)
        runs.keep(self._total.values, totals)

    def _valid_at(self, runs: Runs) -> Bools | None:
        return None if not self._ever_overflowed else ~np.repeat(self._overflowed.values[runs.opening], runs.lengths)

    def _run_with_overflow(self, runs: Runs, wide: Values, argument: Argument) -> Vector:
        """Row by row: each total depends on whether the one before overflowed."""
        self._ever_overflowed = True
        totals = wide.copy()
        valid = np.ones(runs.size, np.bool_)
        valid[runs.heads] = ~self._overflowed.values[runs.opening]
        counts = np.zeros(runs.size, np.bool_)
        counts[runs.rows] = True if argument.weight is None else argument.weight != 0
        for head, tail in zip(runs.heads.tolist(), runs.tails.tolist(), strict=True):
            for at in range(head + 1, tail + 1):
                if valid[at - 1] or (counts[at] and not self._sticky):
                    totals[at] = wide[at] + (totals[at - 1] if valid[at - 1] else 0)
                    valid[at] = -DECIMAL_LIMIT < totals[at] < DECIMAL_LIMIT
                else:
                    valid[at] = False
                if not valid[at]:
                    totals[at] = 0
        self._put(runs, totals)
        runs.keep(self._overflowed.values, ~valid)
        return Vector(totals, valid)


def _weighted(argument: Argument) -> Values:
    """The values times their weights, in 64 bits (or Python integers)."""
    values = argument.values
    if values.dtype != np.object_:
        values = values.astype(np.int64, copy=False)
    return values if argument.weight is None else values * argument.weight


def _magnitude(values: Values) -> int:
    return max(-int(values.min()), int(values.max())) if len(values) else 0
