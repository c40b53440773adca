"""Flink's answer as the result of a job: values, which Flink prints, in the columns of the engine's plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from velo_engine.batch import KIND_SYMBOLS, make_rows, numpy_column, renumbered
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.runtime.accounting import Accounting
from velo_engine.runtime.result import JobResult, StatementResult
from velo_engine.types import BINARIES, FLOATS, INTEGERS, STRINGS, SqlType, TypeName, arrow_type
from velo_harness.flink.server import FlinkAnswer


def job_result(answers: Mapping[str, FlinkAnswer], program: PlannedProgram, time_zone: str, records: int) -> JobResult:
    """The answers as the results of statements. Raises VeloError when Flink failed, or its columns are others."""
    zone = ZoneInfo(time_zone)
    statements = {name: _statement(name, answer, program, zone) for name, answer in answers.items()}
    return JobResult(statements, (), 0, records, 0.0)


def _statement(name: str, answer: FlinkAnswer, program: PlannedProgram, zone: ZoneInfo) -> StatementResult:
    if answer.error is not None:
        raise _failure(name, answer.error)
    planned = program.statements[name]
    schema = planned.plan.schema
    theirs = [column for column, _ in answer.schema]
    if theirs != list(schema.names):
        message = f"Flink gives {name} the columns {', '.join(theirs)}; the engine {', '.join(schema.names)}"
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, message)
    columns = []
    for i, column in enumerate(schema.columns, 1):
        read = _reader(column.type, zone)
        values = [None if (text := change[i]) is None else read(text) for change in answer.changelog]
        columns.append(pa.array(values, arrow_type(column.type)).cast(schema.physical().field(i - 1).type))
    kinds = np.array([KIND_SYMBOLS.index(str(change[0])) for change in answer.changelog], np.int8)
    seq = np.array(answer.events, np.int64)
    rows = make_rows(schema, columns, kinds, seq, renumbered(seq))
    late = pa.table({"late_by_ms": pa.array([], pa.int64())})
    key = planned.sink.upsert_key if planned.sink is not None else ()
    return StatementResult(name, schema, planned.aliases, key, rows, rows, late, Accounting(), 0.0)


def in_order_of(flink: StatementResult, engine: StatementResult) -> StatementResult:
    """Flink's result with the changes that one record causes in the engine's order, where they are the same changes.

    Their order among each other (several partners of a joined row, keys whose windows close together) is that of
    Flink's hash tables, and means nothing.
    """
    theirs, ours = (list(map(_hashable, one.changelog.to_pylist())) for one in (flink, engine))
    order: list[int] = []
    for _, group in groupby(range(len(theirs)), key=numpy_column(flink.rows, "seq").tolist().__getitem__):
        places = list(group)
        wanted = ours[places[0] : places[-1] + 1]
        if Counter(wanted) == Counter(theirs[i] for i in places):
            waiting = {row: [i for i in places if theirs[i] == row] for row in wanted}
            places = [waiting[row].pop(0) for row in wanted]
        order += places
    rows = flink.rows.take(pa.array(order, pa.int64()))
    return replace(flink, rows=rows, sink_rows=rows)


def _hashable(row: Mapping[str, Any]) -> str:
    return repr(list(row.values()))


_REFUSALS = ("ParseException", "SqlParserException", "ValidationException", "CalciteException", "TableException")


def _failure(name: str, error: str) -> VeloError:
    """What Flink says of a query that it does not take, or that failed."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    said = lines[0] if len(lines) == 1 else f"{lines[0]} …"
    if not error.startswith(_REFUSALS):
        return VeloError(ErrorCode.JOB_FAILED, f"Flink fails at {name}: {said}")
    hint = "Flink is asked with the SQL as it is written: it must be Flink's, and its reserved words stand in backticks"
    return VeloError(ErrorCode.SQL_UNSUPPORTED, f"Flink does not take {name}: {said}", hint=hint)


def _reader(kind: SqlType, zone: ZoneInfo) -> Callable[[str], Any]:
    """What reads a value as CAST AS STRING prints it."""
    if kind.name in INTEGERS:
        return int
    if kind.name in FLOATS:
        return float
    if kind.name in STRINGS:
        return str
    if kind.name in BINARIES:
        return lambda text: bytes.fromhex(text.removeprefix("x'").removesuffix("'"))
    if kind.name is TypeName.TIMESTAMP_LTZ:
        return lambda text: datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
    reader = _READERS.get(kind.name)
    if reader is None:
        message = f"Flink's answer has a column of {kind}, whose values cannot be read from its print"
        raise VeloError(ErrorCode.NOT_YET_SUPPORTED, message, hint="take the fields one by one in a SELECT")
    return reader


_READERS: dict[TypeName, Callable[[str], Any]] = {
    TypeName.BOOLEAN: lambda text: text == "TRUE",
    TypeName.DECIMAL: Decimal,
    TypeName.DATE: date.fromisoformat,
    TypeName.TIME: time.fromisoformat,
    TypeName.TIMESTAMP: datetime.fromisoformat,
}
