"""The calls of one OVER window: bound, with arguments as columns of the input and results as columns of the node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.functions.aggregates import UNAVAILABLE_AGGREGATES
from velo_engine.functions.signature import NESTED
from velo_engine.plan.aggregate_syntax import aggregate_syntax, function_name, is_aggregate
from velo_engine.plan.aggregates import BoundAggregate, aggregate_call, call_arguments
from velo_engine.plan.expressions import Cast, ColumnRef, Expression, Literal
from velo_engine.plan.over_functions import (
    PLACED_FUNCTIONS,
    VARIANCES,
    average,
    variance,
)
from velo_engine.plan.over_node import OverCall, PlacedCall
from velo_engine.plan.program_text import ProgramText
from velo_engine.sql.expression_binder import Scope
from velo_engine.type_rules import aggregate_type
from velo_engine.type_rules.merging import common_type
from velo_engine.types import SqlType

RESULTS = 1_000_000
"""Columns from here on are the results of calls, as long as the width of the node's input is not known."""

_FOR_VALUES = frozenset({"count", "sum", "avg", "min", "max", *VARIANCES})
"""Aggregates whose accumulator is their result: others Flink's operators by values mix up."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A function of places over expressions of the input."""

    function: str
    args: tuple[Expression, ...]
    type: SqlType
    number: int
    location: Location | None = field(compare=False)


_Bound = BoundAggregate | _Placed


@dataclass(frozen=True, slots=True)
class CallRules:
    """What the calls of a window may be."""

    bounded: bool
    """The frame has a first row other than the partition's: Calcite thinks that it may be empty."""
    by_values: bool
    in_buffer: bool = False
    sorted: bool = False
    """The buffer has an ORDER BY."""


