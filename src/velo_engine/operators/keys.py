"""Group keys as dense integer codes: what lets the stateful operators work on arrays.

Two keys are the same when Flink's are. Flink compares keys by the bytes of their binary rows (BinaryRowData.equals
over what BinaryRowWriter wrote): NULL equals NULL; a decimal is its unscaled number, so 1.0 and 1.00 of one type are
one key; a double is its 64 bits (MemorySegment.putDouble writes doubleToRawLongBits), so 0.0 and -0.0 are two keys
and NaN is one.

Codes are given in order of first appearance. A freed code is given to another key later, so operators must not order
results by code: freeing happens between batches and would show how the input was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.operators.int64_map import ABSENT, Int64Map
from velo_engine.operators.vectors import Vector, VectorStore, from_arrow, single_array, to_arrow
from velo_engine.types import FLOATS, INTEGERS, INTERVALS, TEMPORALS, SqlType, TypeName, arrow_type

_WORDS = INTEGERS | FLOATS | TEMPORALS | INTERVALS | {TypeName.BOOLEAN}
"""Types whose value is at most one machine word."""

_NESTED = frozenset({TypeName.ARRAY, TypeName.MULTISET, TypeName.MAP, TypeName.ROW})

_LARGEST_PRODUCT = 2**62

_Allocate: TypeAlias = Callable[[Int64s], Int64s]
"""Takes the rows in which new keys first appear, gives their codes."""


class KeyDictionary:
    """Gives each distinct key (a tuple of one or more columns) a code: 0, 1, … as long as none is freed."""

    def __init__(self, types: Sequence[SqlType]) -> None:
        assert types, "a key has at least one column"
        self._types = tuple(types)
        self._columns: list[VectorStore] = []
        self._free: list[int] = []
        self._capacity = 0
        self._index: _WordIndex | _TupleIndex
        self._clear()

    def __len__(self) -> int:
        """Number of keys held now."""
        return self._capacity - len(self._free)

    @property
    def capacity(self) -> int:
        """Every code is below this number."""
        return self._capacity

    def encode(self, columns: Sequence[Any]) -> Int64s:
        """The code of each row's key; new keys are remembered.

        `columns` are Arrow arrays or chunked arrays of equal length, one per key column.
        """
        arrays = [single_array(c) for c in columns]

        def allocate(rows: Int64s) -> Int64s:
            codes = self._allocate(len(rows))
            for store, array, kind in zip(self._columns, arrays, self._types, strict=True):
                store.reserve(self._capacity)
                store.put(codes, from_arrow(array.take(pa.array(rows)), kind))
            return codes

        return self._index.codes(arrays, allocate)

    def find(self, columns: Sequence[Any]) -> Int64s:
        """The code of each row's key, -1 for a key that is not held."""
        return self._index.codes([single_array(c) for c in columns], None)

    def codes(self) -> Int64s:
        """The codes of all keys held, ascending."""
        held = np.ones(self._capacity, np.bool_)
        held[self._free] = False
        return np.flatnonzero(held)

    def columns(self, codes: Int64s) -> list[Any]:
        """The key columns of `codes`, as Arrow arrays."""
        return [to_arrow(s.get(codes), kind) for s, kind in zip(self._columns, self._types, strict=True)]

    def free(self, codes: Int64s) -> None:
        """Forget these keys; their codes may be given to other keys.

        Costs time in the number of keys held, so free many at once.
        """
        if isinstance(self._index, _WordIndex):
            self._index.remove(codes)
        else:
            self._index.remove([s.get(codes) for s in self._columns])
        self._free.extend(codes.tolist())

    def snapshot(self) -> pa.Table:
        """The keys held, as columns `code`, `k0`, `k1`, …."""
        codes = self.codes()
        return pa.table(
            [pa.array(codes), *self.columns(codes)], names=["code", *(f"k{i}" for i in range(len(self._types)))]
        )

    def restore(self, table: pa.Table) -> None:
        """Replace the content by a snapshot."""
        self._clear()
        codes = table.column("code").to_numpy()
        self._capacity = int(codes.max()) + 1 if len(codes) else 0
        missing = np.ones(self._capacity, np.bool_)
        missing[codes] = False
        self._free = np.flatnonzero(missing).tolist()
        arrays = [single_array(c) for c in table.columns[1:]]
        for store, array, kind in zip(self._columns, arrays, self._types, strict=True):
            store.reserve(self._capacity)
            store.put(codes, from_arrow(array, kind))
        self._index.codes(arrays, lambda rows: codes[rows])

    def _clear(self) -> None:
        self._columns = [VectorStore(kind) for kind in self._types]
        self._capacity = 0
        self._free = []
        one_word = len(self._types) == 1 and self._types[0].name in _WORDS
        self._index = _WordIndex(self._types[0]) if one_word else _TupleIndex(self._types)

    def _allocate(self, count: int) -> Int64s:
        reused = [self._free.pop() for _ in range(min(count, len(self._free)))]
        fresh = np.arange(self._capacity, self._capacity + count - len(reused))
        self._capacity += len(fresh)
        return np.concatenate([np.array(reused, np.int64), fresh])


