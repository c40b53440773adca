"""What two sides are compared in: the plan, from the columns that they state or that their values show."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    FLOATS,
    INTEGERS,
    MAX_PRECISION,
    NUMERICS,
    STRING,
    STRINGS,
    TIMESTAMPS,
    SqlType,
    TypeName,
    decimal,
    timestamp,
)
from velo_shadow.equality import check_equality, default_equality
from velo_shadow.model import DEFAULT_GRACE_MS, ColumnEquality, ComparisonPlan, PlanColumn, Rule, Side

ROOM = 18
"""Digits before and after the point that a column of decimals has room for, where only its first values are known."""
_MICROSECONDS = 6
"""Digits of a second that are kept."""
_WHOLE = r"^-?(0|[1-9][0-9]{0,17})$"
_DECIMAL = r"^[+-]?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_FLOAT = r"^([+-]?([0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|Infinity)|NaN)$"
_SHOWN_DECIMAL = _DECIMAL.replace("[+-]", "-")
_SHOWN_FLOAT = r"^(-?((0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?|Infinity)|NaN)$"
"""What is taken for a number that nobody says to be one: `007` and `+49301234` are numbers to be known by, not to be
counted with."""
_BEYOND_FLOATS = r"[eE][+-]?[0-9]{3,}$|[0-9]{300}"
"""What a number of 64 bits may not hold."""
_LONG_WHOLE = r"^-?[0-9]{16,}$"
"""Whole numbers that floating point may not tell from their neighbours."""
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+]00:00)?$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_WRITTEN: dict[frozenset[TypeName], str] = {
    INTEGERS | {TypeName.DECIMAL}: _DECIMAL,
    FLOATS: _FLOAT,
    TIMESTAMPS: _TIME,
    frozenset({TypeName.DATE}): _DATE,
}
"""How text must be written to be compared with values of a type."""
_OF_FLOATS = (Rule.ABS, Rule.REL, Rule.ULP)
_SHOWN_VALUE = 60


class PlannedSide(Protocol):
    """What a plan is made from: a file, or a topic of which some records were read."""

    @property
    def label(self) -> str:
        """What messages call it, such as `flink.jsonl`, `kafka://totals`."""

    @property
    def types(self) -> Mapping[str, SqlType | None]:
        """Its columns. None: nobody states the type, `table` has the values as they are written."""

    @property
    def table(self) -> pa.Table | None:
        """Rows as text; None when all types are stated."""

    @property
    def are_texts(self) -> Mapping[str, bool]:
        """Of JSON: whether a column's values stand in quotes; columns without values are left out."""

    @property
    def is_sample(self) -> bool:
        """Whether `table` are not all rows, but the first ones."""


def plan_for(
    left: PlannedSide,
    right: PlannedSide,
    *,
    key: Sequence[str] = (),
    equality: Mapping[str, ColumnEquality] | None = None,
    ignored: Iterable[str] = (),
    time_column: str | None = None,
    grace_ms: int = DEFAULT_GRACE_MS,
) -> ComparisonPlan:
    """What to compare: every column that is not ignored. Errors: UNKNOWN_COLUMN, SCHEMA_MISMATCH, BAD_VALUE."""
    rules, left_out = dict(equality or {}), tuple(ignored)
    sides = {Side.LEFT: left, Side.RIGHT: right}
    names = tuple(dict.fromkeys((*left.types, *right.types)))
    for name in (*rules, *left_out, *((time_column,) if time_column else ())):
        if name not in names:
            hint = did_you_mean(name, names, noun="column")
            raise VeloError(ErrorCode.UNKNOWN_COLUMN, f'neither side has a column "{name}"', hint=hint)
    for name in key:
        if name in rules or name in left_out:
            raise VeloError(ErrorCode.BAD_VALUE, f'"{name}" is of the key, which is compared exactly')
        if list(key).count(name) > 1:
            raise VeloError(ErrorCode.BAD_VALUE, f'"{name}" stands twice in the key')
    _need_columns(sides)
    _need_key(key, sides)
    compared = [name for name in names if name not in left_out]
    _need_both(compared, rules, sides)
    columns = {
        name: plan_column(name, sides, ColumnEquality() if name in key else rules.get(name)) for name in compared
    }
    if not key and not columns:
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, "every column is ignored: there is nothing to compare")
    if time_column is not None:
        _need_time(columns.get(time_column) or plan_column(time_column, sides, ColumnEquality()), sides)
    return ComparisonPlan(
        columns=tuple(column for name, column in columns.items() if name not in key),
        key=tuple(columns[name] for name in key),
        time_column=time_column or _only_time(columns.values()),
        ignored=left_out,
        grace_ms=grace_ms,
    )


def _only_time(columns: Iterable[PlanColumn]) -> str | None:
    """The column of event time when nobody names it: the one timestamp that there is."""
    times = [column.name for column in columns if column.type.name in TIMESTAMPS]
    return times[0] if len(times) == 1 else None