class OverCalls:
    """Collects the calls of one window."""

    def __init__(self, scope: Scope, text: ProgramText, rules: CallRules) -> None:
        self._scope = scope
        self._text = text
        self._rules = rules
        self._calls: dict[_Bound, SqlType] = {}

    def value(self, node: exp.Window) -> Expression:
        """The result of the call before OVER, over the columns of the node; results stand at RESULTS and behind."""
        call = node.this
        if isinstance(call, exp.Filter):
            raise self._text.unsupported(
                "FILTER before OVER", node, "use CASE WHEN condition THEN value END as the argument"
            )
        if isinstance(call, exp.IgnoreNulls):
            raise self._text.unsupported("IGNORE NULLS", node)
        if isinstance(call, exp.RespectNulls):
            call = call.this
        name = function_name(call) or ""
        if name in PLACED_FUNCTIONS:
            return self._placed(name, call, node)
        if not is_aggregate(call):
            message = f"{name.upper() or 'this'} is no aggregate and no function of OVER"
            raise self._text.error(ErrorCode.UNKNOWN_FUNCTION, message, node)
        return self._aggregate(call, node)

    def needed(self) -> list[Expression]:
        """What must be columns of the input."""
        parts: list[Expression] = []
        for call in self._calls:
            parts += call.args
            if isinstance(call, BoundAggregate) and call.filter is not None:
                parts.append(call.filter)
        return parts

    def planned(self, column: dict[Expression, int]) -> tuple[OverCall, ...]:
        """The calls over the columns that hold their arguments."""
        return tuple(self._over_columns(call, column) for call in self._calls)

    def _over_columns(self, call: _Bound, column: dict[Expression, int]) -> OverCall:
        if isinstance(call, _Placed):
            args = tuple(column[arg] for arg in call.args)
            return PlacedCall(call.function, args, call.type, call.number, call.location)
        return aggregate_call(call, column, grouped=not self._rules.bounded)

    def _aggregate(self, call: exp.Expr, node: exp.Window) -> Expression:
        text = self._text
        written = aggregate_syntax(call, text)
        args = tuple(text.bind_column(arg, self._scope) for arg in written.args)
        name = written.function.upper()
        if written.function in UNAVAILABLE_AGGREGATES or (
            self._rules.by_values and (written.distinct or written.function not in _FOR_VALUES)
        ):
            what = f"{name}(DISTINCT …)" if written.distinct else name
            order = " ordered by what is no time" if self._rules.by_values else ""
            raise text.unsupported(f"{what} OVER{order}", node)
        if written.function in ("min", "max") and args[0].type.name in NESTED:
            raise text.error(ErrorCode.TYPE_MISMATCH, f"{name} needs a value with an order, not {args[0].type}", node)
        args, constants = call_arguments(written, args, node, text)
        if written.function == "count" and len(args) == 1 and not args[0].type.nullable and not written.distinct:
            args = ()
        location = text.locate(node)
        if self._rules.sorted and written.function in ("first_value", "last_value"):
            kind = args[0].type.as_nullable()
            return self._result(_Placed(written.function, args, kind, 1, location), location)

        def over(function: str, argument: Expression) -> ColumnRef:
            rows = function == "count" and not argument.type.nullable and not written.distinct
            bound = BoundAggregate(function, () if rows else (argument,), written.distinct, None, location)
            return self._result(bound, location)

        if written.function == "avg":
            return average(args[0], self._type("avg", args, location), over)
        if written.function in VARIANCES:
            return variance(written.function, args[0], self._type(written.function, args, location), over)
        return self._result(
            BoundAggregate(written.function, args, written.distinct, None, location, constants), location
        )

    def _type(self, function: str, args: Sequence[Expression], location: Location | None) -> SqlType:
        try:
            return aggregate_type(function, [arg.type for arg in args])
        except VeloError as problem:
            problem.location = problem.location or location
            raise

    def _result(self, call: _Bound, location: Location | None) -> ColumnRef:
        """The column of the call's result."""
        kind = self._calls.get(call)
        if kind is None:
            if isinstance(call, _Placed):
                kind = call.type
            else:
                columns = {arg: i for i, arg in enumerate(call.args)}
                kind = aggregate_call(call, columns, grouped=not self._rules.bounded).type
            self._calls[call] = kind
        return ColumnRef(RESULTS + list(self._calls).index(call), kind, location)

    def _placed(self, name: str, call: exp.Expr, node: exp.Window) -> Expression:
        text, location = self._text, self._text.locate(node)
        function = PLACED_FUNCTIONS[name]
        raw = call.expressions
        if not function.least_args <= len(raw) <= function.most_args:
            raise text.error(ErrorCode.TYPE_MISMATCH, f"{name.upper()} does not take {len(raw)} arguments", node)
        if name in ("rank", "dense_rank", "row_number") and not self._rules.in_buffer:
            # Over a stream Flink numbers ties as COUNT(*) over the default frame does.
            return self._result(BoundAggregate("count", (), False, None, location), location)
        if self._rules.by_values:
            raise text.unsupported(f"{name.upper()} OVER ordered by what is no time", node)
        if function.result is not None:
            number = self._number(raw[0], name, 1) if raw else 1
            return self._result(_Placed(name, (), function.result, number, location), location)
        return self._result(self._shifted(name, raw, node), location)

    def _shifted(self, name: str, raw: Sequence[exp.Expr], node: exp.Window) -> _Placed:
        """LAG, LEAD and NTH_VALUE: the value of another row."""
        text = self._text
        value = text.bind_column(raw[0], self._scope)
        least = 1 if name == "nth_value" else 0
        number = self._number(raw[1], name, least) if len(raw) > 1 else 1
        if len(raw) < 3:
            return _Placed(name, (value,), value.type.as_nullable(), number, text.locate(node))
        default = text.bind(raw[2], self._scope)
        kind = value.type.as_nullable(default.type.nullable)
        if common_type([value.type, default.type]) != value.type.as_nullable(
            value.type.nullable or default.type.nullable
        ):
            message = f"the default of {name.upper()} is {default.type.as_nullable()}, not {value.type.as_nullable()}"
            raise text.error(ErrorCode.TYPE_MISMATCH, message, raw[2], "cast it to the type of the value")
        if default.type.as_nullable() != kind.as_nullable():
            default = Cast(default, kind)
        return _Placed(name, (value, default), kind, number, text.locate(node))

    def _number(self, node: exp.Expr, name: str, least: int) -> int:
        bound = self._text.bind(node, self._scope)
        if not (isinstance(bound, Literal) and isinstance(bound.value, int) and bound.value >= least):
            raise self._text.unsupported(
                f"this number in {name.upper()}", node, f"write a whole number, not below {least}"
            )
        return int(bound.value)
