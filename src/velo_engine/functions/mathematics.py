"""Mathematical functions.

Those of real numbers work on DOUBLE; their last digit is the platform's, in Java as here.
Source: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/sql/functions/built-in-functions/#arithmetic-functions
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from velo_engine.functions import decimals
from velo_engine.functions.numbers import INTEGER_BITS, as_double, as_float, narrowed, negated_wide
from velo_engine.functions.rounding_in_time import bind_rounding_to_unit, rounded_to_unit
from velo_engine.functions.signature import (
    Binding,
    Operand,
    ScalarFunction,
    SignatureError,
    Site,
    argument,
    check_count,
    checked,
    signature,
    text_of,
)
from velo_engine.functions.temporal_arithmetic import out_of_range
from velo_engine.plan.expressions import Expression, Literal
from velo_engine.type_rules.numeric import round_type
from velo_engine.types import (
    DOUBLE,
    FLOATS,
    INTEGERS,
    STRING,
    STRINGS,
    TEMPORALS,
    SqlType,
    TypeName,
    decimal,
    kernel_type,
)

NAN = "CAST('NaN' AS DOUBLE)"


def _real(template: str) -> Callable[[Site], str]:
    """A function of DOUBLEs."""

    def value(site: Site) -> str:
        return template.format(*(as_double(operand.sql, operand.type) for operand in site.operands))

    return value


def _finite(template: str, domain: str = "isfinite({0})") -> Callable[[Site], str]:
    """As `_real`, and NaN outside the domain, where the kernel would raise."""
    return _real(f"CASE WHEN {domain} THEN {template} WHEN {{0}} IS NOT NULL THEN {NAN} END")


def _function(
    name: str, usage: str, summary: str, value: Callable[[Site], str], count: int = 1, **more: object
) -> ScalarFunction:
    bind = signature(*["double"] * count, returns=DOUBLE)
    return ScalarFunction(name, usage, summary, bind, value, **more)  # type: ignore[arg-type]


def _bind_log(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, 2)
    bound = tuple(checked(arg, "double", i) for i, arg in enumerate(args))
    return bound, DOUBLE.as_nullable(any(arg.type.nullable for arg in args))


def _log(site: Site) -> str:
    if len(site.operands) == 1:
        return f"ln({site.sql(0)})"
    return f"(ln({site.sql(1)}) / ln({site.sql(0)}))"


def _abs(site: Site) -> str:
    (a,) = site.operands
    if a.type.name in INTEGERS:
        return f"CASE WHEN {a.sql} < 0 THEN {negated_wide(a.sql, site.type)} ELSE {a.sql} END"
    return f"abs({a.sql})"


def _bind_sign(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, 1)
    bound = checked(args[0], "number", 0)
    if bound.type.name in (TypeName.TINYINT, TypeName.SMALLINT):
        raise SignatureError(
            "is not defined for TINYINT and SMALLINT (Flink cannot compile it); CAST the argument to INT"
        )
    return (bound,), bound.type


def _sign(site: Site) -> str:
    (a,) = site.operands
    if a.type.name in FLOATS:
        unit = f"CAST(sign({a.sql}) AS {kernel_type(site.type)})"
        return f"CASE WHEN {a.sql} = 0 OR isnan({a.sql}) THEN {a.sql} ELSE {unit} END"
    return f"TRY_CAST(sign({a.sql}) AS {kernel_type(site.type)})"


def _bind_rounding(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    """ROUND and TRUNCATE: of a DECIMAL the type follows from a constant number of digits, else it is the argument's."""
    check_count(args, 1, 2)
    value = checked(args[0], "number", 0)
    digits = [checked(arg, "int", 1) for arg in args[1:]]
    nullable = any(arg.type.nullable for arg in args)
    result = value.type
    if result.name is TypeName.DECIMAL:
        if not digits:
            result = round_type(result, 0)
        elif isinstance(digits[0], Literal) and isinstance(digits[0].value, int):
            result = round_type(result, digits[0].value)
    return (value, *digits), result.as_nullable(nullable)


