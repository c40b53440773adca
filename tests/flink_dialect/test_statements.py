"""Statements of Flink SQL scripts, read by hand-written expectation: what each clause becomes, and where failures stand."""

from __future__ import annotations

import pytest
from sqlglot import exp

from velo_engine.sql.flink.script import parse_script
from velo_engine.sql.flink.statements import (
    Command,
    CreateFunction,
    CreateNamed,
    CreateTable,
    CreateView,
    Distribution,
    Explain,
    Insert,
    Query,
    ResetOption,
    SetOption,
    Statement,
    StatementSet,
    TableLike,
    Unread,
)


def one(text: str) -> Statement | Unread:
    (statement,) = parse_script(text, file="job.sql").statements
    return statement


def test_a_table_with_every_kind_of_column() -> None:
    table = one(
        """CREATE TEMPORARY TABLE IF NOT EXISTS shop.orders (
             id BIGINT NOT NULL COMMENT 'the key',  -- a comment with a ; in it
             `user` ROW<name STRING, tags ARRAY<STRING NOT NULL>>,
             cost AS price * quantity,
             ts TIMESTAMP(3) METADATA FROM 'timestamp' VIRTUAL, // another comment
             WATERMARK FOR ts AS ts - INTERVAL '5' SECOND,
             PRIMARY KEY (id) NOT ENFORCED
           ) COMMENT 'all orders' PARTITIONED BY (id) WITH ('connector' = 'kafka', 'topic' = '${TOPIC}')"""
    )
    assert isinstance(table, CreateTable)
    assert (table.name, table.temporary, table.if_not_exists) == ("shop.orders", True, True)
    assert [column.name for column in table.columns] == ["id", "user", "cost", "ts"]
    assert table.columns[0].comment == "the key"
    assert isinstance(table.columns[2].expression, exp.Mul)
    assert (table.columns[3].metadata_key, table.columns[3].virtual) == ("timestamp", True)
    assert table.watermark is not None
    assert table.watermark.column == "ts"
    assert table.primary_key == ("id",)
    assert table.comment == "all orders"
    assert table.partitioned_by == ("id",)
    assert {key: value.value for key, value in table.options.items()} == {"connector": "kafka", "topic": "${TOPIC}"}


def test_tables_from_other_tables_and_queries() -> None:
    like = one("CREATE TABLE b (WATERMARK FOR ts AS ts) LIKE a (INCLUDING ALL OVERWRITING OPTIONS)")
    assert isinstance(like, CreateTable)
    assert like.like == TableLike("a", (("INCLUDING", "ALL"), ("OVERWRITING", "OPTIONS")))
    made = one("CREATE TABLE c DISTRIBUTED BY HASH(k) INTO 4 BUCKETS WITH ('a' = 'b') AS SELECT k FROM a")
    assert isinstance(made, CreateTable)
    assert made.distribution == Distribution("HASH", ("k",), 4)
    assert isinstance(made.query, exp.Select)
    kept = one("CREATE MATERIALIZED TABLE m FRESHNESS = INTERVAL '3' MINUTE REFRESH_MODE = FULL AS SELECT k FROM a")
    assert isinstance(kept, CreateTable)
    assert kept.materialized
    assert kept.refresh == ("FRESHNESS = INTERVAL 3 MINUTE", "REFRESH_MODE = FULL")


def test_views_functions_and_catalogs() -> None:
    view = one("CREATE VIEW v (a, b) COMMENT 'c' AS SELECT x, y FROM t")
    assert isinstance(view, CreateView)
    assert (view.columns, view.comment) == (("a", "b"), "c")
    function = one("CREATE TEMPORARY SYSTEM FUNCTION f AS 'com.acme.F' LANGUAGE JAVA USING JAR '/a.jar', JAR '/b.jar'")
    assert isinstance(function, CreateFunction)
    assert (function.system, function.implementation, function.language) == (True, "com.acme.F", "JAVA")
    assert function.resources == ("/a.jar", "/b.jar")
    catalog = one("CREATE CATALOG c WITH ('type' = 'jdbc')")
    assert isinstance(catalog, CreateNamed)
    assert (catalog.kind, catalog.name, catalog.options["type"].value) == ("CATALOG", "c", "jdbc")


