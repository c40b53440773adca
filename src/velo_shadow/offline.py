"""Two files compared as two streams that have ended: csv, json, json lines, parquet, avro."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.connectors.infer import sql_type
from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.kernel import Kernel
from velo_engine.types import (
    FLOATS,
    INTEGERS,
    NUMERICS,
    STRINGS,
    TIMESTAMPS,
    SqlType,
    TypeName,
    decimal,
    timestamp,
)
from velo_harness.data_files import is_json, json_messages, text_columns
from velo_harness.spec import DataFile, DataFormat
from velo_shadow.alignment import Relation, side_rows
from velo_shadow.compared import Compared
from velo_shadow.diff import diff
from velo_shadow.equality import check_equality, default_equality
from velo_shadow.model import ColumnEquality, ComparisonPlan, PlanColumn, Side
from velo_shadow.segments import segments

MEMORY_LIMIT = "192MB"
"""Of the kernel; what it needs beyond goes to disk."""

_FORMATS = {
    ".csv": DataFormat.CSV,
    ".json": DataFormat.JSON,
    ".jsonl": DataFormat.JSON_LINES,
    ".ndjson": DataFormat.JSON_LINES,
    ".parquet": DataFormat.PARQUET,
    ".avro": DataFormat.AVRO,
}
_WHOLE = r"^[+-]?(0|[1-9][0-9]{0,17})$"
_DECIMAL = r"^[+-]?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_FLOAT = r"^([+-]?([0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|Infinity)|NaN)$"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+]00:00)?$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_WRITTEN: dict[frozenset[TypeName], str] = {
    INTEGERS | {TypeName.DECIMAL}: _DECIMAL,
    FLOATS: _FLOAT,
    TIMESTAMPS: _TIME,
    frozenset({TypeName.DATE}): _DATE,
}
"""How text must be written to be compared with values of a type."""
_SHOWN_VALUE = 60


@dataclass(frozen=True, slots=True)
class SideFile:
    """A file of rows: what SQL reads it as, and the types of its columns."""

    path: Path
    relation: Relation
    types: Mapping[str, SqlType | None]
    """None: the file does not say, its values are text as written."""
    table: pa.Table | None = None
    """Its rows, unless SQL reads the file itself."""
    are_texts: Mapping[str, bool] = field(default_factory=dict)
    """Of JSON: whether a column's values stand in quotes; columns without values are left out."""


def read_side(path: Path, side: Side) -> SideFile:
    """A file as one side. Errors: FILE_NOT_FOUND, FILE_UNREADABLE, BAD_VALUE for an ending that says no format."""
    form = _FORMATS.get(Path(path.name.removesuffix(".gz")).suffix.lower())
    if form is None:
        message = f'the ending of "{path}" says no format'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=f"known: {', '.join(_FORMATS)}; all but parquet also .gz")
    if not path.is_file():
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'the {side} side: there is no file "{path}"')
    name = f"velo_{side}"
    if form is DataFormat.PARQUET and path.suffix.lower() == ".parquet":
        return _parquet_side(path)
    file = DataFile(path.absolute(), form, Location(str(path), 1))
    table = text_columns(file)
    are_texts = _in_quotes(json_messages(file)) if is_json(file) else {}
    names = tuple(table.column_names)
    return SideFile(path, Relation(name, names), dict.fromkeys(names), table, are_texts)


def _in_quotes(messages: Iterable[bytes]) -> dict[str, bool]:
    import msgspec

    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    found: dict[str, bool] = {}
    for message in messages:
        for name, raw in decoder.decode(message).items():
            text = bytes(raw)
            if text != b"null":
                found[name] = found.get(name, False) or text.startswith(b'"')
    return found


def _parquet_side(path: Path) -> SideFile:
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise VeloError(ErrorCode.FILE_UNREADABLE, f'"{path}" is no Parquet file: {reason}') from None
    text = str(path.absolute()).replace("'", "''")
    zoned = frozenset(f.name for f in schema if pa.types.is_timestamp(f.type) and f.type.tz is not None)
    relation = Relation(f"READ_PARQUET('{text}')", tuple(schema.names), zoned)
    return SideFile(path, relation, {field.name: sql_type(field.type) for field in schema})


