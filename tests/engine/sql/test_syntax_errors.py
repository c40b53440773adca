"""What syntax errors say and where they point: the part between « and » is underlined."""

from __future__ import annotations

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.parser import parse_expression, parse_program

SYNTAX = [
    # the start of a statement
    ("«CRATE» STREAM x AS SELECT 1", 'cannot start with "CRATE"', "did you mean CREATE?"),
    ("SELECT 1;\n\nSELECT 2;\n  «SELEC» 3", 'cannot start with "SELEC"', "did you mean SELECT?"),
    ("«42»", 'cannot start with "42"', "statements start with"),
    ("CREATE «STREM» x AS SELECT 1", "expected STREAM, TABLE or VIEW", "did you mean STREAM?"),
    ("CREATE STREAM x «SELECT» a FROM t", "expected AS or a column list", "CREATE STREAM x AS SELECT"),
    ("CREATE VIEW x «SELECT» a FROM t", "expected AS", "CREATE VIEW x AS SELECT"),
    ("CREATE STREAM «AS» SELECT a FROM t", "expected a name", "quote it"),
    ("START «JBO» x", "expected JOB", None),
    ("START JOB«»", "expected the name of a job, but the statement ends", None),
    ("INSERT «t» SELECT 1", "expected INTO", None),
    ("SET 'a' «'b'»", 'expected "="', None),
    ("«EXECUTE» STATEMENT SET BEGIN INSERT INTO a SELECT 1;", "has no END", None),
    # a missing or an extra comma
    ("SELECT a b «c» FROM t", 'expected "," or FROM', "a comma may be missing before c"),
    ("SELECT a\n     «sum»(b) AS s FROM t", 'expected "," or FROM', "a comma may be missing before sum"),
    ("SELECT f(a «b») FROM t", 'expected "," or ")"', "a comma may be missing before b"),
    ("SELECT a, «FROM» t", "expected an item after the comma", "remove the comma before FROM"),
    ("SELECT «,» a FROM t", "expected an expression", "nothing stands before this comma"),
    ("CREATE TABLE t (a INT «b» STRING)", 'expected "," or ")"', "a comma may be missing before b"),
    ("SELECT a FROM t WITH ('x' = 'y' «'z'» = 'w')", 'expected "," or ")"', "a comma may be missing before z"),
    ("SELECT 'a' «'b'» FROM t", "expected an operator or a comma", "strings are joined with ||"),
    # an unclosed string, name, comment or parenthesis
    ("SELECT «'»abc FROM t", "the string that starts here is never closed", "close it with '"),
    ('SELECT a FROM t WHERE b = «"»abc', "quoted name that starts here is never closed", 'close it with "'),
    ("SELECT 1 «/*» comment", "the comment that starts here is never closed", None),
    ("SELECT 'a\nFROM t WHERE x = '\nAND y = «'»", "never closed", "the string that starts in line 1"),
    ("SELECT COUNT(a «FROM» t", 'expected "," or ")"', None),
    ("SELECT a FROM (SELECT b FROM c«»", 'expected ")", but the statement ends', None),
    ("SELECT a FROM t«)»", 'unexpected ")"', "closes nothing"),
    # expressions
    ("SELECT a + «FROM» t", "expected an expression", None),
    ("SELECT a FROM t WHERE x >«»", "expected an expression, but the statement ends", None),
    ("SELECT a FROM t WHERE «=» 5", "expected an expression", None),
    ("SELECT a FROM t WHERE a =«=» 5", "expected an expression", "== is not SQL"),
    ("SELECT a FROM t WHERE a «NOT» NULL", 'unexpected "NOT"', "IS NOT NULL"),
    ("SELECT a IS «FOO» FROM t", "expected NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM", None),
    ("SELECT a IN («)» FROM t", "expected an expression", None),
    ("SELECT a BETWEEN 1 «OR» 2 FROM t", "expected AND", None),
    ("SELECT CASE WHEN a THEN 1 «FROM» t", "expected END", None),
    ("SELECT CASE a «END» FROM t", "expected WHEN", None),
    ("SELECT CAST(a«,» INT) FROM t", "expected AS", None),
    ("SELECT CAST(a AS «INTT») FROM t", "expected a type", "did you mean INT?"),
    ("SELECT INTERVAL '5' «FOO» FROM t", "expected a unit of time", "units are"),
    ("SELECT (1, «)» FROM t", "expected an item after the comma", None),
    ("SELECT «)»", "expected a column or an expression", None),
    ("SELECT a «~» b FROM t", 'unexpected "~"', None),
    ("SELECT SUM(a) OVER (PARTITION «x») FROM t", 'expected ")"', None),
    ("SELECT SUM(a) OVER (ORDER BY x ROWS 5«)» FROM t", "expected PRECEDING or FOLLOWING", None),
    ("SELECT SUM(a) OVER (ROWS WINDOW BUFFER «x» ROWS) FROM t", "a number of rows", None),
    ("SELECT start_ts, «end» FROM t", "expected an item after the comma", 'quote it: "end"'),
    ("SELECT «end» FROM t", "expected a column or an expression", 'quote it: "end"'),
    ("SELECT a FROM t WHERE «table» = 1", "expected an expression", 'quote it: "table"'),
    # clauses
    ("SELECT «FROM» t", "expected a column or an expression", None),
    ("SELECT a AS «FROM» t", "expected a name", 'quote it: "FROM"'),
    ("SELECT a FROM«»", "expected a stream, a table or a URI", None),
    ("SELECT a FROM «select»", "expected a stream, a table or a URI", 'quote it: "select"'),
    ("SELECT a FROM t GROUP BY«»", "expected a column to group by", None),
    ("SELECT a FROM t GROUP «symbol»", 'unexpected "symbol"', "write GROUP BY symbol"),
    ("SELECT a FROM t ORDER «x» LIMIT 3", 'unexpected "x"', "write ORDER BY x"),
    ("SELECT a FROM t «WEHRE» a = 1", 'unexpected "WEHRE"', "did you mean WHERE?"),
    ("SELECT a FROM t WHERE a «WHERE» b", "found multiple 'WHERE' clauses", None),
    ("SELECT a FROM t JOIN u«»", "expected ON", "CROSS JOIN"),
    ("SELECT a FROM t LEFT «u» ON a = b", "expected JOIN", None),
    ("SELECT a FROM t UNION«»", "expected a query", None),
    ("WITH a AS «SELECT» 1 SELECT 2", 'expected "("', None),
    ("SELECT a FROM t LIMIT«»", "expected an expression, but the statement ends", None),
    # windows
    ("SELECT a FROM t WINDOW «TUMBLE»(5m)", "expected TUMBLING, SLIDING", "WINDOW TUMBLING(size)"),
    ("SELECT a FROM t WINDOW «HOP»(5m, 1m)", "expected TUMBLING, SLIDING", "WINDOW SLIDING(size, advance)"),
    ("SELECT a FROM t WINDOW «TUMBLIN»(5m)", "expected TUMBLING, SLIDING", "did you mean TUMBLING?"),
    ("SELECT a FROM t WINDOW TUMBLING(«5»)", "expected a length of time", "give the number a unit"),
    ("SELECT a FROM t WINDOW TUMBLING(«5 MONTH»)", "a month has no fixed length", None),
    ("SELECT a FROM t WINDOW TUMBLING(«0s»)", "a length of time must be positive", None),
    ("SELECT a FROM t WINDOW TUMBLING(«'soon'»)", '"soon" is not a duration', None),
    ("SELECT a FROM t WINDOW SLIDING(5m«)»", 'expected ","', "a size and an advance"),
    ("SELECT a FROM TABLE(TUMBLE(TABLE t, «ts», 1m))", "expected DESCRIPTOR", None),
    ("SELECT a FROM TABLE(«TUMBLE»(TABLE t, DESCRIPTOR(ts)))", "TUMBLE needs TABLE name", None),
    ("SELECT a FROM t GROUP BY «TUMBLE»(ts)", "TUMBLE in GROUP BY takes", None),
    # emission and sinks
    ("SELECT a FROM t EMIT «CHANGE»", "expected CHANGES or FINAL", "did you mean EMIT CHANGES?"),
    ("SELECT a FROM t «EMITT» CHANGES", 'unexpected "EMITT"', "did you mean EMIT CHANGES or EMIT FINAL?"),
    ("SELECT a FROM t EMIT«»", "expected CHANGES or FINAL", None),
    ("SELECT a FROM t EMIT FINAL «EMIT» FINAL", 'unexpected "EMIT"', "once"),
    ("SELECT a FROM t INTO «WHERE»", "expected the name of a sink", None),
    ("SELECT a FROM t WITH ('x' «'y'»)", 'expected "="', None),
    ("SELECT a FROM t «CREATE» STREAM s AS SELECT 1", 'unexpected "CREATE"', "semicolon"),
    # declarations
    ("CREATE TABLE t (a INT, b «STRNG»)", "expected a type", "did you mean STRING?"),
    ("CREATE TABLE t («a», b INT)", "the column a needs a type", None),
    ("CREATE TABLE t (a INT PRIMARY KEY, «PRIMARY KEY» (a))", "only one PRIMARY KEY can be declared", None),
    ("CREATE TABLE t (a INT, WATERMARK FOR a AS a, «WATERMARK» FOR a AS a)", "only one WATERMARK", None),
]


