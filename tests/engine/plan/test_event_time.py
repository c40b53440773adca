"""Which column is event time, how it is read, and how far it is carried."""

from __future__ import annotations

import pytest
from tests.engine.plan.planning import columns, plan, statement

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import AssignWatermark, PlanNode, Project, inputs
from velo_engine.plan.render import render_expression

WINDOW = "SELECT COUNT(*) AS n FROM trades WINDOW TUMBLING({}1m)"


def _watermarks(node: PlanNode) -> list[AssignWatermark]:
    below = [found for child in inputs(node) for found in _watermarks(child)]
    return [*below, node] if isinstance(node, AssignWatermark) else below


def _time(sql: str) -> str:
    """The event time as an expression over the columns of the source."""
    (watermark,) = _watermarks(statement(sql).plan)
    below = watermark.input
    if not isinstance(below, Project):
        return below.schema.names[watermark.time_column]
    return render_expression(below.expressions[watermark.time_column], below.input.schema.names)


@pytest.mark.parametrize(
    ("properties", "column", "time"),
    [
        ("'event.time.field' = 'ts'", "", "ts"),
        ("'trades.event.time.field' = 'ts'", "ts, ", "ts"),
        ("'event.time.field' = 'ms'", "", "to_timestamp_ltz(ms, 3)"),
        ("'event.time.field' = 'ms'", "ms, ", "to_timestamp_ltz(ms, 3)"),
        ("'event.time.field' = 'ms', 'event.time.format' = 'epoch_seconds'", "", "to_timestamp_ltz((ms * 1000), 3)"),
        ("'event.time.field' = 'symbol', 'event.time.format' = 'iso8601'", "", "from_iso8601(symbol)"),
        ("'event.time.field' = 'symbol'", "", "from_iso8601(symbol)"),
        (
            "'event.time.field' = 'symbol', 'event.time.format' = 'dd/MM/yyyy HH:mm'",
            "",
            "to_timestamp(symbol, 'dd/MM/yyyy HH:mm')",
        ),
        (
            "'event.time.field' = 'symbol', 'event.time.format' = '%Y-%m-%dT%H:%M:%S.%f'",
            "",
            "to_timestamp(symbol, 'yyyy-MM-dd'T'HH:mm:ss.SSSSSS')",
        ),
        (
            "'event.time.field' = 'symbol', 'event.time.format' = 'epoch_millis'",
            "",
            "to_timestamp_ltz(CAST(symbol AS BIGINT), 3)",
        ),
        ("'state.ttl' = '1h'", "", "_timestamp"),
        ("'state.ttl' = '1h'", "ts, ", "ts"),
        ("'state.ttl' = '1h'", "ms, ", "to_timestamp_ltz(ms, 3)"),
    ],
)
def test_the_event_time_of_a_source(properties: str, column: str, time: str) -> None:
    assert _time(WINDOW.format(column) + f" WITH ({properties})") == time


def test_an_integer_of_unknown_unit_is_read_by_its_size() -> None:
    time = _time(WINDOW.format("") + " WITH ('event.time.field' = 'ms', 'event.time.format' = 'auto')")
    assert time.startswith("to_timestamp_ltz(CASE WHEN (abs(ms) < 100000000000) THEN (ms * 1000)")


def test_the_format_of_a_declared_timestamp_is_an_option_of_the_records_format() -> None:
    program = plan(WINDOW.format("") + " WITH ('event.time.field' = 'ts', 'event.time.format' = 'epoch_millis')")
    assert program.sources["trades"].properties == {"timestamp.format.ts": "epoch_millis"}
    assert _time(WINDOW.format("") + " WITH ('event.time.field' = 'ts', 'event.time.format' = 'epoch_millis')") == "ts"


def test_the_right_side_of_a_join_has_an_event_time_only_if_it_has_the_column() -> None:
    planned = statement(
        "SELECT t.symbol FROM trades AS t JOIN customers AS c ON t.symbol = c.name WITH ('event.time.field' = 'ts')"
    )
    (watermark,) = _watermarks(planned.plan)
    assert watermark.input.schema.names[:2] == ("symbol", "price")


