"""Dates and times to strings and back, by Java's patterns, and seconds since 1970."""

from __future__ import annotations

from collections.abc import Callable

from velo_engine.functions import java_time_format as java
from velo_engine.functions.numbers import as_double
from velo_engine.functions.signature import (
    Binding,
    Operand,
    ScalarFunction,
    SignatureError,
    Site,
    check_count,
    checked,
    signature,
    text_of,
)
from velo_engine.functions.temporal_arithmetic import (
    truncated_micros,
)
from velo_engine.functions.time_zones import instant_of, local_time_of
from velo_engine.plan.expressions import Expression, Literal
from velo_engine.types import (
    BIGINT,
    DATE,
    FLOATS,
    INT,
    INTEGERS,
    STRING,
    STRINGS,
    SqlType,
    TypeName,
    timestamp,
    timestamp_ltz,
)


def _check_pattern(arg: Expression, use: str) -> None:
    """A constant pattern is read when the query is planned."""
    if not isinstance(arg, Literal) or not isinstance(arg.value, str):
        return
    try:
        java.USES[use](arg.value)
    except java.PatternError as problem:
        raise SignatureError(f"cannot use the pattern '{arg.value}': {problem}") from None


def _bind_date_format(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 2, 2)
    text = args[0].type.name in STRINGS
    value = args[0] if text else checked(args[0], "timestamp", 0)
    pattern = checked(args[1], "string", 1)
    _check_pattern(pattern, "simple" if text else "formatter")
    return (value, pattern), STRING


_KERNEL_LETTERS = {
    ("y", 4): "%Y",
    ("u", 4): "%Y",
    ("M", 2): "%m",
    ("d", 2): "%d",
    ("H", 2): "%H",
    ("m", 2): "%M",
    ("s", 2): "%S",
    ("S", 3): "%g",
    ("S", 6): "%f",
}


def kernel_format(pattern: str) -> str | None:
    """The kernel's strftime format of a Java pattern, when it has one; it prints many times faster."""
    parts: list[str] = []
    for token in java.tokens(pattern):
        letter = _KERNEL_LETTERS.get((token.letter, token.count)) if token.letter else token.text.replace("%", "%%")
        if letter is None:
            return None
        parts.append(letter)
    return "".join(parts)


def _date_format(site: Site) -> str:
    value, pattern = site.operands
    if value.type.name in STRINGS:
        return f"velo_reformat({value.sql}, {pattern.sql})"
    local = local_time_of(value.sql, site.time_zone) if value.type.name is TypeName.TIMESTAMP_LTZ else value.sql
    known = kernel_format(str(pattern.literal)) if isinstance(pattern.literal, str) and pattern.literal else None
    if known is not None:
        return f"strftime({local}, {text_of(known)})"
    return f"velo_format_timestamp(epoch_us({local}), {pattern.sql})"


def _pattern_error(site: Site, use: str) -> str:
    """Why the second operand, a pattern from a column, cannot be used."""
    if len(site.operands) < 2 or site.operands[1].constant:
        return ""
    known = " AND ".join(f"{operand.sql} IS NOT NULL" for operand in site.operands)
    return f"CASE WHEN {known} THEN velo_pattern_error({site.sql(1)}, '{use}') END"


def _date_format_error(site: Site) -> str:
    return _pattern_error(site, "simple" if site.operands[0].type.name in STRINGS else "formatter")


def _input_error(use: str) -> Callable[[Site], str]:
    return lambda site: _pattern_error(site, use)


