"""Each row joined with the rows that a table function makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from velo_engine.batch import ChangeBatch, Int64s, empty_rows, make_rows, renumbered
from velo_engine.compile_expression import compile_expression
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.vectors import single_array
from velo_engine.plan import nodes
from velo_engine.plan.nodes import JoinKind

NO_ELEMENT = -1


class Correlate(Operator):
    """See `plan.relation_nodes.Correlate`. It keeps nothing; a row for which the condition fails gives nothing."""

    def __init__(self, context: OperatorContext, node: nodes.Correlate) -> None:
        self._context = context
        self._node = node
        self._sql: str | None = None
        if node.condition is not None:
            compiled = compile_expression(node.condition, lambda i: f"c{i}", time_zone=context.time_zone)
            error = compiled.error or "CAST(NULL AS VARCHAR)"
            self._sql = f"SELECT coalesce({compiled.value}, false) AS kept, {error} AS error FROM pairs ORDER BY place"

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The joined rows, in the order of the input and of the function's rows."""
        (batch,) = inputs
        if not len(batch):
            return batch.with_rows(empty_rows(self._node.schema))
        rows = batch.rows
        found = self._node.function.rows([single_array(rows.column(i)) for i in self._node.args])
        parents, elements = found.parents, np.arange(len(found.parents))
        failed = np.zeros(len(batch), np.bool_)
        if self._sql is not None:
            kept, failed = self._filtered(batch, parents, self._joined(rows, parents, found.columns, elements))
            parents, elements = parents[kept], elements[kept]
        if self._node.kind is JoinKind.LEFT:
            unmatched = ~failed
            unmatched[parents] = False
            missing = np.flatnonzero(unmatched)
            order = np.argsort(np.concatenate([parents, missing]), kind="stable")
            elements = np.concatenate([elements, np.full(len(missing), NO_ELEMENT)])[order]
            parents = np.concatenate([parents, missing])[order]
        columns = self._joined(rows, parents, found.columns, elements)
        seq = batch.seq[parents]
        return batch.with_rows(make_rows(self._node.schema, columns, batch.kind[parents], seq, renumbered(seq)))

    def _joined(self, rows: pa.Table, parents: Int64s, made: Sequence[pa.Array], elements: Int64s) -> list[pa.Array]:
        place = pa.array(parents)
        element = pa.array(elements, mask=elements == NO_ELEMENT)
        width = len(self._node.input.schema)
        return [*(rows.column(i).take(place) for i in range(width)), *(column.take(element) for column in made)]

    def _filtered(
        self, batch: ChangeBatch, parents: Int64s, columns: list[pa.Array]
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Which joined rows satisfy the condition, and for which input rows it could not be computed."""
        assert self._sql is not None
        names = [*(f"c{i}" for i in range(len(columns))), "place"]
        pairs = pa.table([*columns, pa.array(np.arange(len(parents)))], names=names)
        found = self._context.kernel.query(self._sql, pairs=pairs)
        kept: npt.NDArray[np.bool_] = np.asarray(found.column("kept"))
        wrong = ~np.asarray(found.column("error").is_null())
        failed = np.zeros(len(batch), np.bool_)
        if wrong.any():
            first = np.unique(parents[wrong], return_index=True)[1]
            reasons = found.column("error").filter(pa.array(wrong)).take(pa.array(first)).to_pylist()
            failed[parents[wrong]] = True
            self._context.counters.dead_lettered += int(failed.sum())
            self._context.failures(batch.rows.filter(pa.array(failed)), reasons)
            kept &= ~failed[parents]
        return kept, failed
