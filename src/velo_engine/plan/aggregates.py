"""GROUP BY and aggregate functions: which calls a query makes, on which keys, over which projected columns.

An aggregate node works on columns, so keys, arguments and FILTER conditions that are expressions are projected first.
Whatever stands in the select list or HAVING of such a query may use only keys, aggregates and, in a window, its bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.functions.json_functions import JSON_MAKERS
from velo_engine.functions.signature import NESTED, SignatureError
from velo_engine.functions.table import FUNCTIONS
from velo_engine.functions.user_functions import PREFIX, bound_arguments, by_plan_name
from velo_engine.plan.aggregate_syntax import AggregateSyntax, aggregate_syntax, is_aggregate
from velo_engine.plan.expressions import AggregateCall, Call, Cast, Expression, Literal, LiteralValue
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.scope import RelationScope
from velo_engine.type_rules import AGGREGATES, aggregate_type
from velo_engine.type_rules.aggregates import written as spelled
from velo_engine.types import NUMERICS, SqlType


@dataclass(frozen=True, slots=True)
class BoundAggregate:
    """An aggregate call over expressions of the input."""

    function: str
    args: tuple[Expression, ...]
    distinct: bool
    filter: Expression | None
    location: Location | None = field(compare=False)
    constants: tuple[LiteralValue | tuple[LiteralValue, ...], ...] = ()
    may_be_null: bool = False
    """Whether an argument may be NULL for the planner, although its type says NOT NULL."""


def bind_aggregate(node: exp.Expr, scope: RelationScope) -> BoundAggregate:
    """The call that `node` writes, its arguments bound over the aggregate's input."""
    text = scope.text
    written = aggregate_syntax(node, text)
    inner = _ArgumentScope(scope)
    args = tuple(text.bind_column(arg, inner) for arg in written.args)
    if not written.function.startswith(PREFIX):
        _refuse_what_is_not_run(written, args, node, text)
    args, constants = call_arguments(written, args, node, text)
    if written.function == "count" and len(args) == 1 and not args[0].type.nullable and not written.distinct:
        args = ()  # as of RelBuilder.aggregateCall
    condition = None if written.filter is None else text.condition(written.filter, inner, "FILTER")
    return BoundAggregate(written.function, args, written.distinct, condition, text.locate(node), constants)


def call_arguments(
    written: AggregateSyntax, args: tuple[Expression, ...], node: exp.Expr, text: ProgramText
) -> tuple[tuple[Expression, ...], tuple[LiteralValue | tuple[LiteralValue, ...], ...]]:
    """The arguments as the function takes them, and the values of those that are constants of the call."""
    if written.function.startswith(PREFIX):
        return _own_arguments(written.function, args, node, text), ()
    args, constants = _split_constants(written, args, node, text)
    if written.function.startswith("json_"):
        args = (*args[:-1], _as_json(args[-1], node, text))
    return args, constants


def _refuse_what_is_not_run(
    written: AggregateSyntax, args: tuple[Expression, ...], node: exp.Expr, text: ProgramText
) -> None:
    name = written.function.upper()
    if written.function in ("min", "max") and args[0].type.name in NESTED:
        raise text.error(ErrorCode.TYPE_MISMATCH, f"{name} needs a value with an order, not {args[0].type}", node)


def _own_arguments(
    name: str, args: tuple[Expression, ...], node: exp.Expr, text: ProgramText
) -> tuple[Expression, ...]:
    """The arguments of an aggregate of one's own in the types that it declares."""
    function = by_plan_name(name)
    try:
        return bound_arguments(function, args)
    except SignatureError as problem:
        raise text.error(ErrorCode.TYPE_MISMATCH, f"{function.name}: {problem}", node) from None
    except VeloError as problem:
        problem.location = problem.location or text.locate(node)
        raise


def _split_constants(
    written: AggregateSyntax, args: tuple[Expression, ...], node: exp.Expr, text: ProgramText
) -> tuple[tuple[Expression, ...], tuple[LiteralValue | tuple[LiteralValue, ...], ...]]:
    """The arguments that are columns, and the values of those that are constants of the call."""
    positions = AGGREGATES[written.function].constants
    constants = []
    for position in positions:
        if position < len(args):
            value = constant_value(args[position])
            if value is None:
                what = f"a constant as argument {position + 1}"
                raise text.error(ErrorCode.TYPE_MISMATCH, f"{spelled(written.function)} needs {what}", node)
            constants.append(_checked_constant(written.function, value, node, text))
    return tuple(arg for i, arg in enumerate(args) if i not in positions), tuple(constants)


