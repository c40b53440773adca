"""Statements as parts of a program: their order, what they read and write, their keys, names and properties."""

from __future__ import annotations

import pytest
from tests.engine.plan.planning import SCHEMAS, columns, names, plan, statement

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import Emit, Upstream
from velo_engine.plan.planner import plan_program
from velo_engine.sql.parser import parse_program


def test_a_statement_comes_after_those_it_reads() -> None:
    program = plan(
        """CREATE STREAM last AS SELECT * FROM middle;
        CREATE VIEW middle AS SELECT symbol, qty FROM first WHERE qty > 0;
        CREATE STREAM first AS SELECT * FROM trades;
        CREATE STREAM other AS SELECT order_id FROM orders;"""
    )
    assert list(program.statements) == ["first", "middle", "last", "other"]
    assert program.statements["middle"].reads == ("first",)
    assert program.statements["middle"].sources == ()
    assert program.statements["first"].sources == ("trades",)
    assert list(program.sources) == ["trades", "orders"]
    assert program.statements["last"].plan == Upstream("middle", program.statements["middle"].plan.schema)


def test_a_statement_reads_each_source_and_statement_once() -> None:
    planned = statement(
        """CREATE STREAM s AS SELECT symbol FROM trades;
        SELECT a.symbol FROM s AS a JOIN s AS b ON a.symbol = b.symbol JOIN trades ON trades.symbol = a.symbol;"""
    )
    assert planned.reads == ("s",)
    assert planned.sources == ("trades",)


@pytest.mark.parametrize(
    ("sql", "sink"),
    [
        ("CREATE STREAM s AS SELECT symbol FROM trades INTO out", "out"),
        ("CREATE STREAM s AS SELECT symbol FROM trades", "s"),
        ("CREATE TABLE s AS SELECT symbol FROM trades", "s"),
        ("INSERT INTO target SELECT symbol FROM trades", "target"),
        ("SELECT symbol FROM trades INTO out", "out"),
        ("CREATE VIEW s AS SELECT symbol FROM trades", None),
        ("SELECT symbol FROM trades", None),
    ],
)
def test_the_sink_of_a_statement(sql: str, sink: str | None) -> None:
    planned = statement(sql).sink
    assert (planned.name if planned is not None else None) == sink


def test_a_sink_has_its_own_properties_and_the_statements() -> None:
    planned = statement(
        """CREATE STREAM s AS SELECT symbol FROM trades INTO out
        WITH ('out.type' = 'kafka_sink', 'out.topic' = 't', 'format' = 'json', 'trades.topic' = 'in')"""
    )
    assert planned.sink is not None
    assert planned.sink.properties == {"type": "kafka", "topic": "t", "format": "json"}


def test_an_insert_takes_properties_columns_and_key_from_the_declared_target() -> None:
    program = plan(
        """CREATE TABLE target (n BIGINT, name STRING, PRIMARY KEY (name) NOT ENFORCED)
        WITH ('connector' = 'upsert-kafka', 'topic' = 'out');
        INSERT INTO target SELECT qty, symbol FROM trades ON CONFLICT DO DEDUPLICATE;"""
    )
    planned = program.statements["target"]
    assert [(c.name, str(c.type)) for c in planned.plan.schema.columns] == [("n", "BIGINT"), ("name", "STRING")]
    assert planned.sink is not None
    assert planned.sink.properties == {
        "connector": "upsert-kafka",
        "type": "kafka",
        "mode": "upsert",
        "topic": "out",
    }
    assert planned.sink.upsert_key == (1,)
    assert list(program.sources) == ["trades"]


def test_an_insert_leaves_out_columns_as_null_and_orders_by_its_own_list() -> None:
    declared = "CREATE TABLE target (a STRING, b INT, c DATE) WITH ('connector' = 'kafka');"
    assert columns(declared + "INSERT INTO target (b, a) SELECT qty, symbol FROM trades") == [
        ("a", "STRING"),
        ("b", "INT"),
        ("c", "DATE"),
    ]


def test_a_column_list_renames_and_casts_the_columns_of_a_statement() -> None:
    assert columns("CREATE STREAM s (a STRING, b BIGINT) AS SELECT symbol, qty FROM trades") == [
        ("a", "STRING"),
        ("b", "BIGINT"),
    ]
    assert names("CREATE VIEW v (a, b) AS SELECT symbol, qty FROM trades") == ("a", "b")


