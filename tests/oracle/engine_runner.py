"""Runs a recorded case on our engine: the same DDL bodies, the same query, the same arrival order."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa

from tests.oracle.case import Answer, Change, Definition
from tests.oracle.flink_text import texts
from velo_engine import (
    EmitSemantics,
    Engine,
    FailureStrategy,
    JobOptions,
    PlannedProgram,
    TableInput,
    TopicInput,
    VeloError,
)
from velo_engine.batch import KIND_SYMBOLS
from velo_engine.formats.base import open_format
from velo_engine.runtime.inputs import Input
from velo_engine.runtime.result import StatementResult

TIME_ZONE = "table.local-time-zone"
PHYSICAL_SETTINGS = {"table.optimizer.agg-phase-strategy"}
"""What only says how Flink shall compute, not what."""
SETTINGS = {"table.exec.sink.not-null-enforcer"}
"""What a program sets itself."""


def run(definition: Definition, batch_size: int) -> Answer:
    """The engine's answer. A job that fails while it runs is an answer, too; one that cannot be planned raises VeloError."""
    assert definition.config.keys() <= {TIME_ZONE, *PHYSICAL_SETTINGS, *SETTINGS}
    options = JobOptions(batch_size=batch_size, emit=EmitSemantics.FLINK)
    return run_program(program_text(definition), definition, options)


def run_program(text: str, definition: Definition, options: JobOptions = JobOptions()) -> Answer:  # noqa: B008 - frozen
    """The answer of a program over the inputs of a case."""
    engine = Engine()
    program = engine.plan(text)
    time_zone = definition.config.get(TIME_ZONE, "UTC")
    options = replace(options, failure_strategy=FailureStrategy.FAIL, time_zone=time_zone, now_ms=0)
    try:
        result = engine.run(program, inputs=_inputs(engine, program, definition), options=options)
    except VeloError as failure:
        return Answer(error=str(failure))
    *_, answer = result.statements.values()
    return Answer(
        schema=_schema(answer, definition),
        changelog=_changes(answer, time_zone),
        events=tuple(max(seq, 0) for seq in answer.sink_rows.column("seq").to_pylist()),
    )


def program_text(definition: Definition) -> str:
    """The case as a program."""
    tables = "".join(
        f"CREATE TABLE `{name}` ({table.columns}){_CONNECTORS[table.changelog]};\n"
        for name, table in definition.tables.items()
    )
    settings = "".join(f"SET '{key}' = '{definition.config[key]}';\n" for key in definition.config if key in SETTINGS)
    return settings + tables + _into_sink(definition)


def _into_sink(definition: Definition) -> str:
    """The query, into the declared sink; one that takes every change gets what the query gives."""
    sink = definition.sink
    if sink is None or sink.changelog == "+I -U +U -D":
        return definition.query
    connector = {"+I": "kafka", "+I +U -D": "upsert-kafka"}[sink.changelog]
    conflict = f" ON CONFLICT DO {sink.conflict}" if sink.conflict else ""
    declared = f"CREATE TABLE sink ({sink.columns}) WITH ('connector' = '{connector}', 'format' = 'json');\n"
    return f"{declared}INSERT INTO sink {definition.query}{conflict}"


def _schema(answer: StatementResult, definition: Definition) -> tuple[tuple[str, str], ...]:
    """The result's columns; of a sink they are as declared, where a primary key is NOT NULL and what is not said is not."""
    columns = [(column.name, str(column.type)) for column in answer.schema.columns]
    if definition.sink is None:
        return tuple(columns)
    found = re.search(r"PRIMARY KEY \((.*?)\)", definition.sink.columns)
    key = [] if found is None else [name.strip() for name in found[1].split(",")]
    key += re.findall(r"(\w+) \w+ NOT NULL", definition.sink.columns)
    plain = [(name, kind.removesuffix(" NOT NULL")) for name, kind in columns]
    return tuple((name, f"{kind} NOT NULL" if name in key else kind) for name, kind in plain)


_CONNECTORS = {
    "": "",
    "+I +U": " WITH ('connector' = 'upsert-kafka')",
    "+I +U -D": " WITH ('connector' = 'upsert-kafka')",
    "+I -U +U -D": " WITH ('connector' = 'kafka', 'format' = 'debezium-json')",
}
"""What makes a table one whose rows do this."""


def _inputs(engine: Engine, program: PlannedProgram, definition: Definition) -> dict[str, Input]:
    """The rows of every table: as topics, those of changelogs as rows with their kinds."""
    inputs: dict[str, Input] = {}
    inputs.update(_topics(engine, definition))
    for name, table in definition.tables.items():
        if table.kinds:
            schema = program.sources[name].schema
            texts = [json.dumps(row).encode() for row in table.rows]
            decoded = open_format("json", schema, {}).decode(texts)
            assert not decoded.failures
            rows = pa.table(decoded.table.columns, schema=schema.arrow())
            order = np.array([p for p, (source, _) in enumerate(definition.arrivals()) if source == name], np.int64)
            kinds = np.array([KIND_SYMBOLS.index(kind) for kind in table.kinds], np.int8)
            inputs[name] = TableInput(rows, order, kinds)
    return inputs


def _topics(engine: Engine, definition: Definition) -> dict[str, TopicInput]:
    topics = {name: engine.topics.create(name) for name in definition.tables}
    for name, table in definition.tables.items():
        if table.lookup:
            for row in table.rows:
                topics[name].append(json.dumps(row).encode())
    for position, (name, i) in enumerate(definition.arrivals()):
        topics[name].append(json.dumps(definition.tables[name].rows[i]).encode(), sequence=position)
    return {name: TopicInput(topic) for name, topic in topics.items()}


def _changes(result: StatementResult, time_zone: str) -> tuple[Change, ...]:
    rows = result.sink_rows
    kinds = [KIND_SYMBOLS[kind] for kind in rows.column("kind").to_pylist()]
    columns = [texts(rows.column(i), kind, time_zone) for i, kind in enumerate(result.schema.types)]
    return tuple(zip(kinds, *columns, strict=True))
