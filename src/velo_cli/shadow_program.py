"""The converted program of a shadow config: read, and run over the files of its inputs to their end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pyarrow as pa

from velo_engine import Engine
from velo_engine.batch import numpy_column
from velo_engine.connectors.topics import Topic
from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.plan.nodes import PlannedProgram, PlannedStatement, Sink, SourceTable
from velo_engine.runtime.inputs import Input, TopicInput
from velo_engine.runtime.result import StatementResult
from velo_engine.sql.program import Program
from velo_harness.data_files import json_messages
from velo_harness.preparation import warning_text
from velo_harness.programs import shown_path
from velo_harness.reports.shown_values import printable_lines
from velo_harness.spec import DataFile, DataFormat
from velo_harness.yaml_source import read_text
from velo_shadow.alignment import Relation
from velo_shadow.config import FileStream, ShadowConfig, ShadowInput, ShadowSink
from velo_shadow.folding import Changelog
from velo_shadow.model import Side
from velo_shadow.offline import SideFile

_JSON = {".json": DataFormat.JSON, ".jsonl": DataFormat.JSON_LINES, ".ndjson": DataFormat.JSON_LINES}
UPSERT = "upsert"
"""The mode of a sink that writes the newest row of each key."""


@dataclass(frozen=True, slots=True)
class ShadowProgram:
    """The converted program, planned."""

    path: Path
    engine: Engine
    parsed: Program
    plan: PlannedProgram


def read_program(config: ShadowConfig, variables: Mapping[str, str], sinks: Iterable[str]) -> ShadowProgram:
    """The program that the config names and that writes these sinks, with what it warns of on stderr.

    Errors: of reading, parsing and planning it; UNKNOWN_TABLE for an input or a sink that it does not have.
    """
    path = config.program
    assert path is not None
    folder = path.absolute().parent
    engine = Engine(base_dir=folder, udf_paths=[folder], load_functions=True)
    given = {**os.environ, **variables}
    parsed = engine.parse(read_text(path), file=shown_path(path), variables=given)
    plan = engine.plan(parsed, variables=given)
    for warning in plan.warnings:
        print(printable_lines(f"warning: {warning_text(warning)}"), file=sys.stderr)
    for one in config.inputs:
        _known(one.source, plan.sources, "source")
    for name in sinks:
        _known(name, plan.statements, "statement")
    return ShadowProgram(path, engine, parsed, plan)


def _known(name: str, known: Mapping[str, object], noun: str) -> None:
    if name not in known:
        hint = did_you_mean(name, known, noun=noun)
        raise VeloError(ErrorCode.UNKNOWN_TABLE, f'the program has no {noun} "{name}"', hint=hint)


def outputs_over_files(config: ShadowConfig, program: ShadowProgram, sinks: Sequence[str]) -> dict[str, SideFile]:
    """What the program gives for these sinks over the files of its inputs: their changes.

    Errors: those of running it; BAD_VALUE for a source without a file.
    """
    wanted = {sink.name: sink for sink in config.sinks if sink.name in sinks}
    inputs = {one.source: one for one in config.inputs}
    given: dict[str, Input] = {}
    sources: dict[str, SourceTable] = {}
    for name, source in program.plan.sources.items():
        if name not in inputs:
            message = f'the program reads "{name}", for which the config has no input'
            raise VeloError(ErrorCode.BAD_VALUE, message, hint=f"inputs: - {{ source: {name}, file: … }}")
        sources[name], topic = _source(source, inputs[name])
        if topic is not None:
            given[name] = topic
    silent = {name: replace(s, sink=_without_place(s)) for name, s in program.plan.statements.items()}
    plan = replace(program.plan, sources=sources, statements=silent)
    result = program.engine.run(plan, targets=tuple(wanted), inputs=given)
    if result.dead_letter_count:
        first = result.dead_letters[0]
        print(
            printable_lines(f"warning: {result.dead_letter_count} records could not be used: {first.reason}"),
            file=sys.stderr,
        )
    return {
        name: _rows(program, program.plan.statements[name], result.statements[name], sink)
        for name, sink in wanted.items()
    }


def _without_place(statement: PlannedStatement) -> Sink | None:
    """The sink, writing nowhere: its changes are captured."""
    return None if statement.sink is None else replace(statement.sink, properties={"type": "blackhole"})


def _source(source: SourceTable, given: ShadowInput) -> tuple[SourceTable, TopicInput | None]:
    """The source over its file: the records of a JSON file as if from its topic, else a file source."""
    stream = given.stream
    if not isinstance(stream, FileStream):
        message = f'the input "{given.source}" is a topic, and a sink of the config has no right side'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="name the topic that our job writes: right")
    form = _JSON.get(Path(stream.path.name.removesuffix(".gz")).suffix.lower())
    if form is not None:
        file = DataFile(stream.path, form, Location(str(stream.path), 1))
        topic = Topic(source.name)
        messages = json_messages(file)
        topic.append_batch(messages, sequences=None if given.order is None else _order(messages, given.order, stream))
        return source, TopicInput(topic, source.properties.get("format", "json"))
    if given.order is not None:
        message = f'"{stream.path.name}" is no JSON file, whose rows "order" is about'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="write the rows of all inputs as json lines")
    return replace(source, properties={"type": "file_source", "path": str(stream.path)}), None


def _order(messages: list[bytes], column: str, stream: FileStream) -> list[int]:
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    found: list[int] = []
    for line, message in enumerate(messages, 1):
        try:
            found.append(msgspec.json.decode(decoder.decode(message)[column], type=int))
        except (KeyError, msgspec.DecodeError):
            text = f'row {line} of "{stream.path.name}" has no whole number in "{column}", which is to be its order'
            raise VeloError(ErrorCode.BAD_VALUE, text) from None
    return found


def _rows(program: ShadowProgram, statement: PlannedStatement, result: StatementResult, sink: ShadowSink) -> SideFile:
    """What the statement's sink was given, as a changelog."""
    written = statement.sink
    columns = tuple(range(len(result.schema))) if written is None else written.value_columns(result.schema)
    schema = result.schema.select(columns)
    # A sink of upserts is told of no row that stood before; without a key only all changes say what stands.
    upserts = written is not None and written.properties.get("mode") == UPSERT and bool(sink.key)
    rows = result.sink_rows if upserts else result.rows
    changes = replace(result, rows=rows).changelog
    table = changes.select(list(columns))
    zoned = frozenset(f.name for f in table.schema if pa.types.is_timestamp(f.type) and f.type.tz is not None)
    return SideFile(
        Path(f"{program.path.name} ({sink.name})"),
        Relation(f"velo_{Side.RIGHT}", schema.names, zoned),
        {column.name: column.type for column in schema.columns},
        table,
        changelog=Changelog.UPSERT if upserts else Changelog.RETRACT,
        kinds=pa.array(numpy_column(rows, "kind"), pa.int8()),
    )
