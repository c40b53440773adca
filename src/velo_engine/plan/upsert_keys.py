"""Which columns identify a row of a plan's result.

Source: Flink's FlinkRelMdUpsertKeys and FlinkRelMdUniqueKeys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import islice, product
from typing import TypeAlias

from velo_engine.plan.changelog import NO_STATEMENTS, Statements
from velo_engine.plan.changelog_nodes import ChangelogNormalize, Deduplicate, DropUpdateBefore, SinkUpsertMaterialize
from velo_engine.plan.expressions import AggregateCall, Cast, ColumnRef, Expression, Literal
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
    SortKey,
    TableJoin,
    TemporalJoin,
    TopN,
    Upstream,
    WindowAggregate,
    WindowDeduplicate,
    WindowJoin,
    WindowKind,
    WindowTable,
    WindowTopN,
    inputs,
)
from velo_engine.plan.relation_nodes import Correlate, Expand, TemporalSort, Union, Values
from velo_engine.plan.rewrite import with_inputs
from velo_engine.types import INTEGERS, MAX_LENGTH, SqlType, TypeName

Keys: TypeAlias = frozenset[frozenset[int]]
"""Alternative upsert keys, each a set of column positions; the empty set is the key of at most one row."""

NO_KEYS: Keys = frozenset()


def upsert_keys(node: PlanNode, statements: Statements = NO_STATEMENTS) -> Keys:
    """The column sets of which each identifies a row of the result of `node`, now and after every change."""
    match node:
        case Scan():
            return frozenset({frozenset(node.source.primary_key)}) if node.source.primary_key else NO_KEYS
        case Upstream():
            return upsert_keys(statements[node.statement].plan, statements)
        case AssignWatermark() | Filter():
            return upsert_keys(node.input, statements)
        case Project():
            return _projected(node.expressions, upsert_keys(node.input, statements))
        case GroupAggregate():
            return frozenset({frozenset(range(len(node.keys)))})
        case WindowAggregate():
            return _window_keys(node)
        case WindowTable() | MatchRecognize():
            return NO_KEYS
        case WindowTopN():
            return _window_top_n_keys(node, statements)
        case WindowDeduplicate():
            return frozenset({frozenset(node.partition)})
        case TableJoin():
            return _table_join_keys(node, statements)
        case RegularJoin() | IntervalJoin() | TemporalJoin() | WindowJoin():
            return _regular_join_keys(node, statements)
        case SinkUpsertMaterialize():
            return frozenset({frozenset(node.keys)})
        case DropUpdateBefore():
            return upsert_keys(node.input, statements)
        case ChangelogNormalize():
            return frozenset({frozenset(node.keys)})
        case Deduplicate():
            return frozenset({frozenset(node.partition)})
        case OverAggregate():
            return _containing(upsert_keys(node.input, statements), node.partition)
        case TemporalSort() | TopN(order=()):
            return upsert_keys(node.input, statements)
        case Union() | Correlate() | Expand() | Values():
            return NO_KEYS
        case TopN():
            return _top_n_keys(node, statements)


def unranked_keys(node: PlanNode, statements: Statements = NO_STATEMENTS) -> Keys:
    """The keys by which Flink's planner leaves aggregations out (FlinkAggregateRemoveRule).

    It knows no ranks then: ROW_NUMBER() <= n, deduplication and LIMIT are filters, and OVER is a projection. It takes
    the columns of GROUP BY for a key of grouping sets, although equal rows of two sets are two rows. Of constants it
    knows whether they are one row, and forgets it later.
    """
    return upsert_keys(_unranked(node, statements), statements)


def is_unique(node: PlanNode, columns: Collection[int], statements: Statements = NO_STATEMENTS) -> bool:
    """Whether Flink's planner knows, from `unranked_keys`, that no two rows have the same values of `columns`.

    Of columns that are all computed it knows nothing, though the rows be one (FlinkRelMdColumnUniqueness).
    """
    if not any(key <= frozenset(columns) for key in unranked_keys(node, statements)):
        return False
    while isinstance(node, Project) and columns:
        columns = [value.index for value in (node.expressions[i] for i in columns) if isinstance(value, ColumnRef)]
        if not columns:
            return False
        node = node.input
    return True


def _unranked(node: PlanNode, statements: Statements) -> PlanNode:
    if isinstance(node, Upstream):
        return _unranked(statements[node.statement].plan, statements)
    if isinstance(node, GroupAggregate) and node.keys and _is_set_number(node.input, node.keys[-1]):
        return _without_set_number(node)
    if isinstance(node, Values) and len(node.rows) == 1:
        return TopN(node, (), (SortKey(0),), 1, with_rank=False, schema=node.schema)  # its key is that of one row
    node = with_inputs(node, [_unranked(child, statements) for child in inputs(node)])
    if isinstance(node, GroupAggregate):
        return _with_keys_for_calls(node)
    if not isinstance(node, TopN | Deduplicate | WindowTopN | WindowDeduplicate | OverAggregate):
        return node
    types = node.schema.types
    width = len(node.input.schema)
    refs = [ColumnRef(i, kind) for i, kind in enumerate(types[:width])]
    return Project(node.input, (*refs, *(Literal(None, kind) for kind in types[width:])), node.schema)


def is_of_key(call: AggregateCall, keys: Collection[int]) -> bool:
    """Whether a call gives the value of one of the group keys."""
    return call.filter is None and len(call.args) == 1 and call.function in _OF_KEY and call.args[0] in keys


_OF_KEY = frozenset({"avg", "min", "max", "first_value", "last_value"})
"""Aggregates of a key that are the key."""


def _with_keys_for_calls(node: GroupAggregate) -> PlanNode:
    """Calls of a key as the key: so Flink sees them where it takes a sum or an average apart
    (AggregateReduceFunctionsRule)."""
    if not any(call.function in ("avg", "sum") for call in node.calls):
        return node
    types, first = node.schema.types, len(node.keys)
    columns = list(range(len(types)))
    for i, call in enumerate(node.calls):
        if is_of_key(call, node.keys):
            columns[first + i] = node.keys.index(call.args[0])
    return Project(node, tuple(ColumnRef(i, types[i]) for i in columns), node.schema)


def _is_set_number(node: PlanNode, column: int) -> bool:
    """Whether a column tells grouping sets apart: the last one that Expand gives."""
    if isinstance(node, Project):
        value = node.expressions[column]
        return isinstance(value, ColumnRef) and _is_set_number(node.input, value.index)
    return isinstance(node, Expand) and column == len(node.schema) - 1


def _without_set_number(node: GroupAggregate) -> PlanNode:
    """Grouping sets as an aggregation by their columns alone; the number of the set is the last key."""
    number = len(node.keys) - 1
    columns = [i for i in range(len(node.schema)) if i != number]
    below = replace(node, keys=node.keys[:-1], schema=node.schema.select(columns))
    types = node.schema.types
    refs = [ColumnRef(place, types[i]) for place, i in enumerate(columns)]
    return Project(below, (*refs[:number], Literal(None, types[number]), *refs[number:]), node.schema)


def _window_keys(node: WindowAggregate) -> Keys:
    """The group keys and either bound of the window; many cumulating windows share their start."""
    keys = frozenset(range(len(node.keys)))
    start = len(node.keys) + len(node.calls)
    bounds = (start + 1,) if node.window.kind is WindowKind.CUMULATE else (start, start + 1)
    return frozenset(keys | {bound} for bound in bounds)


def preferred_key(keys: Keys) -> tuple[int, ...]:
    """The key to use where one is needed: the fewest columns, then the leftmost; empty when there is none."""
    return min((tuple(sorted(key)) for key in keys), key=lambda key: (len(key), key), default=())


def unique_key(
    node: PlanNode, join_keys: tuple[int, ...], statements: Statements = NO_STATEMENTS
) -> tuple[int, ...] | None:
    """The key by which a regular join holds the rows of its input; None when it has none.

    Source: JoinUtil.analyzeJoinInput: one within the join key before the smallest.
    """
    keys = upsert_keys(node, statements)
    within = frozenset(key for key in keys if key <= set(join_keys))
    return preferred_key(within or keys) if keys else None


def _projected(expressions: tuple[Expression, ...], keys: Keys) -> Keys:
    """The keys whose columns are all projected, under their new positions."""
    outputs: dict[int, list[int]] = {}
    for position, expression in enumerate(expressions):
        if isinstance(expression, Cast) and _injective(expression):
            expression = expression.arg
        if isinstance(expression, ColumnRef):
            outputs.setdefault(expression.index, []).append(position)
    return frozenset(
        frozenset(places)
        for key in keys
        if all(column in outputs for column in key)
        for places in islice(product(*(outputs[column] for column in sorted(key))), _MOST_PLACES)
    )


_MOST_PLACES = 16
"""Ways in which one key is looked for at places of its columns."""


def _injective(cast: Cast) -> bool:
    """Whether different values stay different (Flink's LogicalTypeCasts.supportsInjectiveCast, as far as needed)."""
    source, target = cast.arg.type, cast.type
    if source.as_nullable() == target.as_nullable():
        return True
    if source.name in INTEGERS:
        return (target.name in INTEGERS and _INTEGER_WIDTH[source.name] <= _INTEGER_WIDTH[target.name]) or _is_string(
            target
        )
    return source.name in (TypeName.CHAR, TypeName.VARCHAR) and _is_string(target)


_INTEGER_WIDTH = {TypeName.TINYINT: 1, TypeName.SMALLINT: 2, TypeName.INT: 4, TypeName.BIGINT: 8}


def _is_string(t: SqlType) -> bool:
    return t.name is TypeName.VARCHAR and t.length == MAX_LENGTH


def _table_join_keys(node: TableJoin, statements: Statements) -> Keys:
    """A row of the left side stays one row when the table holds at most one match for it."""
    left = upsert_keys(node.input, statements)
    right = upsert_keys(node.table, statements)
    unique_right = frozenset(key for key in right if key <= set(node.right_keys))
    left_unique = any(key <= set(node.left_keys) for key in left)
    return _join_keys(node.kind, len(node.input.schema), left, unique_right, left_unique, bool(unique_right))


def _regular_join_keys(node: RegularJoin | IntervalJoin | TemporalJoin | WindowJoin, statements: Statements) -> Keys:
    """Only keys that hold the join columns survive the distribution by them; then as for any join."""
    left, right = upsert_keys(node.left, statements), upsert_keys(node.right, statements)
    on_left, on_right = frozenset(node.left_keys), frozenset(node.right_keys)
    if node.kind.one_sided:
        return _containing(left, on_left)
    keys = _join_keys(
        node.kind,
        len(node.left.schema),
        _containing(left, on_left),
        _containing(right, on_right),
        any(key <= on_left for key in left),
        any(key <= on_right for key in right),
    )
    if node.kind is not JoinKind.FULL:
        return keys
    # An unmatched left row and an unmatched right row, each with a key of NULLs, would be one.
    columns = (*node.left.schema.columns, *node.right.schema.columns)
    return frozenset(key for key in keys if not all(columns[i].type.nullable for i in key))


def _join_keys(
    kind: JoinKind, left_width: int, left: Keys, right: Keys, left_is_unique: bool, right_is_unique: bool
) -> Keys:
    """Source: FlinkRelMdUniqueKeys.getJoinUniqueKeys."""
    shifted = frozenset(frozenset(column + left_width for column in key) for key in right)
    found = {a | b for a in left for b in shifted}
    if right_is_unique and kind in (JoinKind.INNER, JoinKind.LEFT):
        found |= left
    if left_is_unique and kind in (JoinKind.INNER, JoinKind.RIGHT):
        found |= shifted
    return frozenset(found)


def _top_n_keys(node: TopN, statements: Statements) -> Keys:
    """With a rank column partition and rank, else the input's keys that hold the partition; for a Top-1 the partition.

    Two differences from Flink's metadata. With a rank it names the input's keys as well, but a row that drops out
    leaves by the -U of its rank, which an upsert by its own key would miss; so it is without a rank when ranks begin
    beyond 1, for which there is no key then. And it does not name the partition of a Top-1, which it plans as a
    deduplication where it can; it holds for any order.
    """
    partition = frozenset(node.partition)
    if (node.first, node.limit, node.limit_column) == (1, 1, None):
        return frozenset({partition})
    if node.with_rank:
        return frozenset({partition | {len(node.input.schema)}})
    return NO_KEYS if node.first > 1 else _containing(upsert_keys(node.input, statements), partition)


def _window_top_n_keys(node: WindowTopN, statements: Statements) -> Keys:
    """As for a Top-N: partition and rank, else the input's keys that hold the partition; of one row the partition."""
    partition = frozenset(node.partition)
    if node.first == node.limit:
        return frozenset({partition})
    if node.with_rank:
        return frozenset({partition | {len(node.input.schema)}})
    return _containing(upsert_keys(node.input, statements), partition)


def _containing(keys: Keys, columns: Iterable[int]) -> Keys:
    return frozenset(key for key in keys if key >= frozenset(columns))