def plan_for(
    left: SideFile,
    right: SideFile,
    *,
    key: Sequence[str] = (),
    equality: Mapping[str, ColumnEquality] | None = None,
    ignored: Iterable[str] = (),
    time_column: str | None = None,
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
    _need_key(key, sides)
    compared = [name for name in names if name not in left_out]
    _need_both(compared, rules, sides)
    columns = {
        name: _plan_column(name, sides, ColumnEquality() if name in key else rules.get(name)) for name in compared
    }
    if not key and not columns:
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, "every column is ignored: there is nothing to compare")
    return ComparisonPlan(
        columns=tuple(column for name, column in columns.items() if name not in key),
        key=tuple(columns[name] for name in key),
        time_column=time_column or _only_time(columns.values()),
        ignored=left_out,
    )


def compare_files(
    left: SideFile, right: SideFile, plan: ComparisonPlan, *, memory_limit: str = MEMORY_LIMIT
) -> Compared:
    """Compare two files within the kernel's `memory_limit`.

    Errors: EXPRESSION_FAILED when a value does not fit the type that both sides are brought to.
    """
    files = [str(side.path.absolute()) for side in (left, right) if side.table is None]
    tables = {side.relation.source: side.table for side in (left, right) if side.table is not None}
    sides = {Side.LEFT: left, Side.RIGHT: right}
    with Kernel(memory_limit=memory_limit, files=files) as kernel:
        found = diff(kernel, plan, left.relation, right.relation, tables=tables)
        spans = {side: _span(kernel, sides, side, plan.time_column) for side in Side}
        held = segments(kernel, plan, (left.relation, right.relation), found.differences, tables)
    return Compared(plan, found, held, spans)


def _span(kernel: Kernel, sides: Mapping[Side, SideFile], side: Side, name: str | None) -> tuple[Any, Any] | None:
    """First and last value of the time column, which may be one that is ignored otherwise."""
    file = sides[side]
    if name is None or name not in file.types:
        return None
    column = ComparisonPlan((_plan_column(name, sides, ColumnEquality()),))
    rows = side_rows(column, file.relation)
    tables = {} if file.table is None else {file.relation.source: file.table}
    row = kernel.query_written(f"SELECT MIN(k0) AS first, MAX(k0) AS last FROM ({rows}) AS a", tables).to_pylist()[0]
    return None if row["first"] is None else (row["first"], row["last"])


def _only_time(columns: Iterable[PlanColumn]) -> str | None:
    """The column of event time when nobody names it: the one timestamp that there is."""
    times = [column.name for column in columns if column.type.name in TIMESTAMPS]
    return times[0] if len(times) == 1 else None


def _need_key(key: Sequence[str], sides: Mapping[Side, SideFile]) -> None:
    for side, file in sides.items():
        for name in key:
            if name not in file.types:
                common = sorted(sides[Side.LEFT].types.keys() & sides[Side.RIGHT].types.keys())
                message = f'the {side} side, {file.path.name}, has no column "{name}", which is to be the key'
                hint = f"both sides have: {', '.join(common)}" if common else "the sides have no column in common"
                raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint=hint)


def _need_both(names: Sequence[str], rules: Mapping[str, ColumnEquality], sides: Mapping[Side, SideFile]) -> None:
    """A column that one side lacks is no column of NULLs, unless the equality says so."""
    for side, file in sides.items():
        lacking = [n for n in names if n not in file.types and not (n in rules and rules[n].null_equals_missing)]
        if lacking:
            shown = ", ".join(f'"{name}"' for name in lacking)
            message = f"the {side} side, {file.path.name}, lacks {shown}, which the other side has"
            hint = "ignore such a column (--ignore), or let missing equal NULL (--equal COLUMN=missing)"
            raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint=hint)


