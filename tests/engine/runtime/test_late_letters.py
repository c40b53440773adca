"""`late.data.strategy = dead_letter`: a row for which every window has closed becomes a dead letter, and is counted once."""

from __future__ import annotations

import json

import pytest

from velo_engine import Engine, JobOptions, TopicInput
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.runtime.result import JobResult

STREAM = "CREATE TABLE t (k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);"
LATE = "WITH ('t.late.data.strategy' = 'dead_letter')"
ROWS = [("a", 1), ("a", 12), ("a", 3), ("b", 13), ("b", 25), ("a", 24), ("b", 19)]
"""Key and second; those of the seconds 3 and 19 come after the watermark has passed the end of their windows."""


def run(statement: str, batch_size: int = 1000) -> JobResult:
    engine = Engine()
    program = engine.plan(STREAM + statement)
    topic = engine.topics.create("t")
    topic.append_batch([json.dumps({"k": k, "ts": f"2025-01-01 00:00:{s:02d}"}).encode() for k, s in ROWS])
    return engine.run(program, inputs={"t": TopicInput(topic)}, options=JobOptions(batch_size=batch_size))


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_late_rows_are_dead_letters(batch_size: int) -> None:
    statement = (
        f"CREATE TABLE n AS SELECT k, window_start, COUNT(*) AS c FROM t WINDOW TUMBLING(10s) GROUP BY k {LATE};"
    )

    result = run(statement, batch_size)

    books = result.statements["n"].accounting
    assert (books.read, books.accepted, books.late, books.dead_lettered) == (7, 5, 0, 2)
    assert result.statements["n"].late.num_rows == 0
    assert [(d.offset, d.reason.split(":")[0]) for d in result.dead_letters] == [(2, "late"), (6, "late")]


def test_a_row_that_came_out_of_an_aggregation_cannot_be_a_dead_letter() -> None:
    statements = (
        "CREATE TABLE n AS SELECT k, window_start, window_end, window_time, COUNT(*) AS c FROM t"
        " WINDOW TUMBLING(10s) GROUP BY k;"
        "CREATE TABLE m AS SELECT window_start AS s2, SUM(c) AS c FROM (SELECT window_time, c FROM n)"
        " WINDOW TUMBLING(20s) WITH ('n.late.data.strategy' = 'dead_letter');"
    )

    with pytest.raises(VeloError) as refused:
        run(statements)

    assert refused.value.code is ErrorCode.SQL_UNSUPPORTED
    assert "late.data.strategy" in refused.value.message


def test_emit_final_with_allowed_lateness_is_refused_with_the_reason() -> None:
    with pytest.raises(VeloError) as refused:
        run(
            "CREATE TABLE n AS SELECT window_start, COUNT(*) AS c FROM t WINDOW TUMBLING(10s) EMIT FINAL"
            " WITH ('t.allowed.lateness' = '5s');"
        )

    assert refused.value.code is ErrorCode.SQL_UNSUPPORTED
    assert "leave EMIT FINAL away" in str(refused.value.hint)


def test_late_rows_of_two_operators_are_one_table_where_names_are_taken() -> None:
    engine = Engine()
    program = engine.plan(
        "CREATE TABLE a (x INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);"
        "CREATE TABLE b (x STRING, x0 STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);"
        "SELECT COUNT(x) AS n, COUNT(*) AS m FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '10' SECOND))"
        " GROUP BY window_start, window_end UNION ALL "
        "SELECT COUNT(x) AS n, COUNT(x0) AS m FROM TABLE(TUMBLE(TABLE b, DESCRIPTOR(ts), INTERVAL '10' SECOND))"
        " GROUP BY window_start, window_end"
    )
    inputs = {}
    for name, row in {"a": {"x": 7}, "b": {"x": "seven", "x0": "nought"}}.items():
        topic = engine.topics.create(name)
        times = ["2025-01-01 00:00:25", "2025-01-01 00:00:03"]
        topic.append_batch([json.dumps({**row, "ts": time}).encode() for time in times])
        inputs[name] = TopicInput(topic)

    (statement,) = engine.run(program, inputs=inputs, options=JobOptions(batch_size=1)).statements.values()

    late = statement.late.select(["x", "x0", "x1"]).to_pylist()
    assert late == [{"x": 7, "x0": None, "x1": None}, {"x": None, "x0": "nought", "x1": "seven"}]
