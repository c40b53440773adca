"""What a name in FROM means, where its columns come from, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.engine.plan.planning import SCHEMAS, plan

from velo_engine import types as t
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import PlannedProgram, SourceKind, SourceTable
from velo_engine.plan.planner import plan_program
from velo_engine.schema import RowSchema
from velo_engine.sql.parser import parse_program

INFERRED = RowSchema.of(("inferred", t.STRING))
GIVEN = RowSchema.of(("given", t.STRING))
DECLARED = "CREATE STREAM s (declared STRING) WITH ('type' = 'file_source', 'path' = 's.csv');"
PROPERTIES = " WITH ('s.type' = 'file_source', 's.path' = 's.csv')"


def _plan(sql: str, schemas: Mapping[str, RowSchema | SourceTable]) -> PlannedProgram:
    return plan_program(parse_program(sql, variables={}), schemas=schemas, infer=lambda name, properties: INFERRED)


@pytest.mark.parametrize(
    ("sql", "schemas", "column"),
    [
        (DECLARED + "SELECT * FROM s", {"s": GIVEN}, "declared"),
        ("SELECT * FROM s" + PROPERTIES, {"s": GIVEN}, "given"),
        ("SELECT * FROM s" + PROPERTIES, {}, "inferred"),
        ("CREATE STREAM s WITH ('type' = 'file_source', 'path' = 's.csv'); SELECT * FROM s", {}, "inferred"),
        ("CREATE STREAM s WITH ('type' = 'file_source', 'path' = 's.csv'); SELECT * FROM s", {"s": GIVEN}, "given"),
    ],
)
def test_columns_come_from_the_program_else_the_caller_else_the_data(
    sql: str, schemas: Mapping[str, RowSchema], column: str
) -> None:
    assert _plan(sql, schemas).sources["s"].schema.names == (column,)


def test_the_data_is_looked_into_with_the_sources_properties() -> None:
    asked = []

    def infer(name: str, properties: Mapping[str, str]) -> RowSchema:
        asked.append((name, dict(properties)))
        return INFERRED

    plan_program(parse_program("SELECT * FROM s" + PROPERTIES, variables={}), infer=infer)
    assert asked == [("s", {"type": "file", "path": "s.csv"})]


def test_a_name_without_properties_is_not_looked_for_in_data() -> None:
    with pytest.raises(VeloError) as caught:
        _plan("SELECT * FROM s", {})
    assert caught.value.code is ErrorCode.UNKNOWN_TABLE


def test_a_source_that_cannot_be_looked_into_needs_columns() -> None:
    program = parse_program("SELECT * FROM s WITH ('s.type' = 'kafka_source')", variables={})
    with pytest.raises(VeloError, match='the columns of "s" are not known') as caught:
        plan_program(program, infer=lambda name, properties: None)
    assert caught.value.hint == "declare them: CREATE STREAM s (column TYPE, ...), or give a schema for s"


def test_properties_of_a_source_are_those_of_its_declaration_and_of_every_statement() -> None:
    program = plan(
        """CREATE TABLE s (a INT) WITH ('connector' = 'kafka', 'topic' = 't', 'properties.fetch.min.bytes' = '1');
        CREATE STREAM x AS SELECT a FROM s WITH ('s.format' = 'avro', 's.group_id' = 'x');
        CREATE STREAM y AS SELECT a FROM s WITH ('s.group_id' = 'y');"""
    )
    assert program.sources["s"].properties == {
        "connector": "kafka",
        "type": "kafka",
        "topic": "t",
        "properties.fetch.min.bytes": "1",
        "format": "avro",
        "group.id": "x",
    }


def test_two_statements_that_contradict_each_other_about_a_source() -> None:
    with pytest.raises(VeloError, match='"trades" has topic = b here and a in line 1') as caught:
        plan(
            "CREATE STREAM x AS SELECT symbol FROM trades WITH ('trades.topic' = 'a');\n"
            "CREATE STREAM y AS SELECT symbol FROM trades WITH ('trades.topic' = 'b');"
        )
    assert caught.value.code is ErrorCode.BAD_PROPERTY


@pytest.mark.parametrize(
    ("sql", "kinds"),
    [
        ("SELECT * FROM rates", {"rates": SourceKind.STREAM}),
        (
            "SELECT t.symbol FROM trades AS t JOIN rates AS r ON t.symbol = r.symbol",
            {"trades": SourceKind.STREAM, "rates": SourceKind.TABLE},
        ),
        (
            "SELECT o.amount FROM orders AS o JOIN payments AS p ON o.order_id = p.order_id",
            {"orders": SourceKind.STREAM, "payments": SourceKind.STREAM},
        ),
        (
            "SELECT o.amount FROM orders AS o JOIN payments AS p ON o.order_id = p.order_id"
            " WITH ('payments.type' = 'file_source', 'payments.path' = 'p.csv', 'orders.type' = 'file_source')",
            {"orders": SourceKind.STREAM, "payments": SourceKind.TABLE},
        ),
        (
            "SELECT o.amount FROM orders AS o JOIN payments AS p ON o.order_id = p.order_id"
            " WITH ('payments.type' = 'table')",
            {"orders": SourceKind.STREAM, "payments": SourceKind.TABLE},
        ),
        (
            "WITH f AS (SELECT * FROM payments WHERE paid > 0) SELECT o.amount FROM orders AS o"
            " JOIN f ON o.order_id = f.order_id WITH ('payments.type' = 'file_source', 'payments.path' = 'p.csv')",
            {"orders": SourceKind.STREAM, "payments": SourceKind.TABLE},
        ),
    ],
)
def test_a_source_is_a_table_beside_a_stream_when_something_says_so(sql: str, kinds: Mapping[str, SourceKind]) -> None:
    assert {name: source.kind for name, source in plan(sql).sources.items()} == kinds


def test_the_caller_may_describe_a_source_wholly() -> None:
    given = SourceTable("other", SourceKind.TABLE, GIVEN, {"type": "file", "path": "a.csv"}, (0,))
    program = _plan("SELECT * FROM s WITH ('s.delimiter' = ';')", {"s": given})
    properties = {"type": "file", "path": "a.csv", "delimiter": ";"}
    assert program.sources["s"] == SourceTable("s", SourceKind.STREAM, GIVEN, properties, (0,))


def test_a_primary_key_stands_at_its_columns() -> None:
    program = plan(
        "CREATE TABLE s (a INT, b INT, c AS a + b, PRIMARY KEY (b) NOT ENFORCED) WITH ('connector' = 'kafka');"
        "SELECT * FROM s"
    )
    assert program.sources["s"].primary_key == (1,)


def test_a_declaration_that_nothing_reads_is_no_source_of_the_plan() -> None:
    assert list(plan(DECLARED + "SELECT symbol FROM trades").sources) == ["trades"]


def test_a_statement_hides_a_source_of_the_same_name() -> None:
    program = plan("CREATE STREAM rates AS SELECT symbol FROM trades; CREATE STREAM r AS SELECT * FROM rates")
    assert program.statements["r"].reads == ("rates",)
    assert set(program.sources) <= set(SCHEMAS) - {"rates"}


def test_the_type_of_a_declared_column_is_wrong() -> None:
    with pytest.raises(VeloError) as caught:
        plan("CREATE TABLE s (a INT, b DECIMAL(3, 5)) WITH ('connector' = 'kafka'); SELECT a FROM s")
    assert caught.value.location is not None


@pytest.mark.parametrize(
    ("uri", "name", "properties"),
    [
        ("kafka://host:9092/orders", "orders", {"type": "kafka", "bootstrap.servers": "host:9092", "topic": "orders"}),
        ("kafka://a:1,b:2/orders", "orders", {"type": "kafka", "bootstrap.servers": "a:1,b:2", "topic": "orders"}),
        ("kafka://orders", "orders", {"type": "kafka", "topic": "orders"}),
        ("file:///d/o.csv?header=true", "o", {"type": "file", "path": "file:///d/o.csv?header=true"}),
        ("file://./data/orders/*.csv", "orders", {"type": "file", "path": "file://./data/orders/*.csv"}),
        ("file:///d/trades-2024*.json", "trades-2024", {"type": "file", "path": "file:///d/trades-2024*.json"}),
    ],
)
def test_a_uri_names_a_source_and_its_connector(uri: str, name: str, properties: Mapping[str, str]) -> None:
    program = _plan(f"SELECT {name!r} AS n FROM '{uri}'", {name: GIVEN})
    assert program.sources == {name: SourceTable(name, SourceKind.STREAM, GIVEN, properties, decoded=frozenset())}


def test_two_uris_with_one_name() -> None:
    with pytest.raises(VeloError, match='two sources are called "o"') as caught:
        _plan("SELECT a.x FROM 'file:///a/o.csv' AS a JOIN 'file:///b/o.csv' AS b ON a.x = b.x", {"o": GIVEN})
    assert caught.value.code is ErrorCode.DUPLICATE_NAME


@pytest.mark.parametrize(
    ("uri", "message"),
    [("http://host/orders", '"http" is not a kind of source'), ("kafka://host:9092/a/b", "names no topic")],
)
def test_a_uri_that_names_no_source(uri: str, message: str) -> None:
    with pytest.raises(VeloError, match=message) as caught:
        _plan(f"SELECT * FROM '{uri}'", {})
    assert caught.value.code is ErrorCode.BAD_PROPERTY
    assert caught.value.location is not None
