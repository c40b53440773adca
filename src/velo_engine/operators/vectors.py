"""A column as numpy arrays, values and validity: from Arrow and back, without copying where that is possible.

Numpy form of each SQL type: integers, floats and booleans as themselves; DATE as int32 days; TIME and timestamps as
int64 microseconds; intervals as int64; DECIMAL as unscaled integers, int64 when every value of the column fits, else
Python ints in an object array; strings and binary as `str` and `bytes` objects; nested types as Python objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from velo_engine.batch import Bools, Int64s
from velo_engine.types import BINARIES, STRINGS, SqlType, TypeName, arrow_type

Values: TypeAlias = npt.NDArray[Any]

_DTYPES: dict[TypeName, npt.DTypeLike] = {
    TypeName.BOOLEAN: np.bool_,
    TypeName.TINYINT: np.int8,
    TypeName.SMALLINT: np.int16,
    TypeName.INT: np.int32,
    TypeName.BIGINT: np.int64,
    TypeName.FLOAT: np.float32,
    TypeName.DOUBLE: np.float64,
    TypeName.DATE: np.int32,
    TypeName.TIME: np.int64,
    TypeName.TIMESTAMP: np.int64,
    TypeName.TIMESTAMP_LTZ: np.int64,
    TypeName.INTERVAL_DAY_TIME: np.int64,
    TypeName.INTERVAL_YEAR_MONTH: np.int64,
}

_LOW_WORD = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Vector:
    """One column: `values[i]` counts only where `valid[i]`; `valid` is None when nothing is NULL."""

    values: Values
    valid: Bools | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, positions: npt.NDArray[Any]) -> Vector:
        """The elements at `positions`."""
        return Vector(self.values[positions], None if self.valid is None else self.valid[positions])


class VectorStore:
    """A growing column of SQL type `kind`, addressed by position; positions never put are NULL."""

    def __init__(self, kind: SqlType) -> None:
        self._values: Values = np.zeros(0, dtype_of(kind))
        self._valid = np.zeros(0, np.bool_)

    def __len__(self) -> int:
        return len(self._valid)

    def reserve(self, size: int) -> None:
        """Make room for positions below `size`."""
        if size > len(self._valid):
            room = max(size, 2 * len(self._valid), 64)
            self._values = enlarged(self._values, room)
            self._valid = enlarged(self._valid, room)

    def put(self, positions: npt.NDArray[Any], vector: Vector) -> None:
        """Replace the values at `positions`; for a position given twice the last counts."""
        if vector.values.dtype == np.object_ and self._values.dtype != np.object_:
            self._values = self._values.astype(np.object_)
        self._values[positions] = vector.values
        self._valid[positions] = True if vector.valid is None else vector.valid

    def clear(self, positions: npt.NDArray[Any]) -> None:
        """Make the values at `positions` NULL and let go of them."""
        if self._values.dtype == np.object_:
            self._values[positions] = None
        self._valid[positions] = False

    def get(self, positions: npt.NDArray[Any]) -> Vector:
        """The values at `positions`."""
        valid = self._valid[positions]
        return Vector(self._values[positions], None if valid.all() else valid)


def enlarged(values: npt.NDArray[Any], room: int) -> npt.NDArray[Any]:
    """`values` followed by zeros (None for objects), `room` elements in all."""
    out = np.empty(room, values.dtype) if values.dtype == np.object_ else np.zeros(room, values.dtype)
    out[: len(values)] = values
    return out


def dtype_of(kind: SqlType) -> npt.DTypeLike:
    """The dtype that holds values of `kind` (DECIMAL: the fast one, int64)."""
    return np.int64 if kind.name is TypeName.DECIMAL else _DTYPES.get(kind.name, np.object_)


def single_array(column: Any) -> Any:
    """An Arrow array out of an array or a chunked array."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], column.type)])


def from_arrow(column: Any, kind: SqlType) -> Vector:
    """A column of SQL type `kind` (an Arrow array or chunked array in the type's physical form) as a vector."""
    array = single_array(column)
    valid = validity(array)
    if kind.name is TypeName.DECIMAL:
        return Vector(_unscaled(array, valid), valid)
    if kind.name is TypeName.BOOLEAN:
        return Vector(_bits(array.buffers()[1], array.offset, len(array)), valid)
    if kind.name in _DTYPES:
        dtype = np.dtype(_DTYPES[kind.name])
        data = array.buffers()[1]
        if data is None:
            return Vector(np.zeros(len(array), dtype), valid)
        return Vector(np.frombuffer(data, dtype)[array.offset : array.offset + len(array)], valid)
    if kind.name is TypeName.NULL:
        return Vector(np.zeros(len(array), np.object_), np.zeros(len(array), np.bool_))
    if kind.name in STRINGS or kind.name in BINARIES:
        return Vector(array.to_numpy(zero_copy_only=False), valid)
    return Vector(object_array(array.to_pylist()), valid)


