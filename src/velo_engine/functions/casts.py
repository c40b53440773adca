"""CAST and TRY_CAST: the value in the target type, and why there is none.

Source: the cast rules of flink-table-planner (functions/casting), held by recorded answers: between numbers a cast
never fails (integers wrap, floats saturate, decimals that overflow are NULL); from a string it fails on what does not
parse.
"""

from __future__ import annotations

from velo_engine.functions.nested_casts import cast_nested
from velo_engine.functions.numbers import as_double, as_float, to_integer
from velo_engine.functions.signature import NESTED, Operand, text_of
from velo_engine.functions.temporal_arithmetic import truncated_micros
from velo_engine.functions.time_zones import instant_of, local_time_of
from velo_engine.types import (
    BINARIES,
    BOOLEAN,
    FLOATS,
    INTEGERS,
    MAX_LENGTH,
    STRINGS,
    SqlType,
    TypeName,
    kernel_type,
)

Compiled = tuple[str, str | None]
"""Kernel SQL of the value, and of the error where one is possible."""


def compile_cast(operand: Operand, target: SqlType, time_zone: str, depth: int = 0) -> Compiled:
    """CAST(operand AS target), for a cast that `type_rules.can_cast` allows.

    `depth`: how deep within another value the operand lies.
    """
    source = operand.type
    if target.name in NESTED and source.name is target.name:
        if kernel_type(source) == kernel_type(target):
            return operand.sql, None

        def part(inner: Operand, kind: SqlType, below: int) -> Compiled:
            return compile_cast(inner, kind, time_zone, below)

        return cast_nested(operand, target, part, depth)
    if source.name is TypeName.NULL:
        return f"CAST(NULL AS {kernel_type(target)})", None
    if target.name in STRINGS:
        return fitted_text(text_from(operand, time_zone), source, target), None
    if source.name in STRINGS:
        return _from_text(operand.sql, target, time_zone)
    if target.name in BINARIES:
        return _fitted_bytes(operand.sql, source, target), None
    if target.name in INTEGERS:
        return _integer(operand, target), None
    if target.name in FLOATS:
        if source.name is TypeName.BOOLEAN:
            return f"CAST({operand.sql} AS {kernel_type(target)})", None
        convert = as_float if target.name is TypeName.FLOAT else as_double
        return convert(operand.sql, source), None
    if target.name is TypeName.DECIMAL:
        return _decimal(operand, target)
    if target.name is TypeName.BOOLEAN:
        return (operand.sql if source.name is TypeName.BOOLEAN else f"({operand.sql} <> 0)"), None
    if target.name in (TypeName.DATE, TypeName.TIME, TypeName.TIMESTAMP, TypeName.TIMESTAMP_LTZ):
        return _temporal(operand, target, time_zone), None
    return f"CAST({operand.sql} AS {kernel_type(target)})", None


def _integer(operand: Operand, target: SqlType) -> str:
    if operand.type.name is TypeName.BOOLEAN:
        return f"CAST({operand.sql} AS {kernel_type(target)})"
    return to_integer(operand.sql, operand.type, target)


def _decimal(operand: Operand, target: SqlType) -> Compiled:
    """NULL on overflow; a float by its shortest decimal spelling, HALF_UP, as BigDecimal.valueOf does."""
    kernel = kernel_type(target)
    if operand.type.name not in FLOATS:
        source = "TINYINT" if operand.type.name is TypeName.BOOLEAN else None
        value = f"CAST({operand.sql} AS {source})" if source else operand.sql
        return f"TRY_CAST({value} AS {kernel})", None
    finite = f"CASE WHEN isfinite({operand.sql}) THEN CAST({as_double(operand.sql, operand.type)} AS VARCHAR) END"
    error = (
        f"CASE WHEN NOT isfinite({operand.sql}) THEN CAST({operand.sql} AS VARCHAR) || ' is not a decimal number' END"
    )
    return f"TRY_CAST({finite} AS {kernel})", error


