"""Aggregations over cross joins: each side is aggregated by itself, and the few rows that are left are joined.

COUNT and SUM of one side are then multiplied by the number of rows of the other; MIN and MAX are those of their side.
It shows in the changes: every change of a side's result meets all groups of the other side. And a side of which nothing
is read becomes a single row, *whether it has rows or not*, because RelBuilder.aggregate makes VALUES (TRUE) of GROUP BY
() without calls: `SELECT DISTINCT a.k FROM a CROSS JOIN b` has rows although `b` is empty. That is a defect of Flink,
kept here since results are to be Flink's. Joins with a condition stay below: the rule takes equal keys alone, and for
Flink's planner it is never cheaper to aggregate below those.

Source: FlinkAggregateJoinTransposeRule.EXTENDED, SqlSplittableAggFunction; AggregateReduceFunctionsRule for AVG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from velo_engine.functions.table import FUNCTIONS
from velo_engine.plan.changelog import Statements
from velo_engine.plan.cross_joins import CrossJoin, cross_join, is_constant
from velo_engine.plan.expressions import (
    AggregateCall,
    Call,
    Case,
    Cast,
    ColumnRef,
    Expression,
    Literal,
    columns_of,
)
from velo_engine.plan.nodes import GroupAggregate, JoinKind, PlanNode, Project, RegularJoin, Values, inputs
from velo_engine.plan.relation import column_refs
from velo_engine.plan.rewrite import with_inputs
from velo_engine.plan.upsert_keys import is_unique
from velo_engine.schema import Column, RowSchema
from velo_engine.type_rules import aggregate_type
from velo_engine.types import BIGINT, BOOLEAN, SqlType

_COUNT = BIGINT.as_nullable(False)
_TRUE = Literal(True, BOOLEAN.as_nullable(False))
_DUMMY = RowSchema((Column("dummy", _TRUE.type),))
_OF_ONE_SIDE = frozenset({"min", "max", "single_value"})
"""Aggregates to which it does not matter how often a row comes."""
_SPLIT = _OF_ONE_SIDE | {"count", "sum", "avg"}


def with_aggregates_below_joins(node: PlanNode, statements: Statements) -> PlanNode:
    """The plan, which must be pruned, with aggregations below the cross joins that they read."""
    node = with_inputs(node, [with_aggregates_below_joins(child, statements) for child in inputs(node)])
    return _below(node, statements) if isinstance(node, GroupAggregate) else node


def _below(node: GroupAggregate, statements: Statements) -> PlanNode:
    """`node`, and what becomes of it below, as far down as there are cross joins."""
    split = _split(node, statements)
    if split is None:
        return node
    join = split.input
    sides = [_below(side, statements) if isinstance(side, GroupAggregate) else side for side in inputs(join)]
    return replace(split, input=with_inputs(join, sides))


@dataclass(frozen=True, slots=True)
class _Part:
    """What one side contributes: an aggregate of one of its columns; without a column, the number of its rows."""

    function: str
    column: int | None = None


_ROWS = _Part("count")
_Parts: TypeAlias = tuple[_Part | None, _Part | None]
"""Of the left and of the right side; None: nothing."""


@dataclass(frozen=True, slots=True)
class _Side:
    """A side by itself, and where it has what."""

    node: PlanNode
    keys: Mapping[int, int]
    """The places of the columns that are grouped by."""
    parts: Mapping[_Part, int]


def _split(node: GroupAggregate, statements: Statements) -> Project | None:
    """`node` with the join on top; None where it stays below."""
    join = cross_join(node.input)
    if join is None or not all(_can_be_split(call) for call in node.calls):
        return None
    keys = [join.columns[i] for i in node.keys]
    arguments = [join.columns[i] for call in node.calls for i in call.args]
    grouped = sorted({key.index for key in keys if isinstance(key, ColumnRef)})
    if keys and not grouped:
        return None
    if not all(_is_plain(e, join) for e in arguments) or not all(_is_plain(e, join) or is_constant(e) for e in keys):
        return None
    width = len(join.left.schema)
    columns = [_column(join.columns[call.args[0]]) if call.args else None for call in node.calls]
    parts = [
        _parts(function, column, width)
        for call, column in zip(node.calls, columns, strict=True)
        for function in _functions(call, column, grouped)
    ]
    unread = columns_of(*(join.columns[i] for i in node.unused_args))
    left = _Asked(
        join.left, [i for i in grouped if i < width], [p for p, _ in parts if p], [i for i in unread if i < width]
    )
    right = _Asked(
        join.right,
        [i - width for i in grouped if i >= width],
        [p for _, p in parts if p],
        [i - width for i in unread if i >= width],
    )
    if left.is_single(statements) and right.is_single(statements):
        return None
    above = _Above(left.side(statements), right.side(statements), width)
    values = [above.column(key.index) if isinstance(key, ColumnRef) else key for key in keys]
    values += [above.value(call, column, grouped) for call, column in zip(node.calls, columns, strict=True)]
    typed = [_typed(value, kind) for value, kind in zip(values, node.schema.types, strict=True)]
    return Project(above.join(), tuple(typed), node.schema)


def _can_be_split(call: AggregateCall) -> bool:
    return call.function in _SPLIT and call.filter is None and (not call.distinct or call.function in _OF_ONE_SIDE)


def _is_plain(expression: Expression, join: CrossJoin) -> bool:
    return isinstance(expression, ColumnRef) and expression.index not in join.fixed


def _column(expression: Expression) -> int:
    assert isinstance(expression, ColumnRef)
    return expression.index


def _functions(call: AggregateCall, column: int | None, grouped: Sequence[int]) -> Sequence[str]:
    """The aggregates that make up `call`; the average of a key is the key."""
    if call.function != "avg":
        return (call.function,)
    return () if column in grouped else ("sum", "count")


def _parts(function: str, column: int | None, width: int) -> _Parts:
    """What each side contributes to an aggregate of `column` of left ++ right. Source: SqlSplittableAggFunction."""
    other = None if function in _OF_ONE_SIDE else _ROWS
    if column is None:
        return _ROWS, _ROWS
    return (_Part(function, column), other) if column < width else (other, _Part(function, column - width))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A side of the join, and what is asked of it."""

    node: PlanNode
    keys: Sequence[int]
    parts: Sequence[_Part]
    unread: Sequence[int]
    """Columns of calls that nobody reads."""

    def is_single(self, statements: Statements) -> bool:
        """Whether every group has one row already."""
        return is_unique(self.node, self.keys, statements)

    def side(self, statements: Statements) -> _Side:
        """What gives it."""
        if self.is_single(statements):
            return self._projected()
        return self._aggregated() if self.keys or self.parts else _Side(Values(((_TRUE,),), _DUMMY), {}, {})

    def _projected(self) -> _Side:
        schema = self.node.schema
        refs = column_refs(schema)
        parts = [part for part in dict.fromkeys(self.parts) if part.column is not None]
        values = [refs[i] for i in self.keys] + [_of_single(part, refs) for part in parts]
        names = [schema.names[i] for i in self.keys] + [_name(part, schema) for part in parts]
        if not values:  # a relation without columns in Flink
            return _Side(Project(self.node, (_TRUE,), _DUMMY), {}, {})
        columns = RowSchema(tuple(Column(n, v.type) for n, v in zip(names, values, strict=True)))
        return self._placed(Project(self.node, tuple(values), columns), parts)

    def _aggregated(self) -> _Side:
        schema = self.node.schema
        parts = list(dict.fromkeys(self.parts))
        calls = tuple(_call(part, schema, grouped=bool(self.keys)) for part in parts)
        columns = [schema.columns[i] for i in self.keys]
        columns += [Column(_name(part, schema), call.type) for part, call in zip(parts, calls, strict=True)]
        unread = tuple(sorted({*self.unread} - {part.column for part in parts}))
        return self._placed(
            GroupAggregate(self.node, tuple(self.keys), calls, RowSchema(tuple(columns)), unread), parts
        )

    def _placed(self, node: PlanNode, parts: Sequence[_Part]) -> _Side:
        keys = {column: place for place, column in enumerate(self.keys)}
        return _Side(node, keys, {part: len(keys) + place for place, part in enumerate(parts)})


