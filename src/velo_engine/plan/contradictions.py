"""Which conjunctions are true for no row, as far as Flink's planner sees it.

Source: Calcite's RexSimplify: simplifyAnd with its terms, predicates and ranges (Sarg), and a CASE of truth values as a
disjunction. Recorded plans say which combinations it knows and which not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from velo_engine.plan.expressions import Call, Case, ColumnRef, Expression, Literal, columns_of, walk
from velo_engine.plan.null_rows import OPPOSITES, never_true
from velo_engine.plan.rewrite import map_columns
from velo_engine.types import BOOLEAN, FLOATS, INTEGERS, NUMERICS, STRINGS, SqlType, TypeName

_MIRRORED = {
    "equals": "equals",
    "not_equals": "not_equals",
    "less": "greater",
    "less_equal": "greater_equal",
    "greater": "less",
    "greater_equal": "less_equal",
}
"""What a comparison is with its operands in the other order."""

_SAFE = frozenset(
    {
        *_MIRRORED,
        *("plus", "minus", "times", "negate", "and", "or", "not", "in", "like", "coalesce", "trim", "reverse"),
        *("is_null", "is_not_null", "is_true", "is_not_true", "is_false", "is_not_false"),
        *("is_distinct_from", "is_not_distinct_from"),
    }
)
"""Functions that do not fail: those of Calcite's SafeRexVisitor."""

_MOST_TERMS = 24
_DEEPEST = 3


def contradictory(condition: Expression, depth: int = _DEEPEST) -> bool:
    """Whether `condition`, which is simplified, is true for no row."""
    terms = list(dict.fromkeys(_terms(condition)))
    terms = list(dict.fromkeys([*terms, *_of_equal_columns(terms)]))
    if len(terms) > _MOST_TERMS:
        return False
    missing = frozenset(
        term.args[0].index
        for term in terms
        if isinstance(term, Call) and term.function == "is_null" and isinstance(term.args[0], ColumnRef)
    )
    if any(never_true(term, frozenset()) or never_true(term, missing) for term in terms):
        return True
    if _denied(terms) or _out_of_range(terms):
        return True
    return depth > 0 and any(_impossible(term, terms, depth - 1) for term in terms)


def _of_equal_columns(terms: Sequence[Expression]) -> Iterator[Expression]:
    """What a term that fixes a column says of the columns that another term compares with it by `=`."""
    for term in terms:
        match term:
            case Call(function="equals", args=(ColumnRef() as one, ColumnRef() as other)):
                for known in terms:
                    for column, equal in ((one, other), (other, one)):
                        if _fixes(known, column):
                            yield map_columns(known, lambda _, index=equal.index: index)  # type: ignore[misc]


def _fixes(term: Expression, column: ColumnRef) -> bool:
    """Whether a term is true for one value of a column only."""
    match term:
        case ColumnRef() | Call(function="not", args=(ColumnRef(),)):
            return columns_of(term) == {column.index}
        case Call(function="equals", args=(ColumnRef(index=index), Literal()) | (Literal(), ColumnRef(index=index))):
            return index == column.index
        case _:
            return False


def _terms(condition: Expression) -> Iterator[Expression]:
    """The conjuncts of `condition`; of NOT with it at the operands."""
    match condition:
        case Call(function="and", args=args):
            for arg in args:
                yield from _terms(arg)
        case Call(function="is_true", args=(arg,)):
            yield from _terms(arg)
        case Call(function="is_false", args=(arg,)):
            yield from _terms(denied(arg))
        case Call(function="not", args=(arg,)):
            opposite = denied(arg)
            if opposite == condition:
                yield condition
            else:
                yield from _terms(opposite)
        case Call(
            function="is_null", args=(Call(function=function, args=(ColumnRef() as arg, Literal(value=value))),)
        ) if function in _MIRRORED and value is not None:
            yield Call("is_null", (arg,), BOOLEAN.as_nullable(False))
        case _:
            yield condition