@pytest.mark.parametrize(
    ("sql", "key"),
    [
        ("CREATE STREAM s AS SELECT symbol PRIMARY KEY, price FROM trades", (0,)),
        ("CREATE STREAM s AS SELECT price, symbol PRIMARY KEY AS s, qty AS q PRIMARY KEY FROM trades", (1, 2)),
        ("CREATE STREAM s AS SELECT price, symbol FROM trades", ()),
        ("CREATE STREAM s AS SELECT SUM(qty) AS q, symbol FROM trades GROUP BY symbol", (1,)),
        ("CREATE STREAM s AS SELECT SUM(qty) AS q FROM trades GROUP BY symbol", ()),
        ("CREATE STREAM s AS SELECT SUM(qty) AS q, symbol, price PRIMARY KEY FROM trades GROUP BY symbol, price", (2,)),
    ],
)
def test_the_upsert_key_is_the_declared_one_else_the_proven_one(sql: str, key: tuple[int, ...]) -> None:
    sink = statement(sql).sink
    assert sink is not None
    assert sink.upsert_key == key


@pytest.mark.parametrize(
    ("sql", "emit"),
    [
        ("SELECT symbol, COUNT(*) AS n FROM trades GROUP BY symbol", Emit.CHANGES),
        ("SELECT symbol, COUNT(*) AS n FROM trades WINDOW TUMBLING(ts, 1m) GROUP BY symbol", Emit.FINAL),
        ("SELECT symbol, COUNT(*) AS n FROM trades WINDOW TUMBLING(ts, 1m) GROUP BY symbol EMIT CHANGES", Emit.CHANGES),
        ("SELECT symbol FROM trades EMIT FINAL", Emit.FINAL),
        ("SELECT n FROM (SELECT COUNT(*) AS n FROM trades WINDOW TUMBLING(ts, 1m)) AS w", Emit.FINAL),
    ],
)
def test_a_windowed_statement_emits_final_results_unless_it_says_otherwise(sql: str, emit: Emit) -> None:
    assert statement(sql).emit is emit


def test_an_unaliased_column_keeps_the_name_with_its_relation_as_another_one() -> None:
    planned = statement(
        "SELECT o.order_id, p.order_id, p.paid AS paid, o.amount * 2, c.address.city FROM orders AS o"
        " JOIN payments AS p ON o.order_id = p.order_id JOIN customers AS c ON c.customer_id = o.customer_id"
    )
    assert planned.plan.schema.names == ("order_id", "order_id0", "paid", "EXPR$2", "city")
    assert planned.aliases == {"o.order_id": "order_id", "p.order_id": "order_id0", "c.address.city": "city"}


def test_job_properties_come_from_set_and_from_every_statement() -> None:
    program = plan(
        """SET 'state.ttl' = '1h';
        CREATE STREAM s AS SELECT symbol FROM trades WITH ('emit.semantics' = 'flink', 'failure_strategy' = 'FailBatch')"""
    )
    assert program.properties == {"state.ttl": "1h", "emit.semantics": "flink", "failure_strategy": "FailBatch"}


def test_two_statements_that_contradict_each_other_about_the_job() -> None:
    with pytest.raises(VeloError, match=r"emit\.semantics is flink here and velostream in line 1") as caught:
        plan(
            "CREATE STREAM a AS SELECT symbol FROM trades WITH ('emit.semantics' = 'velostream');\n"
            "CREATE STREAM b AS SELECT symbol FROM trades WITH ('emit.semantics' = 'flink');"
        )
    assert caught.value.code is ErrorCode.BAD_PROPERTY
    assert caught.value.location is not None
    assert caught.value.location.line == 2


def test_a_property_without_meaning_is_a_warning_of_the_program() -> None:
    program = plan("CREATE STREAM s AS SELECT symbol FROM trades WITH ('trades.topci' = 't')")
    (warning,) = program.warnings
    assert "trades.topci" in warning.message
    assert warning.hint == "did you mean 'trades.topic'?"


def test_an_unknown_name_is_compared_with_sources_and_statements() -> None:
    with pytest.raises(VeloError) as caught:
        plan("CREATE STREAM cleaned AS SELECT symbol FROM trades; SELECT * FROM cleand")
    assert caught.value.hint == 'did you mean "cleaned"?'


def test_planning_does_not_change_the_program() -> None:
    program = parse_program("SELECT symbol, COUNT(*) AS n FROM trades WINDOW TUMBLING(ts, 1m) GROUP BY symbol")
    first = plan_program(program, schemas=SCHEMAS)
    assert plan_program(program, schemas=SCHEMAS) == first
