"""Comparisons with the operators of the format: of one value, and of a whole column at once.

Integers and decimals compare exactly, whatever their scale; a float meets a literal as the nearest float. A NULL
compares like nothing: no comparison holds for it, except `equals: null`. NaN equals NaN.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.types import FLOATS, INTEGERS, STRINGS, SqlType, TypeName, arrow_type
from velo_harness.assertions.operands import operand_value, plain_operand
from velo_harness.relation import Relation
from velo_harness.scalars import decimal_of
from velo_harness.spec import Comparison, Operator
from velo_harness.templates import TemplateScope, as_text

_RELATIONS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUALS: operator.eq,
    Operator.NOT_EQUALS: operator.ne,
    Operator.GREATER_THAN: operator.gt,
    Operator.LESS_THAN: operator.lt,
    Operator.GREATER_THAN_OR_EQUAL: operator.ge,
    Operator.LESS_THAN_OR_EQUAL: operator.le,
}
_KERNELS = {
    Operator.EQUALS: "equal",
    Operator.NOT_EQUALS: "not_equal",
    Operator.GREATER_THAN: "greater",
    Operator.LESS_THAN: "less",
    Operator.GREATER_THAN_OR_EQUAL: "greater_equal",
    Operator.LESS_THAN_OR_EQUAL: "less_equal",
}
_TEXT_OPERATORS = frozenset({Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH, Operator.MATCHES})
_WORDS = {
    Operator.EQUALS: "equal to",
    Operator.NOT_EQUALS: "different from",
    Operator.GREATER_THAN: "greater than",
    Operator.LESS_THAN: "less than",
    Operator.GREATER_THAN_OR_EQUAL: "at least",
    Operator.LESS_THAN_OR_EQUAL: "at most",
    Operator.BETWEEN: "between",
    Operator.IN: "one of",
    Operator.CONTAINS: "containing",
    Operator.STARTS_WITH: "starting with",
    Operator.ENDS_WITH: "ending with",
    Operator.MATCHES: "matching",
}
_WIDEST_DIGITS = 38


def described(comparison: Comparison, scope: TemplateScope) -> str:
    """The comparison in words, with its templates resolved: `greater than 5`."""
    values = [_shown(plain_operand(node, scope)) for node in comparison.operands]
    return (
        f"{_WORDS[comparison.operator]} {(' and ' if comparison.operator is Operator.BETWEEN else ', ').join(values)}"
    )


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else as_text(value)


def value_holds(actual: Any, comparison: Comparison, scope: TemplateScope, *, tolerance: Decimal | None = None) -> bool:
    """Whether one value compares as stated; numbers may miss by `tolerance`.

    Raises VeloError for values that do not compare.
    """
    operands = [plain_operand(node, scope) for node in comparison.operands]
    try:
        return _holds(actual, comparison.operator, operands, tolerance)
    except TypeError:
        raise _incomparable(comparison, f"{_shown(actual)}") from None


def _holds(actual: Any, op: Operator, operands: list[Any], tolerance: Decimal | None) -> bool:
    match op:
        case Operator.BETWEEN:
            low, high = operands
            return _related(actual, Operator.GREATER_THAN_OR_EQUAL, low, tolerance) and _related(
                actual, Operator.LESS_THAN_OR_EQUAL, high, tolerance
            )
        case Operator.IN:
            return any(_related(actual, Operator.EQUALS, value, tolerance) for value in operands)
        case _ if op in _TEXT_OPERATORS:
            return _text_holds(as_text(actual), op, as_text(operands[0]))
        case _:
            return _related(actual, op, operands[0], tolerance)


def _related(actual: Any, op: Operator, expected: Any, tolerance: Decimal | None) -> bool:
    if actual is None or expected is None:
        equal = actual is None and expected is None
        return equal if op is Operator.EQUALS else not equal and op is Operator.NOT_EQUALS
    if _is_number(actual) and isinstance(expected, str):
        expected = decimal_of(expected) if decimal_of(expected) is not None else expected
    if isinstance(actual, bool) != isinstance(expected, bool):
        raise TypeError  # in Python, True equals 1
    if not _is_number(actual) or not _is_number(expected):
        if isinstance(actual, str) != isinstance(expected, str) and op not in (Operator.EQUALS, Operator.NOT_EQUALS):
            raise TypeError
        return _RELATIONS[op](actual, expected)
    if isinstance(actual, float) or isinstance(expected, float):
        actual, expected = float(actual), float(expected)
        if math.isnan(actual) and math.isnan(expected):
            return op is not Operator.NOT_EQUALS
    slack = type(actual)(tolerance) if tolerance is not None and isinstance(actual, float) else tolerance
    if not slack:
        return _RELATIONS[op](actual, expected)
    near = abs(actual - expected) <= slack
    match op:
        case Operator.EQUALS:
            return bool(near)
        case Operator.NOT_EQUALS:
            return not near
        case _:
            return bool(near) or _RELATIONS[op](actual, expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _text_holds(actual: str, op: Operator, expected: str) -> bool:
    match op:
        case Operator.CONTAINS:
            return expected in actual
        case Operator.STARTS_WITH:
            return actual.startswith(expected)
        case Operator.ENDS_WITH:
            return actual.endswith(expected)
        case _:
            return re.search(expected, actual) is not None


def column_holds(relation: Relation, position: int, comparison: Comparison, scope: TemplateScope, zone: str) -> Bools:
    """For each row whether the column's value compares as stated; False for NULL (except `equals: null`)."""
    kind, column = relation.type(position), relation.column(position)
    operands = [operand_value(node, kind, scope, zone) for node in comparison.operands]
    match comparison.operator:
        case Operator.BETWEEN:
            low, high = operands
            above = column_related(kind, column, Operator.GREATER_THAN_OR_EQUAL, low, comparison)
            return above & column_related(kind, column, Operator.LESS_THAN_OR_EQUAL, high, comparison)
        case Operator.IN:
            return column_in(kind, column, operands, comparison)
        case op if op in _TEXT_OPERATORS:
            return _text_column_holds(kind, column, op, operands[0], comparison)
        case op:
            return column_related(kind, column, op, operands[0], comparison)


