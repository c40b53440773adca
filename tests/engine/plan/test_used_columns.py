"""Which columns of a source must be decoded, by the shape of the query; and that the others are not."""

from __future__ import annotations

import pytest

from velo_engine import Engine, JobOptions, Topic, TopicInput
from velo_engine.runtime.options import FailureStrategy

DDL = """
CREATE TABLE t (a INT, b INT, c STRING, d DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
CREATE TABLE o (a INT, x INT, y INT, os TIMESTAMP(3), WATERMARK FOR os AS os)
WITH ('connector' = 'kafka', 'topic' = 'o', 'format' = 'json');
"""


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("SELECT b FROM t", {"t": "b ts"}),
        ("SELECT b + 1 AS e FROM t WHERE c = 'x'", {"t": "b c ts"}),
        ("SELECT COUNT(*) AS n FROM t", {"t": "ts"}),
        ("SELECT c, SUM(d) FILTER (WHERE a > 0) AS s FROM t GROUP BY c", {"t": "a c d ts"}),
        ("SELECT w FROM (SELECT a AS v, b AS w, c FROM t)", {"t": "b ts"}),
        ("SELECT t.b, o.x FROM t JOIN o ON t.a = o.a", {"t": "a b ts", "o": "a x os"}),
        ("SELECT t.b FROM t JOIN o ON t.a = o.a AND o.y > t.d", {"t": "a b d ts", "o": "a y os"}),
        ("SELECT * FROM t", {"t": "a b c d ts"}),
        (
            "SELECT a, b FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) AS r FROM t) WHERE r < 3",
            {"t": "a b ts"},
        ),
        (
            "SELECT c, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' SECOND)) "
            "GROUP BY c, window_start, window_end",
            {"t": "c ts"},
        ),
    ],
)
def test_the_columns_that_a_query_reads(query: str, columns: dict[str, str]) -> None:
    """A row time is read by its watermark even when no query selects it."""
    plan = Engine().plan(f"{DDL} {query};")

    found = {
        name: " ".join(n for i, n in enumerate(s.schema.names) if s.decoded is None or i in s.decoded)
        for name, s in plan.sources.items()
    }

    assert found == columns


def test_every_statement_counts() -> None:
    plan = Engine().plan(f"{DDL} CREATE STREAM p AS SELECT a, b FROM t; CREATE STREAM q AS SELECT c FROM t;")

    assert plan.sources["t"].decoded == {0, 1, 2, 4}


def test_a_value_that_nobody_reads_cannot_fail() -> None:
    """As in Flink, whose JSON format decodes the projected fields alone."""
    engine = Engine()
    plan = engine.plan(f"{DDL} SELECT b FROM t;")
    topic = Topic("t")
    topic.append_batch([b'{"a": "no number", "b": 7, "ts": "2024-01-01 00:00:00"}'])

    result = engine.run(
        plan, inputs={"t": TopicInput(topic)}, options=JobOptions(failure_strategy=FailureStrategy.FAIL, now_ms=0)
    )

    assert result.statements["select_1"].final.to_pylist() == [{"b": 7}]
