"""Functions of dates and times.

Parts of a TIMESTAMP follow Java's integer arithmetic on milliseconds since 1970, which truncates toward zero: just before
1970 a part of the day is negative and the date is the next one [recorded].
Source: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/sql/functions/built-in-functions/#temporal-functions
"""

from __future__ import annotations

from collections.abc import Callable

from velo_engine.functions import java_time_format as java
from velo_engine.functions.rounding_in_time import bind_rounding_to_unit
from velo_engine.functions.signature import (
    Arity,
    Binding,
    Operand,
    ScalarFunction,
    Site,
    check_count,
    checked,
    signature,
    text_of,
)
from velo_engine.functions.temporal_arithmetic import (
    moved_by_milliseconds,
    moved_by_months,
    out_of_range,
    truncated_micros,
)
from velo_engine.functions.time_zones import instant_of, local_time_of
from velo_engine.plan.expressions import Call, Expression, Literal
from velo_engine.types import (
    BIGINT,
    DATE,
    FLOATS,
    INT,
    INTEGERS,
    INTERVAL_DAY_TIME,
    INTERVAL_YEAR_MONTH,
    STRING,
    STRINGS,
    TEMPORALS,
    SqlType,
    TypeName,
    char,
    time,
    timestamp,
    timestamp_ltz,
)

_MILLISECONDS = {
    "WEEK": 604_800_000,
    "DAY": 86_400_000,
    "HOUR": 3_600_000,
    "MINUTE": 60_000,
    "SECOND": 1_000,
    "MILLISECOND": 1,
}
_MONTHS = {"YEAR": 12, "QUARTER": 3, "MONTH": 1}

_DATE_PARTS = {
    "YEAR": "year({0})",
    "QUARTER": "quarter({0})",
    "MONTH": "month({0})",
    "WEEK": "week({0})",
    "DAY": "day({0})",
    "DOW": "(dayofweek({0}) + 1)",
    "ISODOW": "isodow({0})",
    "DOY": "dayofyear({0})",
    "ISOYEAR": "isoyear({0})",
    "DECADE": "(year({0}) // 10)",
    "CENTURY": "((year({0}) + 99) // 100)",
    "MILLENNIUM": "((year({0}) + 999) // 1000)",
}
_TIME_PARTS = {
    "HOUR": "(({0} % 86400000) // 3600000)",
    "MINUTE": "(({0} % 3600000) // 60000)",
    "SECOND": "(({0} % 60000) // 1000)",
    "MILLISECOND": "({0} % 1000)",
    "EPOCH": "({0} // 1000)",
}
_NAMED_PARTS = {
    "year": ("YEAR", "The year."),
    "quarter": ("QUARTER", "The quarter, 1 to 4."),
    "month": ("MONTH", "The month, 1 to 12."),
    "week": ("WEEK", "The ISO week, 1 to 53."),
    "dayofyear": ("DOY", "The day of the year, from 1."),
    "dayofmonth": ("DAY", "The day of the month, from 1."),
    "dayofweek": ("DOW", "The day of the week, from 1 for Sunday."),
    "hour": ("HOUR", "The hour."),
    "minute": ("MINUTE", "The minute."),
    "second": ("SECOND", "The second."),
}


def _bind_extract(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 2, 2)
    unit, value = args
    parts = {*_DATE_PARTS, *_TIME_PARTS, "MICROSECOND", "NANOSECOND"}
    if value.type.name is TypeName.TIME:
        parts = {"HOUR", "MINUTE", "SECOND", "MILLISECOND"}
    if not isinstance(unit, Literal) or unit.value not in parts:
        raise Arity(f"of a {value.type.as_nullable()} needs one of " + ", ".join(sorted(parts)))
    return (unit, checked(value, "temporal", 1)), BIGINT.as_nullable(value.type.nullable)


