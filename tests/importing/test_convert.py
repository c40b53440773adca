"""What Flink's statements become, and what the report says of them."""

from __future__ import annotations

import pytest

from velo_engine.engine import Engine
from velo_engine.plan.nodes import Emit
from velo_engine.sql.flink.script import parse_script
from velo_import.convert.job import convert_job
from velo_import.model import Construct, ConvertedJob, Outcome, Role

TRADES = """
CREATE TABLE trades (
    symbol STRING,
    price DECIMAL(19, 4),
    quantity BIGINT,
    event_time TIMESTAMP(3), // when it happened
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = 'trades',
    'properties.bootstrap.servers' = 'localhost:9092',
    'scan.parallelism' = '4',
    'format' = 'json'
);
"""


def converted(*texts: str) -> ConvertedJob:
    job = convert_job("job", [parse_script(text, file=f"{number}.sql") for number, text in enumerate(texts)])
    Engine().plan(job.app_sql, variables={})
    return job


def not_converted(job: ConvertedJob) -> list[Construct]:
    return [one for one in job.constructs if one.outcome is Outcome.NOT_CONVERTED]


def test_the_example_of_the_documentation() -> None:
    job = converted(
        TRADES
        + "SELECT symbol, COUNT(*) AS trade_count, SUM(quantity) AS total_volume, AVG(price) AS avg_price\n"
        + "FROM trades GROUP BY symbol, TUMBLE(event_time, INTERVAL '1' MINUTE);"
    )

    (statement,) = job.statements
    assert (statement.name, statement.reads, statement.sink) == ("select_1", ("trades",), None)
    plan = Engine().plan(job.app_sql)
    assert plan.statements["select_1"].emit is Emit.FINAL
    assert plan.properties["emit.semantics"] == "flink"
    trades = job.tables["trades"]
    assert (trades.connector, trades.stand_in, trades.roles) == ("kafka", False, {Role.SOURCE})
    assert [str(t) for t in trades.schema.types] == ["STRING", "DECIMAL(19, 4)", "BIGINT", "TIMESTAMP(3)"]
    assert not not_converted(job)
    assert {(c.feature, c.written) for c in job.constructs} >= {
        ("watermark", "WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND"),
        ("option without effect", "'scan.parallelism' = …"),
        ("group window tumble", statement.constructs[0].written),
    }


@pytest.mark.parametrize("connector", ["jdbc", "elasticsearch-7", "hbase-2.2", "mysql-cdc", "something-new"])
def test_a_system_that_is_not_reached_becomes_a_topic_with_its_production_options(connector: str) -> None:
    job = converted(f"""
CREATE TABLE stored (id INT, name STRING, PRIMARY KEY (id) NOT ENFORCED)
WITH ('connector' = '{connector}', 'url' = 'there', 'password' = 'hidden');
SELECT name FROM stored;""")

    stored = job.tables["stored"]
    assert stored.stand_in
    assert stored.production == {"connector": connector, "url": "there", "password": "***"}
    assert "hidden" not in job.app_sql
    (construct,) = [c for c in job.constructs if c.outcome is Outcome.STAND_IN]
    assert construct.feature == f"connector {connector}"
    assert construct.location.line == 2
    source = Engine().plan(job.app_sql).sources["stored"]
    assert source.properties["type"] == "kafka"
    assert source.properties["mode"] == "upsert"


def test_a_table_that_is_looked_up_holds_rows() -> None:
    job = converted("""
CREATE TABLE clicks (id INT, at AS PROCTIME()) WITH ('connector' = 'datagen');
CREATE TABLE people (id INT, name STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'jdbc', 'url' = 'there');
SELECT c.id, p.name FROM clicks c JOIN people FOR SYSTEM_TIME AS OF c.at AS p ON c.id = p.id;""")

    assert not not_converted(job)
    assert job.tables["people"].roles == {Role.LOOKUP}


