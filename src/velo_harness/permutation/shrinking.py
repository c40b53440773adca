"""The smallest case in which the order of arrival matters: fewest records, then fewest swaps (delta debugging)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from velo_harness.permutation.orders import Arrival, Order

Differs = Callable[[Order, Order], bool]
"""Whether two orders of the same records give different results."""

MOST_TRIALS = 400
"""Pairs of runs that shrinking may take."""


@dataclass(frozen=True, slots=True)
class SmallestCase:
    """Two orders of few records with different results."""

    base: Order
    other: Order
    complete: bool
    """No record can be left out and no swap undone; otherwise the trials ran out."""


class _OutOfTrialsError(Exception):
    """No more runs may be made."""


class Shrinker:
    """Shrinks two orders for which `differs` holds."""

    def __init__(self, differs: Differs, trials: int = MOST_TRIALS) -> None:
        self._differs = differs
        self._left = trials

    def smallest(self, base: Order, other: Order) -> SmallestCase:
        """A case from which nothing can be taken away."""
        self._base, self._other = base, other
        try:
            self._drop_records()
            self._undo_swaps()
        except _OutOfTrialsError:
            return SmallestCase(self._base, self._other, complete=False)
        return SmallestCase(self._base, self._other, complete=True)

    def _still_differs(self, base: Order, other: Order) -> bool:
        if self._left <= 0:
            raise _OutOfTrialsError
        self._left -= 1
        return self._differs(base, other)

    def _drop_records(self) -> None:
        """Zeller's ddmin: ever smaller parts are left out, as long as the results differ."""
        parts = 2
        while len(self._base) >= 2:
            size = max(1, len(self._base) // parts)
            chunks = [self._base[i : i + size] for i in range(0, len(self._base), size)]
            for chunk in chunks:
                if len(chunk) < len(self._base) and self._drop(chunk):
                    parts = max(2, parts - 1)
                    break
            else:
                if size == 1:
                    return
                parts = min(len(self._base), parts * 2)

    def _drop(self, gone: Order) -> bool:
        """Leave records out of both orders if the results still differ."""
        left_out = {_identity(arrival) for arrival in gone}
        base = tuple(a for a in self._base if _identity(a) not in left_out)
        other = tuple(a for a in self._other if _identity(a) not in left_out)
        if not self._still_differs(base, other):
            return False
        self._base, self._other = base, other
        return True

    def _undo_swaps(self) -> None:
        """Neighbours that have changed places go back, as long as the results differ."""
        rank = {_identity(arrival): place for place, arrival in enumerate(self._base)}
        undone = True
        while undone:
            undone = False
            for i in range(len(self._other) - 1):
                first, second = self._other[i], self._other[i + 1]
                if rank[_identity(first)] < rank[_identity(second)]:
                    continue
                other = (*self._other[:i], second, first, *self._other[i + 2 :])
                if other != self._base and self._still_differs(self._base, other):
                    self._other, undone = other, True
                    break


def _identity(arrival: Arrival) -> tuple[str, int]:
    return arrival.source, arrival.index
