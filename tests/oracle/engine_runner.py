"""Runs a recorded case on our engine: the same DDL bodies, the same query, the same arrival order."""

from __future__ import annotations

import json

from tests.oracle.case import Answer, Change, Definition
from tests.oracle.flink_text import texts
from velo_engine import EmitSemantics, Engine, FailureStrategy, JobOptions, TopicInput, VeloError
from velo_engine.batch import KIND_SYMBOLS
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
        result = engine.run(program, inputs=_topics(engine, definition), options=options)
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
    tables = "".join(f"CREATE TABLE `{name}` ({table.columns});\n" for name, table in definition.tables.items())
    return tables + definition.query


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