def _need_time(column: PlanColumn, sides: Mapping[Side, PlannedSide]) -> None:
    """Event time is a time, a date, or milliseconds since the epoch. A column without any value may become one."""
    if column.type.name in TIMESTAMPS | INTEGERS | {TypeName.DATE}:
        return
    name = column.name
    given = [side for side in sides.values() if name in side.types]
    tables = [side.table.column(name) for side in given if side.table is not None]
    if any(side.types[name] is not None for side in given) or any(len(one.drop_null()) for one in tables):
        message = f'"{name}" is to be the event time and is {column.type}, no time'
        hint = "write times in UTC, such as 2026-01-01 10:00:00, or name another column"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=hint)


def _need_columns(sides: Mapping[Side, PlannedSide]) -> None:
    for side, file in sides.items():
        if not file.types:
            message = f"the {side} side, {file.label}, is empty: it has neither rows nor names of columns"
            raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint="was anything written into it?")


def _need_key(key: Sequence[str], sides: Mapping[Side, PlannedSide]) -> None:
    for side, file in sides.items():
        for name in key:
            if name not in file.types:
                common = sorted(sides[Side.LEFT].types.keys() & sides[Side.RIGHT].types.keys())
                message = f'the {side} side, {file.label}, has no column "{name}", which is to be the key'
                hint = f"both sides have: {', '.join(common)}" if common else "the sides have no column in common"
                raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint=hint)


def _need_both(names: Sequence[str], rules: Mapping[str, ColumnEquality], sides: Mapping[Side, PlannedSide]) -> None:
    """A column that one side lacks is no column of NULLs, unless the equality says so."""
    for side, file in sides.items():
        lacking = [n for n in names if n not in file.types and not (n in rules and rules[n].null_equals_missing)]
        if lacking:
            shown = ", ".join(f'"{name}"' for name in lacking)
            message = f"the {side} side, {file.label}, lacks {shown}, which the other side has"
            hint = "ignore such a column (--ignore), or let missing equal NULL (--equal COLUMN=missing)"
            raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint=hint)


def plan_column(name: str, sides: Mapping[Side, PlannedSide], equality: ColumnEquality | None) -> PlanColumn:
    """The column with the type that both sides are brought to. Errors: SCHEMA_MISMATCH, BAD_VALUE."""
    known = {side: file.types[name] for side, file in sides.items() if name in file.types}
    stated = [kind for kind in known.values() if kind is not None]
    untyped = [sides[side] for side, kind in known.items() if kind is None]
    if not stated:
        kind = _shown_type([side.table.column(name) for side in untyped if side.table is not None])
        if kind == DOUBLE and _are_texts(name, untyped) and (equality is None or equality.rule not in _OF_FLOATS):
            kind = STRING  # "12e5" in quotes: nothing says that a tolerance may hold it for another text
    elif untyped:
        kind = _type_with_text(name, stated[0], untyped[0])
    elif len(stated) == 1:
        kind = stated[0]
    elif equality is not None and equality.text_equals_value and sum(one.name in STRINGS for one in stated) == 1:
        kind = _written_type(name, stated)
    else:
        kind = _common_type(name, stated[0], stated[1])
    if any(side.is_sample for side in untyped):
        kind = with_room(kind) if stated or equality is None else _by_rule(with_room(kind), equality.rule)
    rule = equality if equality is not None else default_equality(kind)
    of_sides = ColumnEquality(null_equals_missing=rule.null_equals_missing, text_equals_value=rule.text_equals_value)
    if rule == of_sides != ColumnEquality():  # says nothing of when two values are equal
        rule = replace(
            default_equality(kind),
            null_equals_missing=rule.null_equals_missing,
            text_equals_value=rule.text_equals_value,
        )
    if not rule.text_equals_value:
        _refuse_other_kind(name, kind, sides)
    check_equality(name, kind, rule)
    return PlanColumn(name, kind, rule)


def _are_texts(name: str, sides: Sequence[PlannedSide]) -> bool:
    """Whether all values of a column stand in quotes."""
    return all(name in side.are_texts and side.are_texts[name] for side in sides)


def _refuse_other_kind(name: str, kind: SqlType, sides: Mapping[Side, PlannedSide]) -> None:
    """Numbers on one side and texts of the same digits on the other are not the same to who reads the streams."""
    if kind.name not in NUMERICS | STRINGS | {TypeName.BOOLEAN}:
        return
    texts: dict[Side, bool] = {}
    for side, file in sides.items():
        stated = file.types.get(name)
        if name in file.are_texts:
            texts[side] = file.are_texts[name]
        elif stated is not None:
            texts[side] = stated.name in STRINGS
    if len(set(texts.values())) > 1:
        left, right = ("text" if texts[side] else "no text" for side in Side)
        message = f'the type of column "{name}" has changed: it is {left} on the left and {right} on the right'
        hint = f"convert one side; if it may be so, --equal {name}=text"
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint=hint)