def _rounding(up: bool) -> Callable[[Site], str]:
    def value(site: Site) -> str:
        a = site.operands[0]
        digits = site.operands[1] if len(site.operands) > 1 else Operand("0", DOUBLE, True, 0)
        if a.type.name in INTEGERS:
            return _rounded_integer(a, digits, site.type, up)
        if a.type.name is TypeName.DECIMAL:
            return _rounded_decimal(a, digits, site.type, up)
        rounded = f"velo_round_double({as_double(a.sql, a.type)}, {digits.sql}, {str(up).upper()})"
        return as_float(rounded, DOUBLE) if site.type.name is TypeName.FLOAT else rounded

    return value


def _rounded_integer(a: Operand, digits: Operand, t: SqlType, up: bool) -> str:
    if digits.constant and isinstance(digits.literal, int) and digits.literal >= 0:
        return a.sql
    rounded = f"velo_round_integer(CAST({a.sql} AS BIGINT), {digits.sql}, {str(up).upper()})"
    return rounded if INTEGER_BITS[t.name] == 64 else narrowed(rounded, t)


def _rounded_decimal(a: Operand, digits: Operand, t: SqlType, up: bool) -> str:
    if digits.constant and isinstance(digits.literal, int):
        rounded = decimals.decimal_rounded if up else decimals.decimal_truncated
        return rounded(a.sql, a.type, t, digits.literal)
    mode = "up" if up else "down"
    shape = f"{text_of(f'{t.precision},{t.scale},')} || {digits.sql} || {text_of(f',{mode}')}"
    return f"CAST(velo_decimal_round({shape}, CAST({a.sql} AS VARCHAR)) AS {kernel_type(t)})"


def _rounding_error(site: Site) -> str:
    """Flink rounds a float through BigDecimal, which has no NaN and no Infinity; TRUNCATE through DECIMAL(38, 18)."""
    a = site.operands[0]
    if a.type.name not in FLOATS:
        return ""
    return f"CASE WHEN NOT isfinite({a.sql}) THEN CAST({a.sql} AS VARCHAR) || ' is not a decimal number' END"


def _truncation_error(site: Site) -> str:
    a = site.operands[0]
    if a.type.name not in FLOATS:
        return ""
    return f"CASE WHEN NOT abs({a.sql}) < 1e20::DOUBLE THEN CAST({a.sql} AS VARCHAR) || ' has more than 20 digits' END"


def _whole_type(types: Sequence[SqlType]) -> SqlType:
    t = types[0]
    return decimal(t.precision, 0) if t.name is TypeName.DECIMAL else t