def _plan_column(name: str, sides: Mapping[Side, SideFile], equality: ColumnEquality | None) -> PlanColumn:
    known = {side: file.types[name] for side, file in sides.items() if name in file.types}
    stated = [kind for kind in known.values() if kind is not None]
    untyped = [sides[side] for side, kind in known.items() if kind is None]
    if not stated:
        kind = _shown_type([side.table.column(name) for side in untyped if side.table is not None])
    elif untyped:
        kind = _type_with_text(name, stated[0], untyped[0])
    elif len(stated) == 1:
        kind = stated[0]
    else:
        kind = _common_type(name, stated[0], stated[1])
    rule = equality if equality is not None else default_equality(kind)
    if equality == ColumnEquality(null_equals_missing=True):
        rule = replace(default_equality(kind), null_equals_missing=True)
    if equality is None or equality == ColumnEquality():
        _refuse_other_kind(name, kind, sides)
    check_equality(name, kind, rule)
    return PlanColumn(name, kind, rule)


def _refuse_other_kind(name: str, kind: SqlType, sides: Mapping[Side, SideFile]) -> None:
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
        hint = f"convert one side; if it may be so, --equal {name}=RULE with a rule but exact, such as abs:0"
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint=hint)


def _type_with_text(name: str, kind: SqlType, file: SideFile) -> SqlType:
    """The type for values of type `kind` beside values written as text, which a cast must not round or misread."""
    assert file.table is not None
    values = file.table.column(name).drop_null()
    pattern = next((pattern for names, pattern in _WRITTEN.items() if kind.name in names), None)
    if pattern is None or not len(values):
        return kind
    fitting = pc.match_substring_regex(values, pattern)
    if not pc.all(fitting).as_py():
        value = values.filter(pc.invert(fitting))[0].as_py()
        message = f'column "{name}" of {file.path.name} holds "{value[:_SHOWN_VALUE]}", the other side {kind}'
        hint = "times are compared in UTC: write them so" if kind.name in TIMESTAMPS else None
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint=hint)
    return _common_type(name, kind, _shown_type([values])) if pattern == _DECIMAL else kind


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
        return decimal(min(38, max(whole, other) + max(scale, other_scale)), max(scale, other_scale))
    if names <= TIMESTAMPS:
        return max(left, right, key=lambda kind: kind.precision)
    raise VeloError(
        ErrorCode.SCHEMA_MISMATCH,
        f'column "{name}" is {left} on the left and {right} on the right: their values cannot be equal',
        hint="convert one side, or ignore the column (--ignore)",
    )


def _digits(kind: SqlType) -> tuple[int, int]:
    """Digits before and after the point."""
    if kind.name is TypeName.DECIMAL:
        return kind.precision - kind.scale, kind.scale
    return {TypeName.TINYINT: 3, TypeName.SMALLINT: 5, TypeName.INT: 10}.get(kind.name, 19), 0


def _shown_type(columns: Sequence[Any]) -> SqlType:
    """The narrowest type that every value of both sides shows: BIGINT, DECIMAL, DOUBLE, TIMESTAMP, else STRING."""
    from velo_engine.types import BIGINT, BOOLEAN, DOUBLE, STRING

    values = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string()).drop_null()
    if not len(values):
        return STRING
    if _all_match(values, _WHOLE):
        return BIGINT
    if _all_match(values, _DECIMAL):
        digits = [text.lstrip("+-").partition(".") for text in pc.unique(values).to_pylist()]
        whole, scale = max(len(part[0]) for part in digits), max(len(part[2]) for part in digits)
        return decimal(whole + scale, scale) if whole + scale <= 38 else STRING
    if _all_match(values, _FLOAT):
        return DOUBLE
    if _all_match(values, _TIME):
        return timestamp(6)
    if _all_match(values, "^(true|false)$"):
        return BOOLEAN
    return STRING


def _all_match(values: Any, pattern: str) -> bool:
    first = values[0].as_py()
    return re.search(pattern, first) is not None and bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())
