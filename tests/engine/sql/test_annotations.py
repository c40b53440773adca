"""`-- @name: value` lines: who has them, what they hold, which have no effect."""

from __future__ import annotations

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.parser import parse_program


def parse(sql, **variables):
    return parse_program(sql, file="app.sql", variables=variables)


def pairs(annotations):
    return [(name, found.value) for name, found in annotations]


def test_the_head_of_the_file_belongs_to_the_application():
    program = parse(
        "-- Application metadata\n"
        "-- @app: trading_signals\n"
        "-- @version: 1.0.0\n"
        "\n"
        "-- @observability.metrics.enabled: true\n"
        "-- @sla.latency.p99: 100ms\n"
        "CREATE STREAM s AS SELECT a FROM t;"
    )
    assert pairs(program.annotations) == [
        ("app", "trading_signals"),
        ("version", "1.0.0"),
        ("observability.metrics.enabled", "true"),
        ("sla.latency.p99", "100ms"),
    ]
    assert program.statements[0].annotations == ()
    assert program.warnings == ()


def test_metrics_belong_to_the_statement_and_keep_their_order():
    program = parse(
        "-- @app: a\n"
        "-- @metric: n_total\n"
        "-- @metric_type: counter\n"
        "\n"
        "-- and a second one\n"
        "-- @metric: price\n"
        "-- @metric_type: gauge\n"
        "-- @alert: price > 100\n"
        "CREATE STREAM s AS SELECT a FROM t;\n"
        "-- @metric: other\n"
        "CREATE STREAM u AS SELECT a FROM s;"
    )
    first, second = program.statements
    assert pairs(first.annotations) == [
        ("metric", "n_total"),
        ("metric_type", "counter"),
        ("metric", "price"),
        ("metric_type", "gauge"),
        ("alert", "price > 100"),
    ]
    assert pairs(second.annotations) == [("metric", "other")]


def test_how_a_job_runs_is_the_statements_only_directly_before_it():
    apart = parse("-- @app: a\n-- @job_mode: simple\n\nCREATE STREAM s AS SELECT 1;")
    assert pairs(apart.annotations) == [("app", "a"), ("job_mode", "simple")]
    joined = parse("-- @app: a\n\n-- @job_mode: simple\nCREATE STREAM s AS SELECT 1;")
    assert pairs(joined.annotations) == [("app", "a")]
    assert pairs(joined.statements[0].annotations) == [("job_mode", "simple")]


def test_annotations_further_down_belong_to_the_next_statement():
    program = parse("SELECT 1;\n-- @description: second\n-- @batch_size: 10\nSET 'a' = 'b';\nSELECT 2;")
    assert pairs(program.statements[1].annotations) == [("description", "second"), ("batch_size", "10")]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('-- @metric_help: "High-volume trades (>1000)"', "High-volume trades (>1000)"),
        ("-- @metric_help: 'a'", "a"),
        ('-- @metric_help: "a" and "b"', '"a" and "b"'),
        ("-- @metric_help: one\n--    two\n--    three", "one two three"),
        ("-- @metric_help: one \\\n-- two", "one two"),
        ("-- @metric_help: one\n-- a remark", "one"),
        ("-- @metric_help: one\n\n--    apart", "one"),
        ("--@metric_help:one", "one"),
        ("-- @metric_help one", "one"),
        ("-- @metric_help:", ""),
        ("-- @metric_help: ${WHO:me} and ${WHO2}", "me and you"),
    ],
)
def test_the_value_of_an_annotation(written, value):
    program = parse(f"SELECT 0;\n{written}\nSELECT 1", WHO2="you")
    assert pairs(program.statements[1].annotations) == [("metric_help", value)]


def test_an_annotation_knows_its_place():
    ((_, found),) = parse("SELECT 0;\n  -- @metric: n\nSELECT 1").statements[1].annotations
    assert (found.location.line, found.location.column, found.location.length) == (2, 15, 1)
    assert (found.name_location.line, found.name_location.column, found.name_location.length) == (2, 6, 7)


def test_an_unknown_annotation_is_kept_and_reported_with_the_nearest_name():
    program = parse("SELECT 0;\n-- @metirc_type: gauge\nSELECT 1")
    assert pairs(program.statements[1].annotations) == [("metirc_type", "gauge")]
    (warning,) = program.warnings
    assert warning.message == "the annotation @metirc_type has no meaning"
    assert warning.hint == "did you mean @metric_type?"
    assert str(warning.location) == "app.sql:2:4"


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("SELECT a, -- @metric: n\n b FROM t", "stands inside a statement"),
        ("SELECT a FROM t;\n-- @metric: n", "has no statement after it"),
    ],
)
def test_an_annotation_that_reaches_nobody_is_reported(sql, problem):
    program = parse(sql)
    assert program.statements[0].annotations == ()
    (warning,) = program.warnings
    assert problem in warning.message


def test_warnings_come_in_the_order_of_their_places():
    program = parse("SELECT a FROM t /*+ x */;\n-- @foo: 1\nSELECT /*+ y */ 1")
    assert [warning.location.line for warning in program.warnings] == [1, 2, 3]


def test_an_unset_variable_in_an_annotation_is_an_error_at_its_place():
    with pytest.raises(VeloError) as caught:
        parse("SELECT 0;\n-- @metric: ${NOPE}\nSELECT 1")
    assert caught.value.code is ErrorCode.UNSET_VARIABLE
    assert str(caught.value.location) == "app.sql:2:13"


def test_annotations_in_strings_and_block_comments_are_text():
    program = parse("SELECT '-- @metric: n' /* \n-- @metric: m\n */ FROM t")
    assert program.statements[0].annotations == ()
    assert program.warnings == ()
