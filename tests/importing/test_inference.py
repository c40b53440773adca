"""Tables that the input does not declare: what type each column must have, by hand from what the statements do."""

from __future__ import annotations

import pytest

from velo_engine.engine import Engine
from velo_engine.sql.flink.script import parse_script
from velo_engine.types import BIGINT, timestamp
from velo_import.convert.declared import UNDECLARED
from velo_import.convert.job import convert_job
from velo_import.model import ConvertedJob, Outcome, Role

MINUTE = "INTERVAL '1' MINUTE"


def converted(text: str) -> ConvertedJob:
    job = convert_job("job", [parse_script(text, file="job.sql")])
    Engine().plan(job.app_sql, variables={})
    return job


def columns(text: str, table: str) -> dict[str, str]:
    """The columns of an inferred table; all statements convert."""
    job = converted(text)
    assert not job.unconverted, [one.constructs[0].reason for one in job.unconverted]
    assert job.tables[table].stand_in
    return {column.name: str(column.type) for column in job.tables[table].schema.columns}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("SELECT a FROM t", {"a": "STRING"}),
        ("SELECT x.a FROM t AS x WHERE x.b = 'new'", {"a": "STRING", "b": "STRING"}),
        ("SELECT a FROM t WHERE n > 10", {"n": "BIGINT", "a": "STRING"}),
        ("SELECT a FROM t WHERE n > 0.5", {"n": "DOUBLE", "a": "STRING"}),
        ("SELECT price * quantity AS total FROM t", {"price": "DOUBLE", "quantity": "BIGINT"}),
        ("SELECT SUM(n) AS s, AVG(m) AS m FROM t", {"n": "BIGINT", "m": "BIGINT"}),
        ("SELECT UPPER(a) AS u FROM t WHERE b LIKE 'x%'", {"b": "STRING", "a": "STRING"}),
        ("SELECT a || b AS ab FROM t WHERE done", {"done": "BOOLEAN", "a": "STRING", "b": "STRING"}),
        ("SELECT ABS(n) AS n FROM t", {"n": "BIGINT"}),
        ("SELECT EXTRACT(YEAR FROM d) AS y FROM t", {"d": "TIMESTAMP(3)"}),
        ("SELECT a FROM t WHERE d >= DATE '2026-01-01'", {"d": "DATE", "a": "STRING"}),
        ("SELECT CASE WHEN ok THEN n ELSE 0 END AS x FROM t", {"ok": "BOOLEAN", "n": "BIGINT"}),
        ("SELECT CASE a WHEN 'x' THEN 1 ELSE 2 END AS x FROM t", {"a": "STRING"}),
        ("SELECT COALESCE(n, 0) AS n FROM t", {"n": "BIGINT"}),
        ("SELECT a FROM t WHERE n IN (1, 2) AND m BETWEEN 3 AND 4", {"n": "BIGINT", "m": "BIGINT", "a": "STRING"}),
        ("SELECT c.street.name AS s FROM t AS c", {"street": "ROW<`name` STRING>"}),
        ("SELECT tags[1] AS first_tag FROM t", {"tags": "ARRAY<STRING>"}),
        ("SELECT attributes['color'] AS color FROM t", {"attributes": "MAP<STRING, STRING>"}),
        ("SELECT tag FROM t CROSS JOIN UNNEST(tags) AS x (tag)", {"tags": "ARRAY<STRING>"}),
        ("SELECT item, n + 1 AS n FROM t, UNNEST(items) AS x (item, n)", {"items": "ARRAY<ROW<`item` STRING, `n` BIGINT>>"}),
        ("SELECT k, v FROM t, UNNEST(m) AS x (k, v)", {"m": "MAP<STRING, STRING>"}),
        ("SELECT JSON_VALUE(doc, '$.a') AS a FROM t", {"doc": "STRING"}),
        ("SELECT order_time FROM t", {"order_time": "TIMESTAMP(3)"}),
        ("SELECT COUNT(*) AS n FROM t", {"data": "STRING"}),
        ("SELECT * FROM t", {"data": "STRING"}),
    ],
)  # fmt: skip
def test_a_column_has_the_type_that_its_uses_need(query: str, wanted: dict[str, str]) -> None:
    assert columns(query, "t") == wanted


