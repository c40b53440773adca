"""What checks look at: rows in Arrow with their SQL types, and the names by which a spec may call a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from velo_engine.errors import did_you_mean
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows under their users' names. `table` has one column per column of `schema`, in order."""

    name: str
    schema: RowSchema
    table: pa.Table
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names of columns: `o.order_id` for `order_id`."""

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def position(self, name: str) -> int | None:
        """The column called `name`, or by an alias of it; None when there is none."""
        found = self.schema.index(name)
        if found is None and name in self.aliases:
            found = self.schema.index(self.aliases[name])
        return found

    def column(self, position: int) -> pa.ChunkedArray:
        """The values of one column."""
        return self.table.column(position)

    def type(self, position: int) -> SqlType:
        """The SQL type of one column."""
        return self.schema.columns[position].type

    def filtered(self, mask: pa.Array) -> Relation:
        """The rows where `mask` is true."""
        return replace(self, table=self.table.filter(mask))

    def taken(self, positions: Sequence[int]) -> Relation:
        """The rows at `positions`, in that order."""
        return replace(self, table=self.table.take(pa.array(positions, pa.int64())))

    def missing(self, name: str) -> str:
        """What to tell a person who asked for a column that is not here."""
        known = [*self.schema.names, *(a for a in self.aliases if "." in name)]
        return f'{self.name} has no field "{name}" ({did_you_mean(name, known, noun="field")})'

    def selected_row(self, index: int, names: Sequence[str]) -> dict[str, Any]:
        """Some columns of one row, which must exist, as Python values."""
        return {n: python_value(self.table.column(p)[index]) for n in names if (p := self.position(n)) is not None}

    def row(self, index: int) -> dict[str, Any]:
        """One row as Python values, for messages."""
        return {name: python_value(self.table.column(i)[index]) for i, name in enumerate(self.schema.names)}


def python_value(value: pa.Scalar) -> Any:
    """An Arrow value for people and comparisons; a time outside Python's years 1 to 9999 is its text."""
    try:
        return value.as_py()
    except (OverflowError, ValueError):
        return value.cast(pa.string()).as_py()