def to_arrow(vector: Vector, kind: SqlType) -> Any:
    """The vector as an Arrow array of the physical form of `kind`. Decimals must fit the precision."""
    target = arrow_type(kind)
    values, valid = vector.values, vector.valid
    if kind.name is TypeName.DECIMAL:
        words = _words(values, valid)
        return pa.Array.from_buffers(target, len(values), [_bitmap(valid), pa.py_buffer(words)])
    if kind.name is TypeName.BOOLEAN:
        packed = np.packbits(values.astype(np.bool_, copy=False), bitorder="little")
        return pa.Array.from_buffers(target, len(values), [_bitmap(valid), pa.py_buffer(packed)])
    if kind.name in _DTYPES:
        data = np.ascontiguousarray(values.astype(_DTYPES[kind.name], copy=False))
        return pa.Array.from_buffers(target, len(values), [_bitmap(valid), pa.py_buffer(data)])
    if valid is not None:
        values = values.copy()
        values[~valid] = None
    return pa.array(values, target, from_pandas=False)


def object_array(values: Sequence[Any]) -> Values:
    """An object array with one element per value, also when the values are lists or tuples."""
    out = np.empty(len(values), np.object_)
    out[:] = values
    return out


def vector_of(values: Sequence[Any], kind: SqlType) -> Vector:
    """Values in the numpy form of `kind`, None for NULL."""
    valid = np.array([value is not None for value in values], np.bool_)
    dtype = np.dtype(dtype_of(kind))
    if kind.name is TypeName.DECIMAL and any(value is not None and abs(value) >= 2**63 for value in values):
        dtype = np.dtype(np.object_)
    if dtype == np.object_:
        plain = object_array([0 if v is None and kind.name is TypeName.DECIMAL else v for v in values])
    else:
        plain = np.array([0 if value is None else value for value in values], dtype)
    return Vector(plain, None if valid.all() else valid)


def python_values(column: Any, kind: SqlType) -> list[Any]:
    """The values of a column in their numpy form as Python objects, None for NULL."""
    vector = from_arrow(column, kind)
    values: list[Any] = vector.values.tolist()
    if vector.valid is None:
        return values
    return [value if valid else None for value, valid in zip(values, vector.valid.tolist(), strict=True)]


def fits_int64(values: Values) -> bool:
    """Whether every integer of an object array is an int64."""
    return len(values) == 0 or (int(values.min()) >= -(2**63) and int(values.max()) < 2**63)


def validity(array: Any) -> Bools | None:
    """Which elements of an Arrow array are not NULL; None when all are."""
    if array.null_count == 0:
        return None
    buffer = array.buffers()[0]
    return np.zeros(len(array), np.bool_) if buffer is None else _bits(buffer, array.offset, len(array))


def _bits(buffer: Any, offset: int, length: int) -> Bools:
    if buffer is None:
        return np.zeros(length, np.bool_)
    packed = np.frombuffer(buffer, np.uint8)[offset // 8 : (offset + length + 7) // 8]
    start = offset % 8
    return np.unpackbits(packed, bitorder="little")[start : start + length].view(np.bool_)


def _bitmap(valid: Bools | None) -> Any:
    return None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))


def _unscaled(array: Any, valid: Bools | None) -> Values:
    """Unscaled integers of a decimal128 array: the low word alone when the high word only repeats its sign."""
    data = array.buffers()[1]
    if data is None or len(array) == 0:
        return np.zeros(len(array), np.int64)
    words = np.frombuffer(data, np.int64).reshape(-1, 2)[array.offset : array.offset + len(array)]
    low, high = words[:, 0], words[:, 1]
    if valid is not None:
        low, high = np.where(valid, low, 0), np.where(valid, high, 0)
    if array.type.precision <= 18 or bool((high == low >> 63).all()):
        return np.ascontiguousarray(low)
    wide: Values = (high.astype(np.object_) << 64) + low.view(np.uint64).astype(np.object_)
    return wide


def _words(values: Values, valid: Bools | None) -> Int64s:
    """The little-endian 128-bit words of unscaled integers, the form of decimal128."""
    words = np.empty((len(values), 2), np.int64)
    if values.dtype == np.object_:
        clean = values if valid is None else np.where(valid, values, 0)
        words[:, 0] = (clean & _LOW_WORD).astype(np.uint64).view(np.int64)
        words[:, 1] = (clean >> 64).astype(np.int64)
    else:
        whole = values.astype(np.int64, copy=False)
        words[:, 0] = whole
        words[:, 1] = whole >> 63
    return words
