"""Conditional functions.

CASE and IF are nodes of their own (`plan.expressions.Case`): they evaluate only the chosen branch.

COALESCE, IFNULL, NULLIF, GREATEST and LEAST evaluate every argument, so a failing one fails the row [recorded from
Flink].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from velo_engine.functions.comparison import EQUALS, bind_comparison
from velo_engine.functions.signature import (
    Binding,
    ScalarFunction,
    SignatureError,
    Site,
    check_count,
    checked,
    coerced,
    signature,
    text_of,
)
from velo_engine.plan.expressions import Call, Case, Expression, Literal
from velo_engine.type_rules.merging import case_type, merged_type
from velo_engine.types import BOOLEAN, INTEGERS, NUMERICS, STRING, STRINGS, SqlType, TypeName


def _common(args: tuple[Expression, ...], rule: Callable[[Sequence[SqlType]], SqlType | None]) -> SqlType:
    found = rule([arg.type for arg in args])
    if found is None or found.name is TypeName.NULL:
        raise SignatureError("has no common type for " + ", ".join(str(arg.type.as_nullable()) for arg in args))
    return found


def _bind_coalesce(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, None)
    found = _common(args, merged_type)
    nullable = all(arg.type.nullable or arg.type.name is TypeName.NULL for arg in args)
    return tuple(coerced(arg, found) for arg in args), found.as_nullable(nullable)


def _bind_extreme(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, None)
    if any(arg.type.name is TypeName.NULL for arg in args):
        raise SignatureError("cannot tell the type of NULL; write CAST(NULL AS type)")
    found = _common(args, merged_type)
    return tuple(coerced(arg, found) for arg in args), found


def _expand_if(args: tuple[Expression, ...]) -> Expression:
    """IF(condition, then, else): its result is nullable when the condition is, unlike CASE's, and of two timestamps the
    first one gives the precision (FlinkReturnTypes.NUMERIC_FROM_ARG1_DEFAULT1)."""
    check_count(args, 3, 3)
    condition = checked(args[0], "boolean", 0)
    found = _common(args[1:], case_type)
    if found.name in (TypeName.TIMESTAMP, TypeName.TIMESTAMP_LTZ) and args[1].type.name is found.name:
        found = args[1].type
    then, otherwise = (coerced(arg, found) for arg in args[1:])
    result = found.as_nullable(any(arg.type.nullable for arg in args))
    return Case(((condition, then),), otherwise, result, opaque=True)


def _expand_nullif(args: tuple[Expression, ...]) -> Expression:
    check_count(args, 2, 2)
    first = args[0]
    if first.type.name is TypeName.NULL:
        raise SignatureError("cannot tell the type of NULL; write CAST(NULL AS type)")
    sides, equal = bind_comparison(EQUALS, args)
    result = first.type.as_nullable()
    return Case(((Call("equals", sides, equal), Literal(None, result)),), first, result)


def _character_test(kernel_function: str, always: frozenset[TypeName]) -> Callable[[Site], str]:
    """Of a type of `always` every value passes; of any other but strings none does."""

    def value(site: Site) -> str:
        operand = site.operands[0]
        if operand.type.name in STRINGS:
            return f"coalesce({kernel_function}({operand.sql}), FALSE)"
        return f"({operand.sql} IS NOT NULL)" if operand.type.name in always else "FALSE"

    return value


def _extreme(name: str) -> Callable[[Site], str]:
    def value(site: Site) -> str:
        known = " AND ".join(f"{operand.sql} IS NOT NULL" for operand in site.operands if operand.type.nullable)
        chosen = f"{name}({', '.join(operand.sql for operand in site.operands)})"
        return f"CASE WHEN {known} THEN {chosen} END" if known else chosen

    return value


FUNCTIONS = (
    ScalarFunction(
        "coalesce",
        "COALESCE(a, b, …), IFNULL(a, b)",
        "The first argument that is not NULL.",
        _bind_coalesce,
        lambda site: f"coalesce({', '.join(operand.sql for operand in site.operands)})",
        aliases=("IFNULL",),
    ),
    ScalarFunction("if", "IF(condition, a, b)", "`a` where the condition is true, else `b`.", expand=_expand_if),
    ScalarFunction("nullif", "NULLIF(a, b)", "NULL where the two are equal, else `a`.", expand=_expand_nullif),
    ScalarFunction(
        "greatest", "GREATEST(a, b, …)", "The largest argument; NULL when one is.", _bind_extreme, _extreme("greatest")
    ),
    ScalarFunction(
        "least", "LEAST(a, b, …)", "The smallest argument; NULL when one is.", _bind_extreme, _extreme("least")
    ),
    ScalarFunction(
        "is_digit",
        "IS_DIGIT(string)",
        "Whether all characters are digits; false for NULL and the empty string.",
        signature("any", returns=BOOLEAN, nullable=False),
        _character_test("velo_is_digit", INTEGERS),
    ),
    ScalarFunction(
        "is_alpha",
        "IS_ALPHA(string)",
        "Whether all characters are letters; false for NULL and the empty string.",
        signature("any", returns=BOOLEAN, nullable=False),
        _character_test("velo_is_alpha", frozenset()),
    ),
    ScalarFunction(
        "is_decimal",
        "IS_DECIMAL(string)",
        "Whether the string reads as a number; false for NULL and the empty string.",
        signature("any", returns=BOOLEAN, nullable=False),
        _character_test("velo_is_decimal", NUMERICS),
    ),
    ScalarFunction(
        "typeof",
        "TYPEOF(value)",
        "The name of the argument's type.",
        signature("any", returns=STRING),
        lambda site: text_of(str(site.operands[0].type.as_nullable())),
    ),
)
