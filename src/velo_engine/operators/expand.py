"""Several rows out of each row, by projections of columns and constants."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, Int64s, empty_rows, make_rows, renumbered
from velo_engine.operators.base import Operator
from velo_engine.operators.vectors import single_array
from velo_engine.plan import nodes
from velo_engine.plan.expressions import ColumnRef, Expression, Literal
from velo_engine.types import arrow_type


class Expand(Operator):
    """See `plan.relation_nodes.Expand`; every expression is a column or a constant."""

    def __init__(self, node: nodes.Expand) -> None:
        self._node = node
        self._types = [arrow_type(kind) for kind in node.schema.types]

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The rows of each projection, input row by input row."""
        (batch,) = inputs
        count, copies = len(batch), len(self._node.projections)
        if not count:
            return batch.with_rows(empty_rows(self._node.schema))
        place = (np.arange(count)[:, None] + np.arange(copies) * count).ravel()
        columns = [self._column(i, batch.rows, place) for i in range(len(self._types))]
        seq = np.repeat(batch.seq, copies)
        return batch.with_rows(
            make_rows(self._node.schema, columns, np.repeat(batch.kind, copies), seq, renumbered(seq))
        )

    def _column(self, position: int, rows: pa.Table, place: Int64s) -> pa.Array:
        kind = self._types[position]
        parts = [_part(projection[position], rows, kind) for projection in self._node.projections]
        return pa.concat_arrays(parts).take(pa.array(place))


def _part(expression: Expression, rows: pa.Table, kind: pa.DataType) -> pa.Array:
    match expression:
        case ColumnRef(index=index):
            return single_array(rows.column(index))
        case Literal(value=None):
            return pa.nulls(rows.num_rows, kind)
        case Literal(value=value):
            return pa.repeat(pa.scalar(value, kind), rows.num_rows)
    raise AssertionError(f"{expression} is neither a column nor a constant")
