"""The rows that a match gives out: columns of certain of its rows, aggregates over the rows of a variable, times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s, make_rows, renumbered
from velo_engine.compile_expression import compile_expression
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.kernel import Kernel
from velo_engine.operators.accumulators import AggregateCalls
from velo_engine.operators.match.partition import Path
from velo_engine.operators.vectors import Vector, to_arrow
from velo_engine.plan.expressions import AggregateCall, ColumnRef, Expression
from velo_engine.plan.match_nodes import MatchProcessingTime, MatchRecognize, MatchTime, RowsAggregate, RowValue
from velo_engine.schema import Column, RowSchema
from velo_engine.types import SqlType

_NO_ROW = -1


@dataclass(frozen=True, slots=True)
class Found:
    """A match that is given out, and when."""

    path: Path
    seq: int
    """The event that lets it out."""
    time: int
    """Milliseconds: the row or watermark that does."""


class MatchResults:
    """Makes the output of a MatchRecognize node."""

    def __init__(self, kernel: Kernel, node: MatchRecognize, time_zone: str) -> None:
        self._kernel = kernel
        self._node = node
        self._time_zone = time_zone
        self._input = kernel.input_name("matched")

    def rows(self, matches: Sequence[Found], numbers: Int64s, rows: pa.Table, processing_time: Int64s) -> pa.Table:
        """One row per match, in the order given. `numbers` are the numbers of `rows`, ascending; `processing_time` is
        per match, milliseconds."""
        taken = _Taken(matches, numbers, len(self._node.pattern))
        first = taken.positions(None, True, 0)
        columns = [_picked(rows.column(i), first) for i in self._node.partition]
        for value in self._node.values:
            match value:
                case RowValue():
                    at = taken.positions(value.variable, value.from_first, value.offset)
                    columns.append(_picked(rows.column(value.column), at))
                case RowsAggregate():
                    columns.append(self._aggregated(value, taken, rows))
                case MatchTime():
                    columns.append(_milliseconds([found.time for found in matches], value.type))
                case MatchProcessingTime():
                    columns.append(_milliseconds(processing_time.tolist(), value.type))
        seq = np.array([found.seq for found in matches], np.int64)
        return make_rows(self._node.schema, columns, np.zeros(len(seq), np.int8), seq, renumbered(seq))

    def _aggregated(self, value: RowsAggregate, taken: _Taken, rows: pa.Table) -> Any:
        """An aggregate in every match, by the engine's accumulators."""
        at, slots = taken.rows_of(value.variable)
        arguments = self._arguments(value.args, rows, pa.array(at))
        schema = RowSchema(tuple(Column(f"a{i}", arg.type) for i, arg in enumerate(value.args)))
        call = AggregateCall(value.function, tuple(range(len(value.args))), value.type)
        calls = AggregateCalls([call], schema, retracting=False)
        calls.reserve(taken.count + 1)
        calls.fold(slots + 1, arguments, None)
        (result,) = calls.values(np.arange(1, taken.count + 1))
        return to_arrow(result, value.type)

    def _arguments(self, args: Sequence[Expression], rows: pa.Table, at: Any) -> pa.Table:
        """The arguments of an aggregate for the rows at these positions. Raises JOB_FAILED where one has no value."""
        names = [f"c{i}" for i in range(len(args))]
        plain = [arg.index for arg in args if isinstance(arg, ColumnRef)]
        if len(plain) == len(args):
            if not args:  # COUNT(*): what counts are the rows
                return rows.select(["seq"]).take(at)
            return pa.table([rows.column(i).take(at) for i in plain], names=names)
        compiled = [compile_expression(arg, lambda i: f"i.c{i}", time_zone=self._time_zone) for arg in args]
        values = ", ".join(f"{c.value} AS c{i}" for i, c in enumerate(compiled))
        errors = ", ".join(c.error or "NULL" for c in compiled)
        numbered = rows.take(at).append_column("n", pa.array(range(len(at)), pa.int64()))
        sql = f"SELECT {values}, coalesce({errors}, NULL) AS e FROM {self._input} i ORDER BY i.n"
        found = self._kernel.query(sql, **{self._input: numbered})
        error = next((text for text in found.column("e").to_pylist() if text is not None), None)
        if error is not None:
            raise VeloError(
                ErrorCode.JOB_FAILED,
                f"MEASURES: {error}",
                location=self._node.location,
                hint="guard the expression (CASE, NULLIF, TRY_CAST)",
            )
        return found.drop_columns(["e"])


class _Taken:
    """Which rows the variables of each match have taken."""

    def __init__(self, matches: Sequence[Found], numbers: Int64s, variables: int) -> None:
        self.count = len(matches)
        self._numbers = numbers
        self._by_variable: list[list[list[int]]] = [[[] for _ in range(variables)] for _ in matches]
        self._all: list[list[int]] = []
        for found, lists in zip(matches, self._by_variable, strict=True):
            path: Path | None = found.path
            everything = []
            while path is not None:
                row, variable, path = path
                lists[variable].append(row.number)
                everything.append(row.number)
            everything.reverse()
            for one in lists:
                one.reverse()
            self._all.append(everything)

    def positions(self, variable: int | None, from_first: bool, offset: int) -> Int64s:
        """For each match where a certain row of a variable stands among the rows; _NO_ROW without it."""
        at = offset if from_first else -1 - offset
        found = [rows[at] if len(rows) > offset else _NO_ROW for rows in self._rows(variable)]
        return self._places(np.array(found, np.int64))

    def rows_of(self, variable: int | None) -> tuple[Int64s, Int64s]:
        """Where all rows of a variable stand, and the match of each."""
        lists = self._rows(variable)
        matches = np.repeat(np.arange(self.count), [len(rows) for rows in lists])
        return self._places(np.array([number for rows in lists for number in rows], np.int64)), matches

    def _rows(self, variable: int | None) -> list[list[int]]:
        return self._all if variable is None else [lists[variable] for lists in self._by_variable]

    def _places(self, numbers: Int64s) -> Int64s:
        places = np.searchsorted(self._numbers, numbers)
        return np.where(numbers == _NO_ROW, _NO_ROW, places)


def _picked(column: Any, positions: Int64s) -> Any:
    """The values at `positions`, NULL for _NO_ROW."""
    missing = positions == _NO_ROW
    indices = pa.array(positions, mask=missing) if missing.any() else pa.array(positions)
    return column.take(indices)


def _milliseconds(times: Sequence[int], kind: SqlType) -> Any:
    """Times in milliseconds as a column of timestamps. What the final watermark lets out has the last time there is."""
    return to_arrow(Vector(np.minimum(np.array(times, np.int64), _LAST_TIME) * 1000), kind)


_LAST_TIME = 253_402_300_799_999
"""The end of the year 9999. Flink gives out the final watermark itself, of which it cannot print the year."""
