"""Two files compared as two streams that have ended: csv, json, json lines, parquet, avro."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from velo_engine.connectors.infer import sql_type
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.kernel import Kernel
from velo_engine.types import SqlType
from velo_harness.data_files import is_json, json_messages, text_columns
from velo_harness.spec import DataFile, DataFormat
from velo_shadow.alignment import Relation, side_rows
from velo_shadow.compared import Compared
from velo_shadow.diff import diff
from velo_shadow.model import ColumnEquality, ComparisonPlan, Side
from velo_shadow.planning import plan_column
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

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.path.name


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
    column = ComparisonPlan((plan_column(name, sides, ColumnEquality()),))
    rows = side_rows(column, file.relation)
    tables = {} if file.table is None else {file.relation.source: file.table}
    row = kernel.query_written(f"SELECT MIN(k0) AS first, MAX(k0) AS last FROM ({rows}) AS a", tables).to_pylist()[0]
    return None if row["first"] is None else (row["first"], row["last"])
