"""Every form of statement, and what a program knows of it."""

from __future__ import annotations

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import Emit
from velo_engine.sql.parser import parse_program
from velo_engine.sql.program import StatementKind


def parse(sql, **variables):
    return parse_program(sql, file="app.sql", variables=variables)


def only(sql):
    (statement,) = parse(sql).statements
    return statement


def texts(properties):
    return {key: found.value for key, found in properties.items()}


def test_a_stream_with_everything():
    statement = only(
        "CREATE STREAM big AS SELECT a, b FROM orders WHERE a > 1 EMIT CHANGES INTO alerts "
        "WITH ('orders.topic' = 'o', 'alerts.topic' = 'it''s')"
    )
    assert (statement.name, statement.kind) == ("big", StatementKind.STREAM)
    assert (statement.emit, statement.sink) == (Emit.CHANGES, "alerts")
    assert texts(statement.properties) == {"orders.topic": "o", "alerts.topic": "it's"}
    assert [item.name for item in statement.query.expressions] == ["a", "b"]


@pytest.mark.parametrize(
    "tail",
    [
        "EMIT FINAL INTO s WITH ('k' = 'v')",
        "INTO s EMIT FINAL WITH ('k' = 'v')",
        "INTO s WITH ('k' = 'v') EMIT FINAL",
        "WITH ('k' = 'v') EMIT FINAL INTO s",
    ],
)
def test_emit_into_and_with_stand_in_any_order(tail):
    statement = only(f"CREATE TABLE x AS SELECT a FROM t GROUP BY a {tail}")
    assert statement.kind is StatementKind.TABLE
    assert (statement.emit, statement.sink, texts(statement.properties)) == (Emit.FINAL, "s", {"k": "v"})


def test_emit_and_sink_are_absent_when_not_written():
    statement = only("CREATE STREAM x AS SELECT a FROM t")
    assert (statement.emit, statement.sink, statement.properties) == (None, None, {})


@pytest.mark.parametrize(
    ("sink", "name"),
    [("out", "out"), ("'file:///data/out.csv'", "file:///data/out.csv"), ("kafka://host/topic", "kafka://host/topic")],
)
def test_a_sink_is_a_name_or_a_uri(sink, name):
    assert only(f"SELECT a FROM t INTO {sink}").sink == name


def test_properties_may_be_unquoted():
    statement = only("SELECT a FROM t WITH (mode = upsert, job.enable_dlq = true, job.dlq_max_size = 100, x = -1)")
    assert texts(statement.properties) == {
        "mode": "upsert",
        "job.enable_dlq": "true",
        "job.dlq_max_size": "100",
        "x": "-1",
    }


def test_a_property_knows_where_key_and_value_stand():
    found = only("SELECT a FROM t\nWITH (\n  'src.topic' = 'x'\n)").properties["src.topic"]
    assert (found.location.line, found.location.column, found.location.length) == (3, 17, 3)
    assert (found.name_location.line, found.name_location.column, found.name_location.length) == (3, 3, 11)


def test_a_source_declaration_as_in_flink(shape):
    statement = only(
        """
        CREATE TABLE IF NOT EXISTS trades (
          `user id` BIGINT NOT NULL COMMENT 'who',
          price DECIMAL(19, 4),
          cost AS price * 2,
          ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
          topic STRING METADATA,
          proc AS PROCTIME(),
          WATERMARK FOR ts AS ts - INTERVAL '5' SECOND,
          PRIMARY KEY (`user id`, price) NOT ENFORCED
        ) COMMENT 'all trades' WITH ('connector' = 'kafka', 'properties.bootstrap.servers' = 'localhost:9092')
        """
    )
    assert (statement.name, statement.kind, statement.query) == ("trades", StatementKind.SOURCE, None)
    assert [column.name for column in statement.columns] == ["user id", "price", "cost", "ts", "topic", "proc"]
    user, price, cost, ts, topic, proc = statement.columns
    assert (shape(user.type), user.comment) == ("BIGINT NOT NULL", "who")
    assert (shape(price.type), price.expression, price.metadata_key) == ("DECIMAL<19, 4>", None, None)
    assert (cost.type, shape(cost.expression)) == (None, "Mul(price, 2)")
    assert (shape(ts.type), ts.metadata_key, ts.virtual) == ("TIMESTAMPLTZ<3>", "timestamp", True)
    assert (topic.metadata_key, topic.virtual) == ("topic", False)
    assert shape(proc.expression) == "PROCTIME()"
    assert statement.watermark.column == "ts"
    assert shape(statement.watermark.expression) == "Sub(ts, Interval('5', unit=SECOND))"
    assert statement.primary_key == ("user id", "price")
    assert texts(statement.properties)["connector"] == "kafka"
    assert (price.location.line, price.location.column) == (4, 11)