def test_columns_that_are_compared_have_one_type_and_that_of_a_declared_column_counts() -> None:
    text = "CREATE TABLE known (id INT, name STRING) WITH ('connector' = 'datagen');\n"
    query = "SELECT k.name, t.b FROM known AS k JOIN t ON k.id = t.a JOIN u ON t.b = u.c WHERE u.c > 5"

    assert columns(text + query, "t") == {"a": "INT", "b": "BIGINT"}
    assert columns(text + query, "u") == {"c": "BIGINT"}


def test_all_statements_say_what_a_table_is() -> None:
    text = "SELECT a FROM t;\nSELECT b FROM t WHERE a > 3;\nCREATE VIEW v AS SELECT c FROM t;\nSELECT LOWER(c) AS c FROM v;"

    assert columns(text, "t") == {"a": "BIGINT", "b": "STRING", "c": "STRING"}


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(at), {MINUTE})) "
        "GROUP BY window_start, window_end",
        f"SELECT COUNT(*) AS n FROM t GROUP BY TUMBLE(at, {MINUTE})",
        "SELECT SUM(1) OVER (PARTITION BY who ORDER BY at) AS n FROM t",
        "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY who ORDER BY at MEASURES A.who AS w "
        "ONE ROW PER MATCH PATTERN (A B) DEFINE B AS B.price > A.price)",
    ],
)
def test_a_column_that_time_goes_by_has_a_watermark(query: str) -> None:
    job = converted(query)

    assert not job.unconverted
    definition = job.tables["t"].definition
    assert definition.watermark is not None
    assert definition.watermark.column == "at"
    assert (
        str(dict(zip(job.tables["t"].schema.names, job.tables["t"].schema.types, strict=True))["at"]) == "TIMESTAMP(3)"
    )


def test_the_time_of_a_window_is_a_column_of_its_own_table() -> None:
    windows = "SELECT * FROM TABLE(TUMBLE(TABLE {0}, DESCRIPTOR(at), " + MINUTE + "))"
    text = f"SELECT * FROM ({windows.format('l')}) AS l WHERE n IN (SELECT n FROM ({windows.format('r')}) AS r)"

    assert columns(text, "l")["at"] == "TIMESTAMP(3)"
    assert columns(text, "r")["at"] == "TIMESTAMP(3)"


def test_a_table_that_is_looked_up_has_a_key_and_the_other_side_its_processing_time() -> None:
    job = converted("SELECT o.n, c.name FROM o JOIN c FOR SYSTEM_TIME AS OF o.proctime AS c ON o.customer = c.id")

    assert not job.unconverted
    assert job.tables["c"].definition.primary_key == ("id",)
    assert job.tables["c"].roles == {Role.LOOKUP}
    (time,) = [one for one in job.tables["o"].definition.columns if one.name == "proctime"]
    assert time.expression is not None
    assert time.type is None


def test_a_table_of_versions_has_a_key_and_event_time_on_both_sides() -> None:
    job = converted(
        "SELECT o.n, r.rate FROM o LEFT JOIN r FOR SYSTEM_TIME AS OF o.order_time AS r ON o.currency = r.currency"
    )

    assert not job.unconverted
    rates, orders = job.tables["r"].definition, job.tables["o"].definition
    assert rates.primary_key == ("currency",)
    assert rates.watermark is not None
    assert orders.watermark is not None
    assert orders.watermark.column == "order_time"


def test_a_sink_has_the_columns_of_the_query_that_writes_it() -> None:
    text = "CREATE TABLE s (id INT, name STRING, at TIMESTAMP(3)) WITH ('connector' = 'datagen');\n"

    assert columns(text + "INSERT INTO o SELECT id, name AS who, COUNT(*) AS n FROM s GROUP BY id, name;", "o") == {
        "id": "INT",
        "who": "STRING",
        "n": "BIGINT",
    }
    assert columns(text + "INSERT INTO o (x, y) SELECT name, at FROM s;", "o") == {"x": "STRING", "y": "TIMESTAMP(3)"}
    assert columns("INSERT INTO o VALUES (1, 'a', TRUE), (2, 'bc', FALSE);", "o") == {
        "column_1": "BIGINT",
        "column_2": "STRING",
        "column_3": "BOOLEAN",
    }


