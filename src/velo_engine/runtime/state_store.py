"""A job's state at rest: tables of the kernel in declared Arrow types, under the versions that can read them.

| table | holds |
|---|---|
| `versions` | one row: versions of this format, the engine and the kernel; the plan's fingerprint; the next event |
| `contents` | a row per table of each operator: step, name, the table that holds it, its Arrow schema (IPC message) |
| `state_<step>_<n>` | the rows of one such table and their order (`position`) |

All of it is written in one transaction, so that what is read was written together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.kernel import Kernel
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.plan.render import render_program

FORMAT = 1
"""Of the tables; another number cannot be read."""

JobState: TypeAlias = Mapping[int, Mapping[str, pa.Table]]
"""Per step of a pipeline the named tables of its operator."""


@dataclass(frozen=True, slots=True)
class SavedState:
    """What a store holds."""

    operators: JobState
    next_seq: int
    """The event that comes next."""


def fingerprint(program: PlannedProgram) -> str:
    """A digest that is equal for programs with the same plan, whatever their text."""
    return hashlib.sha256(render_program(program).encode()).hexdigest()


class StateStore:
    """The saved state of one job, in the database of a kernel."""

    def __init__(self, kernel: Kernel, plan: str) -> None:
        """`plan` is the fingerprint of the plan whose state it is."""
        self._kernel = kernel
        self._plan = plan
        self._relations: set[str] = set()
        """The tables that hold the contents."""

    def write(self, state: SavedState) -> None:
        """Replace what is held."""
        contents: list[dict[str, Any]] = []
        self._kernel.execute("BEGIN")
        try:
            for step, tables in state.operators.items():
                for number, (name, table) in enumerate(tables.items()):
                    relation = f"state_{step}_{number}"
                    contents.append({"step": step, "name": name, "relation": relation, "schema": _packed(table.schema)})
                    self._replace(relation, _stored(table))
            self._drop_all_but({entry["relation"] for entry in contents})
            self._replace("contents", pa.Table.from_pylist(contents, schema=_CONTENTS))
            self._replace("versions", pa.Table.from_pylist([self._versions(state.next_seq)]))
        except BaseException:
            self._kernel.execute("ROLLBACK")
            raise
        self._kernel.execute("COMMIT")
        self._relations = {entry["relation"] for entry in contents}

    def read(self) -> SavedState:
        """What was written last. Raises VeloError STATE_MISMATCH when another format or plan wrote it."""
        (found,) = self._rows("versions", "format")
        self._check(found)
        operators: dict[int, dict[str, pa.Table]] = {}
        for entry in self._rows("contents", "relation"):
            schema = pa.ipc.read_schema(pa.py_buffer(entry["schema"]))
            table = self._table(entry["relation"], "position").drop_columns(["position"])
            self._relations.add(entry["relation"])
            operators.setdefault(entry["step"], {})[entry["name"]] = _restored(table, schema)
        return SavedState(operators, found["next_seq"])

    def _versions(self, next_seq: int) -> dict[str, Any]:
        from importlib.metadata import version

        return {
            "format": FORMAT,
            "engine": version("velostream"),
            "kernel": self._kernel.version,
            "plan": self._plan,
            "next_seq": next_seq,
        }

    def _check(self, found: Mapping[str, Any]) -> None:
        if found["format"] != FORMAT:
            raise VeloError(
                ErrorCode.STATE_MISMATCH,
                f"the state was written in format {found['format']} by velostream {found['engine']}; "
                f"this version reads format {FORMAT}",
                hint="run the version that wrote it, or begin without state",
            )
        if found["plan"] != self._plan:
            raise VeloError(
                ErrorCode.STATE_MISMATCH,
                "the state belongs to a program with another plan",
                hint="run the program that wrote it, or begin without state",
            )

    def _drop_all_but(self, kept: set[str]) -> None:
        for relation in sorted(self._relations - kept):
            self._kernel.execute(f"DROP TABLE {self._kernel.table(relation)}")

    def _replace(self, relation: str, rows: pa.Table) -> None:
        name = self._kernel.table(relation)
        self._kernel.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM state_rows", state_rows=rows)

    def _table(self, relation: str, order: str) -> pa.Table:
        return self._kernel.query(f"SELECT * FROM {self._kernel.table(relation)} ORDER BY {order}")

    def _rows(self, relation: str, order: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._table(relation, order).to_pylist()
        return rows


_CONTENTS = pa.schema([("step", pa.int32()), ("name", pa.string()), ("relation", pa.string()), ("schema", pa.binary())])


def _packed(schema: pa.Schema) -> bytes:
    return bytes(schema.serialize())


def _stored(table: pa.Table) -> pa.Table:
    """The table with the order of its rows, under names that the kernel does not fold into one."""
    columns = [c.cast(pa.int32()) if pa.types.is_null(c.type) else c for c in table.columns]
    names = [f"s{i}" for i in range(len(columns))]
    return pa.table([*columns, pa.array(range(table.num_rows), pa.int64())], names=[*names, "position"])


def _restored(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [_as(column, field.type) for column, field in zip(table.columns, schema, strict=True)]
    return pa.table(columns, schema=schema)


def _as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    return pa.nulls(len(column)) if pa.types.is_null(kind) else column.cast(kind)
