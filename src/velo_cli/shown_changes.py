"""Changes of statements without a sink, on stdout as they come, in the form of Flink's print connector."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any

import pyarrow as pa

from velo_engine.batch import KIND_SYMBOLS, numpy_column
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType, TypeName
from velo_harness.relation import python_value
from velo_harness.reports.shown_values import printable
from velo_harness.reports.standard_output import leave_stdout


def printed_statements(program: PlannedProgram) -> list[str]:
    """Those with the connector `print`, and those whose changes go nowhere else: no sink, no other statement."""
    read = {name for statement in program.statements.values() for name in statement.reads}
    found = []
    for name, statement in program.statements.items():
        properties: Mapping[str, str] = {} if statement.sink is None else statement.sink.properties
        nowhere = properties.keys().isdisjoint(("type", "topic", "path")) and name not in read
        if properties.get("type") == "print" or nowhere:
            found.append(name)
    return found


class ShownChanges:
    """Prints changes, while stdout takes them."""

    def __init__(self, program: PlannedProgram, stop: threading.Event, *, wanted: bool = True) -> None:
        """`stop` is set when stdout is closed and nothing has a sink. Not `wanted`: stdout is for something else."""
        self.names = tuple(printed_statements(program))
        """The statements whose changes are for stdout."""
        self._schemas = {name: program.statements[name].plan.schema for name in self.names}
        self._prefixed = len(self.names) > 1
        others = (s for name, s in program.statements.items() if name not in self.names)
        self._only = all(statement.sink is None for statement in others)
        self._stop = stop
        self._open = wanted

    def show(self, statement: str, changes: pa.Table) -> None:
        """A batch of a statement's changes, in physical form."""
        if not self._open or statement not in self._schemas:
            return
        prefix = f"{statement}> " if self._prefixed else ""
        try:
            sys.stdout.write("".join(f"{prefix}{line}\n" for line in change_lines(self._schemas[statement], changes)))
            sys.stdout.flush()
        except BrokenPipeError:
            self._open = False
            leave_stdout()
            if self._only:
                self._stop.set()


def change_lines(schema: RowSchema, changes: pa.Table) -> list[str]:
    """Each change as `+I[a, 1]`."""
    columns = []
    for i, column in enumerate(schema.columns):
        values = changes.column(i)
        columns.append([shown_value(python_value(value), column.type) for value in values])
    kinds = [KIND_SYMBOLS[kind] for kind in numpy_column(changes, "kind").tolist()]
    rows = zip(*columns, strict=True) if columns else ((),) * len(kinds)
    return [f"{kind}[{', '.join(row)}]" for kind, row in zip(kinds, rows, strict=True)]


def shown_value(value: Any, type_: SqlType) -> str:
    """A value as Flink prints it. Control characters of texts are shown as escapes."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return value if value.isprintable() else printable(value)
        case bytes():
            return str(list(value))
        case datetime():
            # Flink prints an instant as UTC, with Z.
            return value.isoformat() + ("Z" if type_.name is TypeName.TIMESTAMP_LTZ else "")
        case date() | time_of_day():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case dict() if type_.name is TypeName.ROW:
            fields = (shown_value(value[name], field) for name, field in type_.fields)
            return f"+I[{', '.join(fields)}]"
        case list() if type_.name is TypeName.ARRAY and type_.element is not None:
            return f"[{', '.join(shown_value(item, type_.element) for item in value)}]"
        case list() if type_.name is TypeName.MAP and type_.key is not None and type_.element is not None:
            pairs = (f"{shown_value(k, type_.key)}={shown_value(v, type_.element)}" for k, v in value)
            return f"{{{', '.join(pairs)}}}"
        case _:
            return str(value)
