"""The tree of every form of expression."""

from __future__ import annotations

import pytest

CASES = {
    # names
    "a": "a",
    "t.a": "t.a",
    "t.a.b.c": "t.a.b.c",
    "t.a.b.c.d": "Dot(t.a.b.c, d)",
    '"Order Id"': '"Order Id"',
    "`select`": '"select"',
    '"a""b"': '"a"b"',
    "timestamp": "timestamp",
    "t.date": "t.date",
    "offset + 1": "Add(offset, 1)",
    "$rowtime": "$rowtime",
    "_event_time": "_event_time",
    # literals
    "1.50": "1.50",
    "1e3": "1e3",
    "'it''s'": "'it's'",
    "TRUE": "TRUE",
    "null": "NULL",
    "x'CAFE'": "HexString(CAFE)",
    "DATE '2026-01-31'": "TypedLiteral('2026-01-31', kind=DATE)",
    "timestamp '2026-01-31 00:00:00.123'": "TypedLiteral('2026-01-31 00:00:00.123', kind=TIMESTAMP)",
    "INTERVAL '5' MINUTE": "Interval('5', unit=MINUTE)",
    "INTERVAL 5 MINUTES": "Interval('5', unit=MINUTE)",
    "INTERVAL '5 minutes'": "Interval('5', unit=MINUTE)",
    "INTERVAL -'1' DAY": "Interval('-1', unit=DAY)",
    "INTERVAL '1 2:03' DAY TO MINUTE": "Interval('1 2:03', unit=IntervalSpan(DAY, MINUTE))",
    "INTERVAL '5' SECOND(3)": "Interval('5', unit=SECOND)",
    # operators, by precedence
    "a + b * c": "Add(a, Mul(b, c))",
    "(a + b) * c": "Mul(Paren(Add(a, b)), c)",
    "-a % 2": "Mod(Neg(a), 2)",
    "a / b / c": "Div(Div(a, b, typed=True), c, typed=True)",
    "a || b || 'c'": "DPipe(DPipe(a, b), 'c')",
    "a = 1 OR b <> 2 AND NOT c": "Or(EQ(a, 1), And(NEQ(b, 2), Not(c)))",
    "a != 1": "NEQ(a, 1)",
    "NOT a = b": "Not(EQ(a, b))",
    "a >= b": "GTE(a, b)",
    "ts - INTERVAL '1' HOUR": "Sub(ts, Interval('1', unit=HOUR))",
    "ts AT TIME ZONE 'UTC'": "AtTimeZone(ts, zone='UTC')",
    "(a - b) SECOND": "TimeDifference(a, b, unit=SECOND)",
    "(a - b) DAY TO SECOND": "TimeDifference(a, b, unit=IntervalSpan(DAY, SECOND))",
    "(a - b) * 2": "Mul(Paren(Sub(a, b)), 2)",
    # predicates
    "a IS NULL": "Is(a, NULL)",
    "a IS NOT NULL": "Not(Is(a, NULL))",
    "a IS UNKNOWN": "Is(a, NULL)",
    "a IS NOT TRUE": "Not(Is(a, TRUE))",
    "a IS DISTINCT FROM b": "NullSafeNEQ(a, b)",
    "a IS NOT DISTINCT FROM b": "NullSafeEQ(a, b)",
    "a IS JSON OBJECT": "Is(a, JSON(OBJECT))",
    "a BETWEEN 1 AND 2 AND b": "And(Between(a, 1, 2), b)",
    "a NOT BETWEEN SYMMETRIC 2 AND 1": "Not(Between(a, 2, 1, symmetric=True))",
    "a IN (1, 2)": "In(a, [1, 2])",
    "a NOT IN ('x')": "Not(In(a, ['x']))",
    "a IN (SELECT b FROM t)": "In(a, query=Subquery(Select([b], from_=From(Table(t)))))",
    "(a, b) IN ((1, 2))": "In(Tuple([a, b]), [Tuple([1, 2])])",
    "a LIKE 'x%'": "Like(a, 'x%')",
    "a NOT LIKE 'x!%' ESCAPE '!'": "Not(Escape(Like(a, 'x!%'), '!'))",
    "a SIMILAR TO 'x|y'": "SimilarTo(a, 'x|y')",
    "a RLIKE 'x'": "RegexpLike(a, 'x')",
    "EXISTS (SELECT 1)": "Exists(Select([1]))",
    "a > ALL (SELECT b FROM t)": "GT(a, All(Select([b], from_=From(Table(t)))))",
    "a = ANY (SELECT b FROM t)": "EQ(a, Any(Select([b], from_=From(Table(t)))))",
    "(SELECT MAX(a) FROM t)": "Subquery(Select([MAX(a)], from_=From(Table(t))))",
    # CASE and casts
    "CASE WHEN a THEN 1 ELSE 2 END": "Case(default=2, ifs=[If(a, true=1)])",
    "CASE a WHEN 1 THEN 'x' WHEN 2 THEN 'y' END": "Case(a, ifs=[If(1, true='x'), If(2, true='y')])",
    "CAST(a AS INT)": "Cast(a, to=INT)",
    "TRY_CAST(a AS DECIMAL(10, 2))": "TryCast(a, to=DECIMAL<10, 2>)",
    "a::STRING": "Cast(a, to=TEXT)",
    # constructors and access
    "ARRAY[1, 2]": "Array([1, 2])",
    "MAP['k', 1]": "MAP('k', 1)",
    "ROW(1, 'x')": "ROW(1, 'x')",
    "(a, b)": "Tuple([a, b])",
    "a[1]": "Bracket(a, [1])",
    "m['k'].f": "Dot(Bracket(m, ['k']), f)",
    "a.b[2].c": "Dot(Bracket(a.b, [2]), c)",
    # calls
    "Upper(a)": "UPPER(a)",
    "myFunc()": "MYFUNC()",
    "`MyFunc`(a)": '"MyFunc"(a)',
    "COUNT(*)": "COUNT(*)",
    "COUNT(DISTINCT a, b)": "COUNT(Distinct([a, b]))",
    "SUM(ALL a)": "SUM(a)",
    "ARRAY_AGG(a ORDER BY b DESC)": "ARRAY_AGG(Order(a, [Ordered(b, desc=True)]))",
    "COALESCE(a, b, 0)": "Coalesce(a, [b, 0])",
    "IF(a, b, c)": "IF(a, b, c)",
    "LEFT(a, 2)": "LEFT(a, 2)",
    "REGEXP(a, 'x')": "REGEXP(a, 'x')",
    "CURRENT_TIMESTAMP": "CURRENT_TIMESTAMP()",
    "LOCALTIMESTAMP(3)": "LOCALTIMESTAMP(3)",
    "t.current_date": "t.current_date",
    "EXTRACT(hour FROM ts)": "Extract(HOUR, ts)",
    "EXTRACT(EPOCH FROM (NOW() - ts))": "Extract(EPOCH, Paren(Sub(NOW(), ts)))",
    "POSITION('a' IN b)": "POSITION('a', b)",
    "SUBSTRING(a FROM 2 FOR 3)": "SUBSTRING(a, 2, 3)",
    "SUBSTRING(a, 2)": "SUBSTRING(a, 2)",
    "OVERLAY(a PLACING b FROM 1 FOR 2)": "OVERLAY(a, b, 1, 2)",
    "TRIM(a)": "TRIM(a)",
    "TRIM(LEADING 'x' FROM a)": "Trim(a, 'x', position=LEADING)",
    "TRIM('x' FROM a)": "Trim(a, 'x', position=BOTH)",
    "TRIM(BOTH FROM a)": "Trim(a, position=BOTH)",
    "CEIL(ts TO HOUR)": "CEIL(ts, HOUR)",
    "FLOOR(a)": "FLOOR(a)",
    "TIMESTAMPDIFF(DAY, a, b)": "TIMESTAMPDIFF(DAY, a, b)",
    "TUMBLE_START(ts, 5m)": "TUMBLE_START(ts, Interval('5', unit=MINUTE))",
    "TUMBLE_END(ts, INTERVAL '1' HOUR)": "TUMBLE_END(ts, Interval('1', unit=HOUR))",
    "f(x => 1)": "F(Kwarg(x, 1))",
    "cat.db.f(a)": "Dot(Dot(cat, db), F(a))",
    "HEADER('trace-id')": "HEADER('trace-id')",
    # JSON calls
    "JSON_VALUE(a, '$.x' RETURNING INT NULL ON EMPTY DEFAULT 0 ON ERROR)": (
        "JsonCall(JSON_VALUE, [a, '$.x'], error_default=0, on_empty=NULL, on_error=DEFAULT, returning=INT)"
    ),
    "JSON_QUERY(a, '$' WITH CONDITIONAL ARRAY WRAPPER EMPTY ARRAY ON EMPTY)": (
        "JsonCall(JSON_QUERY, [a, '$'], on_empty=EMPTY ARRAY, wrapper=WITH CONDITIONAL)"
    ),
    "JSON_EXISTS(a, '$.x' TRUE ON ERROR)": "JsonCall(JSON_EXISTS, [a, '$.x'], on_error=TRUE)",
    "JSON_OBJECT(KEY 'a' VALUE 1, 'b' VALUE 2 ABSENT ON NULL)": (
        "JsonCall(JSON_OBJECT, ['a', 1, 'b', 2], on_null=ABSENT)"
    ),
    "JSON_ARRAY(1, 2 NULL ON NULL)": "JsonCall(JSON_ARRAY, [1, 2], on_null=NULL)",
    "JSON_OBJECT()": "JsonCall(JSON_OBJECT)",
    "JSON_EXTRACT(a, '$.x')": "JSON_EXTRACT(a, '$.x')",
    # after a call
    "SUM(a) FILTER (WHERE b > 0)": "Filter(SUM(a), Where(GT(b, 0)))",
    "LISTAGG(a) WITHIN GROUP (ORDER BY b)": "WithinGroup(LISTAGG(a), Order([Ordered(b, nulls_first=True)]))",
    "LAST_VALUE(a IGNORE NULLS)": "IgnoreNulls(LAST_VALUE(a))",
    "LAST_VALUE(a) IGNORE NULLS OVER (ORDER BY b)": (
        "Window(IgnoreNulls(LAST_VALUE(a)), order=Order([Ordered(b, nulls_first=True)]), over=OVER)"
    ),
    "ROW_NUMBER() OVER (PARTITION BY a, b ORDER BY c DESC)": (
        "Window(ROW_NUMBER(), order=Order([Ordered(c, desc=True)]), over=OVER, partition_by=[a, b])"
    ),
    "SUM(a) OVER w": "Window(SUM(a), alias=w, over=OVER)",
    "SUM(a) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 3 PRECEDING AND CURRENT ROW)": (
        "Window(SUM(a), order=Order([Ordered(ts, nulls_first=True)]), over=OVER, partition_by=[k], "
        "spec=WindowSpec(end=CURRENT ROW, kind=ROWS, start=3, start_side=PRECEDING))"
    ),
    "SUM(a) OVER (ORDER BY ts RANGE INTERVAL '1' HOUR PRECEDING)": (
        "Window(SUM(a), order=Order([Ordered(ts, nulls_first=True)]), over=OVER, "
        "spec=WindowSpec(kind=RANGE, start=Interval('1', unit=HOUR), start_side=PRECEDING))"
    ),
    "SUM(a) OVER (ORDER BY ts RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)": (
        "Window(SUM(a), order=Order([Ordered(ts, nulls_first=True)]), over=OVER, "
        "spec=WindowSpec(end=CURRENT ROW, kind=RANGE, start=UNBOUNDED, start_side=PRECEDING))"
    ),
    "AVG(p) OVER (ROWS WINDOW BUFFER 100 ROWS PARTITION BY s ORDER BY t EXPIRE AFTER INTERVAL '1' MINUTE)": (
        "Window(AVG(p), order=Order([Ordered(t, nulls_first=True)]), over=OVER, partition_by=[s], "
        "spec=RowsWindowBuffer(expire_ms=60000, size=100))"
    ),
    "AVG(p) OVER (ROWS WINDOW BUFFER 5 ROWS EXPIRE AFTER NEVER)": (
        "Window(AVG(p), over=OVER, spec=RowsWindowBuffer(size=5))"
    ),
}


@pytest.mark.parametrize(("sql", "expected"), CASES.items(), ids=CASES)
def test_an_expression_has_its_documented_tree(sql, expected, expression_shape):
    assert expression_shape(sql) == expected


def test_strings_on_consecutive_lines_are_one_string(expression_shape):
    assert expression_shape("'a'\n'b'") == "'ab'"


def test_names_and_functions_keep_the_offsets_of_their_token():
    from sqlglot import exp

    from velo_engine.sql.parser import parse_expression

    tree = parse_expression("upper( t.name )")
    column = tree.find(exp.Column)
    assert (tree.meta["start"], tree.meta["end"]) == (0, 4)
    assert [(part.meta["line"], part.meta["col"]) for part in column.parts] == [(1, 8), (1, 10)]


def test_a_unit_stays_a_column_where_no_unit_is_expected(expression_shape):
    assert expression_shape("DATEDIFF(day, b)") == "DATEDIFF(day, b)"
    assert expression_shape("UPPER(day)") == "UPPER(day)"