def test_inserts() -> None:
    insert = one(
        "INSERT INTO c.d.t /*+ OPTIONS('sink.parallelism' = '2') */ PARTITION (day = '1') (a, b) SELECT x, y FROM s"
    )
    assert isinstance(insert, Insert)
    assert (insert.target, insert.columns, insert.overwrite) == ("c.d.t", ("a", "b"), False)
    assert insert.partition == {"day": exp.Literal.string("1")}
    assert insert.hint is not None
    assert insert.hint.sql() == "/*+ OPTIONS('sink.parallelism' = '2') */"
    assert isinstance(one("EXECUTE INSERT OVERWRITE t VALUES (1)"), Insert)


def test_a_statement_set_holds_its_inserts() -> None:
    for text in (
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END;",
        "BEGIN STATEMENT SET; INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END;",
    ):
        together = one(text)
        assert isinstance(together, StatementSet)
        assert [insert.target for insert in together.inserts] == ["a", "b"]


def test_hints_of_queries_and_tables_stay() -> None:
    query = one(
        "SELECT /*+ STATE_TTL('o' = '1d') */ * FROM o /*+ OPTIONS('scan.startup.mode' = 'earliest-offset') */ AS x"
    )
    assert isinstance(query, Query)
    select = query.query
    assert select.args["hint"].sql() == "/*+ STATE_TTL('o' = '1d') */"
    table = select.args["from_"].this
    assert table.alias == "x"
    assert [hint.sql() for hint in table.args["hints"]] == ["/*+ OPTIONS('scan.startup.mode' = 'earliest-offset') */"]


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("SET 'a.b' = 'c d'", "a.b", "c d"),
        ("SET a.b = 10", "a.b", "10"),
        ("SET", None, None),
    ],
)
def test_settings(text: str, key: str | None, value: str | None) -> None:
    setting = one(text)
    assert isinstance(setting, SetOption)
    assert (setting.key, setting.value) == (key, value)


def test_resets_explanations_and_commands() -> None:
    reset = one("RESET 'a.b'")
    assert isinstance(reset, ResetOption)
    assert reset.key == "a.b"
    explain = one("EXPLAIN CHANGELOG_MODE, PLAN_ADVICE SELECT 1")
    assert isinstance(explain, Explain)
    assert explain.details == ("CHANGELOG_MODE", "PLAN_ADVICE")
    assert isinstance(explain.statement, Query)
    for text, name in (
        ("USE CATALOG c", "USE CATALOG"),
        ("USE db", "USE"),
        ("SHOW TABLES", "SHOW"),
        ("DROP TEMPORARY VIEW IF EXISTS v", "DROP TEMPORARY VIEW"),
        ("ALTER TABLE t SET ('a' = 'b')", "ALTER TABLE"),
        ("ADD JAR '/a.jar'", "ADD JAR"),
        ("DESC t", "DESC"),
    ):
        command = one(text)
        assert isinstance(command, Command)
        assert command.name == name


def test_the_script_goes_on_behind_what_cannot_be_read() -> None:
    script = parse_script("SELECT 1;\nSELEC 2;\nCREATE TABEL t (a INT);\nSELECT 3", file="job.sql")
    kinds = [type(statement) for statement in script.statements]
    assert kinds == [Query, Unread, Unread, Query]
    first, second = (unread.error for unread in script.unread)
    assert first.location is not None
    assert (first.location.file, first.location.line, first.location.column) == ("job.sql", 2, 1)
    assert first.hint == "did you mean SELECT?"
    assert second.location is not None
    assert (second.location.line, second.location.column) == (3, 8)
    assert second.hint == "did you mean TABLE?"


def test_places_are_those_of_the_script() -> None:
    text = "-- head\nSELECT 1 ;\n\nINSERT INTO t SELECT 2"
    first, second = parse_script(text).statements
    assert text[first.place.start : first.place.end] == "SELECT 1"
    assert text[second.place.start : second.place.end] == "INSERT INTO t SELECT 2"
    assert second.place.location.line == 4


def test_double_quotes_are_no_names() -> None:
    assert isinstance(one('SELECT "a" FROM t'), Unread)
