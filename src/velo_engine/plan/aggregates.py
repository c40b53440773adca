"""GROUP BY and aggregate functions: which calls a query makes, on which keys, over which projected columns.

An aggregate node works on columns, so keys, arguments and FILTER conditions that are expressions are projected first.
Whatever stands in the select list or HAVING of such a query may use only keys, aggregates and, in a window, its bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.functions.aggregates import UNAVAILABLE_AGGREGATES
from velo_engine.functions.signature import NESTED
from velo_engine.plan.aggregate_syntax import AggregateSyntax, aggregate_syntax, is_aggregate
from velo_engine.plan.expressions import AggregateCall, Expression, Literal
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.scope import RelationScope
from velo_engine.type_rules import aggregate_type
from velo_engine.types import SqlType


@dataclass(frozen=True, slots=True)
class BoundAggregate:
    """An aggregate call over expressions of the input."""

    function: str
    args: tuple[Expression, ...]
    distinct: bool
    filter: Expression | None
    location: Location | None = field(compare=False)


def bind_aggregate(node: exp.Expr, scope: RelationScope) -> BoundAggregate:
    """The call that `node` writes, its arguments bound over the aggregate's input."""
    text = scope.text
    written = aggregate_syntax(node, text)
    inner = _ArgumentScope(scope)
    args = tuple(text.bind_column(arg, inner) for arg in written.args)
    _refuse_what_is_not_run(written, args, node, text)
    if written.function == "count" and len(args) == 1 and _is_constant(args[0]) and not written.distinct:
        args = ()
    condition = None if written.filter is None else text.condition(written.filter, inner, "FILTER")
    return BoundAggregate(written.function, args, written.distinct, condition, text.locate(node))


def _refuse_what_is_not_run(
    written: AggregateSyntax, args: tuple[Expression, ...], node: exp.Expr, text: ProgramText
) -> None:
    name = written.function.upper()
    if written.function in UNAVAILABLE_AGGREGATES:
        raise text.unsupported(f"the aggregate {name}", node)
    if written.function in ("min", "max") and args[0].type.name in NESTED:
        raise text.error(ErrorCode.TYPE_MISMATCH, f"{name} needs a value with an order, not {args[0].type}", node)


def aggregate_call(bound: BoundAggregate, column: Mapping[Expression, int], grouped: bool) -> AggregateCall:
    """The call over the columns that hold its arguments. `grouped`: by keys or a window, so that no group is empty."""
    return AggregateCall(
        function=bound.function,
        args=tuple(column[arg] for arg in bound.args),
        type=_result_type(bound, grouped),
        distinct=bound.distinct,
        filter=None if bound.filter is None else column[bound.filter],
        location=bound.location,
    )


_NEVER_NULL_OVER_VALUES = frozenset({"sum", "avg", "min", "max", "first_value", "last_value", "stddev_pop", "var_pop"})


def _result_type(bound: BoundAggregate, grouped: bool) -> SqlType:
    """NOT NULL over arguments that are, unless the group may be empty (Calcite's ARG0_NULLABLE_IF_EMPTY)."""
    try:
        result = aggregate_type(bound.function, [arg.type for arg in bound.args], bound.distinct)
    except VeloError as e:
        raise VeloError(e.code, e.message, location=bound.location, hint=e.hint) from None
    if bound.function not in _NEVER_NULL_OVER_VALUES:
        return result
    empty = not grouped or bound.filter is not None
    return result.as_nullable(empty or any(arg.type.nullable for arg in bound.args))


def _is_constant(expression: Expression) -> bool:
    """A literal that is never NULL: COUNT(1) counts rows."""
    return isinstance(expression, Literal) and expression.value is not None


class _ArgumentScope:
    """The input of an aggregate; an aggregate inside another has no meaning there."""

    def __init__(self, scope: RelationScope) -> None:
        self._scope = scope

    def resolve(self, column: exp.Column) -> Expression:
        """The input column."""
        return self._scope.resolve(column)

    def planned(self, node: exp.Expr) -> Expression | None:
        """Nothing stands for a part of an argument."""
        if is_aggregate(node):
            raise self._scope.text.error(ErrorCode.INVALID_GROUPING, "an aggregate stands inside an aggregate", node)
        return self._scope.planned(node)