def _with_pattern(*kinds: str, returns: SqlType, nullable: bool | None, use: str) -> Callable[..., Binding]:
    """A signature whose second argument is an optional pattern."""
    inner = signature(*kinds, returns=returns, nullable=nullable)

    def bind(function: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
        bound, result = inner(function, args)
        if len(bound) > 1:
            _check_pattern(bound[1], use)
        return bound, result

    return bind


def _to_timestamp(site: Site) -> str:
    text = site.sql(0)
    parsed = f"velo_parse_timestamp({text})" if len(site.operands) == 1 else f"velo_to_timestamp({text}, {site.sql(1)})"
    return f"make_timestamp({truncated_micros(parsed, 3)})"


def _to_date(site: Site) -> str:
    if len(site.operands) == 1:
        return f"velo_parse_date({site.sql(0)})"
    return f"velo_to_date_by_format({site.sql(0)}, {site.sql(1)})"


def _to_date_error(site: Site) -> str:
    """Flink gives a meaningless date for a text that does not fit its format."""
    if len(site.operands) == 1:
        return ""
    text, pattern = site.sql(0), site.sql(1)
    failed = f"{text} IS NOT NULL AND {pattern} IS NOT NULL AND {_to_date(site)} IS NULL"
    return f"CASE WHEN {failed} THEN '''' || {text} || ''' does not read as a date by ''' || {pattern} || '''' END"


_LTZ_UNITS = {0: 1_000_000, 3: 1_000, 6: 1}
_FIRST_YEAR, _LAST_YEAR = -62_135_596_800_000_000, 253_402_300_799_999_999


def _bind_to_ltz(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 1, 3)
    if args[0].type.name in STRINGS:
        bound = tuple(checked(arg, "string", i) for i, arg in enumerate(args))
        if len(bound) > 1:
            _check_pattern(bound[1], "formatter input")
        return bound, timestamp_ltz(3)
    check_count(args, 1, 2)
    value = checked(args[0], "number", 0)
    digits = checked(args[1], "literal int", 1) if len(args) > 1 else Literal(3, INT.as_nullable(False))
    if not isinstance(digits, Literal) or not isinstance(digits.value, int) or digits.value not in _LTZ_UNITS:
        raise SignatureError("needs 0 (seconds), 3 (milliseconds) or 6 (microseconds) as argument 2")
    return (value, digits), timestamp_ltz(max(3, int(digits.value)))


def _instant_of_micros(micros: str) -> str:
    """A TIMESTAMP of a HUGEINT of microseconds; NULL outside the years 1 to 9999."""
    known = f"CASE WHEN {micros} BETWEEN {_FIRST_YEAR} AND {_LAST_YEAR} THEN {micros} END"
    return f"make_timestamp(CAST({known} AS BIGINT))"


def _to_ltz(site: Site) -> str:
    first = site.operands[0]
    if first.type.name not in STRINGS:
        unit = _LTZ_UNITS[int(str(site.operands[1].literal))]
        if first.type.name in FLOATS:
            # Flink takes the fraction apart and rounds it down; milliseconds are the finest that it makes of a DOUBLE.
            number = as_double(first.sql, first.type)
            parts = f"floor({number}) * 1000 + floor(({number} - floor({number})) * 1000)"
            millis = parts if unit == _LTZ_UNITS[0] else f"floor({number})"
            whole = f"CASE WHEN abs({number}) < 1e15 THEN CAST({millis} AS HUGEINT) END"
            return _instant_of_micros(f"({whole} * 1000)")
        if first.type.name in INTEGERS:
            return _instant_of_micros(f"(CAST({first.sql} AS HUGEINT) * {unit})")
        # A DECIMAL may have more digits than leave room for the unit; such an instant does not exist anyway.
        number = f"CAST(trunc({first.sql}) AS HUGEINT)"
        return _instant_of_micros(f"(CASE WHEN abs({number}) < 1000000000000000000 THEN {number} END * {unit})")
    parsed = (
        f"velo_parse_timestamp({first.sql})"
        if len(site.operands) == 1
        else f"velo_to_timestamp({first.sql}, {site.sql(1)})"
    )
    local = f"make_timestamp({truncated_micros(parsed, 3)})"
    if len(site.operands) == 3:
        return f"make_timestamp(velo_instant_of(epoch_us({local}), {site.sql(2)}))"
    return instant_of(local, site.time_zone)


def _to_ltz_error(site: Site) -> str:
    """Without a format Flink fails where it has NULL with one."""
    first = site.operands[0]
    if first.type.name not in STRINGS or len(site.operands) > 1:
        return ""
    message = f"'Text ''' || {first.sql} || ''' could not be parsed'"
    return f"CASE WHEN {first.sql} IS NOT NULL AND {_to_ltz(site)} IS NULL THEN {message} END"


def _unix_timestamp(site: Site) -> str:
    if not site.operands:
        return f"(epoch_us({site.now}) // 1000000)"
    pattern = site.sql(1) if len(site.operands) > 1 else text_of("yyyy-MM-dd HH:mm:ss")
    local = f"make_timestamp(velo_parse_simple({site.sql(0)}, {pattern}))"
    seconds = f"epoch_us({instant_of(local, site.time_zone)}) // 1000000"
    known = " AND ".join(f"{operand.sql} IS NOT NULL" for operand in site.operands)
    # Flink answers Long.MIN_VALUE for a text that does not parse.
    return f"CASE WHEN {known} THEN coalesce({seconds}, -9223372036854775807 - 1) END"


def _from_unixtime(site: Site) -> str:
    micros = f"(CAST({site.sql(0)} AS HUGEINT) * 1000000)"
    instant = _instant_of_micros(micros)
    local = local_time_of(instant, site.time_zone)
    pattern = site.operands[1] if len(site.operands) > 1 else Operand(text_of(_DEFAULT), STRING, True, _DEFAULT)
    known = kernel_format(str(pattern.literal)) if isinstance(pattern.literal, str) and pattern.literal else None
    if known is not None and "%f" not in known:
        return f"strftime({local}, {text_of(known)})"
    return f"velo_format_simple(epoch_us({local}), {pattern.sql})"


_DEFAULT = "yyyy-MM-dd HH:mm:ss"


def _from_unixtime_error(site: Site) -> str:
    seconds = site.sql(0)
    first, last = _FIRST_YEAR // 1_000_000, _LAST_YEAR // 1_000_000
    far = f"CASE WHEN {seconds} NOT BETWEEN {first} AND {last} THEN 'outside the years 1 to 9999' END"
    pattern = _pattern_error(site, "simple")
    return f"coalesce({far}, {pattern})" if pattern else far


def _convert_tz_error(site: Site) -> str:
    zones = [f"velo_zone_error({operand.sql})" for operand in site.operands[1:]]
    known = " AND ".join(f"{operand.sql} IS NOT NULL" for operand in site.operands)
    return f"CASE WHEN {known} THEN coalesce({', '.join(zones)}) END"


FUNCTIONS: tuple[ScalarFunction, ...] = (
    ScalarFunction(
        "date_format",
        "DATE_FORMAT(time or string, pattern)",
        "Printed by a Java pattern; a string reads as yyyy-MM-dd HH:mm:ss.",
        _bind_date_format,
        _date_format,
        _date_format_error,
    ),
    ScalarFunction(
        "to_timestamp",
        "TO_TIMESTAMP(string [, pattern])",
        "A TIMESTAMP(3) read by a Java pattern; NULL when it does not fit.",
        _with_pattern("string", "string?", returns=timestamp(3), nullable=True, use="formatter input"),
        _to_timestamp,
        _input_error("formatter input"),
    ),
    ScalarFunction(
        "to_date",
        "TO_DATE(string [, pattern])",
        "A DATE read by a Java pattern.",
        _with_pattern("string", "string?", returns=DATE, nullable=True, use="simple input"),
        _to_date,
        _to_date_error,
    ),
    ScalarFunction(
        "to_timestamp_ltz",
        "TO_TIMESTAMP_LTZ(number [, digits]), TO_TIMESTAMP_LTZ(string [, pattern [, zone]])",
        "The instant of seconds (0), milliseconds (3) or microseconds (6) since 1970, or of a local time.",
        _bind_to_ltz,
        _to_ltz,
        _to_ltz_error,
    ),
    ScalarFunction(
        "unix_timestamp",
        "UNIX_TIMESTAMP([string [, pattern]])",
        "Seconds since 1970, of now or of a local time; the smallest BIGINT when it does not parse.",
        _with_pattern("string?", "string?", returns=BIGINT, nullable=None, use="simple input"),
        _unix_timestamp,
        _input_error("simple input"),
    ),
    ScalarFunction(
        "from_unixtime",
        "FROM_UNIXTIME(seconds [, pattern])",
        "Seconds since 1970 printed in the session's time zone.",
        _with_pattern("integer", "string?", returns=STRING, nullable=True, use="simple"),
        _from_unixtime,
        _from_unixtime_error,
    ),
    ScalarFunction(
        "convert_tz",
        "CONVERT_TZ(string, from_zone, to_zone)",
        "A yyyy-MM-dd HH:mm:ss of one time zone in another.",
        signature("string", "string", "string", returns=STRING, nullable=True),
        "velo_convert_tz({0}, {1}, {2})",
        _convert_tz_error,
    ),
)
