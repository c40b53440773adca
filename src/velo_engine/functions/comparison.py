"""Comparisons, logic and tests for NULL.

Numbers compare in the wider type by Java's rules: exact numbers exactly, a DOUBLE with anything as DOUBLE, a FLOAT with
an integer as FLOAT, `=` of a FLOAT with a DOUBLE as FLOAT when the FLOAT stands left. NaN equals nothing, is less than
nothing and greater than nothing. Strings compare by their UTF-8 bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from velo_engine.functions.decimals import decimal_comparison
from velo_engine.functions.nested_equality import NESTED, equal_sql
from velo_engine.functions.numbers import as_double, as_float
from velo_engine.functions.signature import (
    Binding,
    Operand,
    ScalarFunction,
    SignatureError,
    Site,
    check_count,
    coerced,
    signature,
)
from velo_engine.functions.time_zones import instant_of
from velo_engine.plan.expressions import Cast, Expression, Literal
from velo_engine.type_rules.merging import common_type, comparable
from velo_engine.type_rules.numeric import as_decimal
from velo_engine.types import (
    BOOLEAN,
    FLOATS,
    INTEGERS,
    NUMERICS,
    STRINGS,
    TEMPORALS,
    TIMESTAMPS,
    SqlType,
    TypeName,
)


def bind_comparison(function: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    """Both operands in a form in which the kernel may compare them."""
    check_count(args, 2, 2)
    left, right = (arg.type for arg in args)
    result = BOOLEAN.as_nullable(left.nullable or right.nullable)
    names = {left.name, right.name}
    if TypeName.NULL in names:
        known = next((arg.type for arg in args if arg.type.name is not TypeName.NULL), BOOLEAN)
        return tuple(coerced(arg, known) for arg in args), BOOLEAN
    if TypeName.DECIMAL in names and names <= INTEGERS | {TypeName.DECIMAL} and function.name in _EQUALITIES:
        return _made_one_type(args), result
    if names <= NUMERICS or names <= TIMESTAMPS:
        return args, result
    if names & STRINGS and names & (NUMERICS | TEMPORALS):
        return _bind_with_string(function, args, result)
    common = comparable(left, right)
    if common is None:
        raise SignatureError(f"cannot compare {left.as_nullable()} with {right.as_nullable()}")
    if common.name in NESTED:
        return tuple(coerced(arg, common) for arg in args), result
    return args, result


_EQUALITIES = ("equals", "not_equals")


def _made_one_type(args: tuple[Expression, ...]) -> tuple[Expression, ...]:
    """For equality Calcite makes both sides their common type, which rounds when it has no room for all digits.

    Source: Consistency.LEAST_RESTRICTIVE of SqlStdOperatorTable.EQUALS; other comparisons are exact.
    """
    common = common_type([arg.type for arg in args])
    assert common is not None, "numbers have a common type"
    if all(as_decimal(arg.type).scale <= common.scale for arg in args):
        return args
    return tuple(Cast(arg, common.as_nullable(arg.type.nullable)) for arg in args)


def _bind_with_string(function: ScalarFunction, args: tuple[Expression, ...], result: SqlType) -> Binding:
    """A string beside a number or a time is read as one; Flink refuses that for `=` and `<>` of numbers."""
    other = next(arg.type for arg in args if arg.type.name not in STRINGS)
    if other.name in NUMERICS and function.name in ("equals", "not_equals"):
        raise SignatureError(
            f"cannot compare a string with {other.as_nullable()} for equality; write CAST(… AS …) on one side"
        )
    return tuple(_read_as(arg, other) for arg in args), result


def _read_as(arg: Expression, target: SqlType) -> Expression:
    if arg.type.name not in STRINGS:
        return arg
    if target.name is TypeName.DECIMAL and isinstance(arg, Literal) and not _is_number(arg.value):
        # As a value it would be read like any string, as 0 for one letter; Flink's planner reads constants itself.
        raise SignatureError(f"'{arg.value!s}' is not a number")
    return Cast(arg, target.as_nullable(arg.type.nullable), location=arg.location)


_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.IGNORECASE | re.ASCII)
"""What Java's BigDecimal reads."""