def _extract(site: Site) -> str:
    part = str(site.operands[0].literal)
    operand = site.operands[1]
    if part in _DATE_PARTS:
        return f"CAST({_DATE_PARTS[part].format(_day(operand, site))} AS BIGINT)"
    if operand.type.name is TypeName.DATE and part != "EPOCH":
        return f"CASE WHEN {operand.sql} IS NOT NULL THEN CAST(0 AS BIGINT) END"
    if part in ("MICROSECOND", "NANOSECOND"):
        micros = f"({_millis(operand, site)} % 1000 * 1000 + {_micros_of_millisecond(operand)})"
        return micros if part == "MICROSECOND" else f"({micros} * 1000)"
    millis = (
        f"epoch_us(CAST({operand.sql} AS TIMESTAMP)) // 1000"
        if operand.type.name is TypeName.DATE
        else _millis(operand, site)
    )
    return _TIME_PARTS[part].format(f"({millis})")


def _micros(operand: Operand, site: Site) -> str:
    """Microseconds of a local date and time, or of the day for a TIME."""
    if operand.type.name is TypeName.TIMESTAMP_LTZ:
        return f"epoch_us({local_time_of(operand.sql, site.time_zone)})"
    return f"epoch_us({operand.sql})"


def _millis(operand: Operand, site: Site) -> str:
    """Milliseconds, rounded down as TimestampData keeps them."""
    micros = _micros(operand, site)
    if operand.type.name is TypeName.TIME or operand.type.precision <= 3:
        return f"({micros} // 1000)"
    return f"(({micros} - (({micros} % 1000) + 1000) % 1000) // 1000)"


def _micros_of_millisecond(operand: Operand) -> str:
    if operand.type.precision <= 3:
        return "0"
    return f"((epoch_us({operand.sql}) % 1000) + 1000) % 1000"


def _day(operand: Operand, site: Site) -> str:
    """The date whose parts are asked for."""
    if operand.type.name is TypeName.DATE:
        return operand.sql
    return f"(DATE '1970-01-01' + CAST({_millis(operand, site)} // 86400000 AS INTEGER))"


def _expand_part(part: str) -> Callable[[tuple[Expression, ...]], Expression]:
    """YEAR(x) is EXTRACT(YEAR FROM x)."""

    def expand(args: tuple[Expression, ...]) -> Expression:
        check_count(args, 1, 1)
        unit = Literal(part, char(len(part)).as_nullable(False))
        bound, result = _bind_extract(EXTRACT, (unit, args[0]))
        return Call("extract", bound, result, args[0].location)

    return expand


def _unit(args: tuple[Expression, ...], units: dict[str, int]) -> str:
    unit = args[0].value if isinstance(args[0], Literal) else None
    word = str(unit).upper().removesuffix("S") if isinstance(unit, str) else ""
    if word not in units:
        raise Arity("needs a unit as argument 1: " + ", ".join(units))
    return word


def _bind_add(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 3, 3)
    unit = _unit(args, _MILLISECONDS | _MONTHS)
    amount, value = checked(args[1], "integer", 1), checked(args[2], "temporal", 2)
    result = value.type
    if result.name is TypeName.DATE and unit in ("HOUR", "MINUTE", "SECOND", "MILLISECOND"):
        result = timestamp(6)
    if result.name is TypeName.TIME and (unit in _MONTHS or unit in ("DAY", "WEEK")):
        raise Arity(f"cannot add a {unit} to a TIME")
    return (Literal(unit, char(len(unit))), amount, value), result.as_nullable(
        amount.type.nullable or value.type.nullable
    )


def _add(site: Site) -> str:
    unit, amount, value = str(site.operands[0].literal), site.sql(1), site.operands[2]
    if unit in _MONTHS:
        return moved_by_months(value.sql, site.type, f"TRY(CAST({amount} AS BIGINT) * {_MONTHS[unit]})")
    sql = value.sql if value.type.name is site.type.name else f"CAST({value.sql} AS TIMESTAMP)"
    return moved_by_milliseconds(sql, site.type, f"TRY(CAST({amount} AS BIGINT) * {_MILLISECONDS[unit]})")


def _add_error(site: Site) -> str:
    return "" if site.type.name is TypeName.TIME else out_of_range(_add(site), site.operands)


