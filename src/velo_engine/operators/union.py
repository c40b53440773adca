"""UNION ALL: several changelogs as one."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, empty_rows, lower_watermark, numpy_column, renumbered
from velo_engine.operators.base import Operator
from velo_engine.plan import nodes


class Union(Operator):
    """See `plan.relation_nodes.Union`. It keeps nothing."""

    def __init__(self, node: nodes.Union) -> None:
        self._schema = node.schema

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The rows of all inputs by event, then by input."""
        watermark = reduce(lower_watermark, (batch.watermark for batch in inputs))
        first = inputs[0]
        filled = [batch for batch in inputs if len(batch)]
        rows = filled[0].rows if len(filled) == 1 else self._merged(filled)
        return ChangeBatch(rows, first.first_seq, first.end_seq, watermark, first.processing_time)

    def _merged(self, inputs: list[ChangeBatch]) -> pa.Table:
        if not inputs:
            return empty_rows(self._schema)
        rows = pa.concat_tables([batch.rows for batch in inputs])
        place = np.repeat(np.arange(len(inputs)), [len(batch) for batch in inputs])
        seq = numpy_column(rows, "seq")
        order = np.lexsort((numpy_column(rows, "sub"), place, seq))
        if len(order) > 1 and not (order[1:] > order[:-1]).all():
            rows = rows.take(pa.array(order))
            seq = seq[order]
        at = rows.schema.get_field_index("sub")
        return rows.set_column(at, "sub", pa.array(renumbered(seq), pa.int32()))
