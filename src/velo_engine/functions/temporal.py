"""Functions of dates and times.

Parts of a TIMESTAMP follow Java's integer arithmetic on milliseconds since 1970, which truncates toward zero: just
before 1970 a part of the day is negative and the date is the next one [recorded].
Source: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/sql/functions/built-in-functions/#temporal-functions
"""

from __future__ import annotations

from collections.abc import Callable

from velo_engine.functions.rounding_in_time import bind_rounding_to_unit
from velo_engine.functions.signature import (
    Binding,
    Operand,
    ScalarFunction,
    SignatureError,
    Site,
    check_count,
    checked,
    signature,
)
from velo_engine.functions.temporal_arithmetic import (
    moved_by_milliseconds,
    moved_by_months,
    out_of_range,
)
from velo_engine.functions.time_zones import local_time_of
from velo_engine.plan.expressions import Call, Expression, Literal
from velo_engine.types import (
    BIGINT,
    DATE,
    INT,
    INTERVAL_DAY_TIME,
    INTERVAL_YEAR_MONTH,
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
        raise SignatureError(f"of a {value.type.as_nullable()} needs one of " + ", ".join(sorted(parts)))
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
        raise SignatureError("needs a unit as argument 1: " + ", ".join(units))
    return word


def _bind_add(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    check_count(args, 3, 3)
    unit = _unit(args, _MILLISECONDS | _MONTHS)
    amount, value = checked(args[1], "integer", 1), checked(args[2], "temporal", 2)
    result = value.type
    if result.name is TypeName.DATE and unit in ("HOUR", "MINUTE", "SECOND", "MILLISECOND"):
        result = timestamp(6)
    if result.name is TypeName.TIME and (unit in _MONTHS or unit in ("DAY", "WEEK")):
        raise SignatureError(f"cannot add a {unit} to a TIME")
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
        raise SignatureError("needs a TIMESTAMP_LTZ on both sides or on none; write CAST(… AS TIMESTAMP(3))")
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
        raise SignatureError(f"cannot subtract a {earlier.type.as_nullable()} from a {later.type.as_nullable()}")
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
        raise SignatureError("needs a constant unit as argument 1")
    word = args[0].value.upper()
    bound, result = bind_rounding_to_unit(EXTRACT, (args[1], Literal(word, char(len(word)))))
    return Call("floor", bound, result, args[0].location)


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
    _clock(
        "current_timestamp",
        "CURRENT_TIMESTAMP, NOW()",
        "The processing time of the row.",
        timestamp_ltz(3),
        "{now}",
        ("NOW", "CURRENT_ROW_TIMESTAMP"),
    ),
    _clock(
        "proctime",
        "PROCTIME()",
        "The processing time of the row, as a time attribute: what windows and lookups may be by.",
        timestamp_ltz(3),
        "{now}",
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
