"""MATCH_RECOGNIZE as a plan: names, types and times of the result, and what the planner refuses."""

from __future__ import annotations

import pytest

from velo_engine import Engine, PlannedProgram, VeloError
from velo_engine.errors import ErrorCode
from velo_engine.plan.nodes import inputs
from velo_engine.plan.render import render_program

DDL = (
    "CREATE TABLE t (id INT, k STRING, p INT, n INT NOT NULL, s STRING, r ROW<x INT, y STRING>, ts TIMESTAMP(3), "
    "pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND);\n"
)


def query(
    pattern: str = "A B",
    define: str = "B AS B.p > A.p",
    measures: str = "A.id AS a",
    partition: str = "k",
    order: str = "ts",
    after: str = "",
) -> str:
    parts = (f"PARTITION BY {partition}" if partition else "", f"ORDER BY {order}" if order else "")
    skip = f"AFTER MATCH SKIP {after}" if after else ""
    clauses = f"{' '.join(parts)} MEASURES {measures} {skip} PATTERN ({pattern}) DEFINE {define}"
    return f"SELECT * FROM t MATCH_RECOGNIZE ({clauses}) AS m"


def planned(sql: str) -> PlannedProgram:
    return Engine().plan(f"{DDL}{sql};")


def columns(sql: str) -> list[tuple[str, str]]:
    *_, statement = planned(sql).statements.values()
    return [(column.name, str(column.type)) for column in statement.plan.schema.columns]


def test_the_result_has_the_partition_and_the_measures():
    measures = "A.n AS n, LAST(A.n, 1) AS m, COUNT(B.p) AS c, SUM(B.n) AS s, p AS u, MATCH_ROWTIME() AS r, MATCH_ROWTIME(ts) AS q"
    assert columns(query(measures=measures)) == [
        ("k", "STRING"),
        ("n", "INT NOT NULL"),
        ("m", "INT NOT NULL"),
        ("c", "BIGINT NOT NULL"),
        ("s", "INT"),
        ("u", "INT"),
        ("r", "TIMESTAMP(3) NOT NULL"),
        ("q", "TIMESTAMP(3)"),
    ]


def test_fields_of_rows_are_reached_through_a_variable():
    assert columns(query(measures="A.r.x AS x, LAST(B.r.y, 1) AS y, r.x + 1 AS z")) == [
        ("k", "STRING"),
        ("x", "INT"),
        ("y", "STRING"),
        ("z", "INT"),
    ]


def test_a_variable_may_be_called_as_a_column_or_the_table():
    assert columns(query(pattern="p t", define="t AS t.p > p.p", measures="p.id AS a, t.p AS b")) == [
        ("k", "STRING"),
        ("a", "INT"),
        ("b", "INT"),
    ]


def test_the_plan_says_what_is_matched():
    text = render_program(
        planned(
            query(
                pattern="A B{2,}? C? D",
                define="B AS LAST(B.p, 1) IS NULL OR SUM(p) < FIRST(A.p, 2)",
                measures="LAST(B.p) AS x",
                after="TO FIRST B",
            )
        )
    )
    assert (
        "MatchRecognize partition=(k) order=(ts) pattern=(A B{2,}? C? D) after=to first B "
        "define=(B AS (is_null(LAST(B.p, 1)) OR (sum(p) INT < FIRST(A.p, 2)))) values=(LAST(B.p))"
    ) in text


def test_the_time_of_a_match_can_be_windowed():
    sql = (
        f"CREATE VIEW m AS {query(measures='A.p AS p, MATCH_ROWTIME() AS at')};"
        "SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE m, DESCRIPTOR(at), INTERVAL '1' MINUTE)) "
        "GROUP BY window_start, window_end"
    )
    *_, statement = planned(sql).statements.values()
    node, kinds = statement.plan, []
    while inputs(node):
        kinds.append(type(node).__name__)
        (node,) = inputs(node)
    assert kinds == ["Project", "WindowAggregate"], "the watermark of the matches is that of their input"


