"""Where rows of both sides are: in files, those that came since the last step as well as those that stand."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from velo_engine.kernel import Kernel
from velo_engine.types import kernel_type
from velo_shadow.alignment import roles
from velo_shadow.model import ComparisonPlan, Side
from velo_shadow.stream.saved import State

BATCH = "velo_batch"
"""The name under which the kernel reads a batch that comes in."""
_WRITTEN = "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION lz4"
"""Version 2 writes numbers as differences: a third less CPU than version 1, and a third of its size."""
BESIDE = {
    "velo_time": "BIGINT",
    "velo_moment": "BIGINT",
    "velo_partition": "INTEGER",
    "velo_kind": "TINYINT",
    "velo_n": "BIGINT",
    "velo_f0": "UBIGINT",
    "velo_f1": "UBIGINT",
}
"""What rows have beside the plan's columns (`incoming`), with its type."""


class Rows:
    """The files of a comparison, as SQL names them.

    Tables of the kernel would be in the way: rows that wait in them take the memory that joins need.
    """

    def __init__(self, kernel: Kernel, plan: ComparisonPlan, folder: Path) -> None:
        """Nothing has come yet."""
        self.kernel = kernel
        self.plan = plan
        self._folder = folder
        found = roles(plan)
        self.columns = [f"k{i}" for i in range(len(found.by))] + [f"c{i}" for i in range(len(found.compared))]
        """Of the plan, as the tables have them."""
        types = [kernel_type(column.type) for column in (*found.by, *found.compared)]
        typed = [*zip(self.columns, types, strict=True), *BESIDE.items()]
        nulls = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in typed)
        self._none = f"(SELECT {nulls} WHERE FALSE)"
        self._new: dict[Side, list[str]] = {side: [] for side in Side}
        self._numbers = itertools.count()

    def new(self, side: Side) -> str:
        """What came since the last step."""
        return self.files(self._new[side]) if self._new[side] else self._none

    def add_new(self, side: Side, select: str, batch: pa.Table) -> None:
        """Rows of a SELECT from the batch have come."""
        name = f"new-{side}-{next(self._numbers):08d}.parquet"
        self._copy(select, name, **{BATCH: batch})
        self._new[side].append(name)

    def replace_new(self, side: Side, select: str) -> int:
        """What came is less: rows of a SELECT from it; how many."""
        name = f"new-{side}-{next(self._numbers):08d}.parquet"
        count = self.write(name, select)
        self.remove(self._new[side])
        self._new[side] = [name]
        return count

    def standing(self, state: State, side: Side) -> str:
        """The rows that stood after the last step; none before the first."""
        name = state.sides[side].rows
        return self._none if name is None else self.file(name)

    def file(self, name: str) -> str:
        """What reads a file of the folder."""
        return f"READ_PARQUET({self._quoted(name)})"

    def files(self, names: list[str]) -> str:
        """What reads several."""
        return f"READ_PARQUET([{', '.join(map(self._quoted, names))}])"

    def write(self, name: str, select: str) -> int:
        """The rows of a SELECT as a file of the folder; how many."""
        self._copy(select, name)
        return self.number(f"SELECT COUNT(*) AS n FROM {self.file(name)}")

    def number(self, sql: str) -> int:
        """The one number, named n, that a SELECT gives; 0 for NULL."""
        return int(self.kernel.query(sql).column("n")[0].as_py() or 0)

    def times(self, rows: str) -> tuple[int | None, int | None]:
        """The first and the last event time of rows, ms; None of no rows."""
        found = self.kernel.query(f"SELECT MIN(velo_time) AS first, MAX(velo_time) AS last FROM {rows}").to_pylist()[0]
        return found["first"], found["last"]

    def clear(self) -> None:
        """All that came has been taken in."""
        for side in Side:
            self.remove(self._new[side])
            self._new[side] = []

    def _copy(self, select: str, name: str, **tables: pa.Table) -> None:
        self.kernel.execute(f"COPY ({select}) TO {self._quoted(name)} ({_WRITTEN})", **tables)

    def remove(self, names: Iterable[str]) -> None:
        """Files that are done with."""
        for name in names:
            (self._folder / name).unlink()

    def _quoted(self, name: str) -> str:
        return "'" + str(self._folder / name).replace("'", "''") + "'"
