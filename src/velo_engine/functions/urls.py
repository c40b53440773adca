"""URLs, internet addresses, and PRINTF.

Source: Flink's SqlFunctionUtils.parseUrl, InetAtonFunction, InetNtoaFunction, PrintfFunction.
"""

from __future__ import annotations

from velo_engine.functions.casts import float_text
from velo_engine.functions.signature import Binding, Operand, ScalarFunction, Site, check_count, checked, signature
from velo_engine.plan.expressions import Expression
from velo_engine.types import BIGINT, FLOATS, INTEGERS, STRING, TypeName


def _parse_url(site: Site) -> str:
    name = "velo_parse_url_key" if len(site.operands) > 2 else "velo_parse_url"
    return f"{name}({', '.join(operand.sql for operand in site.operands)})"


def _bind_printf(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, None)
    values = tuple(checked(arg, "any", i + 1) for i, arg in enumerate(args[1:]))
    return (checked(args[0], "string", 0), *values), STRING


def _printf(site: Site) -> str:
    """Values as their boxed Java objects print: a DATE is a number of days, a TIMESTAMP a LocalDateTime."""
    template, *values = site.operands
    kinds = "".join(_kind(value) for value in values)
    texts = ", ".join(_java_text(value) for value in values)
    return f"velo_printf({template.sql}, '{kinds}', CAST([{texts}] AS VARCHAR[]))"


def _kind(value: Operand) -> str:
    if value.type.name in INTEGERS:
        return "l" if value.type.name is TypeName.BIGINT else "i"
    if value.type.name is TypeName.BOOLEAN:
        return "b"
    return "d" if value.type.name in FLOATS else "o"


def _java_text(value: Operand) -> str:
    name, sql = value.type.name, value.sql
    if name in FLOATS:
        return float_text(sql, value.type)
    if name is TypeName.DATE:
        return f"CAST({sql} - DATE '1970-01-01' AS VARCHAR)"
    if name is TypeName.TIMESTAMP:
        whole = f"strftime({sql}, '%Y-%m-%dT%H:%M:%S')"
        digits = f"strftime({sql}, '%f')"
        fraction = f"CASE WHEN right({digits}, 3) = '000' THEN left({digits}, 3) ELSE {digits} END"
        without = f"CASE WHEN second({sql}) = 0 THEN left({whole}, 16) ELSE {whole} END"
        return f"CASE WHEN {digits} = '000000' THEN {without} ELSE {whole} || '.' || {fraction} END"
    return f"CAST({sql} AS VARCHAR)"


FUNCTIONS: tuple[ScalarFunction, ...] = (
    ScalarFunction(
        "parse_url",
        "PARSE_URL(url, part [, key])",
        "HOST, PATH, QUERY, REF, PROTOCOL, FILE, AUTHORITY or USERINFO of a URL; of QUERY the value of a key.",
        signature("string", "string", "string?", returns=STRING, nullable=True),
        _parse_url,
    ),
    ScalarFunction(
        "inet_aton",
        "INET_ATON(string)",
        "An IPv4 address as a number.",
        signature("string", returns=BIGINT, nullable=True),
        "velo_inet_aton({0})",
    ),
    ScalarFunction(
        "inet_ntoa",
        "INET_NTOA(number)",
        "A number as an IPv4 address.",
        signature("bigint", returns=STRING, nullable=True),
        "velo_inet_ntoa({0})",
    ),
    ScalarFunction(
        "printf",
        "PRINTF(format, a, b, …)",
        "Values in a text, by Java's Formatter with %b %c %d %x %o %e %f %s %n; NULL where it refuses.",
        _bind_printf,
        _printf,
    ),
)
