"""Where the boundaries of columns are: comparisons solved for one column, the others as they are in some row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, DivisionByZero, InvalidOperation
from typing import Any

from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression, Literal, columns_of, walk
from velo_engine.types import INTERVALS, STRINGS, TypeName
from velo_harness.generation.boundaries.analysis import COMPARING, comparisons
from velo_harness.generation.boundaries.facts import Leaves
from velo_harness.generation.boundaries.values import around, function_texts, like_texts

_UNCHANGED = frozenset({"upper", "lower", "trim", "coalesce", "if", "round", "ltrim", "rtrim"})
"""Functions whose value is their argument, or near it."""
_ABOUT_NULL = frozenset({"is_null", "is_not_null"})
_ORDERED = frozenset({"less", "less_equal", "greater", "greater_equal"})

Present = Callable[[int], Any]
"""The value of a leaf in the row from which boundaries are looked for; None when it has none."""


class Points:
    """The values at which something changes, for each leaf."""

    def __init__(self, leaves: Leaves, present: Present, constant: Callable[[Expression], Any]) -> None:
        """`constant` computes an expression without columns; None when it has no value."""
        self._leaves = leaves
        self.present = present
        self._constant = constant
        self.values: dict[int, dict[Any, None]] = {}

    def add(self, expressions: Iterable[Expression]) -> None:
        """The boundaries in the comparisons of these expressions."""
        for expression in expressions:
            for call in comparisons(expression):
                self._compared(call)
            for part in walk(expression):
                if isinstance(part, Call) and part.function in _ABOUT_NULL and isinstance(part.args[0], ColumnRef):
                    self._put(part.args[0].index, [self.present(part.args[0].index)])
                if isinstance(part, Call) and part.function not in COMPARING:
                    self._put_separated(part)
            for index in sorted(columns_of(expression)):
                column = self._leaves.column(index)
                if column is not None and column.type.name is TypeName.BOOLEAN:
                    self._put(index, [True, False])

    def _put_separated(self, call: Call) -> None:
        """Texts in which a literal that a function looks for stands several times."""
        texts = [a.value for a in call.args if isinstance(a, Literal) and isinstance(a.value, str) and a.value]
        for text in texts:
            for arg in call.args:
                if isinstance(arg, ColumnRef):
                    self._put(arg.index, function_texts(call.function, text))

    def _compared(self, call: Call) -> None:
        left, *others = call.args
        if call.function == "like":
            pattern = self.value(others[0])
            for index in sorted(columns_of(left)) if isinstance(pattern, str) else ():
                self._put(index, like_texts(pattern))
            return
        ordered = call.function in _ORDERED
        for right in others:
            for side, other in ((left, right), (right, left)):
                target = self.value(other)
                if target is None or not columns_of(side):
                    continue
                for index, value in self.solved(side, target):
                    column = self._leaves.column(index)
                    if column is not None:
                        self._put(index, around(value, column.type, ordered=ordered))
                for index in sorted(columns_of(other)):
                    self._put(index, [self.present(index)])

    def _put(self, index: int, values: Iterable[Any]) -> None:
        column = self._leaves.column(index)
        if column is None:
            return
        texts = column.type.name in STRINGS
        known = self.values.setdefault(index, {})
        known.update(dict.fromkeys(v for v in values if v is not None and isinstance(v, str) == texts))

    @staticmethod
    def placed(expression: Expression, values: Mapping[int, Any]) -> Expression:
        """The expression with these values in place of their leaves."""
        return _placed(expression, values)

    def value(self, expression: Expression) -> Any:
        """What the expression is in the present row."""
        if isinstance(expression, Literal):
            return expression.value
        columns: Mapping[int, Any] = {index: self.present(index) for index in columns_of(expression)}
        if any(value is None for value in columns.values()):
            return None
        return self._constant(_placed(expression, columns))

    def solved(self, side: Expression, target: Any) -> Iterator[tuple[int, Any]]:
        """Leaves with the values at which `side` is `target`, the rest of the row as it is."""
        match side:
            case ColumnRef(index=index):
                yield index, target
            case Cast(arg=arg, type=kind) if arg.type.name in STRINGS and kind.name not in STRINGS:
                for value in around(target, kind, ordered=True):
                    yield from self.solved(arg, value.isoformat(" ") if isinstance(value, datetime) else str(value))
            case Cast(arg=arg):
                yield from self.solved(arg, target)
            case Call(function="negate", args=(arg,)) if isinstance(target, int | float | Decimal):
                yield from self.solved(arg, -target)
            case Call(function="plus" | "minus" | "times" | "divide", args=(left, right)):
                yield from self._solved_arithmetic(side.function, left, right, target)
            case Call(function="abs", args=(arg,)) if isinstance(target, int | float | Decimal):
                yield from self.solved(arg, target)
                yield from self.solved(arg, -target)
            case Call(function="mod", args=(arg, divisor)) if isinstance(target, int | Decimal):
                yield from self.solved(arg, target)
                step = self.value(divisor)
                if isinstance(step, int | Decimal):
                    yield from self.solved(arg, target + step)
            case Call(function="char_length", args=(arg,)) if isinstance(target, int):
                for length in (target - 1, target, target + 1):
                    yield from ((i, "x" * length) for i in sorted(columns_of(arg)) if 0 <= length <= 10_000)
            case Call(function=name, args=args) if name in _UNCHANGED and args:
                yield from self.solved(args[0], target)
            case Case(branches=branches, default=default):
                for value in (*(then for _, then in branches), default):
                    yield from self.solved(value, target)
            case _:
                return

    def _solved_arithmetic(
        self, function: str, left: Expression, right: Expression, target: Any
    ) -> Iterator[tuple[int, Any]]:
        a, b = self.value(left), self.value(right)
        try:
            if b is not None and columns_of(left):
                yield from self.solved(left, _undone(function, target, b, right))
            if a is not None and columns_of(right):
                yield from self.solved(right, _undone_right(function, target, a, right))
        except (TypeError, InvalidOperation, DivisionByZero, ZeroDivisionError, OverflowError):
            return


def _undone(function: str, target: Any, b: Any, right: Expression) -> Any:
    """x of `x function b = target`."""
    target, b = _calculable(target, b, right)
    match function:
        case "plus":
            return target - b
        case "minus":
            return target + b
        case "times":
            return target / b
        case _:
            return target * b


def _undone_right(function: str, target: Any, a: Any, right: Expression) -> Any:
    """x of `a function x = target`."""
    target, a = _calculable(target, a, right)
    match function:
        case "plus":
            return target - a
        case "minus":
            return a - target
        case "times":
            return target / a
        case _:
            return a / target


def _calculable(target: Any, operand: Any, right: Expression) -> tuple[Any, Any]:
    """Both in types that can be calculated with each other."""
    if right.type.name in INTERVALS and isinstance(operand, int):
        return target, timedelta(milliseconds=operand)
    if isinstance(target, datetime) or isinstance(operand, datetime):
        return target, operand
    return Decimal(str(target)), Decimal(str(operand))


def _placed(expression: Expression, values: Mapping[int, Any]) -> Expression:
    """The expression with literals in place of its columns."""
    match expression:
        case ColumnRef(index=index, type=kind) if index in values:
            return Literal(values[index], kind.as_nullable(False))
        case Call(args=args):
            return replace(expression, args=tuple(_placed(arg, values) for arg in args))
        case Cast(arg=arg):
            return replace(expression, arg=_placed(arg, values))
        case Case(branches=branches, default=default):
            placed = tuple((_placed(a, values), _placed(b, values)) for a, b in branches)
            return replace(expression, branches=placed, default=_placed(default, values))
        case _:
            return expression
