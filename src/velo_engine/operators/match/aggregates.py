"""Aggregates over the rows of a variable, one row at a time: states are values, because branches of a match share them.

COUNT, SUM, AVG, MIN, MAX, FIRST_VALUE and LAST_VALUE follow the rules of the accumulators in `operators.accumulators`;
every other aggregate keeps its arguments and asks those accumulators. Values are those of `scalars`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.operators.accumulators import AggregateCalls
from velo_engine.operators.match.scalars import exact_quotient
from velo_engine.operators.vectors import Vector, dtype_of, from_arrow, to_arrow
from velo_engine.plan.expressions import AggregateCall
from velo_engine.schema import Column, RowSchema
from velo_engine.types import INTEGERS, SqlType, TypeName

Argument = Callable[[tuple[Any, ...]], Any]
"""The value of an argument out of the prepared values of a row."""

_BITS = {TypeName.TINYINT: 8, TypeName.SMALLINT: 16, TypeName.INT: 32, TypeName.BIGINT: 64}
_DECIMAL_LIMIT = 10**38


class Aggregate(ABC):
    """One aggregate over one argument at most."""

    empty: Any = None
    """The state without rows."""

    def __init__(self, argument: Argument) -> None:
        self._argument = argument

    def add(self, state: Any, values: tuple[Any, ...]) -> Any:
        """The state with one row more; rows whose argument is NULL do not count."""
        value = self._argument(values)
        return state if value is None else self._added(state, value)

    @abstractmethod
    def _added(self, state: Any, value: Any) -> Any: ...

    def result(self, state: Any) -> Any:
        """The value of the aggregate."""
        return state


def aggregate_of(function: str, arguments: Sequence[Argument], types: Sequence[SqlType], result: SqlType) -> Aggregate:
    """The aggregate `function` over arguments of these types."""
    if function == "count" and not arguments:
        return _Count(lambda _: 0)
    if len(arguments) == 1:
        argument, kind = arguments[0], types[0]
        match function:
            case "count":
                return _Count(argument)
            case "first_value":
                return _Chosen(argument, lambda _old, _new: False)
            case "last_value":
                return _Chosen(argument, lambda _old, _new: True)
            case "min" if kind.name not in _FLOATING:
                return _Chosen(argument, lambda old, new: bool(new < old))
            case "max" if kind.name not in _FLOATING:
                return _Chosen(argument, lambda old, new: bool(new > old))
            case "sum" if kind.name in INTEGERS or kind.name in (TypeName.DECIMAL, TypeName.DOUBLE):
                return _Sum(argument, kind)
            case "avg" if kind.name in INTEGERS or kind.name in (TypeName.DECIMAL, TypeName.DOUBLE):
                return _Average(argument, kind, result)
    return _Accumulated(function, arguments, types, result)


_FLOATING = (TypeName.FLOAT, TypeName.DOUBLE)


class _Count(Aggregate):
    empty = 0

    def _added(self, state: int, value: Any) -> int:  # noqa: ARG002 - only that there is a value counts
        return state + 1


class _Chosen(Aggregate):
    """One of the values: a new one takes the place of the old where `replaces` says so."""

    def __init__(self, argument: Argument, replaces: Callable[[Any, Any], bool]) -> None:
        super().__init__(argument)
        self._replaces = replaces

    def _added(self, state: Any, value: Any) -> Any:
        return value if state is None or self._replaces(state, value) else state


class _Sum(Aggregate):
    """Integers wrap around; a decimal total of more than 38 digits is lost, and the next value begins a new one."""

    def __init__(self, argument: Argument, kind: SqlType) -> None:
        super().__init__(argument)
        self._bits = _BITS.get(kind.name)
        self._decimal = kind.name is TypeName.DECIMAL

    def _added(self, state: Any, value: Any) -> Any:
        total = value if state is None else state + value
        if self._decimal:
            return total if -_DECIMAL_LIMIT < total < _DECIMAL_LIMIT else None
        return total if self._bits is None else _wrapped(total, self._bits)


class _Average(Aggregate):
    """A total and a count; integers add up in BIGINT and divide toward zero, a lost decimal total stays lost."""

    empty = (0, 0)

    def __init__(self, argument: Argument, kind: SqlType, result: SqlType) -> None:
        super().__init__(argument)
        self._kind = kind.name
        self._shift = result.scale - kind.scale
        self._bits = _BITS.get(result.name)

    def _added(self, state: tuple[Any, int], value: Any) -> tuple[Any, int]:
        total, count = state
        if total is not None:
            total = value if count == 0 and self._kind is not TypeName.DOUBLE else total + value
            if self._kind in INTEGERS:
                total = _wrapped(total, 64)
            elif self._kind is TypeName.DECIMAL and not -_DECIMAL_LIMIT < total < _DECIMAL_LIMIT:
                total = None
        return total, count + 1

    def result(self, state: tuple[Any, int]) -> Any:
        """The average; NULL without a value."""
        total, count = state
        if count == 0 or total is None:
            return None
        if self._kind is TypeName.DOUBLE:
            return float(total) / count
        if self._kind is TypeName.DECIMAL:
            value = exact_quotient(total, count, self._shift)
            return value if -_DECIMAL_LIMIT < value < _DECIMAL_LIMIT else None
        size = abs(total) // count
        assert self._bits is not None, "the average of integers is an integer"
        return _wrapped(-size if total < 0 else size, self._bits)


class _Accumulated(Aggregate):
    """Keeps the arguments of all rows, newest first, and leaves the rest to the engine's accumulators."""

    def __init__(self, function: str, arguments: Sequence[Argument], types: Sequence[SqlType], result: SqlType) -> None:
        super().__init__(lambda values: tuple(argument(values) for argument in arguments))
        self._schema = RowSchema(tuple(Column(f"a{i}", kind) for i, kind in enumerate(types)))
        self._call = AggregateCall(function, tuple(range(len(types))), result)

    def _added(self, state: Any, value: tuple[Any, ...]) -> Any:
        return (value, state)

    def result(self, state: Any) -> Any:
        """What the accumulator makes of all rows."""
        rows = []
        while state is not None:
            rows.append(state[0])
            state = state[1]
        rows.reverse()
        calls = AggregateCalls([self._call], self._schema, retracting=False)
        calls.reserve(2)
        columns = [column_of([row[i] for row in rows], kind) for i, kind in enumerate(self._schema.types)]
        table = pa.table(columns, names=[f"c{i}" for i in range(len(columns))])
        calls.fold(np.ones(len(rows), np.int64), table, None)
        (found,) = calls.values(np.array([1]))
        return values_of(to_arrow(found, self._call.type), self._call.type)[0]


def column_of(values: Sequence[Any], kind: SqlType) -> Any:
    """Python values in their numpy form as an Arrow array."""
    valid = np.array([value is not None for value in values], np.bool_)
    dtype = np.dtype(dtype_of(kind))
    if kind.name is TypeName.DECIMAL:
        dtype = np.dtype(np.object_)
    filled = np.empty(len(values), dtype)
    blank = None if dtype == np.object_ and kind.name is not TypeName.DECIMAL else 0
    filled[:] = [blank if value is None else value for value in values]
    return to_arrow(Vector(filled, None if valid.all() else valid), kind)


def values_of(column: Any, kind: SqlType) -> list[Any]:
    """A column as Python values in their numpy form, None for NULL."""
    vector = from_arrow(column, kind)
    values: list[Any] = vector.values.tolist()
    if vector.valid is None:
        return values
    return [value if valid else None for value, valid in zip(values, vector.valid.tolist(), strict=True)]


def _wrapped(value: int, bits: int) -> int:
    half = 1 << (bits - 1)
    if -half <= value < half:
        return value
    return ((value + half) & ((1 << bits) - 1)) - half
