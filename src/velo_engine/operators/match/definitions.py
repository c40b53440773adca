"""Definitions as functions of a row and of what a partial match remembers.

What depends on one row alone is computed by the kernel when the row arrives, for a whole batch (`PreparedRows`); a
failure is kept beside the value and counts only when the value is asked for. What is left, comparisons and arithmetic
across rows and aggregates, is put together from Python functions; an operator that has none is asked of the kernel, one
value at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

import pyarrow as pa

from velo_engine.compile_expression import compile_expression
from velo_engine.kernel import Kernel
from velo_engine.operators.match import scalars
from velo_engine.operators.match.aggregates import Argument, aggregate_of, column_of, values_of
from velo_engine.operators.match.memory import MemoryLayout, Values
from velo_engine.operators.match.partition import Judge, Memory
from velo_engine.operators.match.prepared import PreparedRows
from velo_engine.operators.match.scalars import NoValueError
from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression, Literal, walk
from velo_engine.plan.match_nodes import Definition, RowsAggregate, RowValue
from velo_engine.plan.rewrite import map_columns
from velo_engine.types import INTEGERS, SqlType, TypeName

Value: TypeAlias = Callable[[Values, Memory], Any]
"""The value of an expression for a row, given by its prepared values, after the rows that a match remembers."""

_Selector: TypeAlias = tuple[int | None, bool, int]
"""Which row: the variable, whether counted from the first, and how far."""


class DefinitionCompiler:
    """Compiles the definitions of one pattern; they share prepared values and memory."""

    def __init__(self, kernel: Kernel, prepared: PreparedRows, layout: MemoryLayout, time_zone: str) -> None:
        self._kernel = kernel
        self._prepared = prepared
        self._layout = layout
        self._time_zone = time_zone

    def judge(self, variable: int, definition: Definition) -> Judge:
        """Whether `variable` takes a row."""
        return _Compilation(self._kernel, self._prepared, self._layout, self._time_zone, variable, definition).judge()


class _Compilation:
    """One definition being compiled."""

    def __init__(
        self,
        kernel: Kernel,
        prepared: PreparedRows,
        layout: MemoryLayout,
        time_zone: str,
        variable: int,
        definition: Definition,
    ) -> None:
        self._kernel = kernel
        self._prepared = prepared
        self._layout = layout
        self._time_zone = time_zone
        self._variable = variable
        self._definition = definition

    def judge(self) -> Judge:
        return self._value(self._definition.condition)

    def _value(self, expression: Expression) -> Value:
        if isinstance(expression, Literal):
            constant = physical(expression)
            return lambda _values, _memory: constant
        selector = self._only_row(expression)
        if selector is not None:
            return self._in_row(expression, selector)
        match expression:
            case ColumnRef(index=index):
                of = self._definition.values[index]
                assert isinstance(of, RowsAggregate), "a column of one row was read from that row"
                return self._aggregate(of)
            case Call(function="and" | "or"):
                return self._logical(expression)
            case Call():
                return self._call(expression)
            case Case():
                return self._case(expression)
            case Cast():
                return self._cast(expression)
        raise AssertionError(f"no such expression: {expression}")

    def _only_row(self, expression: Expression) -> _Selector | None:
        """The one row of which `expression` is computed (the row being judged when it uses none); None for several."""
        selectors: set[_Selector] = set()
        for part in walk(expression):
            if isinstance(part, ColumnRef):
                of = self._definition.values[part.index]
                if not isinstance(of, RowValue):
                    return None
                selectors.add(self._selector(of))
        if len(selectors) > 1:
            return None
        return next(iter(selectors), (self._variable, False, 0))

    def _selector(self, of: RowValue) -> _Selector:
        if not of.from_first and of.offset == 0 and of.variable in (None, self._variable):
            return (self._variable, False, 0)
        return (of.variable, of.from_first, of.offset)

    def _in_row(self, expression: Expression, selector: _Selector) -> Value:
        """An expression over one row: prepared, and read from that row."""
        column = self._prepared.add(map_columns(expression, lambda i: self._input_column(i)))
        row = self._row(selector)
        read, missing = self._prepared.reader(column), self._prepared.missing(column)
        if row is None:
            return lambda values, _memory: read(values)

        def value(values: Values, memory: Memory) -> Any:
            found = row(values, memory)
            return missing() if found is None else read(found)

        return value

    def _input_column(self, index: int) -> int:
        of = self._definition.values[index]
        assert isinstance(of, RowValue)
        return of.column

    def _row(self, selector: _Selector) -> Value | None:
        """How a row is found; None for the row being judged, which counts as the last of its variable and of all."""
        variable, from_first, offset = selector
        counts = variable in (None, self._variable)
        if not from_first:
            if counts and offset == 0:
                return None
            at = self._layout.last(variable, offset - counts)
            return lambda _values, memory: memory[at]
        at = self._layout.first(variable, offset)
        if not counts:
            return lambda _values, memory: memory[at]
        before = self._layout.first(variable, offset - 1) if offset else None

        def first(values: Values, memory: Memory) -> Any:
            if memory[at] is not None:
                return memory[at]
            return values if before is None or memory[before] is not None else None

        return first

    def _aggregate(self, of: RowsAggregate) -> Value:
        columns = [self._prepared.add(arg) for arg in of.args]
        arguments: list[Argument] = [self._prepared.reader(column) for column in columns]
        aggregate = aggregate_of(of.function, arguments, [arg.type for arg in of.args], of.type)
        at = self._layout.aggregate(of.variable, aggregate, (of.function, *columns))
        if of.variable in (None, self._variable):
            return lambda values, memory: aggregate.result(aggregate.add(memory[at], values))
        return lambda _values, memory: aggregate.result(memory[at])

    def _logical(self, call: Call) -> Value:
        """AND and OR stop at the first operand that decides."""
        parts = [self._value(arg) for arg in call.args]
        decides = call.function == "or"

        def value(values: Values, memory: Memory) -> bool | None:
            unknown = False
            for part in parts:
                found: bool | None = part(values, memory)
                if found is decides:
                    return decides
                unknown = unknown or found is None
            return None if unknown else not decides

        return value

    def _call(self, call: Call) -> Value:
        parts = [self._value(arg) for arg in call.args]
        if call.function in _TESTS:
            test, (part,) = _TESTS[call.function], parts
            return lambda values, memory: test(part(values, memory))
        if call.function == "coalesce":
            return lambda values, memory: next((v for v in [p(values, memory) for p in parts] if v is not None), None)
        compute = scalars.compiled(call)
        if compute is None:
            return self._asked(call, [(arg.type, part) for arg, part in zip(call.args, parts, strict=True)])
        if len(parts) == 1:
            return _unary(compute, parts[0])
        if len(parts) == 2:
            return _binary(compute, parts[0], parts[1])
        raise AssertionError(f"{call.function} has one operand or two")

    def _case(self, case: Case) -> Value:
        branches = [(self._value(when), self._value(then)) for when, then in case.branches]
        default = self._value(case.default)

        def value(values: Values, memory: Memory) -> Any:
            for when, then in branches:
                if when(values, memory) is True:
                    return then(values, memory)
            return default(values, memory)

        return value

    def _cast(self, cast: Cast) -> Value:
        part = self._value(cast.arg)
        convert = _conversion(cast.arg.type, cast.type)
        return self._asked(cast, [(cast.arg.type, part)]) if convert is None else _unary(convert, part)

    def _asked(self, expression: Call | Cast, parts: Sequence[tuple[SqlType, Value]]) -> Value:
        """An operator that only the kernel has, over one row of operands."""
        operands = tuple(
            arg if isinstance(arg, Literal) else ColumnRef(i, arg.type)
            for i, arg in enumerate(expression.args if isinstance(expression, Call) else (expression.arg,))
        )
        if isinstance(expression, Call):
            whole: Expression = Call(expression.function, operands, expression.type)
        else:
            whole = Cast(operands[0], expression.type, expression.safe)
        name = self._kernel.input_name("operands")
        sql = compile_expression(whole, lambda i: f"i.c{i}", time_zone=self._time_zone)
        statement = f"SELECT {sql.value} AS v, {sql.error or 'NULL'} AS e FROM {name} i"
        names = [f"c{i}" for i in range(len(parts))]

        def value(values: Values, memory: Memory) -> Any:
            columns = [column_of([part(values, memory)], kind) for kind, part in parts]
            found = self._kernel.query(statement, **{name: pa.table(columns, names=names)})
            error = found.column("e")[0].as_py()
            if error is not None:
                raise NoValueError(error)
            return values_of(found.column("v"), whole.type)[0]

        return value


_TESTS: Mapping[str, Callable[[Any], bool]] = {
    "is_null": lambda value: value is None,
    "is_not_null": lambda value: value is not None,
    "is_true": lambda value: value is True,
    "is_not_true": lambda value: value is not True,
    "is_false": lambda value: value is False,
    "is_not_false": lambda value: value is not False,
}


def _unary(compute: scalars.Function, part: Value) -> Value:
    def value(values: Values, memory: Memory) -> Any:
        operand = part(values, memory)
        return None if operand is None else compute(operand)

    return value


def _binary(compute: scalars.Function, left: Value, right: Value) -> Value:
    def value(values: Values, memory: Memory) -> Any:
        a, b = left(values, memory), right(values, memory)
        return None if a is None or b is None else compute(a, b)

    return value


_SIZES = {TypeName.TINYINT: 1, TypeName.SMALLINT: 2, TypeName.INT: 4, TypeName.BIGINT: 8}


def _conversion(source: SqlType, target: SqlType) -> scalars.Function | None:
    """Casts that implicit conversions make: to wider numbers. None for every other."""
    if source.as_nullable() == target.as_nullable():
        return lambda value: value
    if source.name in INTEGERS:
        if target.name in INTEGERS and _SIZES[source.name] <= _SIZES[target.name]:
            return lambda value: value
        if target.name is TypeName.DOUBLE:
            return float
    if source.name in INTEGERS | {TypeName.DECIMAL} and target.name is TypeName.DECIMAL:
        scale, limit = source.scale if source.name is TypeName.DECIMAL else 0, 10**target.precision

        def rescaled(value: int) -> int | None:
            found = scalars.rescaled(value, scale, target.scale)
            return found if -limit < found < limit else None

        return rescaled
    return None


_EPOCH = datetime(1970, 1, 1)


def physical(literal: Literal) -> Any:
    """A constant in the numpy form of its type as a Python value."""
    value = literal.value
    match value:
        case Decimal():
            return int(value.scaleb(literal.type.scale))
        case datetime():
            return (value - _EPOCH) // timedelta(microseconds=1)
        case date():
            return (value - _EPOCH.date()).days
        case time():
            return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
        case int() if literal.type.name is TypeName.DECIMAL:
            return value * 10**literal.type.scale
        case int() if literal.type.name in (TypeName.FLOAT, TypeName.DOUBLE):
            return float(value)
        case _:
            return value
