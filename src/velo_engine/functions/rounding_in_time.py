"""FLOOR and CEIL of a date or time to a unit.

Weeks begin on Sunday. Up to the day Flink floors; for months and longer it first divides by the day, toward zero, so
just before 1970 it names the next day [recorded].
"""

from __future__ import annotations

from velo_engine.functions.signature import Binding, ScalarFunction, SignatureError, Site, check_count
from velo_engine.functions.temporal_arithmetic import truncated_micros, within_years
from velo_engine.functions.time_zones import instant_of, local_time_of
from velo_engine.plan.expressions import Expression, Literal
from velo_engine.types import TEMPORALS, TypeName

_MICROS = {
    "DAY": 86_400_000_000,
    "HOUR": 3_600_000_000,
    "MINUTE": 60_000_000,
    "SECOND": 1_000_000,
    "MILLISECOND": 1_000,
}
_CALENDAR = {"YEAR": "1 YEAR", "QUARTER": "3 MONTH", "MONTH": "1 MONTH", "WEEK": "7 DAY"}


def bind_rounding_to_unit(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
    """A date or time and the unit, a constant."""
    check_count(args, 2, 2)
    value, unit = args
    if value.type.name not in TEMPORALS:
        raise SignatureError(f"needs a date or time, not {value.type.as_nullable()}")
    word = unit.value if isinstance(unit, Literal) else None
    allowed = set(_MICROS) | set(_CALENDAR)
    if value.type.name is TypeName.DATE:
        allowed = set(_CALENDAR) | {"DAY"}
    elif value.type.name is TypeName.TIME:
        allowed = set(_MICROS) - {"DAY"}
    if word not in allowed:
        raise SignatureError(f"of a {value.type.as_nullable()} needs a unit of " + ", ".join(sorted(allowed)))
    return args, value.type


def rounded_to_unit(site: Site, direction: str) -> str:
    """`floor` or `ceil` of a date or time; NULL where that would be outside the years 1 to 9999."""
    rounded = _rounded(site, direction)
    leaves = site.type.name is not TypeName.TIME and (direction == "ceil" or site.operands[1].literal == "WEEK")
    return within_years(rounded, site.type) if leaves else rounded


def _rounded(site: Site, direction: str) -> str:
    a, unit = site.operands[0], str(site.operands[1].literal)
    if a.type.name is TypeName.TIME:
        return _fixed(a.sql, _MICROS[unit], direction, "TIME '00:00:00' + to_microseconds({})")
    if a.type.name is TypeName.DATE:
        return a.sql if unit == "DAY" else f"CAST({_calendar(a.sql, unit, direction)} AS DATE)"
    local = local_time_of(a.sql, site.time_zone) if a.type.name is TypeName.TIMESTAMP_LTZ else a.sql
    if unit in _MICROS:
        # Flink rounds the milliseconds and forgets what is finer.
        whole = f"make_timestamp({truncated_micros(f'epoch_us({local})', 3)})" if a.type.precision > 3 else local
        rounded = _fixed(whole, _MICROS[unit], direction, "make_timestamp({})")
    else:
        # Java divides by the day toward zero.
        day = f"CAST(make_timestamp({truncated_micros(f'epoch_us({local})', 3)} // 86400000000 * 86400000000) AS DATE)"
        rounded = f"CAST({_calendar(day, unit, direction)} AS TIMESTAMP)"
    return instant_of(rounded, site.time_zone) if a.type.name is TypeName.TIMESTAMP_LTZ else rounded


def _fixed(sql: str, unit: int, direction: str, build: str) -> str:
    """Rounded to a multiple of microseconds; the remainder takes the divisor's sign."""
    micros = f"epoch_us({sql})"
    down = f"(({micros} % {unit} + {unit}) % {unit})"
    if direction == "floor":
        return build.format(f"{micros} - {down}")
    return build.format(f"{micros} + ({unit} - {down}) % {unit}")


def _calendar(day: str, unit: str, direction: str) -> str:
    """The start of the period of a DATE, or of the next one unless the date is a start."""
    if unit == "WEEK":
        start = f"({day} - CAST(dayofweek({day}) AS INTEGER))"
    else:
        start = f"CAST(date_trunc('{unit.lower()}', {day}) AS DATE)"
    if direction == "floor":
        return start
    return f"CASE WHEN {start} = {day} THEN {day} ELSE CAST({start} + INTERVAL {_CALENDAR[unit]} AS DATE) END"
