"""Which conditions bound the times of both sides of a join.

    a.ts BETWEEN b.ts - INTERVAL '4' SECOND AND b.ts + INTERVAL '6' SECOND        a.ts = b.ts        a.pt < b.pt AND …

Source: Flink's IntervalJoinUtil. Exactly one equality of the times, or one lower and one upper bound, make an interval
join; each compares an expression of one side's time attribute and nothing else with one of the other side's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from velo_engine.plan.expressions import Call, Cast, ColumnRef, Expression, Literal, walk
from velo_engine.types import INTEGERS, INTERVALS, TIMESTAMPS, TypeName

_COMPARISONS = {
    "equals": "=",
    "less": "<",
    "less_equal": "<",
    "greater": ">",
    "greater_equal": ">",
}
_STRICT = {"less": 1, "greater": 1}
_EPOCH = date(1970, 1, 1)
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class TimeAttributes:
    """The columns of left ++ right that are time attributes."""

    left: Collection[int]
    right: Collection[int]

    def side(self, column: int) -> bool | None:
        """False for the left side, True for the right side, None for a column that is no time attribute."""
        if column in self.left:
            return False
        return True if column in self.right else None


@dataclass(frozen=True, slots=True)
class IntervalBounds:
    """`lower_ms <= left_time - right_time <= upper_ms`; the columns are positions in left ++ right."""

    left_time: int
    right_time: int
    lower_ms: int
    upper_ms: int


@dataclass(frozen=True, slots=True)
class _TimePredicate:
    """`left_time - right_time` `operator` `offset_ms`."""

    left_time: int
    right_time: int
    operator: str
    offset_ms: int | None
    """None when it is no constant."""


def interval_bounds(
    parts: Sequence[Expression], times: TimeAttributes
) -> tuple[IntervalBounds, tuple[Expression, ...]] | None:
    """The bounds that the conjuncts `parts` state, and the other conjuncts; None when they make no interval join."""
    found = [_time_predicate(part, times) for part in parts]
    predicates = [predicate for predicate in found if predicate is not None]
    rest = tuple(part for part, predicate in zip(parts, found, strict=True) if predicate is None)
    by_operator = {predicate.operator: predicate for predicate in predicates}
    if len(predicates) == 1 and "=" in by_operator:
        lower = upper = by_operator["="]
    elif len(predicates) == 2 and by_operator.keys() == {"<", ">"}:
        lower, upper = by_operator[">"], by_operator["<"]
    else:
        return None
    if lower.offset_ms is None or upper.offset_ms is None:
        return None
    first = predicates[0]
    return IntervalBounds(first.left_time, first.right_time, lower.offset_ms, upper.offset_ms), rest


def _time_predicate(part: Expression, times: TimeAttributes) -> _TimePredicate | None:
    """A comparison of a time attribute of one side with one of the other."""
    if not (isinstance(part, Call) and part.function in _COMPARISONS and len(part.args) == 2):
        return None
    first, second = part.args
    a, b = _only_time(first, times), _only_time(second, times)
    if a is None or b is None or times.side(a) == times.side(b):
        return None
    a_moved, b_moved = _moved_ms(first), _moved_ms(second)
    offset = None if a_moved is None or b_moved is None else b_moved - a_moved
    operator = _COMPARISONS[part.function]
    if offset is not None and part.function in _STRICT:
        offset += -1 if operator == "<" else 1
    if times.side(a) is False:
        return _TimePredicate(a, b, operator, offset)
    turned = {"<": ">", ">": "<", "=": "="}[operator]
    return _TimePredicate(b, a, turned, None if offset is None else -offset)


def _only_time(expression: Expression, times: TimeAttributes) -> int | None:
    """The time attribute that is the only column of `expression`, used once."""
    columns = [part.index for part in walk(expression) if isinstance(part, ColumnRef)]
    return columns[0] if len(columns) == 1 and times.side(columns[0]) is not None else None


def _moved_ms(expression: Expression) -> int | None:
    """What `expression` is, in milliseconds, where the time in it is the epoch; None when that is no constant.

    Months count from the epoch, as in Flink: `ts + INTERVAL '1' MONTH` allows 31 days.
    """
    value = _constant(expression)
    if value is None or expression.type.name not in TIMESTAMPS:
        return None
    return value


def _constant(expression: Expression) -> int | None:
    """Milliseconds of a time or an interval, months of a year-month interval, an integer."""
    match expression:
        case ColumnRef():
            return 0
        case Literal(value=int() as value) if not isinstance(value, bool):
            return value
        case Cast(arg=arg) if expression.type.name in TIMESTAMPS and arg.type.name in TIMESTAMPS:
            return _constant(arg)
        case Call(function="plus" | "minus" | "times" | "negate", args=args):
            return _computed(expression, args)
        case _:
            return None


def _computed(call: Call, args: tuple[Expression, ...]) -> int | None:
    values = [_constant(arg) for arg in args]
    kinds = [arg.type.name for arg in args]
    if None in values or not all(kind in TIMESTAMPS | INTERVALS | INTEGERS for kind in kinds):
        return None
    numbers = [value for value in values if value is not None]
    if call.function == "negate":
        return -numbers[0]
    a, b = numbers
    if call.function == "times":
        return a * b
    if call.type.name in TIMESTAMPS and TypeName.INTERVAL_YEAR_MONTH in kinds:
        time, months = (a, b) if kinds[0] in TIMESTAMPS else (b, a)
        return _moved_by_months(time, months if call.function == "plus" else -months)
    return a + b if call.function == "plus" else a - b


def _moved_by_months(time_ms: int, months: int) -> int | None:
    days, rest = divmod(time_ms, _DAY_MS)
    start = date.fromordinal(_EPOCH.toordinal() + days)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    if not 1 <= year <= 9998:
        return None
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last = following.toordinal() - 1
    moved = min(date(year, month + 1, 1).toordinal() + start.day - 1, last)
    return (moved - _EPOCH.toordinal()) * _DAY_MS + rest