def _bind_to_integer(function: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    """CEIL and FLOOR of a number, or of a date or time to a unit."""
    if args and args[0].type.name in TEMPORALS:
        return bind_rounding_to_unit(function, args)
    return signature("number", returns=_whole_type)(function, args)


def _to_integer(name: str) -> Callable[[Site], str]:
    def value(site: Site) -> str:
        a = site.operands[0]
        if a.type.name in TEMPORALS:
            return rounded_to_unit(site, name)
        if a.type.name in INTEGERS or (a.type.name is TypeName.DECIMAL and a.type.scale == 0):
            return a.sql
        return f"CAST({name}({a.sql}) AS {kernel_type(site.type)})"

    return value


def _outside_years(direction: str) -> Callable[[Site], str]:
    """The error of a date or time that has no rounded one within the years 1 to 9999."""

    def error(site: Site) -> str:
        if site.operands[0].type.name not in TEMPORALS - {TypeName.TIME}:
            return ""
        if direction == "floor" and site.operands[1].literal != "WEEK":
            return ""
        return out_of_range(rounded_to_unit(site, direction), site.operands)

    return error


def _bind_hex(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, 1)
    kind = "string" if args[0].type.name in STRINGS else "bigint"
    bound = checked(args[0], kind, 0)
    return (bound,), STRING.as_nullable(bound.type.nullable)


FUNCTIONS = (
    ScalarFunction(
        "abs",
        "ABS(number)",
        "The number without its sign; integers wrap.",
        signature("number", returns=argument(0)),
        _abs,
    ),
    ScalarFunction("sign", "SIGN(number)", "-1, 0 or 1, in the argument's type.", _bind_sign, _sign),
    ScalarFunction(
        "ceil",
        "CEIL(number), CEIL(time TO unit)",
        "The least whole number, or start of a unit, not below the argument.",
        _bind_to_integer,
        _to_integer("ceil"),
        _outside_years("ceil"),
        aliases=("CEILING",),
    ),
    ScalarFunction(
        "floor",
        "FLOOR(number), FLOOR(time TO unit)",
        "The greatest whole number, or start of a unit, not above the argument.",
        _bind_to_integer,
        _to_integer("floor"),
        _outside_years("floor"),
    ),
    ScalarFunction(
        "round",
        "ROUND(number [, digits])",
        "Rounded HALF_UP to digits after the point (before it when negative).",
        _bind_rounding,
        _rounding(up=True),
        _rounding_error,
    ),
    ScalarFunction(
        "truncate",
        "TRUNCATE(number [, digits])",
        "Cut off after digits.",
        _bind_rounding,
        _rounding(up=False),
        _truncation_error,
    ),
    _function("power", "POWER(a, b)", "`a` to the power of `b`.", _real("pow({0}, {1})"), 2),
    _function("sqrt", "SQRT(a)", "The square root; NaN of a negative number.", _real("pow({0}, 0.5::DOUBLE)")),
    _function("exp", "EXP(a)", "e to the power of `a`.", _real("exp({0})")),
    _function("ln", "LN(a)", "The natural logarithm; NaN of a negative number.", _real("ln({0})")),
    _function("log10", "LOG10(a)", "The logarithm to base 10.", _real("log10({0})")),
    _function("log2", "LOG2(a)", "The logarithm to base 2.", _real("(ln({0}) / ln(CAST(2 AS DOUBLE)))")),
    ScalarFunction("log", "LOG(a), LOG(base, a)", "The natural logarithm, or that to a base.", _bind_log, _log),
    _function("sin", "SIN(a)", "The sine.", _finite("sin({0})")),
    _function("cos", "COS(a)", "The cosine.", _finite("cos({0})")),
    _function("tan", "TAN(a)", "The tangent.", _finite("tan({0})")),
    _function("cot", "COT(a)", "The cotangent.", _finite("(1.0::DOUBLE / tan({0}))")),
    _function("asin", "ASIN(a)", "The arc sine; NaN outside [-1, 1].", _finite("asin({0})", "abs({0}) <= 1")),
    _function("acos", "ACOS(a)", "The arc cosine; NaN outside [-1, 1].", _finite("acos({0})", "abs({0}) <= 1")),
    _function("atan", "ATAN(a)", "The arc tangent.", _real("atan({0})")),
    _function("atan2", "ATAN2(y, x)", "The angle of the point (x, y).", _real("atan2({0}, {1})"), 2),
    _function("sinh", "SINH(a)", "The hyperbolic sine.", _real("sinh({0})")),
    _function("cosh", "COSH(a)", "The hyperbolic cosine.", _real("cosh({0})")),
    _function("tanh", "TANH(a)", "The hyperbolic tangent.", _real("tanh({0})")),
    _function("degrees", "DEGREES(a)", "Radians as degrees.", _real("({0} * CAST('57.29577951308232' AS DOUBLE))")),
    _function("radians", "RADIANS(a)", "Degrees as radians.", _real("({0} * CAST('0.017453292519943295' AS DOUBLE))")),
    ScalarFunction(
        "pi", "PI()", "3.141592653589793.", signature(returns=DOUBLE), "CAST('3.141592653589793' AS DOUBLE)"
    ),
    ScalarFunction("e", "E()", "2.718281828459045.", signature(returns=DOUBLE), "CAST('2.718281828459045' AS DOUBLE)"),
    ScalarFunction(
        "bin", "BIN(integer)", "The bits of a BIGINT.", signature("bigint", returns=STRING), "bin(CAST({0} AS BIGINT))"
    ),
    ScalarFunction("hex", "HEX(integer or string)", "Upper-case hexadecimal digits.", _bind_hex, "hex({0})"),
)
