"""How updates move the columns of a changelog, and which MIN and MAX therefore need not take values back.

Where updates only ever make a column larger, MAX over it never has to give a value up: Flink then plans the MAX that
ignores retractions, which one sees between a -U and its +U. Source: FlinkRelMdModifiedMonotonicity and
AggregateUtil.getNeedRetractions; without column statistics, so a SUM is never known to be monotonic.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TypeAlias

from velo_engine.plan.changelog import NO_STATEMENTS, Statements
from velo_engine.plan.changelog_nodes import (
    ChangelogNormalize,
    Deduplicate,
    DropUpdateBefore,
    KeepRow,
    SinkUpsertMaterialize,
)
from velo_engine.plan.contradictions import denied
from velo_engine.plan.expressions import Call, Cast, ColumnRef, Expression
from velo_engine.plan.nodes import (
    AssignWatermark,
    Filter,
    GroupAggregate,
    IntervalJoin,
    JoinKind,
    MatchRecognize,
    OverAggregate,
    PlanNode,
    Project,
    RegularJoin,
    Scan,
    SourceChanges,
    TableJoin,
    TemporalJoin,
    TopN,
    Upstream,
    WindowAggregate,
    WindowDeduplicate,
    WindowJoin,
    WindowTable,
    WindowTopN,
)
from velo_engine.plan.over_node import OverOrder
from velo_engine.plan.relation_nodes import Correlate, Expand, TemporalSort, Union, Values
from velo_engine.plan.used_columns import arguments_of


class Monotonicity(Enum):
    """What an update does to a column."""

    CONSTANT = "constant"
    INCREASING = "increasing"
    DECREASING = "decreasing"
    NONE = "none"


Columns: TypeAlias = tuple[Monotonicity, ...]

_MINMAX = {"max": Monotonicity.INCREASING, "min": Monotonicity.DECREASING}
_ONE_SIDED = {
    "greater": Monotonicity.INCREASING,
    "greater_equal": Monotonicity.INCREASING,
    "less": Monotonicity.DECREASING,
    "less_equal": Monotonicity.DECREASING,
}
_TWO_SIDED = frozenset({"equals", "not_equals", "in"})
_TRANSPARENT = frozenset({"and", "or", "not", "is_not_true", "is_true", "is_null", "is_not_null"})


def unretracted_calls(node: GroupAggregate, statements: Statements = NO_STATEMENTS) -> frozenset[int]:
    """The positions of MIN and MAX calls that ignore rows taken back."""
    columns = modified_monotonicity(node, statements)
    if columns is None:
        return frozenset()
    results = columns[len(node.keys) :]
    return frozenset(i for i, call in enumerate(node.calls) if _MINMAX.get(call.function) is results[i])


def modified_monotonicity(node: PlanNode, statements: Statements = NO_STATEMENTS) -> Columns | None:
    """What updates do to each column of `node`; None when nothing is known, as where rows may vanish."""
    match node:
        case Scan():
            return None if node.source.changes is not SourceChanges.INSERTS else _same(Monotonicity.CONSTANT, node)
        case ChangelogNormalize() | SinkUpsertMaterialize() | DropUpdateBefore():
            return None
        case Upstream():
            return modified_monotonicity(statements[node.statement].plan, statements)
        case AssignWatermark() | TableJoin():
            return _passed(modified_monotonicity(node.input, statements), node)
        case Filter():
            return _filtered(node, modified_monotonicity(node.input, statements))
        case Project():
            return _projected(node, modified_monotonicity(node.input, statements))
        case GroupAggregate():
            return _grouped(node, modified_monotonicity(node.input, statements))
        case Deduplicate():
            return _deduplicated(node)
        case OverAggregate():
            return None if node.order is OverOrder.VALUES else _same(Monotonicity.CONSTANT, node)
        case Values():
            return _same(Monotonicity.CONSTANT, node)
        case Correlate() | Expand() | TemporalSort():
            return _passed(modified_monotonicity(node.input, statements), node)
        case Union():
            return _united([modified_monotonicity(source, statements) for source in node.sources])
        case TopN():
            return _ranked(node, modified_monotonicity(node.input, statements))
        case IntervalJoin() | MatchRecognize():
            return _same(Monotonicity.CONSTANT, node)
        case RegularJoin() | TemporalJoin():
            left = modified_monotonicity(node.left, statements)
            return _joined(node, left, modified_monotonicity(node.right, statements))
        case WindowAggregate() | WindowTable() | WindowTopN() | WindowDeduplicate() | WindowJoin():
            return None


def _same(monotonicity: Monotonicity, node: PlanNode) -> Columns:
    return (monotonicity,) * len(node.schema)


def _constant(columns: Columns) -> bool:
    return all(c is Monotonicity.CONSTANT for c in columns)


def _passed(columns: Columns | None, node: PlanNode) -> Columns | None:
    """Operators that make no updates of their own keep only the knowledge that there are none."""
    if columns is None:
        return None
    return _same(Monotonicity.CONSTANT if _constant(columns) else Monotonicity.NONE, node)


def _filtered(node: Filter, columns: Columns | None) -> Columns | None:
    if columns is not None and _may_drop(node.predicate, columns):
        return _same(Monotonicity.NONE, node)
    return columns


def _may_drop(predicate: Expression, columns: Columns) -> bool:
    """Whether an update can make a row fail a predicate that it passed."""
    match predicate:
        case ColumnRef(index=index):
            return columns[index] is not Monotonicity.CONSTANT
        case Call(function="not", args=(arg,)) if (opposite := denied(arg)) != predicate:
            return _may_drop(opposite, columns)
        case Call(function=function, args=args) if function in _TRANSPARENT:
            return any(_may_drop(_without_cast(arg), columns) for arg in args)
        case Call(function=function, args=args):
            compared = [_without_cast(arg) for arg in args]
            moving = [columns[a.index] for a in compared if isinstance(a, ColumnRef)]
            moving = [m for m in moving if m is not Monotonicity.CONSTANT]
            if function in _ONE_SIDED:
                return bool(moving) and moving[0] is not _ONE_SIDED[function]
            return function in _TWO_SIDED and bool(moving)
        case _:
            return False


def _without_cast(expression: Expression) -> Expression:
    while isinstance(expression, Cast):
        expression = expression.arg
    return expression


def _projected(node: Project, columns: Columns | None) -> Columns | None:
    if columns is None or _constant(columns):
        return None if columns is None else _same(Monotonicity.CONSTANT, node)
    plain = [_without_cast(e) for e in node.expressions]
    return tuple(columns[e.index] if isinstance(e, ColumnRef) else Monotonicity.NONE for e in plain)


def _grouped(node: GroupAggregate, columns: Columns | None) -> Columns | None:
    if columns is None or any(columns[key] is not Monotonicity.CONSTANT for key in node.keys):
        return None
    # Flink projects away what the aggregate does not read, and with it updates that move nothing else.
    read = {*node.keys, *arguments_of(node.calls), *node.unused_args}
    updated = not _constant(tuple(columns[i] for i in read))
    results = []
    for call in node.calls:
        own = Monotonicity.INCREASING if call.function == "count" else _MINMAX.get(call.function, Monotonicity.NONE)
        if updated and call.function != "count" and any(columns[arg] is not own for arg in call.args):
            own = Monotonicity.NONE
        results.append(own)
    return (*(Monotonicity.CONSTANT for _ in node.keys), *results)


def _ranked(node: TopN, columns: Columns | None) -> Columns | None:
    if columns is None or any(columns[key] is not Monotonicity.CONSTANT for key in node.partition):
        return None
    out = list(_same(Monotonicity.NONE, node))
    for key in node.partition:
        out[key] = Monotonicity.CONSTANT
    if node.with_rank:
        out[-1] = Monotonicity.CONSTANT
    if node.order:
        first = node.order[0]
        wanted = Monotonicity.INCREASING if first.descending else Monotonicity.DECREASING
        kept = columns[first.column] in (wanted, Monotonicity.CONSTANT)
        out[first.column] = wanted if kept else Monotonicity.NONE
    return tuple(out)


def _deduplicated(node: Deduplicate) -> Columns:
    """The input knows no updates: the partition stays. Of the time Flink says nothing, though it moves one way."""
    if node.by_arrival and node.keep is KeepRow.FIRST:
        return _same(Monotonicity.CONSTANT, node)
    out = list(_same(Monotonicity.NONE, node))
    for key in node.partition:
        out[key] = Monotonicity.CONSTANT
    return tuple(out)


def _united(sources: Sequence[Columns | None]) -> Columns | None:
    known = [columns for columns in sources if columns is not None]
    if len(known) < len(sources):
        return None
    return known[0] if len(set(known)) == 1 else (Monotonicity.NONE,) * len(known[0])


def _joined(node: RegularJoin | TemporalJoin, left: Columns | None, right: Columns | None) -> Columns | None:
    if left is None or right is None or node.kind is JoinKind.ANTI:
        return None
    keys = (*(left[key] for key in node.left_keys), *(right[key] for key in node.right_keys))
    updated = not (_constant(left) and _constant(right))
    if not _constant(keys) or (updated and node.condition is not None):
        return None
    return left if node.kind is JoinKind.SEMI else (*left, *right)
