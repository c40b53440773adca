"""Projection and filter: consecutive Filter and Project nodes as one step."""

from __future__ import annotations

from velo_engine.batch import ChangeBatch
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.plan.expressions import Expression
from velo_engine.schema import RowSchema


class Calc(Operator):
    """Keeps the rows whose `predicate` is true, then computes `expressions` (None: the input columns)."""

    def __init__(
        self,
        context: OperatorContext,
        input_schema: RowSchema,
        predicate: Expression | None,
        expressions: tuple[Expression, ...] | None,
        output_schema: RowSchema,
    ) -> None:
        self._context = context

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The rows that pass, computed."""
        raise NotImplementedError
