"""Where schemas are inferred from: SQL, csv, JSON, Parquet and Avro files, Avro schemas, topics."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from velo_engine import Engine
from velo_engine.connectors.infer import infer_schema
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.schema import RowSchema
from velo_engine.sql.program import StatementKind
from velo_harness import data_files
from velo_harness.avro_files import UnreadableAvroError, avro_records
from velo_harness.drafting.source_drafts import column_uses, schema_drafts
from velo_harness.inference.avro_types import avro_columns, with_values
from velo_harness.inference.schema_text import SampledColumn, schema_text
from velo_harness.spec import DataFile, DataFormat
from velo_harness.yaml_source import read_text

if TYPE_CHECKING:
    from velo_engine.connectors.kafka.client import KafkaCluster

SAMPLE_ROWS = 10_000
"""Rows of a file that are looked at."""

_DATA_FORMATS = {
    ".csv": DataFormat.CSV,
    ".json": DataFormat.JSON,
    ".jsonl": DataFormat.JSON_LINES,
    ".ndjson": DataFormat.JSON_LINES,
    ".parquet": DataFormat.PARQUET,
}
ENDINGS = (".sql", *_DATA_FORMATS, ".avro", ".avsc")
"""Of files that schemas are inferred from; those of data may end in .gz, too."""


@dataclass(frozen=True, slots=True)
class InferredSchema:
    """The text of a data schema, and what it is called."""

    name: str
    text: str


def inferred_from_file(
    path: Path, editor_line: str, *, name: str | None = None, variables: Mapping[str, str] | None = None
) -> list[InferredSchema]:
    """The data schemas that a file shows: those of a program's sources, else one, called `name` or like the file.

    Errors: FILE_NOT_FOUND, FILE_UNREADABLE, EMPTY_INPUT, SCHEMA_MISMATCH, BAD_VALUE for an unknown ending, of SQL.
    """
    if path.is_dir():
        hint = "name the files in it, one by one"
        raise VeloError(ErrorCode.BAD_VALUE, f'"{path}" is a folder', hint=hint)
    if not path.is_file():
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no file "{path}"')
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    called = name or path.name.removesuffix(".gz").split(".", 1)[0]
    match suffix:
        case ".sql":
            return _from_sql(path, editor_line, variables or {})
        case ".avsc":
            columns = avro_columns(read_text(path), path.name)
            return [InferredSchema(called, schema_text(called, columns, 0, path.name, editor_line))]
        case ".avro":
            return [_from_avro(path, called, editor_line)]
        case known if known in _DATA_FORMATS:
            return [_from_data(path, _DATA_FORMATS[known], called, path.name, editor_line)]
    hint = f"schemas are inferred from {', '.join(ENDINGS)}"
    raise VeloError(ErrorCode.BAD_VALUE, f'the ending of "{path}" does not tell what it is', hint=hint)


def _from_sql(path: Path, editor_line: str, variables: Mapping[str, str]) -> list[InferredSchema]:
    """By the declarations, with constraints from how the program uses the columns."""
    engine = Engine(base_dir=path.absolute().parent)
    program = engine.parse(read_text(path), file=str(path), variables=dict(variables))
    declared = [s.name for s in program.statements if s.kind is StatementKind.SOURCE]
    # A declaration that nothing reads has no place in a plan: each is read by a query of its own.
    reading = "".join(f"CREATE STREAM `$infer_{i}` AS SELECT * FROM `{name}`;\n" for i, name in enumerate(declared))
    readers = engine.parse(reading, file=str(path)).statements if reading else ()
    plan = engine.plan(replace(program, statements=(*program.statements, *readers)), variables=dict(variables))
    drafts = schema_drafts(plan, column_uses(plan), editor_line)
    if not drafts:
        hint = "declare the columns in a CREATE TABLE, or give a data file of the source"
        raise VeloError(ErrorCode.EMPTY_INPUT, f"{path} declares no source with columns", hint=hint)
    return [InferredSchema(draft.source, draft.text) for draft in drafts]


def _from_avro(path: Path, name: str, editor_line: str) -> InferredSchema:
    import json

    try:
        _, records, schema = avro_records(path.read_bytes())
    except UnreadableAvroError as problem:
        raise VeloError(ErrorCode.FILE_UNREADABLE, f'"{path}" cannot be read: {problem}') from None
    plain = {key: value for key, value in schema.items() if not key.startswith("__")}
    columns = with_values(avro_columns(json.dumps(plain), path.name), records[:SAMPLE_ROWS])
    text = schema_text(name, columns, min(len(records), SAMPLE_ROWS), path.name, editor_line)
    return InferredSchema(name, text)


def _from_data(path: Path, form: DataFormat, name: str, origin: str, editor_line: str) -> InferredSchema:
    """By the types that all values of the sample have, and what they have in common."""
    file = DataFile(path.absolute(), form, Location(str(path), 1))
    if form is DataFormat.PARQUET:
        return _from_table(file, infer_schema(str(file.path), "parquet", {}), name, origin, editor_line)
    if form is DataFormat.CSV and path.suffix != ".gz":
        return _from_table(
            file, infer_schema(str(file.path), "csv", {"has_headers": "true"}), name, origin, editor_line
        )
    if form is DataFormat.CSV:
        return _from_lines(data_files.raw_lines(file), DataFormat.CSV, name, origin, editor_line)
    return _from_lines(data_files.json_messages(file), DataFormat.JSON_LINES, name, origin, editor_line)


def _from_lines(lines: Sequence[bytes], form: DataFormat, name: str, origin: str, editor_line: str) -> InferredSchema:
    """By records that stand in no file as the engine reads files."""
    if not lines:
        raise VeloError(ErrorCode.EMPTY_INPUT, f"{origin} has no record to infer columns from")
    kind = "csv" if form is DataFormat.CSV else "json"
    with tempfile.TemporaryDirectory(prefix="velo-") as folder:
        path = Path(folder) / f"sample.{kind}"
        path.write_bytes(b"\n".join(line.replace(b"\n", b" ") for line in lines[: SAMPLE_ROWS + 1]) + b"\n")
        try:
            schema = infer_schema(str(path), kind, {"has_headers": "true"})
        except VeloError as error:
            if error.code is not ErrorCode.EMPTY_INPUT:
                raise
            hint = "each line is to be a JSON object, or the file a list of objects" if kind == "json" else None
            message = f"no record of {origin} can be read: the first does not parse as an object"
            raise VeloError(ErrorCode.EMPTY_INPUT, message, location=Location(origin, 1), hint=hint) from None
        file = DataFile(path, form, Location(origin, 1))
        try:
            return _from_table(file, schema, name, origin, editor_line)
        except VeloError as error:
            if error.code is not ErrorCode.RECORD_MALFORMED or error.location is None:
                raise
            place = Location(origin, error.location.line)  # not the sample's, which nobody knows
            raise VeloError(
                ErrorCode.FILE_UNREADABLE, f"this record does not parse: {error.message}", location=place
            ) from None


def _from_table(file: DataFile, schema: RowSchema, name: str, origin: str, editor_line: str) -> InferredSchema:
    _refuse_unusable_names(file.format, schema.names, origin)
    table = data_files.read_table(file, schema).slice(0, SAMPLE_ROWS)
    columns = [
        SampledColumn(column.name, column.type, table.column(i).to_pylist()) for i, column in enumerate(schema.columns)
    ]
    return InferredSchema(name, schema_text(name, columns, table.num_rows, origin, editor_line))


def _refuse_unusable_names(form: DataFormat, names: Sequence[str], origin: str) -> None:
    """A schema of them would be nonsense. Raises VeloError EMPTY_INPUT, SCHEMA_MISMATCH."""
    place = Location(origin, 1) if form is DataFormat.CSV else None
    if not names:
        hint = "give a file with data"
        raise VeloError(ErrorCode.EMPTY_INPUT, f"{origin} has no columns to infer a schema from", hint=hint)
    nameless = [i + 1 for i, name in enumerate(names) if not name.strip()]
    if nameless:
        message = f"column {nameless[0]} of {origin} has no name"
        hint = "name it in the first line, or leave it out" if place is not None else "name it, or leave it out"
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, location=place, hint=hint)
    separator = data_files.likely_separator(names) if form is DataFormat.CSV else None
    if separator is not None:
        shown = data_files.shown_separator(separator)
        message = f"{origin} seems to be separated by {shown}: read with commas it is one column"
        written = separator.replace("\t", "\\t")
        hint = f"save it with commas; or declare its columns in SQL with 'delimiter' = '{written}', and give the .sql"
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, location=place, hint=hint)


def inferred_from_topic(
    cluster: KafkaCluster, topic: str, records: int, editor_line: str, *, name: str | None = None
) -> InferredSchema:
    """By the last `records` records of a topic, whose values are JSON objects.

    Errors: EMPTY_INPUT, SCHEMA_MISMATCH for other values, those of the cluster.
    """
    from velo_engine.connectors.kafka.cluster_view import ClusterView
    from velo_engine.connectors.kafka.tail import records_of

    view = ClusterView(cluster).topic(topic)
    found: list[bytes] = []
    for messages in records_of(cluster, view, last=records, follow=False):
        found += [value for message in messages if (value := message.value()) is not None]
    if found and not any(value.lstrip().startswith(b"{") for value in found):
        framed = found[0][:1] == b"\0"
        hint = "take its .avsc from the schema registry" if framed else "give a file with its schema, or the SQL"
        message = f'the values in "{topic}" are no JSON objects'
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint=hint)
    return _from_lines(
        [value for value in found if value.lstrip().startswith(b"{")],
        DataFormat.JSON_LINES,
        name or topic,
        f"the topic {topic}",
        editor_line,
    )