def _bind_difference(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 3, 3)
    unit = _unit(args, _MILLISECONDS | _MONTHS)
    start, end = checked(args[1], "day_or_time", 1), checked(args[2], "day_or_time", 2)
    zoned = [t.type.name is TypeName.TIMESTAMP_LTZ for t in (start, end)]
    if zoned[0] != zoned[1]:
        raise Arity("needs a TIMESTAMP_LTZ on both sides or on none; write CAST(… AS TIMESTAMP(3))")
    nullable = start.type.nullable or end.type.nullable
    return (Literal(unit, char(len(unit))), start, end), INT.as_nullable(nullable)


def _difference(site: Site) -> str:
    unit = str(site.operands[0].literal)
    start, end = (_epoch(operand) for operand in site.operands[1:])
    if unit in _MONTHS:
        return f"(velo_months_between({end}, {start}) // {_MONTHS[unit]})"
    days = all(operand.type.name is TypeName.DATE for operand in site.operands[1:])
    difference = f"(({_floor_millis(end, days)} - {_floor_millis(start, days)}) // {_MILLISECONDS[unit]})"
    return f"CAST((({difference} & 4294967295) + 2147483648 & 4294967295) - 2147483648 AS INTEGER)"


def _epoch(operand: Operand) -> str:
    if operand.type.name is TypeName.DATE:
        return f"epoch_us(CAST({operand.sql} AS TIMESTAMP))"
    return f"epoch_us({operand.sql})"


