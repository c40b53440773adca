"""The operators `+ - * / %` and unary minus.

Integers wrap around as Java's do; an integer divided by zero is a row error, a floating-point one Infinity or NaN.
Flink gives a remainder of integers the type of the divisor.
Source: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/sql/functions/built-in-functions/#arithmetic-functions
"""

from __future__ import annotations

from collections.abc import Callable

from velo_engine.functions import decimals
from velo_engine.functions.numbers import as_type, negated_wide, wide_integer, wrapped
from velo_engine.functions.signature import Binding, ScalarFunction, SignatureError, Site, check_count
from velo_engine.functions.temporal_arithmetic import bind_temporal, out_of_range, temporal_sum
from velo_engine.plan.expressions import Cast, Expression
from velo_engine.type_rules.numeric import (
    addition_type,
    division_type,
    modulo_type,
    multiplication_type,
)
from velo_engine.types import (
    BIGINT,
    FLOATS,
    INTEGERS,
    INTERVALS,
    NUMERICS,
    TEMPORALS,
    SqlType,
    TypeName,
)


def _bind_numeric(rule: Callable[[SqlType, SqlType], SqlType]) -> Callable[..., Binding]:
    def bind(function: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
        check_count(args, 2, 2)
        left, right = (arg.type for arg in args)
        names = {left.name, right.name}
        if names <= NUMERICS:
            return args, rule(left, right).as_nullable(left.nullable or right.nullable)
        if names & INTERVALS or (names & TEMPORALS and function.name in ("plus", "minus")):
            return bind_temporal(function.name, args)
        raise SignatureError(f"needs numbers, not {left.as_nullable()} and {right.as_nullable()}")

    return bind


def _bind_modulo(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 2, 2)
    left, right = (arg.type for arg in args)
    if not {left.name, right.name} <= INTEGERS | {TypeName.DECIMAL}:
        raise SignatureError(f"needs exact numbers, not {left.as_nullable()} and {right.as_nullable()}")
    # Whole numbers give the type of the divisor (deriveDecimalModType); by an integer, a decimal is made BIGINT first.
    result = modulo_type(left, right) if left.scale or right.scale else right
    if left.name is TypeName.DECIMAL and result.name in INTEGERS:
        args = (Cast(args[0], BIGINT.as_nullable(left.nullable)), args[1])
    return args, result.as_nullable(left.nullable or right.nullable)


def _bind_negation(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, 1)
    t = args[0].type
    if t.name not in NUMERICS | INTERVALS:
        raise SignatureError(f"needs a number, not {t.as_nullable()}")
    return args, t


def _sum(operator: str) -> Callable[[Site], str]:
    def value(site: Site) -> str:
        a, b = site.operands
        if site.type.name in TEMPORALS | INTERVALS:
            return temporal_sum(site, operator)
        if site.type.name in INTEGERS:
            total = f"({wide_integer(a.sql, site.type)} {operator} {wide_integer(b.sql, site.type)})"
            return wrapped(total, site.type)
        if site.type.name in FLOATS:
            return f"({as_type(a, site.type)} {operator} {as_type(b, site.type)})"
        return decimals.decimal_sum(a.sql, b.sql, a.type, b.type, site.type, operator)

    return value


def _sum_error(operator: str) -> Callable[[Site], str]:
    def error(site: Site) -> str:
        if site.type.name not in TEMPORALS - {TypeName.TIME}:
            return ""
        return out_of_range(temporal_sum(site, operator), site.operands)

    return error


def _times(site: Site) -> str:
    a, b = site.operands
    if site.type.name in INTERVALS:
        return wrapped(f"(CAST({a.sql} AS HUGEINT) * CAST({b.sql} AS HUGEINT))", site.type)
    if site.type.name in INTEGERS:
        return wrapped(f"({wide_integer(a.sql, site.type)} * {wide_integer(b.sql, site.type)})", site.type)
    if site.type.name in FLOATS:
        return f"({as_type(a, site.type)} * {as_type(b, site.type)})"
    return decimals.decimal_product(a.sql, b.sql, a.type, b.type, site.type)


def _unless_zero(sql: str) -> str:
    """NULL for zero. Spelled out, because NULLIF copies its argument unseen, again at every level of nesting."""
    return f"CASE WHEN {sql} <> 0 THEN CAST({sql} AS BIGINT) END"


def _divide(site: Site) -> str:
    a, b = site.operands
    if site.type.name in FLOATS:
        return f"({as_type(a, site.type)} / {as_type(b, site.type)})"
    if site.type.name is TypeName.DECIMAL:
        return decimals.decimal_quotient(a.sql, b.sql, a.type, b.type, site.type)
    if site.type.name is TypeName.BIGINT:
        # The one quotient that overflows is the smallest number by -1; a HUGEINT division costs twenty times as much.
        return f"CASE WHEN {b.sql} = -1 THEN {negated_wide(a.sql, site.type)} ELSE {a.sql} // {_unless_zero(b.sql)} END"
    return wrapped(f"(CAST({a.sql} AS BIGINT) // {_unless_zero(b.sql)})", site.type)


def _modulo(site: Site) -> str:
    a, b = site.operands
    if site.type.name is TypeName.DECIMAL:
        return decimals.decimal_remainder(a.sql, b.sql, a.type, b.type, site.type)
    if TypeName.BIGINT in (a.type.name, b.type.name):
        remainder = f"CASE WHEN {b.sql} = -1 THEN {a.sql} - {a.sql} ELSE {a.sql} % {_unless_zero(b.sql)} END"
        return wrapped(f"CAST({remainder} AS BIGINT)", site.type)
    return wrapped(f"(CAST({a.sql} AS BIGINT) % {_unless_zero(b.sql)})", site.type)


def _negate(site: Site) -> str:
    (a,) = site.operands
    if a.type.name in INTEGERS | INTERVALS:
        return negated_wide(a.sql, site.type)
    return f"(-{a.sql})"


def _divided_by_zero(site: Site) -> str:
    """Java's words: an int division fails in the virtual machine, a BigDecimal's in the library."""
    a, b = site.operands
    if site.type.name in FLOATS or (b.constant and b.literal):
        return ""
    if site.type.name in INTEGERS:
        return f"CASE WHEN {b.sql} = 0 AND {a.sql} IS NOT NULL THEN '/ by zero' END"
    zero_by_zero = f"CASE WHEN {a.sql} = 0 THEN 'Division undefined' ELSE 'Division by zero' END"
    return f"CASE WHEN {b.sql} = 0 AND {a.sql} IS NOT NULL THEN {zero_by_zero} END"


FUNCTIONS = (
    ScalarFunction(
        "plus",
        "a + b",
        "Sum; a date or time plus an interval.",
        _bind_numeric(addition_type),
        _sum("+"),
        _sum_error("+"),
        operator=True,
    ),
    ScalarFunction(
        "minus",
        "a - b",
        "Difference; a date or time minus an interval.",
        _bind_numeric(addition_type),
        _sum("-"),
        _sum_error("-"),
        operator=True,
    ),
    ScalarFunction("times", "a * b", "Product.", _bind_numeric(multiplication_type), _times, operator=True),
    ScalarFunction(
        "divide",
        "a / b",
        "Quotient; of integers an integer, truncated toward zero. Exact numbers by zero are a row error.",
        _bind_numeric(division_type),
        _divide,
        _divided_by_zero,
        operator=True,
    ),
    ScalarFunction(
        "mod",
        "MOD(a, b), a % b",
        "Remainder with the sign of the dividend; exact numbers only. By zero it is a row error.",
        _bind_modulo,
        _modulo,
        _divided_by_zero,
    ),
    ScalarFunction("negate", "-a", "The number with the other sign.", _bind_negation, _negate, operator=True),
)
