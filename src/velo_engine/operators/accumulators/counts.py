"""COUNT: how many rows count."""

from __future__ import annotations

import numpy as np

from velo_engine.batch import Int64s
from velo_engine.operators.accumulators.base import Accumulator, Argument, StateColumn
from velo_engine.operators.runs import Runs, running_sum
from velo_engine.operators.vectors import Vector
from velo_engine.types import BIGINT


class Count(Accumulator):
    """The sum of weights: COUNT(*), COUNT(x) and, over weights without duplicates, COUNT(DISTINCT x)."""

    def __init__(self) -> None:
        self._count = StateColumn(BIGINT)
        self.state = {"count": self._count}
        super().__init__(self.state)

    def run(self, runs: Runs, argument: Argument) -> Vector:
        """The result before and after each row; moves the slots on."""
        counts = running_sum(runs.lay(self._count.values[runs.opening], argument.counts()), runs)
        runs.keep(self._count.values, counts)
        return Vector(counts)

    def fold(self, slots: Int64s, argument: Argument) -> None:
        """Moves the slots on, row after row."""
        if argument.weight is None:
            np.add.at(self._count.values, slots, 1)
        else:
            np.add.at(self._count.values, slots, argument.counts())

    def merged(self, slots: Int64s) -> Vector:
        """The sum of the counts."""
        return Vector(self._count.values[slots].sum(axis=1))

    def values(self, slots: Int64s) -> Vector:
        """The result of each slot."""
        return Vector(self._count.values[slots])
