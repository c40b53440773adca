"""ORDER BY as Python keys: tuples that compare as the rows do.

NULL is the lowest value unless NULLS FIRST or LAST says otherwise (Flink's default collation); strings compare by code
point, which is the order of their UTF-8 bytes, as Flink's BinaryStringData compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from velo_engine.batch import Bools
from velo_engine.operators.vectors import Vector
from velo_engine.plan.nodes import SortKey

Key: TypeAlias = tuple[Any, ...]

_MIN, _MAX = -(2**63), 2**63 - 1


class _Descending:
    """A value that cannot be negated, in descending order."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(other.value == self.value)

    def __hash__(self) -> int:
        return hash(self.value)


def sort_keys(order: Sequence[SortKey], columns: Sequence[Vector]) -> list[Key]:
    """One key per row; `columns[i]` holds the values of `order[i]`. Rows with equal keys are ties."""
    parts = [part for key, vector in zip(order, columns, strict=True) for part in _parts(key, vector)]
    return list(zip(*parts, strict=True))


def not_before(key: SortKey, vector: Vector, bars: Sequence[Key | None], place: npt.NDArray[Any]) -> Bools:
    """The rows that do not stand before the bar of their partition, when `key` is the whole order.

    `vector` holds numbers, `bars[place[i]]` is the sort key that row i must be below, None when there is none. Rows of
    which it is not known cheaply are not among them: a bar may be wider than the column in this batch.
    """
    wide = vector.values.dtype if vector.values.dtype.kind == "f" else np.dtype(np.int64)
    sign = -1 if key.descending else 1
    limits = [None if bar is None or bar[0] != 1 else sign * bar[1] for bar in bars]
    if wide.kind == "i":
        limits = [limit if limit is not None and _MIN <= limit <= _MAX else None for limit in limits]
    barred = np.array([limit is not None for limit in limits], np.bool_)[place]
    limit = np.array([0 if limit is None else limit for limit in limits], wide)[place]
    values = vector.values.astype(wide, copy=False)
    behind: Bools = barred & ((values <= limit) if key.descending else (values >= limit))
    return behind if vector.valid is None else behind & vector.valid


def _parts(key: SortKey, vector: Vector) -> list[list[Any]]:
    """The place of NULL, where there is any, and the value."""
    values = vector.values.tolist()
    if key.descending:
        # One by one: a column of decimals holds machine integers in one batch and Python's in another.
        values = [-v if isinstance(v, int | float) else _Descending(v) for v in values]
    null_place = 0 if key.nulls_first else 2
    if vector.valid is None:
        return [[1] * len(values), values]
    valid = vector.valid.tolist()
    return [[1 if v else null_place for v in valid], [x if v else 0 for x, v in zip(values, valid, strict=True)]]