def _bind_time_difference(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    """`(a - b) unit`: the unit, a constant, then both."""
    check_count(args, 3, 3)
    unit = str(args[0].value) if isinstance(args[0], Literal) else ""
    later, earlier = checked(args[1], "temporal", 1), checked(args[2], "temporal", 2)
    zoned = [t.type.name is TypeName.TIMESTAMP_LTZ for t in (later, earlier)]
    timed = [t.type.name is TypeName.TIME for t in (later, earlier)]
    if zoned[0] != zoned[1] or timed[0] != timed[1] or (timed[0] and unit in _MONTHS):
        raise Arity(f"cannot subtract a {earlier.type.as_nullable()} from a {later.type.as_nullable()}")
    result = INTERVAL_YEAR_MONTH if unit in _MONTHS else INTERVAL_DAY_TIME
    return (args[0], later, earlier), result.as_nullable(later.type.nullable or earlier.type.nullable)


def _time_difference(site: Site) -> str:
    later, earlier = (_epoch(operand) for operand in site.operands[1:])
    if site.type.name is TypeName.INTERVAL_YEAR_MONTH:
        return f"CAST(velo_months_between({later}, {earlier}) AS BIGINT)"
    return f"({_floor_millis(later, False)} - {_floor_millis(earlier, False)})"


def _floor_millis(micros: str, whole: bool) -> str:
    return f"({micros} // 1000)" if whole else f"(({micros} - (({micros} % 1000) + 1000) % 1000) // 1000)"


def _expand_datediff(args: tuple[Expression, ...]) -> Expression:
    """DATEDIFF(unit, from, to), or the days of DATEDIFF(to, from)."""
    check_count(args, 2, 3)
    day = Literal("DAY", char(3).as_nullable(False))
    ordered = args if len(args) == 3 else (day, args[1], args[0])
    bound, result = _bind_difference(TIMESTAMPDIFF, ordered)
    return Call("timestampdiff", bound, result, args[0].location)


def _expand_date_trunc(args: tuple[Expression, ...]) -> Expression:
    check_count(args, 2, 2)
    if not isinstance(args[0], Literal) or not isinstance(args[0].value, str):
        raise Arity("needs a constant unit as argument 1")
    word = args[0].value.upper()
    bound, result = bind_rounding_to_unit(EXTRACT, (args[1], Literal(word, char(len(word)))))
    return Call("floor", bound, result, args[0].location)


def _check_pattern(arg: Expression, use: str) -> None:
    """A constant pattern is read when the query is planned."""
    if not isinstance(arg, Literal) or not isinstance(arg.value, str):
        return
    try:
        java.USES[use](arg.value)
    except java.PatternError as problem:
        raise Arity(f"cannot use the pattern '{arg.value}': {problem}") from None


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
    if value.type.name not in INTEGERS:
        raise Arity("needs an integer or a string as argument 1")
    digits = checked(args[1], "literal int", 1) if len(args) > 1 else Literal(3, INT.as_nullable(False))
    if not isinstance(digits, Literal) or digits.value not in _LTZ_UNITS:
        raise Arity("needs 0 (seconds), 3 (milliseconds) or 6 (microseconds) as argument 2")
    return (value, digits), timestamp_ltz(max(3, int(digits.value)))


def _to_ltz(site: Site) -> str:
    first = site.operands[0]
    if first.type.name not in STRINGS:
        unit = _LTZ_UNITS[int(str(site.operands[1].literal))]
        micros = f"(CAST({first.sql} AS HUGEINT) * {unit})"
        return f"make_timestamp(CAST(CASE WHEN {micros} BETWEEN {_FIRST_YEAR} AND {_LAST_YEAR} THEN {micros} END AS BIGINT))"
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
    return f"CASE WHEN {first.sql} IS NOT NULL AND {_to_ltz(site)} IS NULL THEN 'Text ''' || {first.sql} || ''' could not be parsed' END"


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
    instant = (
        f"make_timestamp(CAST(CASE WHEN {micros} BETWEEN {_FIRST_YEAR} AND {_LAST_YEAR} THEN {micros} END AS BIGINT))"
    )
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


def _now(sql: str) -> Callable[[Site], str]:
    """A function of the processing time; `{now}` is it in UTC, `{local}` in the session's zone."""

    def value(site: Site) -> str:
        millis = f"make_timestamp(epoch_us({site.now}) // 1000 * 1000)"
        return sql.format(now=millis, local=local_time_of(millis, site.time_zone))

    return value


def _clock(
    name: str, usage: str, summary: str, returns: SqlType, sql: str, aliases: tuple[str, ...] = ()
) -> ScalarFunction:
    return ScalarFunction(name, usage, summary, signature(returns=returns), _now(sql), aliases=aliases)


EXTRACT = ScalarFunction(
    "extract", "EXTRACT(unit FROM time)", "A part of a date or time.", _bind_extract, _extract, operator=True
)
TIMESTAMPDIFF = ScalarFunction(
    "timestampdiff",
    "TIMESTAMPDIFF(unit, from, to)",
    "The whole units from one date or time to another.",
    _bind_difference,
    _difference,
)

FUNCTIONS: tuple[ScalarFunction, ...] = (
    EXTRACT,
    *(
        ScalarFunction(name, f"{name.upper()}(time)", summary, expand=_expand_part(part))
        for name, (part, summary) in _NAMED_PARTS.items()
    ),
    ScalarFunction(
        "timestampadd",
        "TIMESTAMPADD(unit, n, time)",
        "A date or time moved by units.",
        _bind_add,
        _add,
        _add_error,
        aliases=("DATEADD", "DATE_ADD"),
    ),
    TIMESTAMPDIFF,
    ScalarFunction(
        "time_difference",
        "(a - b) unit",
        "The interval between two dates or times.",
        _bind_time_difference,
        _time_difference,
        operator=True,
    ),
    ScalarFunction(
        "datediff",
        "DATEDIFF(unit, from, to), DATEDIFF(to, from)",
        "The whole units, or days, between two dates or times (Velostream).",
        expand=_expand_datediff,
        aliases=("DATE_DIFF",),
    ),
    ScalarFunction(
        "date_trunc",
        "DATE_TRUNC('unit', time)",
        "The start of the unit that holds a date or time (Velostream).",
        expand=_expand_date_trunc,
    ),
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
    _clock(
        "current_timestamp",
        "CURRENT_TIMESTAMP, NOW()",
        "The processing time of the row.",
        timestamp_ltz(3),
        "{now}",
        ("NOW", "CURRENT_ROW_TIMESTAMP"),
    ),
    _clock("localtimestamp", "LOCALTIMESTAMP", "The processing time on the session's clock.", timestamp(3), "{local}"),
    _clock("current_date", "CURRENT_DATE", "The session's date.", DATE, "CAST({local} AS DATE)"),
    _clock(
        "localtime",
        "LOCALTIME, CURRENT_TIME",
        "The session's time of day.",
        time(0),
        "CAST(date_trunc('second', {local}) AS TIME)",
        ("CURRENT_TIME",),
    ),
)