def _is_number(value: object) -> bool:
    return isinstance(value, str) and _NUMBER.fullmatch(value) is not None


def _compared(site: Site, operator: str) -> tuple[str, tuple[str, str] | None]:
    """`a operator b` by the kernel's rules, and both sides when they are floating-point numbers."""
    a, b = site.operands
    names = {a.type.name, b.type.name}
    if names & NESTED and operator in ("=", "<>") and a.sql != b.sql:
        equal = equal_sql(a.sql, b.sql, a.type)
        return (equal if operator == "=" else f"(NOT {equal})"), None
    if TypeName.DECIMAL in names and not names & FLOATS:
        return decimal_comparison(a.sql, b.sql, a.type, b.type, operator), None
    if operator in ("=", "<>") and (a.type.name, b.type.name) == (TypeName.FLOAT, TypeName.DOUBLE):
        # For equality, and only then, the left side gives the type.
        left, right, floating = a.sql, as_float(b.sql, b.type), True
    else:
        left, right, floating = _sides(a, b, site)
    # Flink's planner takes a value for equal to itself without looking, so there NaN equals NaN, as it does for the
    # kernel.
    return f"({left} {operator} {right})", (left, right) if floating and left != right else None


def _sides(a: Operand, b: Operand, site: Site) -> tuple[str, str, bool]:
    """Both operands in the type they compare in, and whether that is a floating-point type."""
    names = {a.type.name, b.type.name}
    if names & FLOATS and names <= NUMERICS:
        if TypeName.FLOAT in names and names <= INTEGERS | {TypeName.FLOAT}:
            return as_float(a.sql, a.type), as_float(b.sql, b.type), True
        return as_double(a.sql, a.type), as_double(b.sql, b.type), True
    if names == TIMESTAMPS:
        return _instant(a, site), _instant(b, site), False
    return a.sql, b.sql, False


def _instant(operand: Operand, site: Site) -> str:
    return instant_of(operand.sql, site.time_zone) if operand.type.name is TypeName.TIMESTAMP else operand.sql


def _equals(site: Site) -> str:
    compared, floats = _compared(site, "=")
    return compared if floats is None else f"CASE WHEN {compared} THEN NOT isnan({floats[0]}) ELSE {compared} END"


def _not_equals(site: Site) -> str:
    compared, floats = _compared(site, "<>")
    if floats is None:
        return compared
    return f"CASE WHEN {floats[0]} = {floats[1]} THEN isnan({floats[0]}) ELSE {compared} END"


def _ordered(operator: str) -> Callable[[Site], str]:
    greater_side = 1 if operator.startswith("<") else 0

    def value(site: Site) -> str:
        compared, floats = _compared(site, operator)
        if floats is None:
            return compared
        # The kernel takes NaN for the greatest number.
        return f"CASE WHEN {compared} THEN NOT isnan({floats[greater_side]}) ELSE {compared} END"

    return value


def _not_distinct(site: Site) -> str:
    a, b = site.operands
    if (a.type.name, b.type.name) == (TypeName.FLOAT, TypeName.DOUBLE):
        site = replace(site, operands=(b, a))
    return f"coalesce({_equals(site)}, {a.sql} IS NULL AND {b.sql} IS NULL)"


def _distinct(site: Site) -> str:
    return f"(NOT {_not_distinct(site)})"


