"""The columns of a relation: names and types, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from velo_engine.types import SqlType, arrow_type


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Names keep their case and are compared exactly, as Flink does."""

    name: str
    type: SqlType


@dataclass(frozen=True, slots=True)
class RowSchema:
    """The columns of a relation, in order. Column *i* is held in the physical column `c<i>` of its batches."""

    columns: tuple[Column, ...]

    @staticmethod
    def of(*columns: tuple[str, SqlType]) -> RowSchema:
        """A schema from (name, type) pairs."""
        return RowSchema(tuple(Column(name, kind) for name, kind in columns))

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(c.name for c in self.columns)

    @property
    def types(self) -> tuple[SqlType, ...]:
        """The column types, in order."""
        return tuple(c.type for c in self.columns)

    def index(self, name: str) -> int | None:
        """The position of the column called exactly `name`, or None."""
        names = self.names
        return names.index(name) if name in names else None

    def select(self, positions: Sequence[int]) -> RowSchema:
        """The columns at `positions`, in that order."""
        return RowSchema(tuple(self.columns[i] for i in positions))

    def arrow(self) -> pa.Schema:
        """The Arrow schema under the users' names (for sinks and reports)."""
        return pa.schema([pa.field(c.name, arrow_type(c.type)) for c in self.columns])

    def physical(self) -> pa.Schema:
        """The Arrow schema under physical names `c0`, `c1`, … (for batches)."""
        return pa.schema([pa.field(f"c{i}", arrow_type(c.type)) for i, c in enumerate(self.columns)])