def test_a_source_has_the_types_of_the_sink_that_it_is_written_to() -> None:
    text = "CREATE TABLE o (id INT, at TIMESTAMP(3), note STRING) WITH ('connector' = 'print');\n"

    assert columns(text + "INSERT INTO o SELECT a, b, c FROM t;", "t") == {
        "a": "INT",
        "b": "TIMESTAMP(3)",
        "c": "STRING",
    }
    assert columns(text + "INSERT INTO o SELECT * FROM t;", "t") == {
        "id": "INT",
        "at": "TIMESTAMP(3)",
        "note": "STRING",
    }


def test_unqualified_columns_go_to_the_table_that_has_them_elsewhere_or_is_called_like_them() -> None:
    text = (
        "SELECT ss_item_sk, i_color FROM store_sales, item WHERE ss_item_sk = i_item_sk;\n"
        "SELECT x, y FROM p JOIN q ON p.id = q.id;\nSELECT y FROM p;\n"
    )

    assert set(columns(text, "store_sales")) == {"ss_item_sk"}
    assert set(columns(text, "item")) == {"i_color", "i_item_sk"}
    assert set(columns(text, "p")) >= {"id", "y"}
    assert "y" not in columns(text, "q")


def test_the_report_says_that_a_table_is_inferred_and_the_program_too() -> None:
    job = converted("SELECT 1 AS one;\nSELECT a\nFROM shop.orders;")

    (construct,) = [one for one in job.constructs if one.feature == UNDECLARED]
    assert (construct.outcome, construct.written) == (Outcome.STAND_IN, "shop.orders")
    assert (construct.location.file, construct.location.line) == ("job.sql", 3)
    assert construct.alternative == "add its CREATE TABLE to the input"
    assert "-- The input does not declare orders: its columns are inferred" in job.app_sql


def test_a_column_that_a_declared_table_lacks_is_not_invented() -> None:
    job = converted("CREATE TABLE t (a INT) WITH ('connector' = 'print');\nSELECT b FROM t;")

    (statement,) = job.unconverted
    assert 'no column "b"' in (statement.constructs[0].reason or "")
    assert not [one for one in job.constructs if one.feature == UNDECLARED]


def test_a_statement_that_contradicts_the_others_has_a_table_of_its_own() -> None:
    job = converted("SELECT n + 1 AS m FROM t;\nSELECT COUNT(*) AS c FROM t GROUP BY TUMBLE(n, " + MINUTE + ");")

    assert not job.unconverted
    assert job.tables["t"].schema.columns[0].type == timestamp(3)
    assert job.tables["t_2"].schema.columns[0].type == BIGINT
    assert "FROM t_2 AS t" in job.app_sql
    (own,) = [one for one in job.constructs if "contradict" in (one.reason or "")]
    assert (own.outcome, own.location.line) == (Outcome.STAND_IN, 1)


def test_a_statement_that_contradicts_itself_is_named() -> None:
    job = converted("SELECT n + 1 AS m FROM t WHERE n LIKE 'a%';\nSELECT u.n + 2 AS k FROM u;")

    (statement,) = job.unconverted
    assert statement.location.line == 1
    assert job.app_sql.count("CREATE TABLE") == len(job.tables) == 2


def test_a_definition_found_in_another_script_counts_only_if_it_has_the_columns() -> None:
    other = parse_script("CREATE TABLE t (x INT) WITH ('connector' = 'print');", file="other.sql")
    lent = type(other)(other.file, other.text, other.statements, is_found=True)

    fitting = convert_job("job", [lent, parse_script("SELECT x FROM t;", file="job.sql")])
    another = convert_job("job", [lent, parse_script("SELECT y, z FROM t;", file="job.sql")])

    assert not fitting.tables["t"].stand_in
    assert another.tables["t"].stand_in
    assert another.tables["t"].schema.names == ("y", "z")
    assert "another table of that name" in {one.feature for one in another.constructs}


def test_a_star_before_as_has_the_further_columns_of_the_column_list() -> None:
    columns = "id INT, name STRING, n BIGINT, PRIMARY KEY (id) NOT ENFORCED"
    job = converted(f"CREATE TABLE t ({columns}) AS SELECT u.*, 1 + 1 AS n FROM users AS u WHERE u.id > 3;")

    assert not job.unconverted
    assert job.tables["users"].schema.names == ("id", "name")
