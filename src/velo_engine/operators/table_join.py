"""Stream-to-table enrichment: each stream row meets the rows that the table holds."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from velo_engine.batch import ChangeBatch
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.plan import nodes
from velo_engine.schema import RowSchema


class TableJoin(Operator):
    """Turns input rows into the rows they meet in a table."""

    def __init__(
        self, context: OperatorContext, node: nodes.TableJoin, left_schema: RowSchema, table_schema: RowSchema
    ) -> None:
        raise NotImplementedError

    def load(self, table: pa.Table) -> None:
        """Replace the table's content: physical columns `c0 …` of the table's schema, in the table's row order."""
        raise NotImplementedError

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        raise NotImplementedError

    def snapshot(self) -> dict[str, pa.Table]:
        raise NotImplementedError

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        raise NotImplementedError