def test_old_options_become_modern_ones() -> None:
    job = converted("""
CREATE TABLE old (id INT) WITH (
    'connector.type' = 'kafka', 'connector.topic' = 't', 'connector.startup-mode' = 'earliest-offset',
    'connector.properties.0.key' = 'bootstrap.servers', 'connector.properties.0.value' = 'h:1',
    'connector.properties.group.id' = 'g', 'format.type' = 'json');
SELECT id FROM old;""")

    properties = Engine().plan(job.app_sql).sources["old"].properties
    wanted = {"topic": "t", "scan.startup.mode": "earliest-offset", "bootstrap.servers": "h:1", "group.id": "g"}
    assert {key: properties[key] for key in wanted} == wanted


def test_like_takes_columns_options_and_watermark() -> None:
    job = converted(
        TRADES,
        "CREATE TABLE more (note STRING) WITH ('topic' = 'more') LIKE trades (EXCLUDING WATERMARKS);\n"
        "SELECT symbol, note FROM more;",
    )

    more = Engine().plan(job.app_sql).sources["more"]
    assert [c.name for c in more.schema.columns] == ["symbol", "price", "quantity", "event_time", "note"]
    assert more.properties["topic"] == "more"
    assert job.tables["more"].definition.watermark is None


def test_names_of_catalogs_and_databases_become_flat() -> None:
    job = converted("""
CREATE TABLE orders (id INT) WITH ('connector' = 'kafka', 'topic' = 'a', 'format' = 'json');
CREATE DATABASE shop;
USE shop;
CREATE TABLE orders (id INT, note STRING) WITH ('connector' = 'kafka', 'topic' = 'b', 'format' = 'json');
SELECT orders.note FROM orders;
SELECT orders.id FROM default_catalog.default_database.orders;""")

    assert [(s.name, s.reads) for s in job.statements] == [("select_1", ("orders_2",)), ("select_2", ("orders",))]
    assert Engine().plan(job.app_sql).sources["orders_2"].properties["topic"] == "b"


def test_a_statement_means_the_table_that_was_there_when_it_stood() -> None:
    job = converted("""
CREATE TEMPORARY TABLE t (a INT) WITH ('connector' = 'print');
INSERT INTO t VALUES (1);
DROP TEMPORARY TABLE t;
CREATE TEMPORARY TABLE t (a STRING) WITH ('connector' = 'print');
INSERT INTO t VALUES ('x');""")

    assert [s.sink for s in job.statements] == ["t", "t_2"]
    assert not not_converted(job)


def test_options_of_a_hint_are_those_of_a_table_of_its_own() -> None:
    job = converted(
        TRADES + "SELECT trades.symbol FROM trades /*+ OPTIONS('scan.startup.mode' = 'latest-offset') */;\n"
        "SELECT symbol FROM trades;"
    )

    sources = Engine().plan(job.app_sql).sources
    assert {name: s.properties.get("scan.startup.mode") for name, s in sources.items()} == {
        "trades": None,
        "trades_2": "latest-offset",
    }


def test_a_function_of_the_jvm_is_named_at_its_place_and_the_rest_converts() -> None:
    job = converted(
        TRADES
        + "CREATE FUNCTION myfn AS 'com.example.Fn';\nSELECT symbol FROM trades;\nSELECT\n  myfn(symbol) FROM trades;"
    )

    function, call = not_converted(job)
    assert (function.feature, function.location.line) == ("user-defined function", 15)
    assert (call.location.line, call.location.column) == (18, 3)
    assert "MYFN" in (call.reason or "").upper()
    assert "@udf" in (call.alternative or "")
    assert [s.name for s in job.statements] == ["select_1", "query_line_17"]
    assert [s.name for s in job.unconverted] == ["query_line_17"]


def test_what_needs_an_unconverted_view_says_so() -> None:
    job = converted(TRADES, "CREATE VIEW v AS SELECT nope FROM trades;\nSELECT * FROM v;")

    view, query = not_converted(job)
    assert "nope" in (view.reason or "")
    assert query.reason == f"it needs v, which is not converted: {view.reason}"