def test_a_reference_table_has_no_event_time() -> None:
    planned = statement(
        "SELECT o.amount FROM orders AS o JOIN payments AS p ON o.order_id = p.order_id"
        " WITH ('event.time.field' = 'ts', 'payments.type' = 'table')"
    )
    assert [w.input.schema.names[0] for w in _watermarks(planned.plan)] == ["order_id"]
    assert len(_watermarks(planned.plan)) == 1


CARRIED = "CREATE STREAM s AS {} WITH ('event.time.field' = 'ts'); SELECT COUNT(*) AS n FROM s WINDOW TUMBLING(1m)"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT symbol, ts FROM trades WHERE qty > 0",
        "SELECT x.ts AS happened FROM (SELECT * FROM trades) AS x",
        "WITH x AS (SELECT ts AS a FROM trades) SELECT a AS b FROM x",
        "SELECT t.ts FROM trades AS t JOIN rates AS r ON t.symbol = r.symbol",
        "SELECT symbol, _event_time FROM trades",
    ],
)
def test_a_plain_column_carries_the_event_time_on(query: str) -> None:
    planned = statement(CARRIED.format(query))
    assert _watermarks(planned.plan) == []


@pytest.mark.parametrize(
    "query",
    [
        "SELECT symbol FROM trades",
        "SELECT ts + INTERVAL '1' SECOND AS ts FROM trades",
        "SELECT MAX(ts) AS ts FROM trades",
        "SELECT ts, COUNT(*) AS n FROM trades GROUP BY ts",
        "SELECT o.ts FROM orders AS o JOIN payments AS p ON o.order_id = p.order_id",
        "SELECT ts FROM trades ORDER BY qty LIMIT 3",
    ],
)
def test_an_expression_an_aggregate_or_a_join_ends_it(query: str) -> None:
    with pytest.raises(VeloError) as caught:
        statement(CARRIED.format(query))
    assert caught.value.code is ErrorCode.MISSING_EVENT_TIME


def test_the_event_time_can_be_read_by_its_own_name() -> None:
    sql = "SELECT symbol, _event_time AS t, _PROCESSING_TIME AS p FROM trades WITH ('event.time.field' = 'ts')"
    assert columns(sql) == [("symbol", "STRING"), ("t", "TIMESTAMP(3)"), ("p", "TIMESTAMP_LTZ(3) NOT NULL")]


def test_a_file_has_no_event_time_of_its_own() -> None:
    with pytest.raises(VeloError) as caught:
        plan(WINDOW.format("") + " WITH ('trades.type' = 'file_source', 'trades.path' = 't.csv')")
    assert caught.value.code is ErrorCode.MISSING_EVENT_TIME
    assert caught.value.hint is not None


def test_watermark_settings_of_the_job_hold_where_a_statement_says_nothing() -> None:
    (watermark,) = _watermarks(
        statement(
            "SET 'watermark.max_out_of_orderness' = '7s'; SET 'table.exec.source.idle-timeout' = '1 min';"
            + WINDOW.format("ts, ")
        ).plan
    )
    assert (watermark.delay_ms, watermark.idle_timeout_ms) == (7_000, 60_000)


def test_a_declared_watermark_and_a_property_may_not_disagree() -> None:
    declared = "CREATE TABLE t (a TIMESTAMP(3), b TIMESTAMP(3), WATERMARK FOR a AS a) WITH ('connector' = 'kafka');"
    with pytest.raises(VeloError, match=r"event\.time\.field is b, but t declares WATERMARK FOR a"):
        plan(declared + "SELECT a FROM t WITH ('event.time.field' = 'b')")
    with pytest.raises(VeloError, match=r"max_out_of_orderness contradicts WATERMARK FOR a of t"):
        plan(declared + "SELECT a FROM t WITH ('watermark.max_out_of_orderness' = '5s')")
