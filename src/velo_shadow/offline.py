"""Two files compared as two streams that have ended: csv, json, json lines, parquet, avro."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.batch import KIND_SYMBOLS
from velo_engine.connectors.infer import sql_type
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.kernel import Kernel
from velo_engine.types import SqlType
from velo_harness.data_files import is_json, json_messages, text_columns
from velo_harness.spec import DataFile, DataFormat
from velo_shadow.alignment import Relation, side_rows
from velo_shadow.compared import Compared
from velo_shadow.diff import diff
from velo_shadow.folding import KIND_COLUMN, Changelog, fold
from velo_shadow.model import ColumnEquality, ComparisonPlan, Side
from velo_shadow.over_time import over_time
from velo_shadow.planning import plan_column
from velo_shadow.profile import profile
from velo_shadow.segments import segments
from velo_shadow.sides.exact_json import changes_of
from velo_shadow.sides.written import in_quotes, written
from velo_shadow.sql_engine import SqlEngine

MEMORY_LIMIT = "192MB"
"""Of the kernel; what it needs beyond goes to disk."""

KIND_FIELD = "op"
"""The column of a file of changes that says what a row does, as Flink's results show it."""
_MEMBERS_OF_EVENTS = {"before", "after", "op", "source", "transaction", "ts_ms", "ts_us", "ts_ns"}
"""Source: Debezium's documentation, data change events."""
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_FORMATS = {
    ".csv": DataFormat.CSV,
    ".json": DataFormat.JSON,
    ".jsonl": DataFormat.JSON_LINES,
    ".ndjson": DataFormat.JSON_LINES,
    ".parquet": DataFormat.PARQUET,
    ".avro": DataFormat.AVRO,
}


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
    is_sample: bool = False
    """Files are read whole."""
    changelog: Changelog = Changelog.APPEND
    kinds: pa.Array | None = None
    """What each row of `table` does; None: all are rows that stay."""
    churn: int = 0
    """Changes beside those that made the final rows, once it is folded."""
    unmatched: int = 0
    """Rows taken back more often than they were added."""

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.path.name


def read_side(path: Path, side: Side, changelog: Changelog = Changelog.APPEND) -> SideFile:
    """A file as one side. JSON change events (`{"before": …, "after": …, "op": "c"}`) speak for themselves; of other
    retract and upsert streams a column `op` says what each row does: `+I`, `-U`, `+U` or `-D`.

    Errors: FILE_NOT_FOUND, FILE_UNREADABLE, RECORD_MALFORMED; BAD_VALUE for an ending that says no format,
    SCHEMA_MISMATCH where `op` is missing or says something else.
    """
    form = _FORMATS.get(Path(path.name.removesuffix(".gz")).suffix.lower())
    if form is None:
        message = f'the ending of "{path}" says no format'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=f"known: {', '.join(_FORMATS)}; all but parquet also .gz")
    if not path.is_file():
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'the {side} side: there is no file "{path}"')
    if form is DataFormat.PARQUET and path.suffix.lower() == ".parquet":
        return _parquet_side(path, side, changelog)
    file = DataFile(path.absolute(), form, Location(str(path), 1))
    are_texts: Mapping[str, bool] = {}
    table = text_columns(file)
    if is_json(file):
        messages = json_messages(file)
        if changelog is Changelog.DEBEZIUM or _are_events(table.column_names):
            return _events_side(path, side, messages)
        are_texts = in_quotes([_members.decode(message) for message in messages])
    elif changelog is Changelog.DEBEZIUM:
        raise VeloError(ErrorCode.BAD_VALUE, f"{path.name}: change events are JSON", hint="a .jsonl file of them")
    return _text_side(path, side, table, are_texts, changelog)


def _are_events(names: Sequence[str]) -> bool:
    """Whether these are the members of change events."""
    return "op" in names and {"before", "after"} <= set(names) <= _MEMBERS_OF_EVENTS


def _events_side(path: Path, side: Side, messages: Sequence[bytes]) -> SideFile:
    changes = changes_of(messages)
    for position, reason in sorted(changes.failures.items()):
        raise VeloError(ErrorCode.RECORD_MALFORMED, reason, location=Location(str(path), position + 1))
    found = written([_members.decode(row) for row in changes.rows])
    kinds = pa.array(changes.kinds, pa.int8())
    made = _text_side(path, side, found.table, found.are_texts, Changelog.APPEND)
    return replace(made, changelog=Changelog.DEBEZIUM, kinds=kinds)


def _text_side(
    path: Path, side: Side, table: pa.Table, are_texts: Mapping[str, bool], changelog: Changelog
) -> SideFile:
    """A side whose rows are at hand as text."""
    kinds = None if changelog is Changelog.APPEND else _kinds(path, table)
    if kinds is not None and KIND_FIELD in table.column_names:
        table = table.drop_columns([KIND_FIELD])
    names = tuple(table.column_names)
    relation = Relation(f"velo_{side}", names)
    return SideFile(path, relation, dict.fromkeys(names), table, are_texts, changelog=changelog, kinds=kinds)