def constant_value(argument: Expression) -> LiteralValue | tuple[LiteralValue, ...]:
    """The value of a constant, or of an ARRAY of constants as a tuple; None when it is none (or NULL)."""
    match argument:
        case Literal(value=value):
            return value
        case Cast(arg=arg, type=kind) if kind.name in NUMERICS:
            return constant_value(arg)
        case Call(function="array", args=items):
            values = tuple(constant_value(item) for item in items)
            if all(value is not None and not isinstance(value, tuple) for value in values):
                return values  # type: ignore[return-value]
    return None


def _checked_constant(
    function: str, value: LiteralValue | tuple[LiteralValue, ...], node: exp.Expr, text: ProgramText
) -> LiteralValue | tuple[LiteralValue, ...]:
    if function == "listagg":
        if not isinstance(value, str):
            raise text.error(ErrorCode.TYPE_MISMATCH, "LISTAGG needs a string as separator", node)
        return value
    shares = value if isinstance(value, tuple) else (value,)
    numbers = [float(share) for share in shares if isinstance(share, int | float | Decimal)]
    one = function == "percentile" or not isinstance(value, tuple)
    if len(numbers) < len(shares) or not all(0 <= n <= 1 for n in numbers) or not one:
        raise text.error(ErrorCode.TYPE_MISMATCH, f"{function.upper()} needs a share between 0 and 1", node)
    return tuple(numbers) if isinstance(value, tuple) else numbers[0]


def _as_json(value: Expression, node: exp.Expr, text: ProgramText) -> Expression:
    """What a JSON aggregate puts in: the value as JSON, and JSON that was made here as it is."""
    if isinstance(value, Call) and value.function in JSON_MAKERS:
        return value
    try:
        function = FUNCTIONS["json_string"]
        assert function.bind is not None
        args, kind = function.bind(function, (value,))
    except SignatureError as problem:
        raise text.error(ErrorCode.TYPE_MISMATCH, f"a JSON aggregate {problem}", node) from None
    return Call("json_string", args, kind.as_nullable(value.type.nullable), value.location)


def aggregate_call(bound: BoundAggregate, column: Mapping[Expression, int], grouped: bool) -> AggregateCall:
    """The call over the columns that hold its arguments. `grouped`: by keys or a window, so that no group is empty."""
    return AggregateCall(
        function=bound.function,
        args=tuple(column[arg] for arg in bound.args),
        type=_result_type(bound, grouped),
        distinct=bound.distinct,
        filter=None if bound.filter is None else column[bound.filter],
        location=bound.location,
        constants=bound.constants,
    )


_NEVER_NULL_OVER_VALUES = frozenset({"sum", "avg", "min", "max", "first_value", "last_value", "stddev_pop", "var_pop"})

_OF_NOTHING_NULL = frozenset({"listagg", "array_agg", "array_agg_ignore_nulls"})


def _result_type(bound: BoundAggregate, grouped: bool) -> SqlType:
    """NOT NULL over arguments that are, unless the group may be empty (Calcite's ARG0_NULLABLE_IF_EMPTY)."""
    if bound.function.startswith(PREFIX):
        return by_plan_name(bound.function).returns.as_nullable()
    types = [arg.type.as_nullable(arg.type.nullable or bound.may_be_null) for arg in bound.args]
    try:
        result = aggregate_type(bound.function, types, bound.distinct, bound.constants)
    except VeloError as e:
        raise VeloError(e.code, e.message, location=bound.location, hint=e.hint) from None
    if bound.function not in _NEVER_NULL_OVER_VALUES:
        # Flink says NOT NULL here although a FILTER may leave nothing, and then fails.
        return result.as_nullable() if bound.filter is not None and bound.function in _OF_NOTHING_NULL else result
    empty = not grouped or bound.filter is not None
    return result.as_nullable(empty or any(kind.nullable for kind in types))


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
