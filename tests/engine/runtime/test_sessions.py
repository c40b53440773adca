"""Sessions that merge in one batch what opened in others, with accumulators and with rows. Expected values by hand."""

from __future__ import annotations

import json

import pytest

from velo_engine import Engine, JobOptions, TopicInput

DDL = (
    "CREATE TABLE t (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '20' SECOND) "
    "WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');"
)
SECONDS = [40, 45, 50, 48, 43, 5]
"""With a gap of 3 s: three sessions, then one row that joins the last two, one that joins these with the first, one too late."""


@pytest.mark.parametrize("batch_size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("call", "expected"), [("SUM(v)", 31), ("SUM(DISTINCT v)", 31), ("SUM(CAST(v AS DOUBLE))", 31.0)]
)
def test_a_session_that_was_taken_in_is_taken_in_again(call: str, expected: float, batch_size: int) -> None:
    engine = Engine()
    topic = engine.topics.create("t")
    for order, second in enumerate(SECONDS):
        row = {"k": "A", "v": 2**order, "ts": f"2024-01-01 00:00:{second:02}"}
        topic.append(json.dumps(row).encode(), sequence=order)
    query = (
        f"SELECT window_start, window_end, {call} AS s FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), "
        "INTERVAL '3' SECOND)) GROUP BY k, window_start, window_end"
    )
    options = JobOptions(now_ms=0, batch_size=batch_size)

    result = engine.run(engine.plan(DDL + query), inputs={"t": TopicInput(topic)}, options=options)

    *_, statement = result.statements.values()
    rows = [(r["window_start"].second, r["window_end"].second, r["s"]) for r in statement.final.to_pylist()]
    assert rows == [(40, 53, expected)]
    assert statement.accounting.late == 1
