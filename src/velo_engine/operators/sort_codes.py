"""ORDER BY as numbers: arrays that numpy's lexsort orders as SQL orders the rows.

NULL is the lowest value unless NULLS FIRST or LAST says otherwise; strings compare by their UTF-8 bytes; 0.0 equals
-0.0; NaN is above all numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.operators.vectors import Vector, from_arrow, single_array
from velo_engine.plan.nodes import SortKey
from velo_engine.types import BINARIES, STRINGS, SqlType


def sort_codes(order: Sequence[SortKey], rows: pa.Table, types: Sequence[SqlType]) -> list[npt.NDArray[Any]]:
    """Arrays to sort by, the most significant first. `types` are those of the columns of `rows`."""
    return [codes for key in order for codes in _column_codes(key, rows.column(key.column), types[key.column])]


def _column_codes(key: SortKey, column: Any, kind: SqlType) -> list[npt.NDArray[Any]]:
    """The place of NULL, where there is any, and the value."""
    array = single_array(column)
    if kind.name in STRINGS or kind.name in BINARIES:
        vector = Vector(_text_codes(array), _valid(array))
    else:
        vector = from_arrow(array, kind)
    codes = _integers(vector)
    if key.descending:
        codes = ~codes
    if vector.valid is None:
        return [codes]
    null_place = 0 if key.nulls_first else 2
    return [np.where(vector.valid, 1, null_place), np.where(vector.valid, codes, 0)]


def _integers(vector: Vector) -> Int64s:
    values = vector.values
    if values.dtype.kind in "iub":
        return values.astype(np.int64, copy=False)
    if values.dtype.kind == "O" and vector.valid is not None:
        values = np.where(vector.valid, values, 0)
    codes: Int64s = np.unique(values + 0.0 if values.dtype.kind == "f" else values, return_inverse=True)[1]
    return codes.astype(np.int64, copy=False)


def _text_codes(array: Any) -> Int64s:
    """The rank of each text among the distinct ones, by bytes."""
    import pyarrow.compute as pc

    codes: Int64s = pc.rank(array, sort_keys="ascending", tiebreaker="dense").to_numpy().astype(np.int64)
    return codes


def _valid(array: Any) -> npt.NDArray[np.bool_] | None:
    return np.asarray(array.is_valid()) if array.null_count else None