def test_rows_by_a_key_that_the_query_does_not_have_are_deduplicated_as_flink_does() -> None:
    job = converted("""
CREATE TABLE a (id STRING, owner STRING, PRIMARY KEY (id) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = 'a', 'key.format' = 'json', 'value.format' = 'json');
CREATE TABLE b (owner STRING, id STRING, PRIMARY KEY (owner) NOT ENFORCED) WITH ('connector' = 'jdbc');
INSERT INTO b SELECT owner, id FROM a;""")

    assert not not_converted(job)
    assert "ON CONFLICT DO DEDUPLICATE" in job.app_sql


def test_settings_that_change_results_and_those_that_do_not() -> None:
    job = converted("""
SET 'table.exec.state.ttl' = '1 h';
SET 'parallelism.default' = '4';
SET 'execution.runtime-mode' = 'batch';
SET 'table.exec.legacy-cast-behaviour' = 'enabled';
SET 'table.local-time-zone' = 'Nowhere/Else';
SELECT 1 AS one;""")

    outcomes = {c.location.line: c.outcome for c in job.constructs}
    assert outcomes == {
        2: Outcome.SAME,
        3: Outcome.SAME,
        4: Outcome.DIFFERS,
        5: Outcome.NOT_CONVERTED,
        6: Outcome.NOT_CONVERTED,
        7: Outcome.SAME,
    }
    assert job.settings == {"emit.semantics": "flink", "state.ttl": "1 h"}
    assert Engine().plan(job.app_sql).state_ttl_ms == 3_600_000


def test_variables_get_a_value_for_when_nothing_sets_them() -> None:
    job = converted("""
CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = '${TOPIC}', 'format' = 'json');
SELECT a FROM t WHERE CAST(a AS STRING) = '${WANTED}';""")

    assert "'${TOPIC:TOPIC}'" in job.app_sql
    assert "'${WANTED:WANTED}'" in job.app_sql


def test_a_statement_set_create_table_as_and_commands() -> None:
    job = converted(
        TRADES,
        """
CREATE TABLE out1 (s STRING) WITH ('connector' = 'print');
CREATE TABLE out2 (s STRING) WITH ('connector' = 'blackhole');
EXECUTE STATEMENT SET BEGIN
INSERT INTO out1 SELECT symbol FROM trades;
INSERT INTO out2 (s) SELECT symbol FROM trades;
END;
CREATE TABLE kept WITH ('connector' = 'kafka', 'topic' = 'k', 'format' = 'json') AS SELECT symbol FROM trades;
SHOW TABLES; DESCRIBE trades; EXPLAIN SELECT * FROM trades; ADD JAR 'x.jar';""",
    )

    assert [s.name for s in job.statements] == ["out1", "out2", "kept"]
    assert [(c.feature, c.outcome) for c in job.constructs[-4:]] == [
        ("show", Outcome.SAME),
        ("describe", Outcome.SAME),
        ("explain", Outcome.SAME),
        ("add jar", Outcome.NOT_CONVERTED),
    ]


def test_text_that_does_not_parse_is_in_the_report_and_the_rest_converts() -> None:
    job = converted("SELECT 1 AS one;\nSELEC 2;\nSELECT 3 AS three")

    (failure,) = not_converted(job)
    assert failure.location.line == 2
    assert [s.name for s in job.statements] == ["select_1", "select_2"]


def test_a_statement_set_that_is_never_closed_loses_no_insert() -> None:
    job = converted("""
CREATE TABLE o (a INT) WITH ('connector' = 'print');
BEGIN STATEMENT SET;
INSERT INTO o VALUES (1);
BEGIN STATEMENT SET;
INSERT INTO o VALUES (2);
END;""")

    (failure,) = not_converted(job)
    assert failure.location.line == 3
    assert [(s.sink, s.location.line) for s in job.statements] == [("o", 4), ("o", 6)]


def test_metadata_of_another_system_is_in_the_rows_of_its_stand_in() -> None:
    job = converted("""
CREATE TABLE c (db STRING METADATA FROM 'database_name' VIRTUAL, id INT, PRIMARY KEY (id) NOT ENFORCED)
WITH ('connector' = 'mysql-cdc', 'hostname' = 'h');
SELECT db FROM c;""")

    assert not not_converted(job)
    assert [column.name for column in Engine().plan(job.app_sql).sources["c"].schema.columns] == ["db", "id"]
    assert [column.name for column in job.tables["c"].schema.columns] == ["db", "id"]