def _type_with_text(name: str, kind: SqlType, file: PlannedSide) -> SqlType:
    """The type for values of type `kind` beside values written as text, which a cast must not round or misread."""
    assert file.table is not None
    values = file.table.column(name).drop_null()
    pattern = next((pattern for names, pattern in _WRITTEN.items() if kind.name in names), None)
    if pattern is None or not len(values):
        return kind
    fitting = pc.match_substring_regex(values, pattern)
    if not pc.all(fitting).as_py():
        value = values.filter(pc.invert(fitting))[0].as_py()
        message = f'column "{name}" of {file.label} holds "{value[:_SHOWN_VALUE]}", the other side {kind}'
        hint = "times are compared in UTC: write them so" if kind.name in TIMESTAMPS else None
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint=hint)
    return _common_type(name, kind, _shown_type([values])) if pattern == _DECIMAL else kind


def _written_type(name: str, kinds: Sequence[SqlType]) -> SqlType:
    """STRING, where a text is to equal the value that it writes: a text that became a number might be rounded."""
    (value,) = (kind for kind in kinds if kind.name not in STRINGS)
    if value.name in INTEGERS | {TypeName.DECIMAL, TypeName.BOOLEAN}:
        return STRING
    message = f'column "{name}" is {value} on one side and text on the other: it has no one way to be written'
    raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint="convert one side")


def _common_type(name: str, left: SqlType, right: SqlType) -> SqlType:
    """The type that holds the values of both. Errors: SCHEMA_MISMATCH; a decimal does not fit a float."""
    left, right = left.as_nullable(), right.as_nullable()
    if left == right:
        return left
    names = {left.name, right.name}
    if names <= STRINGS:
        return left if left.length >= right.length else right
    if names <= FLOATS:
        return left if left.name is TypeName.DOUBLE else right
    if names <= INTEGERS:
        return max(left, right, key=lambda kind: _digits(kind)[0])
    if names <= INTEGERS | {TypeName.DECIMAL}:
        (whole, scale), (other, other_scale) = _digits(left), _digits(right)
        return decimal(min(MAX_PRECISION, max(whole, other) + max(scale, other_scale)), max(scale, other_scale))
    if names <= TIMESTAMPS:
        return max(left, right, key=lambda kind: kind.precision)
    raise VeloError(
        ErrorCode.SCHEMA_MISMATCH,
        f'column "{name}" is {left} on the left and {right} on the right: their values cannot be equal',
        hint="convert one side, or ignore the column (--ignore)",
    )


def with_room(kind: SqlType) -> SqlType:
    """The type for values of which only some are known: later ones may have more digits."""
    if kind.name in TIMESTAMPS and kind.precision < _MICROSECONDS:
        return replace(kind, precision=_MICROSECONDS)
    if kind.name is not TypeName.DECIMAL:
        return kind
    whole, scale = max(ROOM, kind.precision - kind.scale), max(ROOM, kind.scale)
    return decimal(whole + scale, scale) if whole + scale <= MAX_PRECISION else decimal(MAX_PRECISION, kind.scale)


def _by_rule(kind: SqlType, rule: Rule) -> SqlType:
    """The type that a rule speaks of, where only the first values are known: later ones need not be whole numbers."""
    if kind.name in INTEGERS | {TypeName.DECIMAL} and rule in (Rule.REL, Rule.ULP):
        return DOUBLE
    if kind.name in INTEGERS and rule in (Rule.ABS, Rule.SCALE):
        return decimal(2 * ROOM, ROOM)
    return kind


def _digits(kind: SqlType) -> tuple[int, int]:
    """Digits before and after the point."""
    if kind.name is TypeName.DECIMAL:
        return kind.precision - kind.scale, kind.scale
    return {TypeName.TINYINT: 3, TypeName.SMALLINT: 5, TypeName.INT: 10}.get(kind.name, 19), 0


def _shown_type(columns: Sequence[Any]) -> SqlType:
    """The narrowest type that every value of both sides shows: BIGINT, DECIMAL, DOUBLE, TIMESTAMP, else STRING."""
    values = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string()).drop_null()
    if not len(values):
        return STRING
    if _all_match(values, _WHOLE):
        return BIGINT
    if _all_match(values, _SHOWN_DECIMAL):
        digits = [text.lstrip("-").partition(".") for text in pc.unique(values).to_pylist()]
        whole, scale = max(len(part[0]) for part in digits), max(len(part[2]) for part in digits)
        return decimal(whole + scale, scale) if whole + scale <= MAX_PRECISION else STRING
    if _all_match(values, _SHOWN_FLOAT):
        return DOUBLE if _fit_floats(values) else STRING
    if _all_match(values, _TIME):
        return timestamp(6)
    if _all_match(values, "^(true|false)$"):
        return BOOLEAN
    return STRING


def _fit_floats(values: Any) -> bool:
    """Whether no number is too large, or too near to zero, for 64 bits: such ones would all be the same."""
    extreme = pc.unique(values.filter(pc.match_substring_regex(values, _BEYOND_FLOATS)))
    if not all(math.isfinite(float(text)) and bool(float(text)) == bool(Decimal(text)) for text in extreme.to_pylist()):
        return False
    whole = pc.unique(values.filter(pc.match_substring_regex(values, _LONG_WHOLE)))
    return all(int(float(text)) == int(text) for text in whole.to_pylist())


def _all_match(values: Any, pattern: str) -> bool:
    first = values[0].as_py()
    return re.search(pattern, first) is not None and bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())