def _name(part: _Part, schema: RowSchema) -> str:
    return part.function if part.column is None else f"{part.function}_{schema.names[part.column]}"


def _call(part: _Part, schema: RowSchema, *, grouped: bool) -> AggregateCall:
    if part.column is None:
        return AggregateCall("count", (), _COUNT)
    kind = schema.types[part.column]
    result = aggregate_type(part.function, [kind])
    if part.function != "count":
        result = result.as_nullable(kind.nullable or not grouped or part.function == "single_value")
    return AggregateCall(part.function, (part.column,), result)


def _of_single(part: _Part, refs: Sequence[ColumnRef]) -> Expression:
    """The aggregate of one row."""
    assert part.column is not None
    value = refs[part.column]
    if part.function == "count":
        present = Call("is_not_null", (value,), BOOLEAN.as_nullable(False))
        return Case(((present, Literal(1, _COUNT)),), Literal(0, _COUNT), _COUNT)
    return _typed(value, aggregate_type(part.function, [value.type]).as_nullable(value.type.nullable))


@dataclass(frozen=True, slots=True)
class _Above:
    """The join of both sides, and what is computed over it."""

    left: _Side
    right: _Side
    width: int
    """Of the left side as it was."""

    def join(self) -> RegularJoin:
        """The new join."""
        schema = RowSchema((*self.left.node.schema.columns, *self.right.node.schema.columns))
        return RegularJoin(self.left.node, self.right.node, JoinKind.INNER, (), (), None, schema)

    def column(self, index: int) -> ColumnRef:
        """A column that is grouped by."""
        if index < self.width:
            return self._ref(self.left, self.left.keys[index])
        return self._ref(self.right, self.right.keys[index - self.width])

    def value(self, call: AggregateCall, column: int | None, grouped: Sequence[int]) -> Expression:
        """What `call` of `column` gives."""
        if call.function != "avg":
            return self._product(call.function, column)
        assert column is not None
        if column in grouped:
            return self.column(column)
        total = self._product("sum", column)
        total = _typed(total, call.type.as_nullable(total.type.nullable))
        return _computed("divide", total, self._product("count", column))

    def _product(self, function: str, column: int | None) -> Expression:
        """An aggregate over all pairs; SUM keeps its type."""
        sides = zip((self.left, self.right), _parts(function, column, self.width), strict=True)
        factors = [self._ref(side, side.parts[part]) for side, part in sides if part and part in side.parts]
        if len(factors) == 1:
            return factors[0]
        product = _computed("times", *factors)
        if function != "sum":
            return product
        summed = factors[0] if column is not None and column < self.width else factors[1]
        return _typed(product, summed.type)

    def _ref(self, side: _Side, place: int) -> ColumnRef:
        first = 0 if side is self.left else len(self.left.node.schema)
        return ColumnRef(first + place, side.node.schema.types[place])


def _computed(function: str, *args: Expression) -> Expression:
    found = FUNCTIONS[function]
    assert found.bind is not None
    bound, kind = found.bind(found, args)
    return Call(function, bound, kind)


def _typed(value: Expression, wanted: SqlType) -> Expression:
    return value if value.type == wanted else Cast(value, wanted)
