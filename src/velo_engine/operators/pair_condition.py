"""The condition of a join beside its keys, over pairs of a left and a right row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from velo_engine.compile_expression import compile_expression
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.operators.base import OperatorContext
from velo_engine.plan.expressions import Expression


class PairCondition:
    """Evaluated by the kernel, many pairs at once."""

    def __init__(self, context: OperatorContext, condition: Expression) -> None:
        self._kernel = context.kernel
        now = "CAST(NULL AS TIMESTAMP)"
        compiled = compile_expression(condition, lambda i: f"c{i}", time_zone=context.time_zone, now=now)
        error = compiled.error or "CAST(NULL AS VARCHAR)"
        self._sql = f"SELECT coalesce({compiled.value}, false) AS kept, {error} AS error FROM pairs ORDER BY place"

    def holds(self, columns: Sequence[Any], count: int) -> npt.NDArray[np.bool_]:
        """Which of `count` pairs satisfy it; `columns` are those of the left rows, then of the right rows.

        Raises VeloError JOB_FAILED when that cannot be computed.
        """
        names = [*(f"c{i}" for i in range(len(columns))), "place"]
        pairs = pa.table([*columns, pa.array(np.arange(count))], names=names)
        found = self._kernel.query(self._sql, pairs=pairs)
        errors = found.column("error").drop_null()
        if len(errors):
            raise VeloError(
                ErrorCode.JOB_FAILED,
                f"the condition of the join failed: {errors[0].as_py()}",
                hint="guard the expression (CASE, NULLIF, TRY_CAST)",
            )
        kept: npt.NDArray[np.bool_] = np.asarray(found.column("kept"))
        return kept
