"""How the output of a query is read before it is checked: from what its sink wrote, or through a format.

`output: {sink_type: …}` takes what is in the sink's topic or file. `capture_format` writes each row in a format and
reads it again, as a consumer of that format would see it: what the format cannot carry is lost or is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from velo_engine.batch import numpy_column
from velo_engine.connectors.topics import Topic
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.formats import open_format
from velo_engine.plan.nodes import PlannedStatement
from velo_engine.runtime.open_connector import FILE_TYPES, TOPIC_TYPES, with_schema_files
from velo_harness.data_files import read_table
from velo_harness.execution import Execution
from velo_harness.keys import bad_value
from velo_harness.relation import Relation
from velo_harness.sink_records import Contents, records_in, with_columns
from velo_harness.spec import Capture, DataFile, DataFormat, Query

if TYPE_CHECKING:
    from velo_engine.runtime.result import StatementResult

SCHEMA_OPTIONS = {"avro": "avro.schema.file", "protobuf": "protobuf.schema.file"}
"""Format → the option that names its schema."""

_FILE_FORMATS = {
    ".csv": DataFormat.CSV,
    ".json": DataFormat.JSON,
    ".jsonl": DataFormat.JSON_LINES,
    ".ndjson": DataFormat.JSON_LINES,
    ".parquet": DataFormat.PARQUET,
    ".avro": DataFormat.AVRO,
}


def captured(execution: Execution, query: Query, statement: str, folder: Path) -> Execution:
    """The run with the output of `statement` as the query wants it read. Relative paths of the SQL start at `folder`.

    Errors: BAD_VALUE for a sink that the SQL does not have, JOB_FAILED for records that do not read.
    """
    capture = query.capture
    planned = execution.program.statements[statement]
    if capture.sink is not None:
        execution = _with_records(execution, statement, _from_sink(execution, planned, capture, folder))
    if capture.format is not None:
        execution = _through_format(execution, planned, capture, folder)
    return execution


def _with_records(execution: Execution, statement: str, table: pa.Table) -> Execution:
    """The run with these rows as the records of the statement, and as its contents where it only ever adds rows."""
    one = execution.result.statements[statement]
    rows = Relation(statement, one.schema, pa.table(table.columns, schema=one.schema.arrow()), one.aliases)
    results = dict(execution.result.statements)
    if not numpy_column(one.rows, "kind").any():
        results[statement] = replace(one, rows=_inserted(one, table))
    result = replace(execution.result, statements=results)
    return replace(execution, result=result, read_back={**execution.read_back, statement: rows})


def _inserted(one: StatementResult, table: pa.Table) -> pa.Table:
    """A changelog of +I rows: the statement's own with other columns, or where the sink has fewer rows, the first."""
    return with_columns(one.rows.slice(0, table.num_rows), table)


def _from_sink(execution: Execution, planned: PlannedStatement, capture: Capture, folder: Path) -> pa.Table:
    """What the sink wrote."""
    kind = sink_kind(planned)
    place = capture.locations["sink"]
    if kind != capture.sink:
        actual = {"kafka": "a topic", "file": "a file", None: "nothing"}[kind]
        wanted = {"kafka": "a topic", "file": "a file"}[str(capture.sink)]
        hint = "leave output out to check what the query gives out" if kind is None else f"sink_type: {kind}"
        raise bad_value(f"{planned.name} writes {actual}, not {wanted}", place, hint=hint)
    assert planned.sink is not None
    properties = planned.sink.properties
    if kind == "file":
        return _from_file(execution, planned, capture, folder)
    topic = properties.get("topic", planned.sink.name)
    if capture.topic is not None and capture.topic != topic:
        raise bad_value(f'{planned.name} writes the topic "{topic}"', capture.locations["topic"])
    if execution.topics is None:  # on a broker: what was read back is what its topic holds
        return execution.records_of(planned.name).table
    contents = _contents(execution.topics.get(topic))
    return records_in(contents, planned, execution.result.statements[planned.name], folder)


