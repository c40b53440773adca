"""`${NAME}` references: one rule."""

from __future__ import annotations

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.parser import parse_program
from velo_engine.sql.variables import expand


def expanded(text, **variables):
    return expand(text, variables, lambda _start, _end: None)


@pytest.mark.parametrize(
    ("text", "variables", "value"),
    [
        ("${A}", {"A": "x"}, "x"),
        ("${A}", {"A": ""}, ""),
        ("a-${A}-b${B}", {"A": "x", "B": "y"}, "a-x-by"),
        ("${A:d}", {}, "d"),
        ("${A:-d}", {}, "d"),
        ("${A:d}", {"A": "x"}, "x"),
        ("${A:-d}", {"A": ""}, "d"),
        ("${A:d}", {"A": ""}, "d"),
        ("${A:}", {}, ""),
        ("${A:localhost:9092}", {}, "localhost:9092"),
        ("${A:-${B:c}}", {}, "c"),
        ("${A:${B}}", {"B": "x"}, "x"),
        ("${A:?needed}", {"A": "x"}, "x"),
        ("no $A here {}", {}, "no $A here {}"),
        ("${A}", {"A": "${B}"}, "${B}"),
    ],
)
def test_the_value_of_a_reference(text, variables, value):
    assert expanded(text, **variables) == value


def test_a_reference_without_value_is_an_error_with_its_message():
    with pytest.raises(VeloError, match="the variable A is not set: say where") as caught:
        expanded("${A:?say where}")
    assert caught.value.code is ErrorCode.UNSET_VARIABLE
    with pytest.raises(VeloError, match="the variable A is not set"):
        expanded("${A:?say where}", A="")


def test_the_nearest_name_is_offered():
    with pytest.raises(VeloError) as caught:
        expanded("${BROKER}", BROKERS="x")
    assert caught.value.hint == "set BROKER, or write ${BROKER:default}; did you mean BROKERS?"


@pytest.mark.parametrize("text", ["${}", "${1A}", "${A-B}", "${A B}"])
def test_a_malformed_reference_is_an_error(text):
    with pytest.raises(VeloError, match="is not a variable reference"):
        expanded(text)


def test_a_value_within_quotes_cannot_end_the_string():
    program = parse_program("SELECT '${A}' AS \"${B}\" FROM t WITH ('k' = '${A}')", variables={"A": "it's", "B": 'a"b'})
    (item,) = program.statements[0].query.expressions
    assert (item.this.this, item.alias) == ("it's", 'a"b')
    assert program.statements[0].properties["k"].value == "it's"


def test_a_value_outside_quotes_is_sql():
    (statement,) = parse_program("SELECT a FROM ${T} WINDOW TUMBLING(${SIZE:5m})", variables={"T": "trades"}).statements
    assert statement.query.args["from_"].this.name == "trades"
    assert statement.query.args["window_clause"].args["size_ms"] == 300_000


def test_a_uri_may_hold_references():
    (statement,) = parse_program("SELECT a FROM kafka://${HOST}:9092/orders", variables={"HOST": "k1"}).statements
    assert statement.query.args["from_"].this.name == "kafka://k1:9092/orders"


def test_comments_are_not_expanded():
    program = parse_program("-- ${NOPE}\nSELECT 1 /* ${NOPE} */", variables={})
    assert len(program.statements) == 1


def test_a_quote_in_a_default_does_not_open_a_string():
    (statement,) = parse_program("SELECT ${A:'x'} AS a FROM t", variables={}).statements
    assert statement.query.expressions[0].this.this == "x"


def test_the_environment_is_used_when_no_variables_are_given(monkeypatch):
    monkeypatch.setenv("VELO_TEST_TABLE", "trades")
    (statement,) = parse_program("SELECT a FROM ${VELO_TEST_TABLE}").statements
    assert statement.query.args["from_"].this.name == "trades"


def test_an_unclosed_reference_is_an_error():
    with pytest.raises(VeloError, match="never closed") as caught:
        parse_program("SELECT ${A FROM t", variables={})
    assert (caught.value.location.column, caught.value.location.length) == (8, 2)