def _temporal(operand: Operand, target: SqlType, time_zone: str) -> str:
    """Between dates, times and timestamps.

    Digits of a TIMESTAMP are cut toward the epoch, as Java's division truncates; the date and the time of a
    TIMESTAMP_LTZ come from java.time, which rounds down.
    """
    source, sql = operand.type.name, operand.sql
    if source is TypeName.TIMESTAMP_LTZ and target.name is not TypeName.TIMESTAMP_LTZ:
        sql, source = local_time_of(sql, time_zone), TypeName.TIMESTAMP
        if target.name is TypeName.DATE:
            return f"CAST({sql} AS DATE)"
        if target.name is TypeName.TIME:
            return _time(f"CAST({sql} AS TIME)", target)
    if source is TypeName.TIME and target.name is not TypeName.TIME:
        sql, source = f"make_timestamp(epoch_us({sql}))", TypeName.TIMESTAMP
    if source is TypeName.DATE:
        sql = f"CAST({sql} AS TIMESTAMP)" if target.name is not TypeName.DATE else sql
    elif target.name is TypeName.DATE:
        millis = truncated_micros(f"epoch_us({sql})", 3)
        return f"CAST(make_timestamp({millis} // 86400000000 * 86400000000) AS DATE)"
    elif target.name is TypeName.TIME:
        sql = f"make_timestamp({truncated_micros(f'epoch_us({sql})', min(target.precision, 3))})"
        return f"CAST({sql} AS TIME)" if source is not TypeName.TIME else _time(operand.sql, target)
    elif target.precision < operand.type.precision:
        sql = f"make_timestamp({truncated_micros(f'epoch_us({sql})', target.precision)})"
    if target.name is TypeName.TIMESTAMP_LTZ and source is not TypeName.TIMESTAMP_LTZ:
        sql = instant_of(sql, time_zone)
    return sql


def _time(sql: str, target: SqlType) -> str:
    return f"(TIME '00:00:00' + to_microseconds({truncated_micros(f'epoch_us({sql})', min(target.precision, 3))}))"


def text_from(operand: Operand, time_zone: str) -> str:
    """A value as Flink prints it."""
    t, sql = operand.type, operand.sql
    if t.name in STRINGS:
        return sql
    if t.name is TypeName.BOOLEAN:
        return f"upper(CAST({sql} AS VARCHAR))"
    if t.name in FLOATS:
        return float_text(sql, t)
    if t.name in BINARIES:
        return f"velo_decode({sql})"
    if t.name is TypeName.TIME:
        return time_text(sql, t.precision)
    if t.name is TypeName.TIMESTAMP:
        return timestamp_text(sql, t.precision)
    if t.name is TypeName.TIMESTAMP_LTZ:
        return timestamp_text(local_time_of(sql, time_zone), t.precision)
    if t.name in (TypeName.ARRAY, TypeName.MULTISET, TypeName.MAP, TypeName.ROW):
        return _nested_text(sql, t, time_zone)
    if t.name is TypeName.INTERVAL_DAY_TIME:
        return f"velo_interval_text({sql}, FALSE)"
    if t.name is TypeName.INTERVAL_YEAR_MONTH:
        return f"velo_interval_text({sql}, TRUE)"
    return f"CAST({sql} AS VARCHAR)"


def _nested_text(sql: str, t: SqlType, time_zone: str) -> str:
    """`[a, b]`, `{k=v, …}`, `(a, b)`; NULL inside is `NULL`."""

    def part(access: str, inner: SqlType) -> str:
        return f"coalesce({text_from(Operand(access, inner), time_zone)}, 'NULL')"

    name = f"x{sql.count('lambda')}_{len(sql)}"
    if t.name is TypeName.ROW:
        fields = [part(f"struct_extract({sql}, {text_of(field)})", inner) for field, inner in t.fields]
        joined = " || ', ' || ".join(fields) or "''"
        return f"CASE WHEN {sql} IS NOT NULL THEN '(' || {joined} || ')' END"
    assert t.element is not None
    if t.name is TypeName.ARRAY:
        return f"('[' || array_to_string(list_transform({sql}, lambda {name}: {part(name, t.element)}), ', ') || ']')"
    key = t.key if t.key is not None else t.element
    value = t.element if t.key is not None else SqlType(TypeName.INT)
    entry = f"{part(f'{name}.key', key)} || '=' || {part(f'{name}.value', value)}"
    entries = f"list_transform(map_entries({sql}), lambda {name}: {entry})"
    return f"('{{' || array_to_string({entries}, ', ') || '}}')"


def float_text(sql: str, t: SqlType) -> str:
    """A float as Java prints it: the shortest digits, with an exponent below 10^-3 and from 10^7 on."""
    return f"velo_{'float' if t.name is TypeName.FLOAT else 'double'}_text({sql})"


