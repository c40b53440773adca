"""Where rows of both sides are: tables for those that came since the last step, files for those that stand."""

from __future__ import annotations

from pathlib import Path

from velo_engine.kernel import Kernel
from velo_engine.types import kernel_type
from velo_shadow.alignment import roles
from velo_shadow.model import ComparisonPlan, Side
from velo_shadow.stream.saved import State

_BESIDE = (
    "velo_time BIGINT, velo_moment BIGINT, velo_partition INTEGER, velo_kind TINYINT, velo_n BIGINT, "
    "velo_f0 UBIGINT, velo_f1 UBIGINT"
)


class Rows:
    """The tables and files of a comparison, as SQL names them."""

    def __init__(self, kernel: Kernel, plan: ComparisonPlan, folder: Path) -> None:
        """Make the tables for what comes in."""
        self.kernel = kernel
        self.plan = plan
        self._folder = folder
        found = roles(plan)
        self.columns = [f"k{i}" for i in range(len(found.by))] + [f"c{i}" for i in range(len(found.compared))]
        """Of the plan, as the tables have them."""
        types = [kernel_type(column.type) for column in (*found.by, *found.compared)]
        typed = ", ".join(f"{name} {kind}" for name, kind in zip(self.columns, types, strict=True))
        for side in Side:
            kernel.execute(f"CREATE TABLE {self.new(side)} ({typed}, {_BESIDE})")

    def new(self, side: Side) -> str:
        """The table of what came since the last step."""
        return self.kernel.table(f"new_{side}")

    def standing(self, state: State, side: Side) -> str | None:
        """What reads the file of the rows that stand; None before the first step."""
        name = state.sides[side].rows
        return None if name is None else self.file(name)

    def file(self, name: str) -> str:
        """What reads a file of the folder."""
        return f"READ_PARQUET({self._quoted(name)})"

    def files(self, names: list[str]) -> str:
        """What reads several."""
        return f"READ_PARQUET([{', '.join(map(self._quoted, names))}])"

    def write(self, name: str, select: str) -> int:
        """The rows of a SELECT as a file of the folder; how many."""
        self.kernel.execute(f"COPY ({select}) TO {self._quoted(name)} (FORMAT parquet, COMPRESSION lz4)")
        return self.number(f"SELECT COUNT(*) AS n FROM {self.file(name)}")

    def number(self, sql: str) -> int:
        """The one number, named n, that a SELECT gives; 0 for NULL."""
        return int(self.kernel.query(sql).column("n")[0].as_py() or 0)

    def clear(self) -> None:
        """All that came has been taken in."""
        for side in Side:
            self.kernel.execute(f"DELETE FROM {self.new(side)}")

    def _quoted(self, name: str) -> str:
        return "'" + str(self._folder / name).replace("'", "''") + "'"