def test_words_within_names_begin_no_query() -> None:
    job = converted("""
CREATE TABLE orders_with_rates (a INT) WITH ('connector' = 'print');
INSERT INTO orders_with_rates SELECT 1;
INSERT INTO orders_with_rates (a) (SELECT 2);
INSERT INTO orders_with_rates WITH one AS (SELECT 3 AS a) SELECT a FROM one;""")

    assert [s.sink for s in job.statements if s.sql is not None] == ["orders_with_rates"] * 3


def test_statements_that_do_not_go_together_are_not_both_in_the_program() -> None:
    job = converted("""
CREATE TABLE people (id INT, name STRING) WITH ('connector' = 'jdbc', 'url' = 'there');
CREATE TABLE clicks (id INT, at AS PROCTIME()) WITH ('connector' = 'datagen');
SELECT COUNT(*) AS n FROM people;
SELECT c.id, p.name FROM clicks c JOIN people FOR SYSTEM_TIME AS OF c.at AS p ON c.id = p.id;
SELECT id FROM clicks;""")

    (failure,) = not_converted(job)
    assert "both as a stream and as a reference table" in (failure.reason or "")
    assert failure.location.line in (4, 5)
    assert [s.name for s in job.statements if s.sql is not None] == ["select_1", "select_2"]
    assert [s.name for s in job.unconverted] == [f"query_line_{failure.location.line}"]


def test_a_column_without_a_type_is_told_at_its_place() -> None:
    job = converted("CREATE TABLE t (\n  a INT,\n  b\n) WITH ('connector' = 'print');\nSELECT 1 AS one;")

    (failure,) = not_converted(job)
    assert (failure.reason, failure.location.line) == ("the column b needs a type", 3)
    assert [s.name for s in job.statements] == ["select_1"]


