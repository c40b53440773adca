"""Dates, times and timestamps plus or minus intervals.

Days and shorter are milliseconds, months and years calendar months with the day clamped to the month's length. A DATE
moves by whole days, a TIME within its day, and a result keeps the precision of its date or time. TIMESTAMP_LTZ moves
in UTC.
"""

from __future__ import annotations

from velo_engine.functions.numbers import wrapped
from velo_engine.functions.signature import Binding, Operand, SignatureError, Site
from velo_engine.plan.expressions import Expression
from velo_engine.types import INTEGERS, INTERVALS, TEMPORALS, SqlType, TypeName

MICROSECONDS_OF_DAY = 86_400_000_000


def bind_temporal(operation: str, args: tuple[Expression, ...]) -> Binding:
    """The type of an operation in which an interval takes part."""
    left, right = (arg.type for arg in args)
    result: SqlType | None = None
    if (operation in ("plus", "minus") and left.name in INTERVALS and right.name is left.name) or (
        operation in ("plus", "minus") and left.name in TEMPORALS and right.name in INTERVALS
    ):
        result = left
    elif operation == "plus" and left.name in INTERVALS and right.name in TEMPORALS:
        result = right
    elif operation == "times" and {left.name, right.name} & INTERVALS and {left.name, right.name} & INTEGERS:
        result = left if left.name in INTERVALS else right
    if result is None or (result.name is TypeName.TIME and TypeName.INTERVAL_YEAR_MONTH in (left.name, right.name)):
        hint = "; for a difference use TIMESTAMPDIFF(unit, from, to)" if operation == "minus" else ""
        raise SignatureError(f"is not defined for {left.as_nullable()} and {right.as_nullable()}{hint}")
    return args, result.as_nullable(left.nullable or right.nullable)


def temporal_sum(site: Site, operator: str) -> str:
    """`a + b` or `a - b` where the result is a date, a time or an interval."""
    a, b = site.operands
    if site.type.name in INTERVALS:
        return wrapped(f"(CAST({a.sql} AS HUGEINT) {operator} CAST({b.sql} AS HUGEINT))", site.type)
    if a.type.name in INTERVALS:
        a, b = b, a
    amount = b.sql if operator == "+" else f"(-{b.sql})"
    if b.type.name is TypeName.INTERVAL_YEAR_MONTH:
        return moved_by_months(a.sql, site.type, amount)
    return moved_by_milliseconds(a.sql, site.type, amount)


def moved_by_months(sql: str, t: SqlType, months: str) -> str:
    """A DATE, TIMESTAMP or TIMESTAMP_LTZ moved by a number of months; NULL outside the years 1 to 9999."""
    kernel = "DATE" if t.name is TypeName.DATE else "TIMESTAMP"
    return within_years(f"CAST(TRY({sql} + to_months(CAST({months} AS INTEGER))) AS {kernel})", t)


def moved_by_milliseconds(sql: str, t: SqlType, milliseconds: str) -> str:
    """A date or time moved by milliseconds; NULL outside the years 1 to 9999.

    Digits beyond the declared precision stay, as they do in Flink: `TIMESTAMP(0) + INTERVAL '1.5' SECOND` still knows
    the half.
    """
    if t.name is TypeName.DATE:
        return within_years(f"TRY({sql} + CAST(CAST({milliseconds} AS BIGINT) // 86400000 AS INTEGER))", t)
    moved = f"epoch_us({sql}) + CAST({milliseconds} AS BIGINT) * 1000"
    if t.name is TypeName.TIME:
        wrapped_time = f"((({moved}) % {MICROSECONDS_OF_DAY} + {MICROSECONDS_OF_DAY}) % {MICROSECONDS_OF_DAY})"
        return f"TRY(TIME '00:00:00' + to_microseconds({wrapped_time}))"
    return within_years(f"TRY(make_timestamp({moved}))", t)


def within_years(sql: str, t: SqlType) -> str:
    """A DATE, TIMESTAMP or TIMESTAMP_LTZ, NULL outside the years 1 to 9999, which every format can write."""
    if t.name is TypeName.DATE:
        return f"CASE WHEN {sql} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN {sql} END"
    last = "TIMESTAMP '9999-12-31 23:59:59.999999'"
    return f"CASE WHEN {sql} BETWEEN TIMESTAMP '0001-01-01 00:00:00' AND {last} THEN {sql} END"


def out_of_range(value: str, operands: tuple[Operand, ...]) -> str:
    """The error of a moved date or time that has none though every operand has a value."""
    known = " AND ".join(f"{operand.sql} IS NOT NULL" for operand in operands if not operand.constant)
    if not known:
        known = "TRUE"
    return f"CASE WHEN {known} AND {value} IS NULL THEN 'the result is outside the years 1 to 9999' END"


def truncated_micros(sql: str, precision: int) -> str:
    """Microseconds since the epoch without the digits beyond `precision`, as TimestampData is truncated.

    It holds milliseconds, rounded down, and the rest beside them; the milliseconds lose digits toward zero.
    """
    if precision >= 6:
        return sql
    unit = 10 ** (6 - min(max(precision, 3), 6))
    down = f"({sql} - (({sql} % {unit}) + {unit}) % {unit})"
    if precision >= 3:
        return down
    coarse = 10 ** (6 - precision)
    return f"({down} // {coarse} * {coarse})"