@pytest.mark.parametrize(("marked", "message", "hint"), SYNTAX, ids=[case[0] for case in SYNTAX])
def test_a_syntax_error_points_at_the_token(marked, message, hint):
    before, _, rest = marked.partition("«")
    part = rest.partition("»")[0]
    sql = marked.replace("«", "").replace("»", "")
    with pytest.raises(VeloError) as caught:
        parse_program(sql, file="app.sql", variables={})
    error = caught.value
    assert error.code is ErrorCode.SQL_SYNTAX
    assert message in error.message
    assert hint is None or hint in (error.hint or "")
    lines = before.split("\n")
    assert (error.location.line, error.location.column) == (len(lines), len(lines[-1]) + 1)
    assert error.location.length == max(1, len(part))
    assert error.location.text == sql.split("\n")[len(lines) - 1]
    assert error.location.file == "app.sql"


OTHER = [
    ("CREATE TABLE t (a INT, «a» STRING)", ErrorCode.DUPLICATE_NAME, "the column a is declared twice"),
    (
        "CREATE TABLE t (a INT, «PRIMARY KEY» (b) NOT ENFORCED)",
        ErrorCode.UNKNOWN_COLUMN,
        "the column b is not declared",
    ),
    ("CREATE TABLE t (a INT, «WATERMARK» FOR b AS b)", ErrorCode.UNKNOWN_COLUMN, "the column b is not declared"),
    ("SELECT a FROM t WITH ('x' = '1', «'x'» = '2')", ErrorCode.BAD_PROPERTY, "the property 'x' is given twice"),
    ("SELECT «${FOO}» FROM t", ErrorCode.UNSET_VARIABLE, "the variable FOO is not set"),
    ("SELECT '«${BROKER}»' FROM t", ErrorCode.UNSET_VARIABLE, "the variable BROKER is not set"),
]