def timestamp_text(sql: str, precision: int) -> str:
    """A TIMESTAMP with `precision` digits of the second."""
    if precision == 0:
        return f"strftime({sql}, '%Y-%m-%d %H:%M:%S')"
    digits = (
        f"rpad(strftime({sql}, '%f'), {precision}, '0')"
        if precision > 6
        else f"left(strftime({sql}, '%f'), {precision})"
    )
    return f"(strftime({sql}, '%Y-%m-%d %H:%M:%S.') || {digits})"


def time_text(sql: str, precision: int) -> str:
    """A TIME; of its digits of the second at most `precision`, without trailing zeros but one."""
    stamp = f"make_timestamp(epoch_us({sql}))"
    if precision == 0:
        return f"strftime({stamp}, '%H:%M:%S')"
    digits = f"rtrim(left(strftime({stamp}, '%f'), {precision}), '0')"
    return f"(strftime({stamp}, '%H:%M:%S.') || CASE WHEN {digits} = '' THEN '0' ELSE {digits} END)"


def fitted_text(text: str, source: SqlType, target: SqlType) -> str:
    """Text cut to the length of `target`, and for a CHAR filled up with spaces."""
    if source.name in STRINGS and source.length <= target.length and target.name is TypeName.VARCHAR:
        return text
    if target.name is TypeName.CHAR:
        if source.name is TypeName.CHAR and source.length == target.length:
            return text
        return f"rpad({text}, {target.length}, ' ')"
    return text if target.length == MAX_LENGTH else f"left({text}, {target.length})"


def _fitted_bytes(sql: str, source: SqlType, target: SqlType) -> str:
    if target.length == MAX_LENGTH or (source.length <= target.length and target.name is TypeName.VARBINARY):
        return sql
    return f"velo_fit_bytes({sql}, {target.length}, {'TRUE' if target.name is TypeName.BINARY else 'FALSE'})"


_PARSERS = {
    TypeName.FLOAT: ("velo_parse_double({})", 'For input string: "', '"'),
    TypeName.DOUBLE: ("velo_parse_double({})", 'For input string: "', '"'),
    TypeName.BOOLEAN: ("velo_parse_boolean({})", "Cannot parse '", "' as BOOLEAN."),
    TypeName.DATE: ("velo_parse_date({})", "For input string: '", "'."),
    TypeName.TIME: ("velo_parse_time({})", "Invalid time format: '", "'"),
    TypeName.TIMESTAMP: ("make_timestamp(velo_parse_timestamp({}))", "Text '", "' could not be parsed"),
    TypeName.TIMESTAMP_LTZ: ("make_timestamp(velo_parse_timestamp({}))", "Text '", "' could not be parsed"),
}


def _from_text(sql: str, target: SqlType, time_zone: str) -> Compiled:
    """A string read as a value of `target`; NULL and an error where it does not parse."""
    kernel = kernel_type(target)
    if target.name in BINARIES:
        return _fitted_bytes(f"encode({sql})", SqlType(TypeName.VARBINARY, length=MAX_LENGTH), target), None
    if target.name in INTEGERS:
        value = f"TRY_CAST(velo_parse_integer({sql}) AS {kernel})"
        before, after = "For input string: '", "'. It is not an integer, or outside the range of " + str(target.name)
    elif target.name is TypeName.DECIMAL:
        value = f"TRY_CAST(velo_parse_decimal({sql}, {text_of(f'{target.precision},{target.scale}')}) AS {kernel})"
        before, after = "For input string: '", f"'. It is not a {target.as_nullable()}"
    else:
        template, before, after = _PARSERS[target.name]
        parsed = Operand(template.format(sql), _PARSED[target.name])
        value = parsed.sql if target == parsed.type else compile_cast(parsed, target, time_zone)[0]
    failed = f"CASE WHEN {sql} IS NOT NULL AND {value} IS NULL THEN {text_of(before)} || {sql} || {text_of(after)} END"
    return value, failed


_PARSED = {
    TypeName.FLOAT: SqlType(TypeName.DOUBLE),
    TypeName.DOUBLE: SqlType(TypeName.DOUBLE),
    TypeName.BOOLEAN: BOOLEAN,
    TypeName.DATE: SqlType(TypeName.DATE),
    TypeName.TIME: SqlType(TypeName.TIME, precision=6),
    TypeName.TIMESTAMP: SqlType(TypeName.TIMESTAMP, precision=6),
    TypeName.TIMESTAMP_LTZ: SqlType(TypeName.TIMESTAMP, precision=6),
}
