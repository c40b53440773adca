"""Window table functions in FROM: the rows of a relation with the bounds of their windows as columns.

`FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))` has the columns of `t`, then `window_start`,
`window_end` and `window_time`. A query that groups such a table by both bounds and says nothing else about them
aggregates in the window at once (`windows.find_window`); every other query reads the rows.
"""

from __future__ import annotations

from dataclasses import replace

from velo_engine.errors import ErrorCode
from velo_engine.plan.aggregate_nodes import BOUND_TYPE, BOUNDS
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import ColumnRef
from velo_engine.plan.nodes import WindowKind, WindowTable
from velo_engine.plan.relation import Field, Relation, WindowColumns
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.windows import QueryWindow, query_window, refuse_lateness, time_position
from velo_engine.schema import Column, RowSchema
from velo_engine.sql import syntax

_SYSTEM_BOUNDS = ("_window_start", "_window_end")


def window_table(table: syntax.WindowTable, relation: Relation, context: QueryContext) -> Relation:
    """`relation`, the table argument, with the windows of `table` and under its alias."""
    text = context.text
    window = query_window(table, text)
    scope = RelationScope(relation, text, clause="a window table function")
    position = time_position(window, relation, scope)
    partition = _partition(window, scope)
    input_schema = relation.node.schema
    time_type = input_schema.types[position].as_nullable(False)
    types = (BOUND_TYPE, BOUND_TYPE, time_type)
    schema = RowSchema((*input_schema.columns, *(Column(n, t) for n, t in zip(BOUNDS, types, strict=True))))
    by_event_time = position not in relation.processing_times
    if window.spec.kind is WindowKind.SESSION:
        refuse_lateness("a SESSION table", table, context.allowed_lateness_ms, text)
    node = WindowTable(relation.node, window.spec, position, partition, context.late_data, schema, by_event_time)
    alias = table.args.get("alias")
    return _with_bounds(replace(relation, node=node), window, None if alias is None else alias.name)


def _with_bounds(relation: Relation, window: QueryWindow, alias: str | None) -> Relation:
    """The names and times of a relation whose last three columns are the bounds."""
    node = relation.node
    assert isinstance(node, WindowTable)
    start, end, time = (len(node.schema) - 3 + i for i in range(3))
    owner = alias or next(iter(relation.aliases), None)
    bounds = [Field(name, start + i, owner) for i, name in enumerate(BOUNDS)]
    bounds += [Field(name, start + i, owner, system=True) for i, name in enumerate(_SYSTEM_BOUNDS)]
    fields = tuple(field for field in relation.fields if field.name not in _SYSTEM_BOUNDS) + tuple(bounds)
    windows = WindowColumns(
        window.spec, (start,), (end,), (time,), node.schema.types[time], node.partition, node.by_event_time
    )
    planned = replace(relation, fields=fields, windows=windows)
    if node.by_event_time:
        planned = replace(planned, event_times=(*relation.event_times, time))
    else:
        planned = replace(planned, processing_times=relation.processing_times | {time})
    return planned if alias is None else planned.under_alias(alias)


def _partition(window: QueryWindow, scope: RelationScope) -> tuple[int, ...]:
    """The columns of PARTITION BY."""
    columns = []
    for written in window.partition_by:
        bound = scope.text.bind(written, scope)
        if not isinstance(bound, ColumnRef):
            raise scope.text.error(ErrorCode.TYPE_MISMATCH, "PARTITION BY of a session takes columns", written)
        columns.append(bound.index)
    if columns and window.spec.kind is not WindowKind.SESSION:
        raise scope.text.unsupported("PARTITION BY of this window table function", window.node, "only SESSION has it")
    return tuple(columns)
