"""Errors of opening a job are placed where the program says what cannot be used."""

from __future__ import annotations

import pytest

from velo_engine import Engine, VeloError
from velo_engine.errors import ErrorCode

SOURCE = "CREATE TABLE t (k STRING) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');\n"


def underlined(error: VeloError) -> str:
    assert error.location is not None
    start = error.location.column - 1
    return error.location.text[start : start + error.location.length]


@pytest.mark.parametrize(
    ("program", "message", "place"),
    [
        ("SET 'failure_strategy' = 'Explode'; SELECT k FROM t", '"Explode" is not a value of', "'Explode'"),
        ("SET 'time.zone' = 'Mars/Base'; SELECT k FROM t", 'no time zone "Mars/Base"', "'Mars/Base'"),
        ("SET 'job.dlq_max_size' = 'many'; SELECT k FROM t", "is a whole number", "'many'"),
        ("SELECT k FROM t INTO s WITH ('s.type' = 'kafka', 's.format' = 'jsn')", '"jsn" is not a format', "'jsn'"),
        ("SELECT k FROM t INTO s WITH ('s.type' = 'file')", "s is a file without a path", "'file'"),
    ],
)
def test_a_value_that_cannot_be_used_is_underlined(program: str, message: str, place: str) -> None:
    engine = Engine()
    engine.topics.create("t")
    with pytest.raises(VeloError, match=message) as caught:
        engine.run(engine.plan(SOURCE + program))
    assert caught.value.code is ErrorCode.BAD_PROPERTY
    assert underlined(caught.value) == place


def test_a_sink_of_another_type_is_refused_when_it_is_planned() -> None:
    sink = "CREATE TABLE s (k STRING) WITH ('connector' = 'jdbc');\n"
    with pytest.raises(VeloError, match='s has the type "jdbc", for which this version has no sink') as caught:
        Engine().plan(SOURCE + sink + "INSERT INTO s SELECT k FROM t")
    assert caught.value.code is ErrorCode.SQL_UNSUPPORTED
    assert underlined(caught.value) == "'jdbc'"


def test_a_source_of_another_type_is_warned_of_and_refused_when_it_is_opened() -> None:
    engine = Engine()
    program = engine.plan("CREATE TABLE g (k STRING) WITH ('connector' = 'datagen');\nSELECT k FROM g")
    assert [warning.message for warning in program.warnings] == [
        '"g" has the type "datagen", for which this version has no connector'
    ]
    with pytest.raises(VeloError, match='"datagen"') as caught:
        engine.run(program)
    assert underlined(caught.value) == "'datagen'"


@pytest.mark.parametrize("kind", ["print", "blackhole"])
def test_print_and_blackhole_are_the_result_alone(kind: str) -> None:
    engine = Engine()
    engine.topics.create("t").append(b'{"k": "A"}')
    sink = f"CREATE TABLE s (k STRING) WITH ('connector' = '{kind}');\n"
    result = engine.run(engine.plan(SOURCE + sink + "INSERT INTO s SELECT k FROM t")).statements["s"]
    assert result.changelog.to_pylist() == [{"k": "A", "op": "+I"}]
    assert result.accounting.written == 0


def test_a_second_row_of_a_scalar_subquery_is_an_error_at_the_subquery() -> None:
    engine = Engine()
    topic = engine.topics.create("t")
    for key in "AB":
        topic.append(b'{"k": "%s"}' % key.encode())
    with pytest.raises(VeloError, match="more than one row") as caught:
        engine.run(engine.plan(SOURCE + "SELECT k, (SELECT k FROM t) AS x FROM t"))
    assert caught.value.code is ErrorCode.JOB_FAILED
    assert caught.value.location is not None
    assert caught.value.location.line == 2
