"""A file, read as if it were a topic that has ended: for a topic that is compared with a file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int8s
from velo_engine.connectors.source import NO_TIMESTAMP
from velo_engine.kernel import Kernel
from velo_engine.types import SqlType
from velo_shadow.alignment import side_rows
from velo_shadow.model import ColumnEquality, ComparisonPlan, PlanColumn
from velo_shadow.offline import MEMORY_LIMIT, SideFile
from velo_shadow.stream.changes import Changes, Positions


class FileReader:
    """The rows of a file in their order (`StreamReader`). The whole file is held, from the first poll on."""

    def __init__(self, file: SideFile, types: Mapping[str, SqlType]) -> None:
        """`types`: those of the columns to read, in order."""
        self._file = file
        self._types = dict(types)
        self._table: pa.Table | None = None
        self._kinds: Int8s | None = None
        self._next = 0

    @property
    def label(self) -> str:
        """The file's name."""
        return self._file.label

    @property
    def types(self) -> Mapping[str, SqlType]:
        """The columns that are read."""
        return self._types

    @property
    def ended(self) -> bool:
        """Whether all rows have been given out."""
        return self._table is not None and self._next >= len(self._table)

    def poll(self, limit: int, _timeout_s: float) -> Changes | None:
        """As `StreamReader`. Errors: EXPRESSION_FAILED for a value that does not fit its column's type."""
        if self._table is None:
            self._table = self._typed()
        rows = self._table.slice(self._next, limit)
        if not len(rows):
            return None
        kinds = np.zeros(len(rows), np.int8) if self._kinds is None else self._kinds[self._next : self._next + limit]
        self._next += len(rows)
        return Changes(rows, kinds, np.full(len(rows), NO_TIMESTAMP, np.int64), np.zeros(len(rows), np.int32))

    def positions(self) -> Positions:
        """How many rows have been given out."""
        return {(str(self._file.path.absolute()), 0): self._next}

    def seek(self, positions: Positions) -> None:
        """Goes on behind so many rows."""
        self._next = next(iter(positions.values()), 0)

    def close(self) -> None:
        """Nothing is open."""

    def _typed(self) -> pa.Table:
        columns = tuple(PlanColumn(name, kind, ColumnEquality()) for name, kind in self._types.items())
        relation, table = self._file.relation, self._file.table
        files = [] if table is not None else [str(self._file.path.absolute())]
        with Kernel(memory_limit=MEMORY_LIMIT, files=files) as kernel:
            rows = side_rows(ComparisonPlan(columns), relation)
            found = kernel.query_written(rows, {} if table is None else {relation.source: table})
        if self._file.kinds is not None:
            self._kinds = self._file.kinds.to_numpy()
        return found.rename_columns(list(self._types))
