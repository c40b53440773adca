"""Which rows are equal: what a row that is taken back has to know.

Rows are equal as keys are (see `keys`): NULL to NULL, floats by their bits.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from velo_engine.batch import Int64s
from velo_engine.operators.vectors import Vector
from velo_engine.types import SqlType, TypeName

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_OF_NULL = np.uint64(0x5851F42D4C957F2D)
_SHIFT = np.uint64(29)
_WORD = (1 << 64) - 1


def row_hashes(columns: Sequence[Vector], types: Sequence[SqlType], count: int) -> Int64s:
    """A number per row, the same for equal rows. It may differ between processes."""
    total = np.zeros(count, np.uint64)
    for column, kind in zip(columns, types, strict=True):
        words = _words(column.values, kind)
        if column.valid is not None:
            words = np.where(column.valid, words, _OF_NULL)
        total = (total ^ words) * _MULTIPLIER
        total ^= total >> _SHIFT
    hashes: Int64s = total.view(np.int64)
    return hashes


def equal_groups(columns: Sequence[Vector], keys: Int64s, hashes: Int64s) -> Int64s:
    """A number per row: equal for rows with equal key and columns. `hashes` are those of the rows."""
    mixed = (hashes.view(np.uint64) ^ keys.view(np.uint64)) * _MULTIPLIER
    _, first, groups = np.unique(mixed, return_index=True, return_inverse=True)
    leader = first[groups]
    if bool((keys[leader] == keys).all()) and all(_same(column, leader) for column in columns):
        numbers: Int64s = groups.astype(np.int64, copy=False)
        return numbers
    return _exactly(columns, keys)


def _words(values: npt.NDArray[Any], kind: SqlType) -> npt.NDArray[np.uint64]:
    if values.dtype == np.object_ and kind.name is TypeName.DECIMAL:
        # A decimal is an int64 as long as those around it are; it hashes the same beside wider ones.
        return np.fromiter((v & _WORD for v in values.tolist()), np.uint64, len(values))
    if values.dtype == np.object_:
        return np.fromiter((hash(_frozen(v)) for v in values.tolist()), np.int64, len(values)).view(np.uint64)
    if values.dtype.kind == "f":
        return values.view(np.uint64 if values.dtype.itemsize == 8 else np.uint32).astype(np.uint64)
    return values.astype(np.int64).view(np.uint64)


def _same(column: Vector, other: Int64s) -> bool:
    """Whether every value equals the one at `other`."""
    values = column.values
    if values.dtype.kind == "f":
        values = values.view(np.int64 if values.dtype.itemsize == 8 else np.int32)
    equal = np.asarray(values == values[other], np.bool_)
    if column.valid is None:
        return bool(equal.all())
    both = column.valid & column.valid[other]
    return bool((column.valid == column.valid[other]).all() and equal[both].all())


def _exactly(columns: Sequence[Vector], keys: Int64s) -> Int64s:
    """The groups without trust in hashes."""
    lists: list[list[Hashable]] = [list(keys.tolist())]
    for column in columns:
        values = column.values
        if values.dtype.kind == "f":
            values = values.view(np.int64 if values.dtype.itemsize == 8 else np.int32)
        frozen = [_frozen(v) for v in values.tolist()]
        valid = [True] * len(frozen) if column.valid is None else column.valid.tolist()
        lists.append([v if ok else None for v, ok in zip(frozen, valid, strict=True)])
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(row, len(seen)) for row in zip(*lists, strict=True)], np.int64)


def _frozen(value: Any) -> Hashable:
    match value:
        case dict():
            return tuple((key, _frozen(item)) for key, item in value.items())
        case list() | tuple() | np.ndarray():
            return tuple(_frozen(item) for item in value)
        case _:
            hashable: Hashable = value
            return hashable
