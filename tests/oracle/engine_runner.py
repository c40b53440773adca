"""Runs a recorded case on our engine: the same DDL bodies, the same query, the same arrival order."""

from __future__ import annotations

import json

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


def run(definition: Definition, batch_size: int) -> Answer:
    """The engine's answer. A job that fails while it runs is an answer, too; one that cannot be planned raises VeloError."""
    assert definition.config.keys() <= {TIME_ZONE, *PHYSICAL_SETTINGS}
    engine = Engine()
    program = engine.plan(program_text(definition))
    time_zone = definition.config.get(TIME_ZONE, "UTC")
    options = JobOptions(
        batch_size=batch_size,
        emit=EmitSemantics.FLINK,
        failure_strategy=FailureStrategy.FAIL,
        time_zone=time_zone,
        now_ms=0,
    )
    try:
        result = engine.run(program, inputs=_inputs(engine, program, definition), options=options)
    except VeloError as failure:
        return Answer(error=str(failure))
    *_, answer = result.statements.values()
    return Answer(
        schema=tuple((column.name, str(column.type)) for column in answer.schema.columns),
        changelog=_changes(answer, time_zone),
        events=tuple(answer.rows.column("seq").to_pylist()),
    )


def program_text(definition: Definition) -> str:
    """The case as a program."""
    tables = "".join(
        f"CREATE TABLE `{name}` ({table.columns}){_CONNECTORS[table.changelog]};\n"
        for name, table in definition.tables.items()
    )
    return tables + definition.query


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
    kinds = [KIND_SYMBOLS[kind] for kind in result.rows.column("kind").to_pylist()]
    columns = [texts(result.rows.column(i), kind, time_zone) for i, kind in enumerate(result.schema.types)]
    return tuple(zip(kinds, *columns, strict=True))