def _kinds(path: Path, table: pa.Table) -> pa.Array:
    """What each row does, by the column `op`."""
    if not table.column_names:  # a file without a single row
        return pa.array([], pa.int8())
    if KIND_FIELD not in table.column_names:
        message = f'{path.name} has no column "{KIND_FIELD}", which says what a row of a changelog does'
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint=f"write {', '.join(KIND_SYMBOLS)} into it")
    texts = table.column(KIND_FIELD).cast(pa.string()).combine_chunks()
    kinds = pc.index_in(texts, pa.array(KIND_SYMBOLS)).cast(pa.int8())
    if kinds.null_count:
        value = texts.filter(kinds.is_null())[0].as_py()
        message = f'{path.name}: "{value}" in the column "{KIND_FIELD}" is none of {", ".join(KIND_SYMBOLS)}'
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, message)
    return kinds


def _parquet_side(path: Path, side: Side, changelog: Changelog) -> SideFile:
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
        table = None if changelog is Changelog.APPEND else parquet.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise VeloError(ErrorCode.FILE_UNREADABLE, f'"{path}" is no Parquet file: {reason}') from None
    if changelog is Changelog.DEBEZIUM:
        raise VeloError(ErrorCode.BAD_VALUE, f"{path.name}: change events are JSON", hint="a .jsonl file of them")
    kinds = None if table is None else _kinds(path, table)
    names = [name for name in schema.names if kinds is None or name != KIND_FIELD]
    zoned = frozenset(f.name for f in schema if pa.types.is_timestamp(f.type) and f.type.tz is not None)
    text = str(path.absolute()).replace("'", "''")
    source = f"READ_PARQUET('{text}')" if table is None else f"velo_{side}"
    types = {name: sql_type(schema.field(name).type) for name in names}
    rows = None if table is None else table.select(names)
    return SideFile(path, Relation(source, tuple(names), zoned), types, rows, changelog=changelog, kinds=kinds)


def compare_files(
    left: SideFile, right: SideFile, plan: ComparisonPlan, *, memory_limit: str = MEMORY_LIMIT
) -> Compared:
    """Compare two files within the kernel's `memory_limit`.

    Errors: EXPRESSION_FAILED when a value does not fit the type that both sides are brought to.
    """
    files = [str(side.path.absolute()) for side in (left, right) if side.table is None]
    with Kernel(memory_limit=memory_limit, files=files) as kernel:
        left, right = (folded_side(kernel, side, plan.key_names) for side in (left, right))
        return compare_sides(kernel, left, right, plan)


def compare_sides(engine: SqlEngine, left: SideFile, right: SideFile, plan: ComparisonPlan) -> Compared:
    """Compare two sides of final rows, which `engine` can read. Errors: EXPRESSION_FAILED, as `compare_files`."""
    sides = {Side.LEFT: left, Side.RIGHT: right}
    tables = {side.relation.source: side.table for side in sides.values() if side.table is not None}
    found = diff(engine, plan, left.relation, right.relation, tables=tables)
    spans = {side: _span(engine, sides, side, plan.time_column) for side in Side}
    relations = left.relation, right.relation
    return Compared(
        plan,
        found,
        segments(engine, plan, relations, found.spread, tables),
        spans,
        churn={side: file.churn for side, file in sides.items() if file.churn},
        unmatched={side: file.unmatched for side, file in sides.items() if file.unmatched},
        profile=profile(engine, plan, relations, found.differences, tables),
        over_time=over_time(engine, plan, relations, list(spans.values()), found.differences, tables),
    )


def folded_side(kernel: Kernel, file: SideFile, key: Sequence[str]) -> SideFile:
    """The final rows of a file of changes; any other file as it is. Errors: BAD_VALUE for upserts without a key."""
    if file.kinds is None or file.table is None:
        return file
    if file.changelog is Changelog.UPSERT and not key:
        message = f"{file.label} is a stream of upserts: they need the key of a row"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="give the columns of the key (--key, key:)")
    folded = fold(kernel, file.table.append_column(KIND_COLUMN, file.kinds), file.changelog, key)
    return replace(file, table=folded.rows, kinds=None, churn=folded.churn, unmatched=folded.unmatched)


def _span(engine: SqlEngine, sides: Mapping[Side, SideFile], side: Side, name: str | None) -> tuple[Any, Any] | None:
    """First and last value of the time column, which may be one that is ignored otherwise."""
    file = sides[side]
    if name is None or name not in file.types:
        return None
    column = ComparisonPlan((plan_column(name, sides, ColumnEquality()),))
    rows = side_rows(column, file.relation)
    tables = {} if file.table is None else {file.relation.source: file.table}
    row = engine.query_written(f"SELECT MIN(k0) AS first, MAX(k0) AS last FROM ({rows}) AS a", tables).to_pylist()[0]
    return None if row["first"] is None else (row["first"], row["last"])
