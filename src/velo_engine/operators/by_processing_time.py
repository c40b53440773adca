"""Windows over processing time: window operators that are driven by the clock in place of the watermark.

A window closes once its last millisecond has passed, that is, by the step with which the clock reaches its end
(Flink's SystemProcessingTimeService fires a timer a millisecond after its time, so that no row comes too late for its
window). The end of bounded input is no step of the clock: windows that are open then give nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa

from velo_engine.batch import ChangeBatch, StepFunction, numpy_column
from velo_engine.operators.base import Operator
from velo_engine.operators.vectors import Vector, to_arrow
from velo_engine.schema import RowSchema


class ByProcessingTime(Operator):
    """Runs a window operator by the clock. The last column of `schema`, its output, is the clock's time."""

    def __init__(self, operator: Operator, schema: RowSchema) -> None:
        self._operator = operator
        self._schema = schema

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The results of windows that the clock closes, or that rows change."""
        (batch,) = inputs
        clock = batch.processing_time
        passed = StepFunction(clock.opening - 1, clock.seqs, clock.values - 1)
        out = self._operator.process(replace(batch, watermark=passed)).rows
        if out.num_rows:
            now = clock.after(numpy_column(out, "seq"))
            at = len(self._schema) - 1
            out = out.set_column(at, out.schema.field(at), to_arrow(Vector(now * 1000), self._schema.types[at]))
        return batch.with_rows(out)

    def snapshot(self) -> dict[str, pa.Table]:
        """The operator's."""
        return self._operator.snapshot()

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._operator.restore(state)