def test_a_source_with_a_key_at_its_column():
    statement = only("CREATE STREAM s (id INT PRIMARY KEY NOT ENFORCED, v STRING)")
    assert (statement.kind, statement.primary_key) == (StatementKind.SOURCE, ("id",))


def test_a_source_without_columns_is_known_by_its_properties():
    statement = only("CREATE STREAM s WITH ('type' = 'file_source', 'path' = 'x.csv')")
    assert (statement.kind, statement.columns) == (StatementKind.SOURCE, ())


def test_a_stream_may_declare_the_columns_of_its_query(shape):
    statement = only("CREATE STREAM s (a INT, b STRING) AS SELECT x, y FROM t")
    assert statement.kind is StatementKind.STREAM
    assert [(column.name, shape(column.type)) for column in statement.columns] == [("a", "INT"), ("b", "TEXT")]


def test_a_table_as_in_flink_has_its_properties_before_the_query():
    statement = only("CREATE TABLE t WITH ('connector' = 'kafka') AS SELECT a FROM s")
    assert (statement.kind, texts(statement.properties)) == (StatementKind.TABLE, {"connector": "kafka"})


def test_views_inserts_and_bare_queries():
    program = parse(
        "CREATE TEMPORARY VIEW v (x) AS SELECT a FROM t; INSERT INTO c.d.out (a, b) SELECT x, 1 FROM v;"
        "SELECT x FROM v; INSERT INTO out VALUES (1, 2); VALUES (1);"
    )
    view, insert, select, values, last = program.statements
    assert (view.name, view.kind, view.columns[0].name) == ("v", StatementKind.VIEW, "x")
    assert (insert.name, insert.sink, insert.kind) == ("c.d.out", "c.d.out", StatementKind.INSERT)
    assert [(column.name, column.type) for column in insert.columns] == [("a", None), ("b", None)]
    assert (select.name, last.name) == ("select_1", "select_2")
    assert (values.name, values.sink) == ("out", "out")


def test_inserts_may_share_their_target_and_its_declaration():
    program = parse("CREATE TABLE o (a INT); INSERT INTO o SELECT 1; INSERT INTO o SELECT 2")
    assert [statement.name for statement in program.statements] == ["o", "o", "o"]


def test_a_name_defined_twice_is_an_error():
    with pytest.raises(VeloError, match="x is defined twice") as caught:
        parse("CREATE STREAM x AS SELECT 1;\nCREATE VIEW x AS SELECT 2")
    assert caught.value.code is ErrorCode.DUPLICATE_NAME
    assert str(caught.value.location) == "app.sql:2:1"


def test_settings():
    program = parse("SET 'table.exec.state.ttl' = '1 h'; SET emit.semantics = flink; SET 'a' = '1'; SET 'a' = '2';")
    assert texts(program.settings) == {"table.exec.state.ttl": "1 h", "emit.semantics": "flink", "a": "2"}
    assert program.statements == ()


def test_settings_may_be_unquoted():
    program = parse("SET table.local-time-zone = Asia/Tokyo; SET execution.checkpointing.interval = 3s; SET x = -1")
    assert texts(program.settings) == {
        "table.local-time-zone": "Asia/Tokyo",
        "execution.checkpointing.interval": "3s",
        "x": "-1",
    }


def test_clauses_of_the_query_may_follow_emit(shape):
    statement = only("SELECT a FROM t WHERE b EMIT CHANGES LIMIT 5")
    assert (statement.emit, shape(statement.query.args["limit"])) == (Emit.CHANGES, "Limit(5)")


def test_statement_sets_are_unwrapped():
    inserts = "INSERT INTO a SELECT 1; INSERT INTO b SELECT 2;"
    for framed in (f"EXECUTE STATEMENT SET BEGIN {inserts} END;", f"BEGIN STATEMENT SET; {inserts} END;"):
        assert [statement.name for statement in parse(framed).statements] == ["a", "b"]


def test_semicolons_in_strings_comments_and_names_end_nothing():
    program = parse("SELECT ';' AS \"a;b\" -- one; two\n /* ; */ FROM t; ; SELECT 2")
    assert [statement.name for statement in program.statements] == ["select_1", "select_2"]


