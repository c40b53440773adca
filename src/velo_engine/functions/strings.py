"""String functions; positions count Unicode characters (code points) from 1.

Source: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/sql/functions/built-in-functions/#string-functions
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from velo_engine.functions.signature import (
    Binding,
    Operand,
    Returns,
    ScalarFunction,
    SignatureError,
    Site,
    Template,
    argument,
    as_varchar,
    check_count,
    signature,
    text_of,
)
from velo_engine.plan.expressions import Expression
from velo_engine.types import (
    BOOLEAN,
    INT,
    MAX_LENGTH,
    STRING,
    STRINGS,
    SqlType,
    TypeName,
    char,
    varchar,
)

LONGEST_RESULT = 2**27
"""Bytes to which REPEAT, LPAD and RPAD may lengthen a string; beyond it the row fails, instead of the process."""


def _joined(types: Sequence[SqlType]) -> SqlType:
    """`a || b`: the sum of the lengths, a CHAR when both are."""
    length = min(MAX_LENGTH, sum(t.length for t in types))
    both = all(t.name is TypeName.CHAR for t in types)
    return char(length) if both else varchar(length)


def _bind_joined(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 2, 2)
    if any(arg.type.name not in STRINGS for arg in args):
        kinds = " and ".join(str(arg.type.as_nullable()) for arg in args)
        raise SignatureError(f"needs strings, not {kinds}; write CAST(… AS STRING)")
    return args, _joined([arg.type for arg in args]).as_nullable(any(arg.type.nullable for arg in args))


def _cased(name: str) -> Callable[[Site], str]:
    """UPPER and LOWER: the kernel's for ASCII, else Unicode's full mapping; a CHAR or VARCHAR keeps to its length."""

    def value(site: Site) -> str:
        a = site.operands[0]
        full = f"velo_{name}({a.sql})"
        if site.type.length != MAX_LENGTH:
            full = f"left({full}, {site.type.length})"
        return f"CASE WHEN strlen({a.sql}) = length({a.sql}) THEN {name}({a.sql}) ELSE {full} END"

    return value


def _substring(site: Site) -> str:
    text, start = site.operands[0].sql, site.operands[1]
    length = site.operands[2] if len(site.operands) > 2 else None
    count = f", {length.sql}" if length is not None else ""
    taken = f"substring({text}, {_start(start)}{count})"
    if isinstance(start.literal, int) and start.literal < 0:
        taken = f"CASE WHEN length({text}) >= {-start.literal} THEN {taken} WHEN {text} IS NOT NULL THEN '' END"
    elif not start.constant:
        taken = f"CASE WHEN {start.sql} + length({text}) < 0 THEN '' ELSE {taken} END"
    if length is None or (isinstance(length.literal, int) and length.literal >= 0):
        return taken
    return f"CASE WHEN {length.sql} >= 0 THEN {taken} END"


def _start(start: Operand) -> str:
    """The kernel's position of a start: 0 counts as 1, negative ones count from the end, where the kernel agrees."""
    if isinstance(start.literal, int):
        return str(start.literal or 1)
    return f"CASE WHEN {start.sql} = 0 THEN 1 ELSE {start.sql} END"


def _locate(site: Site) -> str:
    part, text = site.sql(0), site.sql(1)
    if len(site.operands) == 2:
        return f"CAST(instr({text}, {part}) AS INTEGER)"
    start = f"CASE WHEN {site.sql(2)} < 1 THEN 1 ELSE {site.sql(2)} END"
    found = f"instr(substring({text}, {start}), {part})"
    return (
        f"CAST(CASE WHEN {part} = '' AND {text} IS NOT NULL AND {site.sql(2)} IS NOT NULL THEN 1"
        f" WHEN {found} = 0 THEN 0 ELSE {found} + ({start}) - 1 END AS INTEGER)"
    )


def _instr(site: Site) -> str:
    arguments = [operand.sql for operand in site.operands] + ["1", "1"]
    if len(site.operands) == 2:
        return f"CAST(instr({arguments[0]}, {arguments[1]}) AS INTEGER)"
    return f"velo_instr({', '.join(arguments[:4])})"


def _instr_error(site: Site) -> str:
    if len(site.operands) < 4:
        return ""
    others = " AND ".join(f"{operand.sql} IS NOT NULL" for operand in site.operands[:3])
    return f"CASE WHEN {site.sql(3)} <= 0 AND {others} THEN 'nthAppearance must be positive!' END"


