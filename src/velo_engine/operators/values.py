"""VALUES: constant rows before the first record."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from velo_engine.batch import (
    FINAL_WATERMARK,
    INITIAL_WATERMARK,
    ChangeBatch,
    StepFunction,
    empty_rows,
    make_rows,
)
from velo_engine.compile_expression import compile_expression, first_error
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.plan import nodes
from velo_engine.plan.expressions import Expression
from velo_engine.types import kernel_type

OPENING_EVENT = -1
"""The event of constant rows, before that of the first record."""


class Values(Operator):
    """See `plan.relation_nodes.Values`. It reads the time alone, of which the job gives it an empty batch."""

    def __init__(self, context: OperatorContext, node: nodes.Values) -> None:
        self._context = context
        self._node = node

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """All rows at the opening event; the input ends with the next one."""
        (clock,) = inputs
        if clock.first_seq > OPENING_EVENT:
            rows, watermark = empty_rows(self._node.schema), StepFunction.constant(FINAL_WATERMARK)
        else:
            rows = self._rows(int(clock.processing_time.opening))
            watermark = StepFunction(INITIAL_WATERMARK, np.array([OPENING_EVENT + 1]), np.array([FINAL_WATERMARK]))
        return ChangeBatch(rows, clock.first_seq, clock.end_seq, watermark, clock.processing_time)

    def _rows(self, now_ms: int) -> pa.Table:
        count = len(self._node.rows)
        columns = [self._column(i, now_ms) for i in range(len(self._node.schema))] if count else []
        seq = np.full(count, OPENING_EVENT, np.int64)
        if not count:
            return empty_rows(self._node.schema)
        return make_rows(self._node.schema, columns, np.zeros(count, np.int8), seq, np.arange(count, dtype=np.int32))

    def _column(self, position: int, now_ms: int) -> pa.ChunkedArray:
        now = f"make_timestamp({now_ms * 1000})"
        cells = [self._cell(row[position], now) for row in self._node.rows]
        kind = kernel_type(self._node.schema.types[position])
        listed = " UNION ALL ".join(
            f"SELECT CAST({value} AS {kind}) AS v, CAST({error} AS VARCHAR) AS e, {i} AS i"
            for i, (value, error) in enumerate(cells)
        )
        found = self._context.kernel.query(f"SELECT v, e FROM ({listed}) ORDER BY i")
        errors = found.column("e").drop_null()
        if len(errors):
            raise VeloError(ErrorCode.JOB_FAILED, f"VALUES cannot be computed: {errors[0].as_py()}")
        return found.column("v").cast(self._node.schema.physical().field(position).type)

    def _cell(self, expression: Expression, now: str) -> tuple[str, str]:
        compiled = compile_expression(expression, _no_column, time_zone=self._context.time_zone, now=now)
        return compiled.value, first_error([compiled.error]) or "NULL"


def _no_column(index: int) -> str:
    raise AssertionError(f"a constant row reads no column {index}")