REFUSED = [
    (query(order=""), ErrorCode.MISSING_EVENT_TIME, "MATCH_RECOGNIZE needs ORDER BY a time"),
    (query(order="p"), ErrorCode.MISSING_EVENT_TIME, "the first column of ORDER BY must be the event time"),
    (query(order="ts DESC"), ErrorCode.SQL_UNSUPPORTED, "ORDER BY time DESC is not supported"),
    (query(order="pt, p"), ErrorCode.SQL_UNSUPPORTED, "ORDER BY processing time and further columns"),
    (query(order="ts, p + 1"), ErrorCode.SQL_UNSUPPORTED, "ORDER BY an expression is not supported"),
    (query(partition="UPPER(k)"), ErrorCode.SQL_UNSUPPORTED, "PARTITION BY an expression is not supported"),
    (query(partition="p, k"), ErrorCode.SQL_UNSUPPORTED, "PARTITION BY columns in another order than the input's"),
    (query(pattern="A B A"), ErrorCode.SQL_UNSUPPORTED, "the variable A more than once in a pattern"),
    (query(pattern="A B+"), ErrorCode.SQL_UNSUPPORTED, "a greedy quantifier at the end of a pattern"),
    (query(pattern="A B{1,2}"), ErrorCode.SQL_UNSUPPORTED, "a greedy quantifier at the end of a pattern"),
    (query(pattern="A+ B? C"), ErrorCode.SQL_UNSUPPORTED, "an optional variable ( B? ) behind a greedy one"),
    (query(pattern="A+ B*? C"), ErrorCode.SQL_UNSUPPORTED, "an optional variable ( B* ) behind a greedy one"),
    (query(pattern="A B?? C"), ErrorCode.SQL_UNSUPPORTED, "an optional variable that is reluctant ( ?? )"),
    (query(pattern="A*? B*?"), ErrorCode.SQL_UNSUPPORTED, "a pattern that matches no rows at all"),
    (query(after="TO FIRST Z"), ErrorCode.UNKNOWN_TABLE, '"Z" is not a variable of the pattern'),
    (query(define="Z AS TRUE"), ErrorCode.UNKNOWN_TABLE, "DEFINE speaks of Z, which is not in the pattern"),
    (query(define="B AS TRUE, B AS FALSE"), ErrorCode.DUPLICATE_NAME, "the variable B is defined twice"),
    (query(define="B AS B.p"), ErrorCode.TYPE_MISMATCH, "DEFINE needs a condition, not a value of type INT"),
    (query(define="B AS PREV(B.p) > 1"), ErrorCode.SQL_UNSUPPORTED, "PREV (a row outside of the match)"),
    (query(define="B AS NEXT(B.p) > 1"), ErrorCode.SQL_UNSUPPORTED, "NEXT (a row outside of the match)"),
    (query(define="B AS FINAL LAST(B.p) > 1"), ErrorCode.SQL_SYNTAX, "FINAL has no meaning in DEFINE"),
    (query(define="B AS CLASSIFIER() = 'B'"), ErrorCode.SQL_UNSUPPORTED, "CLASSIFIER() is not supported"),
    (query(define="B AS MATCH_ROWTIME() > A.ts"), ErrorCode.SQL_UNSUPPORTED, "MATCH_ROWTIME in DEFINE"),
    (query(define="B AS MATCH_PROCTIME() IS NULL"), ErrorCode.SQL_UNSUPPORTED, "MATCH_PROCTIME in DEFINE"),
    (query(define="B AS B.p IN (SELECT p FROM t)"), ErrorCode.SQL_UNSUPPORTED, "a subquery in an expression"),
    (query(measures="Z.id AS a"), ErrorCode.UNKNOWN_TABLE, '"Z" is not a variable of the pattern'),
    (query(measures="A.zz AS a"), ErrorCode.UNKNOWN_COLUMN, 'the input has no column "zz"'),
    (query(measures="A.id AS a, B.id AS a"), ErrorCode.DUPLICATE_NAME, "two columns of the match are called a"),
    (query(measures="A.k AS k"), ErrorCode.DUPLICATE_NAME, "two columns of the match are called k"),
    (query(measures="PREV(A.id) AS a"), ErrorCode.SQL_SYNTAX, "PREV has no meaning in MEASURES"),
    (query(measures="RUNNING LAST(A.id) AS a"), ErrorCode.SQL_UNSUPPORTED, "RUNNING with ONE ROW PER MATCH"),
    (query(measures="MATCH_NUMBER() AS a"), ErrorCode.SQL_UNSUPPORTED, "MATCH_NUMBER() is not supported"),
    (query(measures="LAST(A.p + B.p) AS a"), ErrorCode.SQL_SYNTAX, "LAST goes over the rows of one variable"),
    (query(measures="SUM(A.p + p) AS a"), ErrorCode.SQL_SYNTAX, "SUM goes over the rows of one variable"),
    (query(measures="LAST(A.p, -1) AS a"), ErrorCode.TYPE_MISMATCH, "LAST counts rows by a whole number, 0 or more"),
    (query(measures="FIRST(LAST(A.p)) AS a"), ErrorCode.SQL_SYNTAX, "cannot stand inside one another"),
    (query(measures="LAST(SUM(A.p)) AS a"), ErrorCode.SQL_SYNTAX, "cannot stand inside one another"),
    (query(measures="SUM(LAST(A.p)) AS a"), ErrorCode.SQL_SYNTAX, "cannot stand inside one another"),
    (query(measures="SUM(1) AS a"), ErrorCode.TYPE_MISMATCH, "SUM needs a column of a row of the match"),
    (query(measures="COUNT(DISTINCT A.p) AS a"), ErrorCode.SQL_UNSUPPORTED, "COUNT with DISTINCT in MATCH_RECOGNIZE"),
    (query(measures="COUNT(A.p) FILTER (WHERE A.p > 1) AS a"), ErrorCode.SQL_UNSUPPORTED, "COUNT with FILTER"),
    (query(measures="MATCH_ROWTIME(p) AS a"), ErrorCode.TYPE_MISMATCH, "MATCH_ROWTIME takes an event-time column"),
]


@pytest.mark.parametrize(("sql", "code", "message"), REFUSED, ids=[message for _, _, message in REFUSED])
def test_what_flink_refuses_is_refused_by_name(sql: str, code: ErrorCode, message: str):
    with pytest.raises(VeloError) as caught:
        planned(sql)
    assert message in caught.value.message
    assert caught.value.code is code
    assert caught.value.location is not None


def test_rows_that_change_are_refused():
    ranked = "SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY p DESC) AS place FROM t"
    highest = f"(SELECT k, p, ts FROM ({ranked}) WHERE place <= 2)"
    with pytest.raises(VeloError, match="MATCH_RECOGNIZE over rows that change is not supported"):
        planned(
            f"SELECT * FROM {highest} MATCH_RECOGNIZE (ORDER BY ts MEASURES A.p AS a PATTERN (A B) DEFINE B AS TRUE)"
        )


def test_measures_are_needed():
    with pytest.raises(VeloError, match="MATCH_RECOGNIZE without MEASURES is not supported"):
        planned("SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts PATTERN (A B) DEFINE B AS TRUE)")
