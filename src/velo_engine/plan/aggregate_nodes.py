"""Aggregate nodes: the projection below them, their keys and calls as columns of it, and their schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from velo_engine.plan.aggregates import BoundAggregate, aggregate_call
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import AggregateCall, ColumnRef, Expression
from velo_engine.plan.group_keys import GroupKey
from velo_engine.plan.nodes import GroupAggregate, PlanNode, WindowAggregate, WindowSpec
from velo_engine.plan.relation import Relation, project
from velo_engine.schema import Column, RowSchema
from velo_engine.types import SqlType, timestamp

BOUND_TYPE = timestamp(3).as_nullable(False)
"""Of window_start and window_end."""

BOUNDS = ("window_start", "window_end", "window_time")
"""The last columns of a window aggregate."""


@dataclass(frozen=True, slots=True)
class Windowing:
    """How the rows of a query fall into windows."""

    spec: WindowSpec
    time: Expression
    """Over the input; TIMESTAMP or TIMESTAMP_LTZ."""
    time_type: SqlType
    """Of window_time."""
    by_event_time: bool = True
    of_table_function: bool = True
    """Of `TABLE(TUMBLE(…))`, not of GROUP BY."""


def group_aggregate(relation: Relation, keys: Sequence[GroupKey], calls: Sequence[BoundAggregate]) -> GroupAggregate:
    """The unwindowed aggregation of `relation`."""
    below, column = _columns_for(relation.node, _needed(keys, calls))
    planned = tuple(aggregate_call(call, column, grouped=bool(keys)) for call in calls)
    schema = RowSchema((*_key_columns(keys), *_call_columns(planned)))
    return GroupAggregate(below, tuple(column[key.expression] for key in keys), planned, schema)


def window_aggregate(
    relation: Relation,
    keys: Sequence[GroupKey],
    calls: Sequence[BoundAggregate],
    windowing: Windowing,
    context: QueryContext,
) -> WindowAggregate:
    """The windowed aggregation of `relation`."""
    below, column = _columns_for(relation.node, [*_needed(keys, calls), windowing.time])
    planned = tuple(aggregate_call(call, column, grouped=True) for call in calls)
    types = (BOUND_TYPE, BOUND_TYPE, windowing.time_type)
    bounds = tuple(Column(name, kind) for name, kind in zip(BOUNDS, types, strict=True))
    return WindowAggregate(
        input=below,
        window=windowing.spec,
        time_column=column[windowing.time],
        keys=tuple(column[key.expression] for key in keys),
        calls=planned,
        emit=context.emit,
        allowed_lateness_ms=context.allowed_lateness_ms,
        late_data=context.late_data,
        schema=RowSchema((*_key_columns(keys), *_call_columns(planned), *bounds)),
        by_event_time=windowing.by_event_time,
        of_table_function=windowing.of_table_function,
    )


def _needed(keys: Sequence[GroupKey], calls: Sequence[BoundAggregate]) -> list[Expression]:
    """What must be columns of the aggregate's input."""
    needed = [key.expression for key in keys]
    for call in calls:
        needed += call.args
        if call.filter is not None:
            needed.append(call.filter)
    return needed


def _columns_for(node: PlanNode, needed: Sequence[Expression]) -> tuple[PlanNode, Mapping[Expression, int]]:
    """`node`, projected where `needed` holds more than columns, and the column of each expression."""
    unique = list(dict.fromkeys(needed))
    columns: dict[Expression, int] = {e: e.index for e in unique if isinstance(e, ColumnRef)}
    if len(columns) == len(unique):
        return node, columns
    names = [node.schema.names[e.index] if isinstance(e, ColumnRef) else f"${i}" for i, e in enumerate(unique)]
    return project(node, unique, names), {e: i for i, e in enumerate(unique)}


def _key_columns(keys: Sequence[GroupKey]) -> list[Column]:
    return [Column(key.name, key.expression.type) for key in keys]


def _call_columns(calls: Sequence[AggregateCall]) -> list[Column]:
    return [Column(f"${call.function}{i}", call.type) for i, call in enumerate(calls)]