def column_in(kind: SqlType, column: Any, operands: list[Any], comparison: Comparison | None) -> Bools:
    """For each row whether its value is one of `operands`."""
    held = np.zeros(len(column), bool)
    for value in operands:
        held |= column_related(kind, column, Operator.EQUALS, value, comparison)
    return held


def column_related(
    kind: SqlType, column: Any, op: Operator, expected: Any, comparison: Comparison | None = None
) -> Bools:
    """For each row whether its value relates so to `expected`, a value of its type. `comparison`: its place."""
    import pyarrow.compute as pc

    if expected is None:
        valid: Bools = column.is_valid().to_numpy()
        return valid if op is Operator.NOT_EQUALS else ~valid if op is Operator.EQUALS else np.zeros(len(column), bool)
    if kind.name in FLOATS and isinstance(expected, float) and math.isnan(expected):
        nan: Bools = pc.fill_null(pc.is_nan(column), False).to_numpy()
        return column.is_valid().to_numpy() & ~nan if op is Operator.NOT_EQUALS else nan
    try:
        left, right = _comparable(kind, column, expected)
        result = pc.call_function(_KERNELS[op], [left, right])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return _related_by_value(column, op, expected, comparison)
    held: Bools = pc.fill_null(result, False).to_numpy()
    return held


def _comparable(kind: SqlType, column: Any, expected: Any) -> tuple[Any, Any]:
    """The column and the operand in one Arrow type that holds both exactly."""
    if kind.name in INTEGERS and isinstance(expected, int) and -(2**63) <= expected < 2**63:
        return column.cast(pa.int64()), pa.scalar(expected, pa.int64())
    if kind.name in INTEGERS or kind.name is TypeName.DECIMAL:
        number = Decimal(format(Decimal(expected), "f"))
        scale = max(0, -int(number.as_tuple().exponent))
        shared = max(scale, kind.scale)
        if kind.name in INTEGERS:
            column = column.cast(pa.decimal128(19, 0))
        wide = pa.decimal256(min(76, _WIDEST_DIGITS + shared), shared)
        return column.cast(wide), pa.scalar(number, wide)
    return column, pa.scalar(expected, arrow_type(kind))


def _related_by_value(column: Any, op: Operator, expected: Any, comparison: Comparison | None) -> Bools:
    """For what Arrow does not compare: nested values, and numbers with more digits than its decimals hold."""
    try:
        held = [v is not None and _RELATIONS[op](v, expected) for v in column.to_pylist()]
    except TypeError:
        raise _incomparable(comparison, "the column") from None
    return np.array(held, bool)


def _text_column_holds(kind: SqlType, column: Any, op: Operator, expected: Any, comparison: Comparison) -> Bools:
    import pyarrow.compute as pc

    if kind.name not in STRINGS:
        raise VeloError(
            ErrorCode.TYPE_MISMATCH,
            f"{op} compares text, but the column is {kind}",
            location=comparison.operands[0].location,
        )
    if op is Operator.MATCHES:
        return column_matches(column, expected)
    kernels = {
        Operator.CONTAINS: pc.match_substring,
        Operator.STARTS_WITH: pc.starts_with,
        Operator.ENDS_WITH: pc.ends_with,
    }
    held: Bools = pc.fill_null(kernels[op](column, expected), False).to_numpy()
    return held


def column_matches(column: Any, pattern: str) -> Bools:
    """For each text whether the regular expression is found in it; False for NULL."""
    import pyarrow.compute as pc

    try:
        held: Bools = pc.fill_null(pc.match_substring_regex(column, pattern), False).to_numpy()
    except pa.ArrowInvalid:  # a pattern that Python knows and Arrow's RE2 does not: look-around, back-references
        found = re.compile(pattern)
        held = np.array([v is not None and found.search(v) is not None for v in column.to_pylist()], bool)
    return held


def _incomparable(comparison: Comparison | None, what: str) -> VeloError:
    location = comparison.operands[0].location if comparison is not None and comparison.operands else None
    return VeloError(ErrorCode.TYPE_MISMATCH, f"{what} does not compare with this value", location=location)
