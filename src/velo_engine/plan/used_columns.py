"""Which columns of its sources a program reads: the others need not be decoded.

Flink's planner does the same (PushProjectIntoTableSourceScanRule): a field that no query uses is not decoded, so a
value in it that does not fit its type is no error. Above operators that keep or compare whole rows every column counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from velo_engine.plan.changelog_nodes import ChangelogNormalize, Deduplicate
from velo_engine.plan.expressions import AggregateCall, columns_of
from velo_engine.plan.nodes import (
    AssignWatermark,
    Correlate,
    Expand,
    Filter,
    GroupAggregate,
    IntervalJoin,
    JoinKind,
    OverAggregate,
    PlannedStatement,
    PlanNode,
    Project,
    RegularJoin,
    Scan,
    TableJoin,
    TopN,
    Union,
    WindowAggregate,
    WindowJoin,
    WindowTable,
    inputs,
)


def used_columns(statements: Iterable[PlannedStatement]) -> Mapping[str, frozenset[int]]:
    """By source the positions of the columns that `statements` read, all their own columns being wanted."""
    found: dict[str, frozenset[int]] = {}
    for statement in statements:
        _use(statement.plan, _all(statement.plan), found)
    return found


def _use(node: PlanNode, wanted: frozenset[int], found: dict[str, frozenset[int]]) -> None:
    """Note what `node` reads of the sources below it when these of its output columns are wanted."""
    if isinstance(node, Scan):
        width = len(node.source.schema)
        found[node.source.name] = found.get(node.source.name, frozenset()) | {i for i in wanted if i < width}
    for child, columns in zip(inputs(node), read_columns(node, wanted), strict=True):
        _use(child, columns, found)


def read_columns(node: PlanNode, wanted: frozenset[int]) -> tuple[frozenset[int], ...]:
    """For each input of `node` the columns that it reads."""
    match node:
        case Filter():
            return (wanted | columns_of(node.predicate),)
        case Project():
            return (columns_of(*(node.expressions[i] for i in wanted)),)
        case Expand():
            return (columns_of(*(expression for row in node.projections for expression in row)),)
        case AssignWatermark():
            return (wanted | given(node.time_column, node.partition_column),)
        case TopN():
            order = frozenset(key.column for key in node.order)
            return (_own(node.input, wanted) | frozenset(node.partition) | order | given(node.limit_column),)
        case Deduplicate():
            return (_own(node.input, wanted) | frozenset(node.partition) | {node.time_column},)
        case ChangelogNormalize():
            return (_own(node.input, wanted) | frozenset(node.keys) | frozenset(node.compared) | given(node.passes),)
        case GroupAggregate():
            return (frozenset(node.keys) | arguments_of(node.calls),)
        case WindowAggregate():
            return (frozenset(node.keys) | arguments_of(node.calls) | given(node.time_column),)
        case WindowTable():
            return (_own(node.input, wanted) | frozenset(node.partition) | given(node.time_column),)
        case OverAggregate():
            times = given(node.order_column, node.expire_column, node.sort_column)
            arguments = frozenset(i for call in node.calls for i in call.args)
            filters = given(*(call.filter for call in node.calls if isinstance(call, AggregateCall)))
            return (_own(node.input, wanted) | frozenset(node.partition) | times | arguments | filters,)
        case Correlate():
            condition = columns_of(*([] if node.condition is None else [node.condition]))
            return (_own(node.input, wanted | condition) | frozenset(node.args),)
        case Union():
            return (wanted,) * len(node.sources)
        case RegularJoin() | IntervalJoin() | WindowJoin() | TableJoin():
            return _sides(node, wanted)
        case _:
            return tuple(_all(child) for child in inputs(node))


def _sides(
    node: RegularJoin | IntervalJoin | WindowJoin | TableJoin, wanted: frozenset[int]
) -> tuple[frozenset[int], frozenset[int]]:
    left = inputs(node)[0]
    width = len(left.schema)
    read = columns_of(*([] if node.condition is None else [node.condition]))
    if node.kind not in (JoinKind.SEMI, JoinKind.ANTI):
        read |= wanted
    own = _own(left, read | (wanted & _all(left))) | frozenset(node.left_keys)
    other = frozenset(i - width for i in read if i >= width) | frozenset(node.right_keys)
    match node:
        case IntervalJoin():
            return own | given(node.left_time), other | given(node.right_time)
        case WindowJoin():
            return own | {node.left_end}, other | {node.right_end}
        case _:
            return own, other


def _all(node: PlanNode) -> frozenset[int]:
    return frozenset(range(len(node.schema)))


def _own(node: PlanNode, wanted: frozenset[int]) -> frozenset[int]:
    """Those of `wanted` that are columns of `node`."""
    return wanted & _all(node)


def given(*columns: int | None) -> frozenset[int]:
    """Those that are not None."""
    return frozenset(column for column in columns if column is not None)


def arguments_of(calls: Iterable[AggregateCall]) -> frozenset[int]:
    """The columns that aggregate calls read."""
    return frozenset(i for call in calls for i in (*call.args, *given(call.filter)))