def denied(condition: Expression) -> Expression:
    """What is true where `condition` is false."""
    match condition:
        case Call(function="and" | "or" as function, args=args):
            return replace(condition, function=OPPOSITES[function], args=tuple(map(denied, args)))
        case Call(function="not", args=(arg,)):
            return arg
        case Call(function="is_null" | "is_not_null" as function):
            return replace(condition, function="is_not_null" if function == "is_null" else "is_null")
        case Call(function=function) if function in OPPOSITES:
            return replace(condition, function=OPPOSITES[function])
        case Case(branches=branches, default=default, opaque=False):
            opposite = tuple((when, denied(then)) for when, then in branches)
            return replace(condition, branches=opposite, default=denied(default))
        case Literal(value=bool(value)):
            return replace(condition, value=not value)
        case Literal():
            return condition
        case _:
            return Call("not", (condition,), condition.type)


def _denied(terms: Sequence[Expression]) -> bool:
    """Whether one of `terms` says that another is not true."""
    known = set(terms) | {mirrored for term in terms if (mirrored := _mirrored(term)) is not None}
    for term in terms:
        if not isinstance(term, Call):
            continue
        if term.function in ("not", "is_null") and term.args[0] in known:
            return True
        if term.function == "is_not_true" and term.args[0] in known and not isinstance(term.args[0], ColumnRef):
            return True
        if denied(term) in known:
            return True
    return False


def _mirrored(term: Expression) -> Expression | None:
    if isinstance(term, Call) and term.function in _MIRRORED and len(term.args) == 2:
        return replace(term, function=_MIRRORED[term.function], args=term.args[::-1])
    return None


def _impossible(term: Expression, terms: Sequence[Expression], depth: int) -> bool:
    """Whether a disjunction among `terms` has no operand that can be true beside the others."""
    alternatives = _alternatives(term)
    if alternatives is None:
        return False
    others = [other for other in terms if other is not term and _is_plain(other)]
    return all(contradictory(_and([*others, alternative]), depth) for alternative in alternatives)


def _alternatives(term: Expression) -> Sequence[Expression] | None:
    """The operands of OR, which a CASE of truth values is too."""
    match term:
        case Call(function="or", args=args):
            return args
        case Case(branches=branches, default=default, opaque=False) if _is_safe(term):
            found: list[Expression] = []
            before: list[Expression] = []
            for when, then in branches:
                found.append(_and([*before, when, then]))
                before.extend(_not_true(when))
            return [*found, _and([*before, default])]
        case _:
            return None


def _is_safe(case: Case) -> bool:
    """Whether the planner takes a CASE apart: what then is computed for more rows must not fail there."""
    parts = [*(when for when, _ in case.branches[1:]), *(then for _, then in case.branches), case.default]
    return all(
        isinstance(part, ColumnRef | Literal)
        or (isinstance(part, Call) and part.function in _SAFE)
        or (isinstance(part, Case) and not part.opaque)
        for expression in parts
        for part in walk(expression)
    )


def _not_true(condition: Expression) -> list[Expression]:
    """What holds where `condition` is false or unknown."""
    match condition:
        case Call(function="equals", args=(left, right)) if left == right:
            return [Call("is_null", (left,), BOOLEAN.as_nullable(False))]
        case Call(function="is_null" | "is_not_null"):
            return [denied(condition)]
        case _ if not condition.type.nullable:
            return [denied(condition)]
        case _:
            return [Call("is_not_true", (condition,), BOOLEAN.as_nullable(False))]


def _is_plain(term: Expression) -> bool:
    match term:
        case ColumnRef() | Call(function="not", args=(ColumnRef(),)):
            return True
        case Call(function=function, args=args):
            return function in _MIRRORED and any(isinstance(arg, Literal) for arg in args)
        case _:
            return False


