"""Table functions: what makes any number of rows out of the arguments of one row.

A function is asked for whole columns at once and says for each of its rows which input row it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.batch import Int64s
from velo_engine.schema import Column, RowSchema
from velo_engine.types import INT, SqlType, TypeName


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows that a table function made."""

    parents: Int64s
    """The input row of each, ascending."""
    columns: Sequence[Any]
    """One Arrow array per column of the function's schema."""


class TableFunction(Protocol):
    """A table function with the types of its arguments settled."""

    @property
    def name(self) -> str:
        """For people, as in plans."""

    @property
    def schema(self) -> RowSchema:
        """The columns of its rows."""

    def rows(self, arguments: Sequence[Any]) -> TableRows:
        """The rows for each row of `arguments`, which are Arrow arrays of one length."""


@dataclass(frozen=True, slots=True)
class Unnest:
    """UNNEST: the elements of an ARRAY, the entries of a MAP or the elements of a MULTISET as often as they are in it.

    Elements that are ROWs become one column per field. NULL and empty collections give nothing, and so does a ROW that
    is NULL; any other element that is NULL is given out. Source: Flink's UnnestRowsFunction and
    UnnestRowsWithOrdinalityFunction.
    """

    collection: SqlType
    with_ordinality: bool

    @property
    def name(self) -> str:
        """As written."""
        return "UNNEST WITH ORDINALITY" if self.with_ordinality else "UNNEST"

    @property
    def schema(self) -> RowSchema:
        """EXPR$0, of a map KEY and VALUE, else the fields of a ROW; the ordinality is an INT that counts from 1."""
        columns = _element_columns(self.collection)
        if self.with_ordinality:
            columns += (Column("ORDINALITY", INT.as_nullable(False)),)
        return RowSchema(columns)

    def rows(self, arguments: Sequence[Any]) -> TableRows:
        """The elements in their order."""
        array = arguments[0]
        parents = pc.list_parent_indices(_as_list(array)).to_numpy().astype(np.int64)
        elements = _flat(array)
        counts = None
        if self.collection.name is TypeName.MULTISET:
            counts = elements.field(1).to_numpy(zero_copy_only=False)
            chosen = np.repeat(np.arange(len(counts)), counts)
            parents, elements = parents[chosen], elements.field(0).take(pa.array(chosen))
        columns = self._columns(elements)
        if self.with_ordinality:
            columns.append(pa.array(_ordinality(parents), pa.int32()))
        if self._element.name is TypeName.ROW and elements.null_count:
            there = elements.is_valid()
            columns = [column.filter(there) for column in columns]
            parents = parents[np.asarray(there)]
        return TableRows(parents, columns)

    def _columns(self, elements: Any) -> list[Any]:
        if self.collection.name is TypeName.MAP:
            return [elements.field(0), elements.field(1)]
        return list(elements.flatten()) if self._element.name is TypeName.ROW else [elements]

    @property
    def _element(self) -> SqlType:
        return _element(self.collection)


@dataclass(frozen=True, slots=True)
class ReplicateRows:
    """The arguments behind the first as a row, as often as the first one, a BIGINT, says.

    Source: Flink's ReplicateRows, with which INTERSECT ALL and EXCEPT ALL are planned.
    """

    schema: RowSchema
    name: str = "REPLICATE_ROWS"

    def rows(self, arguments: Sequence[Any]) -> TableRows:
        """The repeated rows."""
        times = arguments[0].fill_null(0).to_numpy()
        parents = np.repeat(np.arange(len(times)), np.maximum(times, 0))
        place = pa.array(parents)
        return TableRows(parents, [argument.take(place) for argument in arguments[1:]])


def _element_columns(collection: SqlType) -> tuple[Column, ...]:
    """The columns of one element; of a nullable ROW its fields are nullable, too."""
    element = _element(collection)
    if collection.name is TypeName.MAP:
        assert collection.key is not None, "a map has a key"
        return (Column("KEY", collection.key), Column("VALUE", element))
    if element.name is TypeName.ROW:
        return tuple(Column(n, t.as_nullable(t.nullable or element.nullable)) for n, t in element.fields)
    return (Column("EXPR$0", element),)


def _element(collection: SqlType) -> SqlType:
    """The type of the elements; of a map that of the values."""
    assert collection.element is not None, "a collection has elements"
    return collection.element


def _as_list(array: Any) -> Any:
    """A map's entries as a list of structs."""
    if not pa.types.is_map(array.type):
        return array
    entries = pa.list_(pa.struct([pa.field("key", array.type.key_type), pa.field("value", array.type.item_type)]))
    return array.cast(entries)


def _flat(array: Any) -> Any:
    """The elements of all rows, those that are not NULL, one after the other."""
    return _as_list(array).flatten()


def _ordinality(parents: Int64s) -> Int64s:
    """1, 2, … within each input row."""
    if not len(parents):
        return parents
    starts = np.flatnonzero(np.concatenate([[True], parents[1:] != parents[:-1]]))
    return np.arange(len(parents)) - np.repeat(starts, np.diff(np.append(starts, len(parents)))) + 1
