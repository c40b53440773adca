"""What the joins of two changelogs have in common: one order of both inputs, and join keys as codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, ChangeBatch, Int64s
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.vectors import from_arrow, single_array, validity
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType, TypeName

ONLY_KEY = 0
"""The key code of all rows of a join without keys."""

_SPARE_KEYS = 1 << 14
_TIME = SqlType(TypeName.TIMESTAMP, precision=3)


def merge_order(left: ChangeBatch, right: ChangeBatch) -> Int64s:
    """The rows of both inputs, numbered left then right, in the order in which a join takes them.

    By event; of one event the left rows first.
    """
    # Both parts are sorted, which a stable sort makes use of.
    return np.argsort(np.concatenate([left.seq * 2, right.seq * 2 + 1]), kind="stable")


def event_times(batch: ChangeBatch, column: int) -> Int64s:
    """The event time of each row, in milliseconds. Raises VeloError JOB_FAILED for NULL."""
    vector = from_arrow(batch.rows.column(column), _TIME)
    if vector.valid is not None:
        raise VeloError(
            ErrorCode.JOB_FAILED, "a row that is joined by its event time has none", hint="filter it before"
        )
    times: Int64s = vector.values // 1000
    return times


class JoinKeys:
    """The codes of the keys of both sides; keys that no row has any more are forgotten now and then."""

    def __init__(
        self,
        left: RowSchema,
        left_keys: Sequence[int],
        right_keys: Sequence[int],
        null_safe: frozenset[int] = frozenset(),
    ) -> None:
        self._columns = (tuple(left_keys), tuple(right_keys))
        self._null_safe = null_safe
        self._codes = KeyDictionary(left.select(left_keys).types) if left_keys else None
        self._idle = 0

    @property
    def capacity(self) -> int:
        """Every code is below this number."""
        return 1 if self._codes is None else self._codes.capacity

    def encode(self, batch: ChangeBatch, *, right: bool) -> tuple[Int64s, Bools | None]:
        """The code of each row's key, and whether the key can equal another; None when all can."""
        count = len(batch)
        if self._codes is None or not count:
            return np.full(count, ONLY_KEY, np.int64), None
        columns = [single_array(batch.rows.column(i)) for i in self._columns[right]]
        complete: Bools | None = None
        for number, column in enumerate(columns):
            valid = None if number in self._null_safe else validity(column)
            if valid is not None:
                complete = valid if complete is None else complete & valid
        return self._codes.encode(columns), complete

    def wants_freeing(self, live: int) -> bool:
        """Whether so many keys are without rows that it is worth the time to forget them."""
        return self._codes is not None and len(self._codes) > 2 * live + _SPARE_KEYS

    def free_all_but(self, live: Int64s) -> None:
        """Forget the keys whose codes are not in `live`."""
        if self._codes is not None:
            self._codes.free(np.setdiff1d(self._codes.codes(), live))

    def idle(self, count: int) -> None:
        """So many keys may have been left without rows."""
        self._idle += count

    def free_idle(self, live: Callable[[], Int64s]) -> None:
        """Forget the keys without rows when that is worth the time: all but those of `live`."""
        if self._codes is not None and 2 * self._idle > len(self._codes) + _SPARE_KEYS:
            self._codes.free(np.setdiff1d(self._codes.codes(), live(), assume_unique=True))
            self._idle = 0

    def snapshot(self) -> dict[str, pa.Table]:
        """The keys."""
        return {} if self._codes is None else {"keys": self._codes.snapshot()}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        if self._codes is not None:
            self._codes.restore(state["keys"])