@pytest.mark.parametrize(("marked", "code", "message"), OTHER, ids=[case[0] for case in OTHER])
def test_other_errors_point_at_their_cause(marked, code, message):
    before, _, rest = marked.partition("«")
    with pytest.raises(VeloError) as caught:
        parse_program(marked.replace("«", "").replace("»", ""), variables={})
    error = caught.value
    assert (error.code, error.message) == (code, message)
    assert (error.location.line, error.location.column) == (1, len(before) + 1)
    assert error.location.length == len(rest.partition("»")[0])


def test_places_are_those_of_the_text_before_variables_were_replaced():
    with pytest.raises(VeloError) as caught:
        parse_program("SELECT '${LONG}', a b c FROM t", variables={"LONG": "x" * 100})
    assert caught.value.location.column == len("SELECT '${LONG}', a b ") + 1
    assert caught.value.location.text == "SELECT '${LONG}', a b c FROM t"


def test_an_error_within_a_variable_points_at_the_reference():
    with pytest.raises(VeloError) as caught:
        parse_program("SELECT a FROM t WINDOW TUMBLING(${SIZE})", variables={"SIZE": "5"})
    assert (caught.value.location.column, caught.value.location.length) == (33, 7)


def test_deep_nesting_is_an_error_of_the_text():
    with pytest.raises(VeloError, match="nested too deeply") as caught:
        parse_program("SELECT " + "(" * 5_000 + "1" + ")" * 5_000)
    assert caught.value.code is ErrorCode.SQL_SYNTAX


@pytest.mark.parametrize("operator", ["+", "||", "-"])
def test_a_long_chain_of_operators_is_too_deep(operator):
    parse_program("SELECT " + f" {operator} ".join(["a"] * 100))
    with pytest.raises(VeloError, match="nested too deeply"):
        parse_program("SELECT " + f" {operator} ".join(["a"] * 200))


def test_long_conditions_and_lists_are_not_deep():
    parse_program("SELECT a FROM t WHERE " + " OR ".join(["a = 1"] * 2_000))
    parse_program("SELECT a FROM t WHERE a IN (" + ", ".join(["1"] * 10_000) + ")")


def test_a_huge_text_is_refused_before_it_is_read():
    with pytest.raises(VeloError, match="at most 5,000,000 are read"):
        parse_program(" " * 5_000_001)


def test_an_expression_must_be_one():
    with pytest.raises(VeloError, match='unexpected "b"'):
        parse_expression("a b")
    with pytest.raises(VeloError, match="expected an expression, but the statement ends here"):
        parse_expression("")