class _WordIndex:
    """Key to code for one column of a one-word type."""

    def __init__(self, kind: SqlType) -> None:
        self._kind = kind
        self._codes = Int64Map()
        self._null_code = ABSENT

    def codes(self, arrays: Sequence[Any], allocate: _Allocate | None) -> Int64s:
        vector = from_arrow(arrays[0], self._kind)
        words = _words(vector)
        codes = self._codes.find(words)
        if vector.valid is not None:
            codes[~vector.valid] = self._null_code
        if allocate is not None:
            absent = np.flatnonzero(codes == ABSENT)
            if len(absent):
                codes[absent] = self._add(words, vector.valid, absent, allocate)
        return codes

    def remove(self, codes: Int64s) -> None:
        if self._null_code != ABSENT and bool((codes == self._null_code).any()):
            self._null_code = ABSENT
        self._codes.retain(~np.isin(self._codes.items()[1], codes))

    def _add(self, words: Int64s, valid: Any, absent: Int64s, allocate: _Allocate) -> Int64s:
        """Remember the keys of the rows `absent`; their codes, row by row."""
        is_null = np.zeros(len(absent), np.bool_) if valid is None else ~valid[absent]
        distinct, first, inverse = np.unique(words[absent], return_index=True, return_inverse=True)
        if is_null.any():
            # NULL is one more distinct value, numbered after the others.
            distinct, first, inverse = np.unique(words[absent[~is_null]], return_index=True, return_inverse=True)
            first = np.append(np.flatnonzero(~is_null)[first], np.argmax(is_null))
            ids = np.full(len(absent), len(distinct))
            ids[~is_null] = inverse
            inverse = ids
        order = np.argsort(first)
        codes = np.empty(len(order), np.int64)
        codes[order] = allocate(absent[first[order]])
        self._codes.insert(distinct, codes[: len(distinct)])
        if is_null.any():
            self._null_code = int(codes[-1])
        return codes[inverse]


class _TupleIndex:
    """Key to code for any columns: a Python dictionary, asked once for each distinct key of a batch."""

    def __init__(self, types: Sequence[SqlType]) -> None:
        self._types = types
        self._codes: dict[Hashable, int] = {}

    def codes(self, arrays: Sequence[Any], allocate: _Allocate | None) -> Int64s:
        locals_ = [_local_codes(a, kind) for a, kind in zip(arrays, self._types, strict=True)]
        combined, count = _combined(locals_)
        first = np.empty(count, np.int64)
        first[combined[::-1]] = np.arange(len(combined) - 1, -1, -1)
        columns = [_picked(keys, ids[first]) for ids, keys in locals_]
        keys: list[Any] = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
        codes = np.fromiter(map(self._codes.get, keys, repeat(ABSENT)), np.int64, len(keys))
        if allocate is not None:
            absent = np.flatnonzero(codes == ABSENT)
            if len(absent):
                codes[absent] = allocate(first[absent])
                self._codes.update(zip((keys[i] for i in absent), codes[absent].tolist(), strict=True))
        return codes[combined]

    def remove(self, vectors: Sequence[Vector]) -> None:
        columns = [_hashables(v, kind) for v, kind in zip(vectors, self._types, strict=True)]
        for key in columns[0] if len(columns) == 1 else zip(*columns, strict=True):
            del self._codes[key]


def _words(vector: Vector) -> Int64s:
    """The values of a one-word type as int64; floats by their bits."""
    values = vector.values
    if values.dtype.kind == "f":
        return values.view(np.int64 if values.dtype.itemsize == 8 else np.int32).astype(np.int64, copy=False)
    return values.astype(np.int64, copy=False)


def _local_codes(array: Any, kind: SqlType) -> tuple[Int64s, list[Hashable]]:
    """A code per row within this array alone, in order of first appearance, and the key each code stands for."""
    if kind.name in _NESTED or kind.name is TypeName.NULL:
        seen: dict[Hashable, int] = {}
        ids = [seen.setdefault(key, len(seen)) for key in _hashables(from_arrow(array, kind), kind)]
        return np.array(ids, np.int64), list(seen)
    if kind.name in FLOATS:
        # Arrow's dictionaries compare floats by value; keys are compared by their bits.
        array = array.view(pa.int64() if array.type == pa.float64() else pa.int32())
    encoded = array.dictionary_encode(null_encoding="encode")
    values = encoded.dictionary
    if kind.name in FLOATS:
        values = values.view(arrow_type(kind))
    return encoded.indices.to_numpy().astype(np.int64), _hashables(from_arrow(values, kind), kind)


def _combined(columns: Sequence[tuple[Int64s, list[Hashable]]]) -> tuple[Int64s, int]:
    """One dense code per row out of one code per row and column, in order of first appearance."""
    ids, keys = columns[0]
    size = len(keys)
    for more, values in columns[1:]:
        radix = max(len(values), 1)
        assert size * radix < _LARGEST_PRODUCT, "dense codes keep the product below rows squared"
        encoded = pa.array(ids * radix + more).dictionary_encode()
        ids, size = encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)
    return ids, size


def _picked(keys: list[Hashable], positions: Int64s) -> list[Hashable]:
    return [keys[i] for i in positions.tolist()]


def _hashables(vector: Vector, kind: SqlType) -> list[Any]:
    """Python values that are equal exactly when the keys are; None for NULL."""
    if kind.name in _NESTED:
        values = [_frozen(v) for v in vector.values]
    elif kind.name in FLOATS:
        values = _words(vector).tolist()
    else:
        values = vector.values.tolist()
    if vector.valid is None:
        return values
    return [v if valid else None for v, valid in zip(values, vector.valid.tolist(), strict=True)]


def _frozen(value: Any) -> Hashable:
    match value:
        case dict():
            return tuple((k, _frozen(v)) for k, v in value.items())
        case list() | tuple():
            return tuple(_frozen(v) for v in value)
        case _:
            hashable: Hashable = value
            return hashable