def _pad(left: bool) -> Callable[[Site], str]:
    def value(site: Site) -> str:
        text, length, filler = (operand.sql for operand in site.operands)
        return (
            f"CASE WHEN {length} <= {LONGEST_RESULT} THEN velo_pad({text}, {length}, {filler}, {str(left).upper()}) END"
        )

    return value


def _pad_error(site: Site) -> str:
    return _too_long(f"{site.sql(1)} > {LONGEST_RESULT}")


def _too_long(condition: str) -> str:
    return f"CASE WHEN {condition} THEN 'the result has more than {LONGEST_RESULT} characters' END"


def _repeated_length(site: Site) -> str:
    return f"CAST(strlen({site.sql(0)}) AS HUGEINT) * {site.sql(1)}"


def _repeat(site: Site) -> str:
    text, count = site.sql(0), site.sql(1)
    repeated = f"repeat({text}, CASE WHEN {count} < 0 THEN 0 ELSE {count} END)"
    return f"CASE WHEN {_repeated_length(site)} <= {LONGEST_RESULT} THEN {repeated} END"


def _trimmed(name: str) -> Callable[[Site], str]:
    return lambda site: f"{name}({site.sql(0)}, {site.sql(1) if len(site.operands) > 1 else text_of(' ')})"


def _trim(name: str, usage: str, side: str, **more: object) -> ScalarFunction:
    bind = signature("string", "string?", returns=as_varchar(0))
    summary = f"Without the given characters (spaces) {side}."
    return ScalarFunction(name, usage, summary, bind, _trimmed(name), **more)  # type: ignore[arg-type]


def _overlaid(types: Sequence[SqlType]) -> SqlType:
    return varchar(min(MAX_LENGTH, types[0].length + types[1].length))


def _overlay(site: Site) -> str:
    text, replacement, start = (site.sql(i) for i in range(3))
    length = site.sql(3) if len(site.operands) > 3 else f"length({replacement})"
    return f"velo_overlay({text}, {replacement}, CAST({start} AS BIGINT), CAST({length} AS BIGINT))"


def _elt(site: Site) -> str:
    index, *choices = (operand.sql for operand in site.operands)
    whens = " ".join(f"WHEN {i} THEN {choice}" for i, choice in enumerate(choices, 1))
    return f"CASE {index} {whens} END"


def _replace(site: Site) -> str:
    text, part, replacement = (operand.sql for operand in site.operands)
    plain = f"replace({text}, {part}, {replacement})"
    if site.operands[1].constant and site.operands[1].literal:
        return plain
    return f"CASE WHEN {part} = '' THEN velo_replace_empty({text}, {replacement}) ELSE {plain} END"


def _simple(
    name: str, usage: str, summary: str, kinds: tuple[str, ...], returns: Returns, value: Template, **more: object
) -> ScalarFunction:
    nullable = more.pop("nullable", None)
    bind = signature(*kinds, returns=returns, nullable=nullable)  # type: ignore[arg-type]
    return ScalarFunction(name, usage, summary, bind, value, **more)  # type: ignore[arg-type]