def test_a_defect_of_the_engine_does_not_keep_other_statements_out(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Engine.plan

    def planned(engine: Engine, program: str, **variables: object) -> object:
        if "broken" in program:
            raise IndexError
        return plan(engine, program)

    monkeypatch.setattr(Engine, "plan", planned)

    job = converted("SELECT 1 AS broken;\nSELECT 2 AS two;")

    (failure,) = not_converted(job)
    assert failure.reason == "the engine fails on it (IndexError), which is a defect of velostream"
    assert [s.name for s in job.statements if s.sql is not None] == ["select_1"]


def test_the_values_of_a_partition_are_columns() -> None:
    job = converted("""
CREATE TABLE t (a INT, n INT, dt STRING) PARTITIONED BY (n, dt)
WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'json');
INSERT INTO t PARTITION (dt = 'it''s', n = 7) SELECT 1;
INSERT INTO t PARTITION (dt = 'y') (n, a) SELECT 2, 3;""")

    assert not not_converted(job)
    program = job.app_sql.replace("'connector' = 'filesystem'", "'connector' = 'print'")
    engine = Engine()
    rows = engine.run(engine.plan(program)).statements["t"].rows.to_pylist()
    assert [(row["c0"], row["c1"], row["c2"]) for row in rows] == [(1, 7, "it's"), (3, 2, "y")]


@pytest.mark.parametrize(
    ("columns", "schema"),
    [
        (
            "b STRING, x INT, PRIMARY KEY (b) NOT ENFORCED",
            {"x": "INT", "a": "INT", "b": "STRING", "d": "DECIMAL(3, 1)"},
        ),
        ("d DOUBLE, a BIGINT, y AS a + 1", {"a": "BIGINT", "b": "STRING", "d": "DOUBLE"}),
        ("d, b, a", {"d": "DECIMAL(3, 1)", "b": "STRING", "a": "INT"}),
    ],
    ids=["further column", "types", "order"],
)
def test_a_column_list_before_as_goes_by_name(columns: str, schema: dict[str, str]) -> None:
    """The order and the types are those that Flink 2.3 gives such tables."""
    source = "CREATE TABLE s (a INT, b STRING, d DECIMAL(3, 1)) WITH ('connector' = 'datagen');"
    job = converted(source, f"CREATE TABLE t ({columns}) WITH ('connector' = 'print') AS SELECT a, b, d FROM s;")

    found = job.tables["t"].schema
    assert not job.unconverted
    assert {c.name: str(c.type.as_nullable()) for c in found.columns} == schema
    assert found.names == tuple(schema)
    assert "INSERT INTO t (a, b, d)\nSELECT a, b, d FROM s" in job.app_sql


def test_a_table_with_a_query_may_have_a_watermark() -> None:
    source = "CREATE TABLE s (a INT, at TIMESTAMP(3)) WITH ('connector' = 'datagen');"
    query = "CREATE TABLE t (WATERMARK FOR at AS at - INTERVAL '1' SECOND) WITH ('connector' = 'kafka') AS SELECT a, at FROM s;"
    job = converted(source, query, "SELECT a, COUNT(*) AS n FROM t GROUP BY a, TUMBLE(at, INTERVAL '1' MINUTE);")

    assert not job.unconverted
    assert "WATERMARK FOR at AS at - INTERVAL '1' SECOND" in job.app_sql


def test_a_table_that_is_written_and_looked_up_is_read_again() -> None:
    users = "CREATE TABLE users (id INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'jdbc', 'url' = 'u', 'table-name' = 'users');"
    orders = "CREATE TABLE orders (id INT, proctime AS PROCTIME()) WITH ('connector' = 'kafka', 'topic' = 'o', 'format' = 'json');"
    lookup = "SELECT orders.id FROM orders JOIN users FOR SYSTEM_TIME AS OF orders.proctime ON orders.id = users.id;"
    job = converted(users, orders, "INSERT INTO users SELECT id FROM orders;", lookup)

    assert not job.unconverted
    assert job.tables["users"].roles == {Role.SINK}
    assert "JOIN users_2 FOR SYSTEM_TIME AS OF orders.proctime AS users" in job.app_sql


CHANGES = """
CREATE TABLE c (uid BIGINT, page STRING) WITH ('connector' = 'kafka', 'topic' = 'c', 'format' = 'debezium-json');
CREATE TABLE wide (uid BIGINT, page STRING) WITH ('connector' = 'filesystem', 'path' = 'hdfs:///w', 'format' = '{format}');
INSERT INTO wide SELECT uid, page FROM c;
"""


def test_a_stand_in_for_files_takes_no_changes_as_files_do_not() -> None:
    """Flink 2.3.0 says of an aggregation into such a table: "Table sink … doesn't support consuming update changes"."""
    (refused,) = not_converted(converted(CHANGES.replace("{format}", "parquet")))

    assert refused.reason is not None
    assert "update and delete changes to wide, which takes only new rows" in refused.reason
    assert not not_converted(converted(CHANGES.replace("{format}", "debezium-json"))), "such files hold changes"
    assert not not_converted(converted(CHANGES.replace("{format}", "parquet").replace("debezium-json", "json")))


def test_a_format_that_is_not_known_is_not_the_same() -> None:
    job = converted(
        "CREATE TABLE t (a INT) WITH ('value.format' = 'avro-registry', 'changelog.mode' = 'append'); SELECT a FROM t;"
    )

    (found,) = [one for one in job.constructs if "avro-registry" in one.written]
    assert found.outcome is Outcome.STAND_IN
    assert found.reason == "records of the format avro-registry are not read: those of the topic are JSON"


def test_files_that_a_join_looks_up_are_a_topic_of_rows() -> None:
    job = converted("""
CREATE TABLE bids (item INT, p AS PROCTIME()) WITH ('connector' = 'kafka', 'topic' = 'bids', 'format' = 'json');
CREATE TABLE names (item INT, name STRING) WITH ('connector.type' = 'filesystem', 'connector.path' = 'file:///n', 'format.type' = 'csv');
SELECT b.item, n.name FROM bids b JOIN names FOR SYSTEM_TIME AS OF b.p AS n ON b.item = n.item;
""")
    assert job.unconverted == ()
    assert "'type' = 'kafka'" in job.app_sql
