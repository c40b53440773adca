"""OVER: what is planned together, and what Flink's planner refuses over a stream."""

from __future__ import annotations

import pytest

from velo_engine import Engine, ErrorCode, VeloError
from velo_engine.plan.nodes import PlanNode, inputs
from velo_engine.plan.over_node import OverAggregate, OverFrame, OverOrder

DDL = """CREATE TABLE t (k STRING, v INT, x DECIMAL(10, 2), tags ARRAY<STRING>, pt AS PROCTIME(), ts TIMESTAMP(3),
                         WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
"""

UNSUPPORTED = [
    # (query, the text that is underlined, what the message says); comments are Flink's own words.
    # Over Agg: Unsupported use of OVER windows. All aggregates must be computed on the same window.
    (
        "SELECT SUM(v) OVER (PARTITION BY k ORDER BY ts), COUNT(*) OVER (PARTITION BY v ORDER BY ts) FROM t",
        "COUNT",
        "more than one OVER window",
    ),
    (
        "SELECT SUM(v) OVER (ORDER BY ts), ROW_NUMBER() OVER (ORDER BY ts) FROM t",
        "ROW_NUMBER",
        "more than one OVER window",
    ),
    # The window can only be ordered by a single time column.
    ("SELECT SUM(v) OVER (PARTITION BY k) FROM t", "SUM", "OVER without ORDER BY"),
    ("SELECT SUM(v) OVER (ORDER BY ts, v) FROM t", "SUM", "more than one column"),
    # The window can only be ordered in ASCENDING mode.
    ("SELECT SUM(v) OVER (ORDER BY ts DESC) FROM t", "SUM", "descending order"),
    # OVER RANGE FOLLOWING windows are not supported yet.
    ("SELECT SUM(v) OVER (ORDER BY ts ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING) FROM t", "SUM", "this frame"),
    ("SELECT SUM(v) OVER (ORDER BY ts ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) FROM t", "SUM", "this frame"),
    ("SELECT SUM(v) OVER (ORDER BY ts ROWS CURRENT ROW) FROM t", "SUM", "this frame"),
    # ROWS value must be a non-negative integral constant
    ("SELECT SUM(v) OVER (ORDER BY ts ROWS v PRECEDING) FROM t", "SUM", "this number of rows"),
    # Data Type mismatch between ORDER BY and RANGE clause
    ("SELECT SUM(v) OVER (ORDER BY ts RANGE 5 PRECEDING) FROM t", "SUM", "this RANGE"),
    # INTERVAL_YEAR_MONTH type is not allowed for window boundary
    ("SELECT SUM(v) OVER (ORDER BY ts RANGE INTERVAL '1' MONTH PRECEDING) FROM t", "SUM", "no fixed length"),
    # Non-time attribute sort is not supported for bounded OVER window.
    ("SELECT SUM(v) OVER (ORDER BY v ROWS 2 PRECEDING) FROM t", "SUM", "a bounded frame ordered by what is no time"),
    # OVER must be applied to aggregate function
    ("SELECT SUM(v) FILTER (WHERE v > 1) OVER (ORDER BY ts) FROM t", "SUM", "FILTER before OVER"),
    # LEAD Function is not supported in stream mode.
    ("SELECT LEAD(v) OVER (ORDER BY ts) FROM t", "LEAD", "LEAD over a stream"),
    # Flink passes over IGNORE NULLS without a word.
    ("SELECT LAG(v) IGNORE NULLS OVER (ORDER BY ts) FROM t", "LAG", "IGNORE NULLS"),
    # Flink takes ROWS 2 PRECEDING for ROWS UNBOUNDED PRECEDING here.
    (
        "SELECT SUM(v) OVER (w ROWS 2 PRECEDING) FROM t WINDOW w AS (ORDER BY ts)",
        "SUM",
        "a frame beside a named window",
    ),
    # Accumulators that are more than the result: Flink gives out one for the other.
    ("SELECT FIRST_VALUE(v) OVER (ORDER BY v) FROM t", "FIRST_VALUE", "FIRST_VALUE OVER ordered by what is no time"),
    ("SELECT COUNT(DISTINCT v) OVER (ORDER BY v) FROM t", "COUNT", "COUNT(DISTINCT …) OVER ordered by what is no time"),
    ("SELECT LAG(v) OVER (ORDER BY v) FROM t", "LAG", "LAG OVER ordered by what is no time"),
    # StreamPhysicalOverAggregate doesn't support consuming update and delete changes
    (
        "SELECT SUM(c) OVER (ORDER BY PROCTIME()) FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k)",
        "SELECT",
        "OVER by processing time over rows that change",
    ),
    (
        "SELECT SUM(v) OVER (ROWS WINDOW BUFFER 5 ROWS ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM t",
        "SUM",
        "a frame inside a ROWS WINDOW BUFFER",
    ),
    ("SELECT k FROM t WHERE SUM(v) OVER (ORDER BY ts) > 1", "SUM", "OVER in WHERE"),
]

