"""Finding rows by some of their values, and those that come nearest."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Wanted: TypeAlias = Mapping[int, Any]
"""Column position → value; None is NULL."""

LOOKED_AT = 10_000
"""Rows among which the nearest one is looked for."""


def matching(rows: pa.Table, wanted: Wanted) -> list[int]:
    """The positions of the rows that have all wanted values; NULL equals NULL, NaN equals NaN."""
    mask = np.ones(rows.num_rows, bool)
    for column, value in wanted.items():
        mask &= _equal(rows.column(column), value)
    return np.flatnonzero(mask).tolist()


def _equal(column: Any, value: Any) -> Any:
    if value is None:
        return np.asarray(pc.is_null(column))
    if isinstance(value, float) and value != value:
        return np.asarray(pc.fill_null(pc.is_nan(column), False))
    if pa.types.is_nested(column.type):
        return np.array([found == value for found in column.to_pylist()], bool)
    try:
        equal = pc.equal(column, pa.scalar(value, column.type))
    except pa.ArrowInvalid:
        return np.zeros(len(column), bool)
    return np.asarray(pc.fill_null(equal, False))


def nearest_row(rows: pa.Table, wanted: Wanted) -> tuple[int, list[int]] | None:
    """The row with most of the wanted values, and the columns in which it differs; of equal ones the closest."""
    best: tuple[tuple[float, ...], int, list[int]] | None = None
    columns = {column: rows.column(column).slice(0, LOOKED_AT).to_pylist() for column in wanted}
    for at in range(min(rows.num_rows, LOOKED_AT)):
        different = [c for c, value in wanted.items() if columns[c][at] != value]
        rank = (float(len(different)), sum(_distance(columns[c][at], wanted[c]) for c in different))
        if best is None or rank < best[0]:
            best = (rank, at, different)
    return None if best is None else (best[1], best[2])


def nearest_keys(keys: Iterable[tuple[Any, ...]], key: tuple[Any, ...], count: int) -> list[tuple[Any, ...]]:
    """The keys closest to `key`, each once."""
    distinct = list({repr(key): key for key in keys}.values())[:LOOKED_AT]
    return sorted(distinct, key=lambda other: sum(map(_distance, other, key)))[:count]


def _distance(one: Any, other: Any) -> float:
    """From 0 (equal) to 1; numbers and times by how far they are apart, text by how alike it is."""
    if one == other:
        return 0.0
    if one is None or other is None:
        return 1.0
    if isinstance(one, int | float | Decimal) and isinstance(other, int | float | Decimal):
        apart = abs(float(one) - float(other))
        return apart / (1 + apart)
    if isinstance(one, datetime) and isinstance(other, datetime):
        apart = abs((one - other).total_seconds())
        return apart / (1 + apart)
    if isinstance(one, date) and isinstance(other, date):
        apart = abs((one - other).days)
        return apart / (1 + apart)
    if isinstance(one, str) and isinstance(other, str):
        return 1 - difflib.SequenceMatcher(None, one, other).ratio() * 0.99
    return 1.0


def equal_values(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two tuples of values are equal, NaN to NaN."""
    return all(a == b or (a != a and b != b) for a, b in zip(one, other, strict=True))