def test_a_program_may_be_empty():
    assert parse("-- nothing\n").statements == ()
    assert parse("").statements == ()


def test_statements_know_their_place_in_the_file():
    program = parse("SELECT 1;\n\n  SELECT a\nFROM t;")
    assert [str(statement.location) for statement in program.statements] == ["app.sql:1:1", "app.sql:3:3"]
    assert program.statements[1].location.text == "  SELECT a"


def test_nodes_of_later_statements_have_places_of_the_whole_file():
    program = parse("SELECT 1;\nSELECT Upper(first_name)\nFROM people p")
    from sqlglot import exp

    tree = program.statements[1].query
    column = tree.find(exp.Column).this
    table = tree.find(exp.Table).this
    assert (column.meta["line"], column.meta["col"]) == (2, 14)
    assert program.text[column.meta["start"] : column.meta["end"] + 1] == "first_name"
    assert (table.meta["line"], table.meta["col"]) == (3, 6)


@pytest.mark.parametrize(
    ("sql", "construct"),
    [
        ("START JOB j AS SELECT 1", "START JOB"),
        ("STOP JOB j", "STOP JOB"),
        ("PAUSE JOB j", "PAUSE JOB"),
        ("RESUME JOB j", "RESUME JOB"),
        ("DEPLOY JOB j VERSION '1.2' AS SELECT 1 STRATEGY CANARY", "DEPLOY JOB"),
        ("ROLLBACK JOB j VERSION '1.1'", "ROLLBACK JOB"),
        ("SHOW STREAMS", "SHOW"),
        ("DESCRIBE t", "DESCRIBE"),
        ("EXPLAIN ANALYZE SELECT 1", "EXPLAIN"),
        ("ALTER TABLE t RENAME TO u", "ALTER"),
        ("DROP TABLE t", "DROP"),
        ("USE CATALOG c", "USE"),
        ("CREATE FUNCTION f AS 'x'", "CREATE FUNCTION"),
        ("CREATE CATALOG c", "CREATE CATALOG"),
        ("DELETE FROM t", "DELETE"),
    ],
)
def test_other_statements_are_refused_by_name(sql, construct):
    with pytest.raises(VeloError, match=f"{construct} is not run") as caught:
        parse(f"SELECT 1;\n{sql};")
    assert caught.value.code is ErrorCode.SQL_UNSUPPORTED
    assert str(caught.value.location) == "app.sql:2:1"


@pytest.mark.parametrize(
    ("sql", "construct"),
    [
        ("CREATE TABLE t (a INT) PARTITIONED BY (a) WITH ('x' = 'y')", "PARTITIONED of a table"),
        ("CREATE TABLE t (a INT) LIKE u", "LIKE of a table"),
        ("CREATE TABLE t (a INT DEFAULT 1)", "DEFAULT of a column"),
        ("INSERT OVERWRITE t SELECT 1", "INSERT OVERWRITE"),
        ("INSERT INTO t PARTITION (a = 1) SELECT 1", "INSERT into a partition"),
    ],
)
def test_clauses_without_meaning_are_refused_by_name(sql, construct):
    with pytest.raises(VeloError, match=construct) as caught:
        parse(sql)
    assert caught.value.code is ErrorCode.SQL_UNSUPPORTED


@pytest.mark.parametrize(
    ("hint", "message", "underlined"),
    [
        (
            "/*+ BROADCAST(t, u) */",
            "the hint BROADCAST has no effect here: it chooses a join of batch jobs",
            "BROADCAST",
        ),
        ("/*+ LOOKUP('table' = 'OPTIONS(') */", "the hint LOOKUP has no effect here: a table is read whole", "LOOKUP"),
        ("/*+ shufle_hash(t) */", "there is no hint SHUFLE_HASH", "shufle_hash"),
        ("/*+ 1 */", "hints have no meaning here", "/*+ 1 */"),
    ],
)
def test_hints_without_effect_are_warned_of_by_name(hint, message, underlined):
    (warning,) = parse(f"SELECT {hint} a FROM t").warnings
    assert warning.message.startswith(message)
    start = warning.location.column - 1
    assert warning.location.text[start : start + warning.location.length] == underlined


@pytest.mark.parametrize("hint", ["OPTIONS", "STATE_TTL"])
def test_hints_that_change_results_are_refused_by_name(hint):
    with pytest.raises(VeloError, match=f"the hint {hint} is not supported") as caught:
        parse(f"SELECT a FROM t /*+ LOOKUP('a' = 'b'), {hint}('x' = 'y') */")
    assert caught.value.location.column == 40