WRONG = [
    ("SELECT ROW_NUMBER() OVER (ORDER BY ts ROWS 2 PRECEDING) FROM t", ErrorCode.SQL_SYNTAX, "takes no ROWS or RANGE"),
    ("SELECT SUM(v) OVER missing FROM t", ErrorCode.SQL_SYNTAX, 'there is no window "missing"'),
    ("SELECT SUM(k) OVER (ORDER BY ts) FROM t", ErrorCode.TYPE_MISMATCH, "SUM needs a number"),
    ("SELECT UPPER(k) OVER (ORDER BY ts) FROM t", ErrorCode.UNKNOWN_FUNCTION, "no function of OVER"),
    ("SELECT LAG(v, 1, 1.5) OVER (ORDER BY ts) FROM t", ErrorCode.TYPE_MISMATCH, "the default of LAG"),
    ("SELECT COUNT(*) OVER (ORDER BY tags) FROM t", ErrorCode.TYPE_MISMATCH, "needs a value with an order"),
]


@pytest.mark.parametrize(("query", "underlined", "message"), UNSUPPORTED, ids=[m for *_, m in UNSUPPORTED])
def test_unsupported(query: str, underlined: str, message: str) -> None:
    with pytest.raises(VeloError) as caught:
        Engine().plan(DDL + query)
    assert caught.value.code is ErrorCode.SQL_UNSUPPORTED
    assert message in caught.value.message
    location = caught.value.location
    assert location is not None
    assert location.line == 1 + DDL.count("\n")
    assert query[location.column - 1 :].startswith(underlined)


@pytest.mark.parametrize(("query", "code", "message"), WRONG, ids=[m for *_, m in WRONG])
def test_wrong(query: str, code: ErrorCode, message: str) -> None:
    with pytest.raises(VeloError) as caught:
        Engine().plan(DDL + query)
    assert caught.value.code is code
    assert message in caught.value.message
    assert caught.value.location is not None


def over_nodes(query: str) -> list[OverAggregate]:
    """The OVER nodes of a query's plan, the topmost first."""
    node: PlanNode = Engine().plan(DDL + query).statements["select_1"].plan
    found = []
    while True:
        if isinstance(node, OverAggregate):
            found.append(node)
        children = inputs(node)
        if not children:
            return found
        (node,) = children


def test_one_window_is_one_node_and_equal_calls_are_one() -> None:
    (node,) = over_nodes(
        "SELECT SUM(v) OVER w, AVG(v) OVER (PARTITION BY k ORDER BY ts ROWS 2 PRECEDING), COUNT(v) OVER w FROM t "
        "WINDOW w AS (PARTITION BY k ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)"
    )
    assert [call.function for call in node.calls] == ["sum", "count"]
    assert node.frame == OverFrame(rows=True, preceding=2)
    assert node.order is OverOrder.EVENT_TIME


def test_buffers_stand_beside_a_window_and_each_other() -> None:
    nodes = over_nodes(
        "SELECT SUM(v) OVER (ORDER BY ts), SUM(v) OVER (ROWS WINDOW BUFFER 3 ROWS), COUNT(*) OVER (ROWS WINDOW BUFFER 9 ROWS) "
        "FROM t"
    )
    assert sorted(node.order.name for node in nodes) == ["ARRIVAL", "ARRIVAL", "EVENT_TIME"]


def test_a_constant_partition_is_none() -> None:
    (node,) = over_nodes("SELECT SUM(v) OVER (PARTITION BY 'a' ORDER BY ts) FROM t")
    assert node.partition == ()


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("ts", OverOrder.EVENT_TIME),
        ("pt", OverOrder.PROCESSING_TIME),
        ("PROCTIME()", OverOrder.PROCESSING_TIME),
        ("v", OverOrder.VALUES),
        ("ts + INTERVAL '1' SECOND", OverOrder.VALUES),
    ],
)
def test_the_order_says_when_rows_are_given_out(order: str, expected: OverOrder) -> None:
    (node,) = over_nodes(f"SELECT COUNT(*) OVER (PARTITION BY k ORDER BY {order}) FROM t")
    assert node.order is expected


def test_event_time_goes_through_over() -> None:
    outer, inner = over_nodes(
        "SELECT SUM(s) OVER (ORDER BY ts ROWS 1 PRECEDING) FROM (SELECT ts, SUM(v) OVER (ORDER BY ts) AS s FROM t)"
    )
    assert outer.order is inner.order is OverOrder.EVENT_TIME