FUNCTIONS: tuple[ScalarFunction, ...] = (
    ScalarFunction("concat_operator", "a || b", "Both strings, joined.", _bind_joined, "({0} || {1})", operator=True),
    _simple(
        "concat",
        "CONCAT(a, b, …)",
        "All strings, joined; NULL when one is.",
        ("string...",),
        STRING,
        lambda site: "(" + " || ".join(operand.sql for operand in site.operands) + ")",
    ),
    _simple(
        "concat_ws",
        "CONCAT_WS(separator, a, b, …)",
        "The strings that are not NULL, with a separator between them.",
        ("string", "string..."),
        STRING,
        lambda site: f"concat_ws({', '.join(operand.sql for operand in site.operands)})",
    ),
    _simple("upper", "UPPER(string)", "In upper case.", ("string",), argument(0), _cased("upper")),
    _simple("lower", "LOWER(string)", "In lower case.", ("string",), argument(0), _cased("lower")),
    _simple(
        "initcap",
        "INITCAP(string)",
        "Each word's first letter in upper case; words are ASCII letters and digits.",
        ("string",),
        argument(0),
        "velo_initcap({0})",
    ),
    _simple(
        "char_length",
        "CHAR_LENGTH(string)",
        "The number of characters.",
        ("string",),
        INT,
        "CAST(length({0}) AS INTEGER)",
        aliases=("CHARACTER_LENGTH", "LENGTH"),
    ),
    _simple(
        "substring",
        "SUBSTRING(string FROM start [FOR length])",
        "A part; a negative start counts from the end, a negative length gives NULL.",
        ("string", "int", "int?"),
        as_varchar(0),
        _substring,
        aliases=("SUBSTR",),
        nullable=True,
    ),
    _simple(
        "left",
        "LEFT(string, n)",
        "The first characters.",
        ("string", "int"),
        as_varchar(0),
        "left({0}, CASE WHEN {1} < 0 THEN 0 ELSE {1} END)",
        nullable=True,
    ),
    _simple(
        "right",
        "RIGHT(string, n)",
        "The last characters.",
        ("string", "int"),
        as_varchar(0),
        "right({0}, CASE WHEN {1} < 0 THEN 0 ELSE {1} END)",
        nullable=True,
    ),
    _simple(
        "position",
        "POSITION(part IN string)",
        "Where the part first stands, 0 when it does not.",
        ("string", "string"),
        INT,
        _locate,
    ),
    _simple(
        "locate",
        "LOCATE(part, string [, start])",
        "Where the part first stands from a start on, 0 when it does not.",
        ("string", "string", "int?"),
        INT,
        _locate,
    ),
    _simple(
        "instr",
        "INSTR(string, part [, start [, nth]])",
        "Where the part stands for the nth time from a start on, backwards from a negative one.",
        ("string", "string", "int?", "int?"),
        INT,
        _instr,
        error=_instr_error,
    ),
    _trim("trim", "TRIM(string), TRIM(BOTH characters FROM string)", "at both ends"),
    _simple(
        "btrim",
        "BTRIM(string [, characters])",
        "Without the given characters (spaces) at both ends.",
        ("string", "string?"),
        STRING,
        _trimmed("trim"),
    ),
    _trim("ltrim", "LTRIM(string [, characters])", "at the start"),
    _trim("rtrim", "RTRIM(string [, characters])", "at the end"),
    _simple(
        "lpad",
        "LPAD(string, n, filler)",
        "Filled up or cut to n characters on the left.",
        ("string", "int", "string"),
        STRING,
        _pad(left=True),
        error=_pad_error,
    ),
    _simple(
        "rpad",
        "RPAD(string, n, filler)",
        "Filled up or cut to n characters on the right.",
        ("string", "int", "string"),
        STRING,
        _pad(left=False),
        error=_pad_error,
    ),
    _simple(
        "repeat",
        "REPEAT(string, n)",
        "The string n times.",
        ("string", "int"),
        STRING,
        _repeat,
        error=lambda site: _too_long(f"{_repeated_length(site)} > {LONGEST_RESULT}"),
    ),
    _simple(
        "replace", "REPLACE(string, part, replacement)", "With every part replaced.", ("string",) * 3, STRING, _replace
    ),
    _simple(
        "translate",
        "TRANSLATE(string, from, to)",
        "With each character of `from` replaced by that of `to` at its place.",
        ("string",) * 3,
        STRING,
        "translate({0}, {1}, {2})",
        nullable=True,
        aliases=("TRANSLATE3",),
    ),
    _simple(
        "overlay",
        "OVERLAY(string PLACING new FROM start [FOR length])",
        "With a part replaced.",
        ("string", "string", "integer", "integer?"),
        _overlaid,
        _overlay,
    ),
    _simple("reverse", "REVERSE(string)", "Backwards.", ("string",), STRING, "velo_reverse({0})", nullable=True),
    _simple(
        "ascii",
        "ASCII(string)",
        "The first byte in UTF-8, as a signed number; 0 of the empty string.",
        ("string",),
        INT,
        "velo_ascii({0})",
        nullable=True,
    ),
    _simple(
        "chr", "CHR(n)", "The ISO-8859-1 character of a number.", ("bigint",), STRING, "velo_chr({0})", nullable=True
    ),
    _simple(
        "startswith",
        "STARTSWITH(string, part)",
        "Whether it begins with the part.",
        ("string", "string"),
        BOOLEAN,
        "starts_with({0}, {1})",
    ),
    _simple(
        "endswith",
        "ENDSWITH(string, part)",
        "Whether it ends with the part.",
        ("string", "string"),
        BOOLEAN,
        "ends_with({0}, {1})",
    ),
    _simple(
        "elt",
        "ELT(n, a, b, …)",
        "The nth of the strings, from 1; NULL when there is none.",
        ("int", "string..."),
        STRING,
        _elt,
        nullable=True,
    ),
)
