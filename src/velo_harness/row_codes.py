"""Equal rows get equal codes: how bags of rows and sets of keys are compared without looping over rows.

NULL equals NULL, NaN equals NaN, -0.0 equals 0.0, decimals and integers compare by value whatever their scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from velo_engine import types as t
from velo_engine.batch import Int64s
from velo_engine.operators.keys import KeyDictionary
from velo_engine.types import FLOATS, INTEGERS, SqlType, TypeName, arrow_type
from velo_harness.relation import Relation

TypedColumn: TypeAlias = tuple[SqlType, Any]
"""A SQL type and an Arrow array, chunked or not, of its physical form."""

_EXACT = INTEGERS | {TypeName.DECIMAL}


def columns_of(relation: Relation, names: Sequence[str]) -> list[TypedColumn]:
    """The columns called `names`, which must exist."""
    positions = [relation.position(name) for name in names]
    return [(relation.type(p), relation.column(p)) for p in positions if p is not None]


def row_codes(left: Sequence[TypedColumn], right: Sequence[TypedColumn]) -> tuple[Int64s, Int64s]:
    """A code for each row of both sides; rows with equal values have equal codes. Both sides have as many columns."""
    pairs = [_aligned(a, b) for a, b in zip(left, right, strict=True)]
    if not pairs:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    dictionary = KeyDictionary([kind for kind, _, _ in pairs])
    return dictionary.encode([a for _, a, _ in pairs]), dictionary.encode([b for _, _, b in pairs])


def codes_of(columns: Sequence[TypedColumn]) -> Int64s:
    """A code for each row of one side."""
    dictionary = KeyDictionary([kind for kind, _ in columns])
    return dictionary.encode([_one_zero_one_nan(kind, array) for kind, array in columns])


def _aligned(left: TypedColumn, right: TypedColumn) -> tuple[SqlType, Any, Any]:
    """Both columns in one type in which equal values are equal."""
    (a, left_array), (b, right_array) = left, right
    if arrow_type(a) == arrow_type(b):
        kind = a
    elif a.name in INTEGERS and b.name in INTEGERS:
        kind = t.BIGINT
    elif a.name in _EXACT and b.name in _EXACT:
        kind = t.decimal(38, max(a.scale, b.scale))
    elif a.name in FLOATS or b.name in FLOATS:
        kind = t.DOUBLE
    else:
        kind = t.STRING
    arrays = [_one_zero_one_nan(kind, array.cast(arrow_type(kind))) for array in (left_array, right_array)]
    return kind, arrays[0], arrays[1]


def _one_zero_one_nan(kind: SqlType, array: Any) -> Any:
    """Key codes tell 0.0 from -0.0, as Flink's keys do, and one NaN from another; to people they are the same."""
    if kind.name not in FLOATS:
        return array
    import pyarrow.compute as pc

    return pc.if_else(pc.is_nan(array), pa.scalar(float("nan"), array.type), pc.add(array, pa.scalar(0.0, array.type)))