def _bind_distinct(function: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    bound, _ = bind_comparison(function, args)
    if any(arg.type.name is TypeName.ROW for arg in bound):
        raise SignatureError("compares no rows here; compare their fields, which says what NULL means")
    return bound, BOOLEAN.as_nullable(False)


def _bind_in(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    """The binder sends only constants of one comparable type here; everything else becomes a chain of `=`."""
    return args, BOOLEAN.as_nullable(any(arg.type.nullable for arg in args))


def _in(site: Site) -> str:
    first, *items = site.operands
    if first.type.name not in FLOATS or all(item.literal != 0 for item in items):
        return _listed(first, items)
    # Flink looks the value up in a set of boxed numbers, where 0.0 and -0.0 are two.
    negative = [item for item in items if item.literal != 0 or math.copysign(1, _number(item)) < 0]
    positive = [item for item in items if item.literal != 0 or math.copysign(1, _number(item)) > 0]
    is_negative_zero = f"{first.sql} = 0 AND signbit({first.sql})"
    return f"CASE WHEN {is_negative_zero} THEN {_listed(first, negative)} ELSE {_listed(first, positive)} END"


def _listed(first: Operand, items: Sequence[Operand]) -> str:
    if not items:
        return f"CASE WHEN {first.sql} IS NOT NULL THEN FALSE END"
    return f"({first.sql} IN ({', '.join(item.sql for item in items)}))"


def _number(item: Operand) -> float:
    assert isinstance(item.literal, int | float | Decimal)
    return float(item.literal)


def _logical(operator: str) -> Callable[[Site], str]:
    return lambda site: "(" + f" {operator} ".join(operand.sql for operand in site.operands) + ")"


def _comparison(name: str, operator: str, meaning: str, template: Callable[[Site], str]) -> ScalarFunction:
    return ScalarFunction(name, f"a {operator} b", meaning, bind_comparison, template, operator=True)


def _test(name: str, usage: str, meaning: str, template: str, kind: str) -> ScalarFunction:
    bind = signature(kind, returns=BOOLEAN, nullable=False)
    return ScalarFunction(name, usage, meaning, bind, template, operator=True)


EQUALS = _comparison("equals", "=", "Whether two values are equal.", _equals)

FUNCTIONS = (
    EQUALS,
    _comparison("not_equals", "<>", "Whether two values differ.", _not_equals),
    _comparison("less", "<", "Whether `a` comes before `b`.", _ordered("<")),
    _comparison("less_equal", "<=", "Whether `a` does not come after `b`.", _ordered("<=")),
    _comparison("greater", ">", "Whether `a` comes after `b`.", _ordered(">")),
    _comparison("greater_equal", ">=", "Whether `a` does not come before `b`.", _ordered(">=")),
    ScalarFunction(
        "is_not_distinct_from",
        "a IS NOT DISTINCT FROM b",
        "Equality in which NULL equals NULL.",
        _bind_distinct,
        _not_distinct,
        operator=True,
    ),
    ScalarFunction(
        "is_distinct_from",
        "a IS DISTINCT FROM b",
        "Inequality in which NULL equals NULL.",
        _bind_distinct,
        _distinct,
        operator=True,
    ),
    ScalarFunction(
        "in",
        "a IN (b, c, …)",
        "Whether `a` equals one of the values; NULL when it equals none and one is NULL.",
        _bind_in,
        _in,
        operator=True,
    ),
    ScalarFunction(
        "and",
        "a AND b",
        "Both are true. `b` is not evaluated where `a` is false.",
        signature("boolean", "boolean...", returns=BOOLEAN),
        _logical("AND"),
        operator=True,
    ),
    ScalarFunction(
        "or",
        "a OR b",
        "One is true. `b` is not evaluated where `a` is true.",
        signature("boolean", "boolean...", returns=BOOLEAN),
        _logical("OR"),
        operator=True,
    ),
    ScalarFunction("not", "NOT a", "The opposite.", signature("boolean", returns=BOOLEAN), "(NOT {0})", operator=True),
    _test("is_null", "a IS NULL", "Whether there is no value.", "({0} IS NULL)", "any"),
    _test("is_not_null", "a IS NOT NULL", "Whether there is a value.", "({0} IS NOT NULL)", "any"),
    _test("is_true", "a IS TRUE", "Whether `a` is true, not false or unknown.", "({0} IS TRUE)", "boolean"),
    _test("is_not_true", "a IS NOT TRUE", "Whether `a` is false or unknown.", "({0} IS NOT TRUE)", "boolean"),
    _test("is_false", "a IS FALSE", "Whether `a` is false, not true or unknown.", "({0} IS FALSE)", "boolean"),
    _test("is_not_false", "a IS NOT FALSE", "Whether `a` is true or unknown.", "({0} IS NOT FALSE)", "boolean"),
)
