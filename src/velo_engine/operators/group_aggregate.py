"""GROUP BY without windows: every input row changes its group's result, as Flink's GroupAggFunction does."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from velo_engine.batch import ChangeBatch
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.plan import nodes
from velo_engine.schema import RowSchema


class GroupAggregate(Operator):
    """Turns input rows into the changelog of their groups."""

    def __init__(self, context: OperatorContext, node: nodes.GroupAggregate, input_schema: RowSchema) -> None:
        raise NotImplementedError

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        raise NotImplementedError

    def snapshot(self) -> dict[str, pa.Table]:
        raise NotImplementedError

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        raise NotImplementedError