def _and(parts: Sequence[Expression]) -> Expression:
    return Call("and", tuple(parts), BOOLEAN)


@dataclass
class _Range:
    """What the terms say about one operand."""

    equal: list[frozenset[Any]] = field(default_factory=list)
    unequal: set[Any] = field(default_factory=set)
    low: tuple[Any, bool] | None = None
    """The lower bound, and whether it is left out."""
    high: tuple[Any, bool] | None = None

    def is_empty(self) -> bool:
        if self.equal:
            return not any(self._holds(value) for value in frozenset.intersection(*self.equal))
        if self.low is None or self.high is None:
            return False
        (low, above), (high, below) = self.low, self.high
        return bool(low > high or (low == high and (above or below or low in self.unequal)))

    def _holds(self, value: Any) -> bool:
        low = self.low is None or value > self.low[0] or (value == self.low[0] and not self.low[1])
        high = self.high is None or value < self.high[0] or (value == self.high[0] and not self.high[1])
        return low and high and value not in self.unequal

    def add(self, function: str, value: Any) -> None:
        match function:
            case "equals":
                self.equal.append(frozenset({value}))
            case "not_equals":
                self.unequal.add(value)
            case "greater" | "greater_equal":
                bound = (value, function == "greater")
                self.low = bound if self.low is None else max(self.low, bound)
            case _:
                strict = function == "less"
                if self.high is None or (value, not strict) < (self.high[0], not self.high[1]):
                    self.high = (value, strict)


def _out_of_range(terms: Sequence[Expression]) -> bool:
    """Whether no value of some operand satisfies all comparisons of it with constants."""
    ranges: dict[Expression, _Range] = {}
    unknown = {term.args[0] for term in terms if isinstance(term, Call) and term.function == "is_null"}
    for term in terms:
        compared = _compared(term)
        if compared is None:
            continue
        operand, function, values = compared
        if operand in unknown:
            return True
        found = ranges.setdefault(operand, _Range())
        match function:
            case "in":
                found.equal.append(frozenset(values))
            case "not_in":
                found.unequal.update(values)
            case _:
                found.add(function, values[0])
    return any(found.is_empty() for found in ranges.values())


def _compared(term: Expression) -> tuple[Expression, str, Sequence[Any]] | None:
    """The operand, the comparison and the constants of a term that compares with constants."""
    match term:
        case Call(function="in", args=(operand, *items)):
            return _with_values(operand, "in", items)
        case Call(function="not", args=(Call(function="in", args=(operand, *items)),)):
            return _with_values(operand, "not_in", items)
        case Call(function=function, args=(operand, Literal() as value)) if function in _MIRRORED:
            return _with_values(operand, function, [value])
        case Call(function=function, args=(Literal() as value, operand)) if function in _MIRRORED:
            return _with_values(operand, _MIRRORED[function], [value])
        case _:
            return None


def _with_values(
    operand: Expression, function: str, items: Sequence[Expression]
) -> tuple[Expression, str, Sequence[Any]] | None:
    values = [item.value for item in items if isinstance(item, Literal) and _meets(operand.type, item.type)]
    if isinstance(operand, Literal) or len(values) < len(items) or any(value is None for value in values):
        return None
    return operand, function, values


def _meets(operand: SqlType, constant: SqlType) -> bool:
    """Whether the operand is compared as it is, not as another type."""
    if operand.name in INTEGERS:
        return constant.name in INTEGERS
    if operand.name in FLOATS:
        return constant.name in NUMERICS
    if operand.name in STRINGS:
        return constant.name in STRINGS
    if operand.name is TypeName.DECIMAL and constant.name is TypeName.DECIMAL:
        whole = operand.precision - operand.scale >= constant.precision - constant.scale
        return whole and operand.scale >= constant.scale  # otherwise equality is that of a wider type
    return operand.name is constant.name and operand.name is not TypeName.BOOLEAN
