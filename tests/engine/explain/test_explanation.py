"""What `velo explain` says: changes, keys, state and bounds of operators, columns read, advice."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from velo_engine import Engine
from velo_engine.explain.advice import AdviceCode
from velo_engine.explain.explanation import ExplainedNode, Explanation, explain
from velo_engine.explain.text import explanation_json, explanation_text

DDL = """
CREATE TABLE t (k STRING, v INT, x DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
CREATE TABLE o (k STRING, w INT, os TIMESTAMP(3), WATERMARK FOR os AS os - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'o', 'format' = 'json');
CREATE TABLE u (k STRING, v INT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'upsert-kafka', 'topic' = 'u');
"""


def explained(query: str) -> Explanation:
    engine = Engine()
    program = engine.parse(f"{DDL}{query}")
    return explain(engine.plan(program), program)


def nodes(node: ExplainedNode) -> Iterator[ExplainedNode]:
    yield node
    for child in node.inputs:
        yield from nodes(child)


def node(query: str, operator: str) -> ExplainedNode:
    (statement,) = explained(query).statements
    return next(n for n in nodes(statement.plan) if n.operator.startswith(operator))


@pytest.mark.parametrize(
    ("query", "operator", "kept", "bound", "grows"),
    [
        (
            "SELECT k, COUNT(*) AS n, SUM(x) AS s FROM t GROUP BY k",
            "GroupAggregate",
            "2 accumulators per (k)",
            "the number of different (k)",
            True,
        ),
        ("SELECT COUNT(*) AS n FROM t", "GroupAggregate", "1 accumulator per ()", "there is one group", False),
        (
            "SELECT k, COUNT(DISTINCT v) AS n FROM t GROUP BY k",
            "GroupAggregate",
            "1 accumulator per (k), and the different values of v",
            "the number of different (k)",
            True,
        ),
        (
            "SELECT n, MAX(k) AS m FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) GROUP BY n",
            "GroupAggregate keys=(n)",
            "1 accumulator per (n), and all values under MIN and MAX, since rows are taken back",
            "the number of different (n)",
            True,
        ),
        (
            "SELECT k, COUNT(*) AS n FROM t WINDOW TUMBLING(ts, 1m) GROUP BY k",
            "WindowAggregate",
            "1 accumulator per (k) and open window",
            "given up when the watermark passes the end of the window",
            False,
        ),
        (
            "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v) AS r FROM t) WHERE r <= 3",
            "TopN",
            "3 rows per (k)",
            "the number of different (k)",
            True,
        ),
        (
            "SELECT t.v, o.w FROM t JOIN o ON t.k = o.k",
            "RegularJoin",
            "all rows of both sides",
            "nothing gives rows up",
            True,
        ),
        (
            "SELECT t.v, o.w FROM t JOIN o ON t.k = o.k AND o.os BETWEEN t.ts AND t.ts + INTERVAL '1' MINUTE",
            "IntervalJoin",
            "rows of both sides",
            "given up when the watermark passes the bounds of the join",
            False,
        ),
        (
            "SELECT k, v FROM u",
            "ChangelogNormalize",
            "the last row per (k)",
            "the number of different (k)",
            True,
        ),
        (
            "SELECT k, v, SUM(v) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '8' SECOND PRECEDING AND CURRENT "
            "ROW) AS s FROM t",
            "OverAggregate",
            "rows of the last 8000 ms per (k)",
            "given up when the watermark passes the frame",
            False,
        ),
        (
            "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES A.v AS w PATTERN (A B) WITHIN INTERVAL "
            "'1' SECOND DEFINE A AS A.v > 1)",
            "MatchRecognize",
            "matches under way and their rows per (k)",
            "given up 1000 ms after their first row (WITHIN)",
            False,
        ),
    ],
)
def test_the_state_of_an_operator(query: str, operator: str, kept: str, bound: str, grows: bool) -> None:
    state = node(query, operator).state

    assert state is not None
    assert (state.kept, state.bound, state.grows) == (kept, bound, grows)


def test_changes_and_keys_of_an_edge() -> None:
    counts = node("SELECT k, COUNT(*) AS n FROM t GROUP BY k", "GroupAggregate")
    scan = node("SELECT k, COUNT(*) AS n FROM t GROUP BY k", "Scan")

    assert counts.changes == ("+I", "-U", "+U")
    assert counts.keys == (("k",),)
    assert counts.columns == (("k", "STRING"), ("$count0", "BIGINT NOT NULL"))
    assert scan.changes == ("+I",)
    assert scan.keys == ()


def test_columns_that_nobody_reads_are_named() -> None:
    (source,) = explained("SELECT v FROM t WHERE k = 'a'").sources

    assert source.read == ("k", "v", "ts")
    assert source.skipped == ("x",)


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        (
            "CREATE TABLE a AS SELECT k, COUNT(*) AS n FROM t GROUP BY k",
            AdviceCode.UNBOUNDED_STATE,
            "a: GroupAggregate keeps 1 accumulator per (k); its bound: the number of different (k)",
        ),
        (
            "CREATE STREAM a AS SELECT t.v FROM t JOIN o ON t.v > o.w",
            AdviceCode.NO_JOIN_KEY,
            "a: the join has no equal columns, so every row meets every row of the other side",
        ),
        (
            "CREATE STREAM a AS SELECT v, NOW() AS u FROM t",
            AdviceCode.NON_DETERMINISTIC,
            "a: CURRENT_TIMESTAMP gives another value in every run",
        ),
        (
            "CREATE TABLE a AS SELECT t.v, o.w FROM t LEFT JOIN o ON t.k = o.k",
            AdviceCode.NO_UPSERT_KEY,
            "a: the result is updated, and no columns identify its rows",
        ),
        (
            "CREATE STREAM a AS SELECT k, COUNT(*) AS n FROM p WINDOW TUMBLING(at, 1m) GROUP BY k;"
            "CREATE TABLE p (k STRING, at TIMESTAMP(3)) WITH ('connector' = 'kafka', 'topic' = 'p', 'format' = 'json')",
            AdviceCode.NO_WATERMARK_DELAY,
            "a: the watermark follows at without delay, so rows out of order may be late",
        ),
    ],
)
def test_advice(query: str, code: AdviceCode, message: str) -> None:
    found = {advice.code: advice for advice in explained(query).advice}

    assert found[code].message == message
    assert found[code].location is not None
    assert found[code].location.line == 7
    assert found[code].hint


def test_state_ttl_bounds_what_grows() -> None:
    explanation = explained("SET 'state.ttl' = '1d'; CREATE TABLE a AS SELECT k, COUNT(*) AS n FROM t GROUP BY k")

    assert explanation.state_ttl_ms == 86_400_000
    assert explanation.advice == ()
    assert "not used for 1 day, 0:00:00 is given up" in explanation_text(explanation)


def test_state_that_no_ttl_ends_is_named_with_one_too() -> None:
    """OVER, as Flink's, keeps its partitions whatever table.exec.state.ttl says."""
    over = "SELECT v, SUM(v) OVER (PARTITION BY k ORDER BY ts ROWS 2 PRECEDING) AS s FROM t"

    (advice,) = explained(f"SET 'state.ttl' = '1d'; CREATE STREAM a AS {over}").advice

    assert advice.code is AdviceCode.UNBOUNDED_STATE
    assert advice.hint == "bound it by event time; state.ttl does not end it"


def test_a_window_with_a_watermark_needs_no_advice() -> None:
    query = "CREATE STREAM a AS SELECT k, COUNT(*) AS n FROM t WINDOW TUMBLING(ts, 1m) GROUP BY k"

    assert explained(query).advice == ()


def test_the_text_is_a_tree() -> None:
    text = explanation_text(explained("CREATE TABLE a AS SELECT k, COUNT(*) AS n FROM t GROUP BY k"))

    assert "a into a, EMIT CHANGES\n" in text
    assert "└─GroupAggregate keys=(k)" in text
    assert "  │   +I -U +U  key (k)\n  │   state: 1 accumulator per (k)\n" in text
    assert "warning[VELO8001]: a: GroupAggregate keeps" in text


def test_json_says_the_same() -> None:
    found = json.loads(explanation_json(explained("CREATE TABLE a AS SELECT k, COUNT(*) AS n FROM t GROUP BY k")))

    assert found["schema_version"] == 1
    (statement,) = found["statements"]
    aggregate = statement["plan"]["inputs"][0]
    assert aggregate["changes"] == ["+I", "-U", "+U"]
    assert aggregate["state"] == {
        "kept": "1 accumulator per (k)",
        "bound": "the number of different (k)",
        "grows": True,
    }
    assert found["advice"][0]["code"] == "VELO8001"
    assert found["advice"][0]["location"] == "<sql>:7:1"
