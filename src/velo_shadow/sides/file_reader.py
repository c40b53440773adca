"""A file, read as if it were a topic that has ended: for a topic that is compared with a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int8s
from velo_engine.connectors.source import NO_TIMESTAMP
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.kernel import Kernel
from velo_engine.types import SqlType, arrow_type
from velo_shadow.alignment import side_rows
from velo_shadow.model import ColumnEquality, ComparisonPlan, PlanColumn
from velo_shadow.offline import MEMORY_LIMIT, SideFile
from velo_shadow.stream.changes import Changes, Positions

_PIECE = 50_000
"""Rows of a Parquet file that are read at once."""


class FileReader:
    """The rows of a file in their order (`StreamReader`). Parquet is read piece by piece, other files are held."""

    def __init__(self, file: SideFile, types: Mapping[str, SqlType]) -> None:
        """`types`: those of the columns to read, in order."""
        self._file = file
        self._types = dict(types)
        self._next = 0
        self._pieces: Iterator[tuple[pa.Table, Int8s]] | None = None
        self._piece: tuple[pa.Table, Int8s] | None = None
        self._has_ended = False

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
        return self._has_ended

    def poll(self, limit: int, _timeout_s: float) -> Changes | None:
        """As `StreamReader`. Errors: EXPRESSION_FAILED, SCHEMA_MISMATCH for a value that does not fit its column."""
        if self._pieces is None:
            self._pieces = self._from(self._next)
        self._piece = self._piece or next(self._pieces, None)
        if self._piece is None:
            self._has_ended = True
            return None
        table, kinds = self._piece
        self._piece = (table.slice(limit), kinds[limit:]) if len(table) > limit else None
        rows, kinds = table.slice(0, limit), kinds[:limit]
        self._next += len(rows)
        return Changes(rows, kinds, np.full(len(rows), NO_TIMESTAMP, np.int64), np.zeros(len(rows), np.int32))

    def positions(self) -> Positions:
        """How many rows have been given out."""
        return {(str(self._file.path.absolute()), 0): self._next}

    def seek(self, positions: Positions) -> None:
        """Goes on behind so many rows."""
        self._next = next(iter(positions.values()), 0)

    def close(self) -> None:
        """Gives back the file."""
        self._pieces = self._piece = None

    def _from(self, first: int) -> Iterator[tuple[pa.Table, Int8s]]:
        """The rows from one on, in pieces, with their kinds."""
        passed = 0
        for table in self._parquet() if self._file.table is None else [self._typed()]:
            left = max(0, first - passed)
            passed += len(table)
            if left < len(table):
                kinds = np.zeros(len(table), np.int8) if self._file.kinds is None else self._file.kinds.to_numpy()
                yield table.slice(left), kinds[left:]

    def _parquet(self) -> Iterator[pa.Table]:
        from pyarrow import parquet

        target = pa.schema([pa.field(name, arrow_type(kind)) for name, kind in self._types.items()])
        with parquet.ParquetFile(self._file.path) as file:
            for batch in file.iter_batches(_PIECE, columns=list(self._types), use_threads=False):
                try:
                    yield pa.Table.from_batches([batch]).select(target.names).cast(target)
                except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                    reason = str(error).splitlines()[0]
                    raise VeloError(ErrorCode.SCHEMA_MISMATCH, f"{self.label}: {reason}") from None

    def _typed(self) -> pa.Table:
        """The rows that are at hand, brought to the types by the kernel."""
        columns = tuple(PlanColumn(name, kind, ColumnEquality()) for name, kind in self._types.items())
        relation = self._file.relation
        with Kernel(memory_limit=MEMORY_LIMIT) as kernel:
            rows = kernel.query_written(
                side_rows(ComparisonPlan(columns), relation), {relation.source: self._file.table}
            )
        return rows.rename_columns(list(self._types))