def _from_file(execution: Execution, planned: PlannedStatement, capture: Capture, folder: Path) -> pa.Table:
    assert planned.sink is not None
    written = planned.sink.properties["path"].removeprefix("file://").split("?", 1)[0]
    place = (folder / written).resolve()
    if capture.path is not None and capture.path.resolve() != place:
        raise bad_value(f'{planned.name} writes the file "{written}"', capture.locations["path"])
    kind = capture.file_format or _FILE_FORMATS.get(Path(written.removesuffix(".gz")).suffix.lower())
    if kind is None:
        raise bad_value(f'the ending of "{written}" does not tell its format', capture.locations["sink"])
    file = DataFile(execution.files.get(place, place), kind, capture.locations["sink"])
    return read_table(file, execution.result.statements[planned.name].schema)


def sink_kind(planned: PlannedStatement) -> str | None:
    """kafka or file: what a statement's sink is; None when it writes nowhere."""
    if planned.sink is None:
        return None
    properties = planned.sink.properties
    kind = properties.get("type", "file" if "path" in properties else "topic" if "topic" in properties else "")
    return "file" if kind in FILE_TYPES else "kafka" if kind in TOPIC_TYPES else None


def _contents(topic: Topic) -> Contents:
    keys: list[bytes | None] = []
    values: list[bytes | None] = []
    headers: list[Any] = []
    timestamps: list[int] = []
    for log in topic.logs:
        keys += log.keys
        values += log.values
        headers += log.headers
        timestamps += log.timestamps_ms
    return Contents(keys, values, headers, timestamps, topic.partitions)


def _through_format(execution: Execution, planned: PlannedStatement, capture: Capture, folder: Path) -> Execution:
    """The run with every change of the statement written in the format and read again."""
    name, place = planned.name, capture.locations["format"]
    form = str(capture.format)
    one = execution.result.statements[name]
    options = _options(planned, capture, folder, place)
    reader = {**options, SCHEMA_OPTIONS[form]: str(capture.schema)} if capture.schema is not None else options
    # A sink of the format writes as the SQL says; without one, the schema that reads is the one that writes.
    writer = options if _has_schema(options, form) else reader

    def again(rows: pa.Table) -> pa.Table:
        return _written_and_read(rows, one, form, writer, reader, place)

    results = {**execution.result.statements, name: replace(one, rows=with_columns(one.rows, again(one.rows)))}
    read_back = dict(execution.read_back)
    if name in read_back:
        table = _physical(read_back[name].table)
        own = pa.table(again(table).columns, schema=one.schema.arrow())
        read_back[name] = replace(read_back[name], table=own)
    return replace(execution, result=replace(execution.result, statements=results), read_back=read_back)


def _options(planned: PlannedStatement, capture: Capture, folder: Path, place: Location) -> dict[str, str]:
    """The options of the sink, when it is of the format; none when there is no sink."""
    if sink_kind(planned) is None:
        return {}
    assert planned.sink is not None
    written = planned.sink.properties.get("format", "json" if sink_kind(planned) == "kafka" else "csv")
    if written.casefold().removesuffix("-confluent") != capture.format:
        raise bad_value(f"the sink of {planned.name} writes {written}, not {capture.format}", place)
    return dict(with_schema_files(planned.sink.properties, folder, None))


def _has_schema(options: Mapping[str, str], form: str) -> bool:
    return any(key.startswith(f"{form}.schema") for key in options)


def _written_and_read(
    rows: pa.Table,
    one: StatementResult,
    form: str,
    writer: Mapping[str, str],
    reader: Mapping[str, str],
    place: Location,
) -> pa.Table:
    try:
        values = open_format(form, one.schema, writer).encode(rows.select(range(len(one.schema))))
        decoded = open_format(form, one.schema, reader).decode(values)
    except VeloError as error:
        raise VeloError(error.code, error.message, location=place, hint=error.hint) from None
    if decoded.failures:
        count = len(decoded.failures)
        message = f"{count} rows of {one.name} do not read as {form}, the first: {decoded.failures[0].reason}"
        raise VeloError(ErrorCode.JOB_FAILED, message, location=place)
    return decoded.table


def _physical(table: pa.Table) -> pa.Table:
    return table.rename_columns([f"c{i}" for i in range(table.num_columns)])
