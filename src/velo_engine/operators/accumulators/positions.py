"""FIRST_VALUE, LAST_VALUE, and DELTA, over rows that are never taken back.

NULLs are passed over (Flink's FirstValueAggFunction, LastValueAggFunction). DELTA is Velostream's.
"""

from __future__ import annotations

import numpy as np

from velo_engine.batch import Bools, Int64s
from velo_engine.operators.accumulators.adders import DECIMAL_LIMIT
from velo_engine.operators.accumulators.base import Accumulator, Argument, StateColumn
from velo_engine.operators.runs import Runs, running_latest
from velo_engine.operators.vectors import Values, Vector, dtype_of
from velo_engine.types import BOOLEAN, FLOATS, SqlType, TypeName

_DECIMAL_DIGITS = 18
"""Of decimals with so many digits a difference fits 64 bits."""


class _Position(Accumulator):
    retractable = False
    mergeable = False  # Flink's functions have no merge: between two slices nothing says which value came first

    def __init__(self, kind: SqlType) -> None:
        self._value = StateColumn(kind, None if dtype_of(kind) == np.object_ else 0)
        self._found = StateColumn(BOOLEAN, False)
        self.state = {"value": self._value, "found": self._found}
        super().__init__(self.state)

    def values(self, slots: Int64s) -> Vector:
        """The result of each slot."""
        found = self._found.values[slots]
        return Vector(self._value.values[slots], None if found.all() else found)

    def _chosen(self, runs: Runs, values: Values, at: Int64s) -> Vector:
        """The values at elements `at` (-1: none) as results; moves the slots on."""
        found = at >= 0
        chosen = values[np.where(found, at, 0)]
        self._widen(chosen)
        runs.keep(self._value.values, chosen)
        runs.keep(self._found.values, found)
        return Vector(chosen, None if found.all() else found)

    def _laid(self, runs: Runs, argument: Argument) -> tuple[Values, Bools]:
        counting = np.ones(len(argument.values), np.bool_) if argument.weight is None else argument.weight != 0
        return (
            runs.lay(self._value.values[runs.opening], argument.values),
            runs.lay(self._found.values[runs.opening], counting),
        )

    def _widen(self, values: Values) -> None:
        if values.dtype == np.object_ and self._value.values.dtype != np.object_:
            self._value.values = self._value.values.astype(np.object_)


class LastValue(_Position):
    """The latest counted value."""

    def run(self, runs: Runs, argument: Argument) -> Vector:
        """The result before and after each row; moves the slots on."""
        values, present = self._laid(runs, argument)
        return self._chosen(runs, values, running_latest(present, runs))

    def fold(self, slots: Int64s, argument: Argument) -> None:
        """Moves the slots on, row after row."""
        if argument.weight is not None:
            counting = argument.weight != 0
            slots, argument = slots[counting], argument.take(counting)
        self._widen(argument.values)
        # Of several assignments to one slot the last one stays.
        self._value.values[slots] = argument.values
        self._found.values[slots] = True


class FirstValue(_Position):
    """The earliest counted value."""

    def run(self, runs: Runs, argument: Argument) -> Vector:
        """The result before and after each row; moves the slots on."""
        values, present = self._laid(runs, argument)
        seen = np.cumsum(present)
        before: Int64s = np.repeat(seen[runs.heads] - present[runs.heads], runs.lengths)
        is_first = present & (seen - before == 1)
        return self._chosen(runs, values, running_latest(is_first, runs))

    def fold(self, slots: Int64s, argument: Argument) -> None:
        """Moves the slots on, row after row."""
        waiting = ~self._found.values[slots]
        if argument.weight is not None:
            waiting &= argument.weight != 0
        backwards = np.flatnonzero(waiting)[::-1]
        self._widen(argument.values)
        self._value.values[slots[backwards]] = argument.values[backwards]
        self._found.values[slots[backwards]] = True


class Delta(Accumulator):
    """The latest counted number less the earliest, wrapping as `-` does; 0 of a single one, NULL of none."""

    retractable = False
    mergeable = False

    def __init__(self, argument: SqlType, result: SqlType) -> None:
        self._first, self._last = FirstValue(argument), LastValue(argument)
        self._result = result
        first = {f"first.{name}": column for name, column in self._first.state.items()}
        super().__init__(first | {f"last.{name}": column for name, column in self._last.state.items()})

    def run(self, runs: Runs, argument: Argument) -> Vector:
        """The result before and after each row; moves the slots on."""
        return self._difference(self._last.run(runs, argument), self._first.run(runs, argument))

    def fold(self, slots: Int64s, argument: Argument) -> None:
        """Moves the slots on, row after row."""
        self._first.fold(slots, argument)
        self._last.fold(slots, argument)

    def values(self, slots: Int64s) -> Vector:
        """The result of each slot."""
        return self._difference(self._last.values(slots), self._first.values(slots))

    def _difference(self, last: Vector, first: Vector) -> Vector:
        values, subtracted = last.values, first.values
        if self._result.name is TypeName.DECIMAL and self._result.precision > _DECIMAL_DIGITS:
            values, subtracted = values.astype(np.object_), subtracted.astype(np.object_)
        elif self._result.name not in FLOATS:
            values, subtracted = values.astype(np.int64), subtracted.astype(np.int64)
        difference = values - subtracted
        if difference.dtype != np.object_:
            difference = difference.astype(dtype_of(self._result), copy=False)
            return Vector(difference, last.valid)
        fits = np.array([abs(d) < DECIMAL_LIMIT for d in difference.tolist()], np.bool_)
        return Vector(np.where(fits, difference, 0), fits if last.valid is None else fits & last.valid)
