"""What an accumulator is: the state of one aggregate call in many groups at once, held in arrays indexed by slot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from velo_engine.batch import Bools, Int64s
from velo_engine.operators.runs import Runs
from velo_engine.operators.vectors import Values, Vector, dtype_of, from_arrow, to_arrow
from velo_engine.types import SqlType


@dataclass(frozen=True, slots=True)
class Argument:
    """What an aggregate call is given: a value and a weight per row.

    Weight +1 adds the value, -1 takes it back (a retraction), 0 leaves the row out: NULL, filtered, or a duplicate
    under DISTINCT. None means +1 throughout.
    """

    values: Values
    weight: npt.NDArray[np.int8] | None
    valid: Bools | None = None
    """For calls that count NULLs, too: which values are not NULL; None when all are."""
    others: tuple[Vector, ...] = ()
    """The further arguments of a call that has several."""

    def take(self, positions: npt.NDArray[Any]) -> Argument:
        """The rows at `positions`."""
        return Argument(
            self.values[positions],
            None if self.weight is None else self.weight[positions],
            None if self.valid is None else self.valid[positions],
            tuple(other.take(positions) for other in self.others),
        )

    def counts(self) -> Int64s:
        """The weights as int64."""
        return np.ones(len(self.values), np.int64) if self.weight is None else self.weight.astype(np.int64)


class StateColumn:
    """One value per slot, `initial` where nothing was put."""

    def __init__(self, kind: SqlType, initial: Any = 0) -> None:
        self._kind = kind
        self._initial = initial
        self.values: Values = np.full(1, initial, dtype_of(kind))

    def reserve(self, slots: int) -> None:
        """Make room for slots below `slots`."""
        if slots > len(self.values):
            more = np.full(max(slots, 2 * len(self.values)) - len(self.values), self._initial, self.values.dtype)
            self.values = np.concatenate([self.values, more])

    def clear(self, slots: Int64s) -> None:
        """Back to the initial value."""
        self.values[slots] = self._initial

    def snapshot(self, slots: Int64s) -> Any:
        """The values of `slots` as an Arrow array; None is NULL."""
        values = self.values[slots]
        valid = None
        if values.dtype == np.object_:
            valid = np.array([v is not None for v in values], np.bool_)
            values = np.where(valid, values, 0) if dtype_of(self._kind) != np.object_ else values
        return to_arrow(Vector(values, valid), self._kind)

    def restore(self, slots: Int64s, array: Any) -> None:
        """Take over the values of `slots` from a snapshot; the column is new and has room."""
        values = from_arrow(array, self._kind).values
        if values.dtype == np.object_ and self.values.dtype != np.object_:
            self.values = self.values.astype(np.object_)
        self.values[slots] = values


class Accumulator(ABC):
    """The state of one aggregate call. Slot 0 keeps the initial state."""

    retractable = True
    """Whether weights may be -1."""

    mergeable = True
    """Whether the results of several slots can be put together."""

    def __init__(self, state: Mapping[str, StateColumn]) -> None:
        self._state = state

    @abstractmethod
    def run(self, runs: Runs, argument: Argument) -> Vector:
        """The result at every element of `runs` (state before, then after each row), and move the slots on.

        `argument` is in the order of the runs.
        """

    @abstractmethod
    def fold(self, slots: Int64s, argument: Argument) -> None:
        """Move the slots on by one row each, in the order given, without the results on the way."""

    @abstractmethod
    def values(self, slots: Int64s) -> Vector:
        """The result in each of `slots`."""

    def merged(self, slots: Int64s) -> Vector:
        """The result of the slots of each row of a matrix taken together, from left to right; EMPTY_SLOT fills up."""
        raise NotImplementedError

    def reserve(self, slots: int) -> None:
        """Make room for slots below `slots`."""
        for column in self._state.values():
            column.reserve(slots)

    def clear(self, slots: Int64s) -> None:
        """Back to the initial state."""
        for column in self._state.values():
            column.clear(slots)

    def snapshot(self, slots: Int64s) -> dict[str, Any]:
        """The state of `slots`: Arrow arrays by name."""
        return {name: column.snapshot(slots) for name, column in self._state.items()}

    def restore(self, slots: Int64s, state: Mapping[str, Any]) -> None:
        """Take over the state of `slots`; room is reserved, the accumulator is new."""
        for name, column in self._state.items():
            column.restore(slots, state[name])
