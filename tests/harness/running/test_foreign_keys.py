"""Foreign keys across the generated inputs of one run: values really exist where they point, along chains; circles are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode
from velo_harness.query_run import QueryRun
from velo_harness.result import Outcome, QueryResult
from velo_harness.runner import blank_result, run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

SQL = """
CREATE STREAM joined AS
SELECT l.id, o.id AS order_id, c.id AS customer_id
FROM lines l JOIN orders o ON l.order_id = o.id JOIN customers c ON o.customer_id = c.id;

CREATE STREAM alone AS SELECT id, order_id FROM lines;

CREATE STREAM whole AS SELECT id, customer_id FROM orders;
"""
CUSTOMERS = "name: customers\nfields:\n  - {name: id, type: bigint, constraints: {range: {min: 1, max: 1000000}}}\n"
ORDERS = (
    "name: orders\nfields:\n  - {name: id, type: uuid}\n"
    "  - {name: customer_id, type: bigint, constraints: {references: customers.id}}\n"
)
LINES = (
    "name: order_lines\nfields:\n  - {name: id, type: bigint, constraints: {sequence: true}}\n"
    "  - {name: order_id, type: string, constraints: {references: {schema: orders, field: id, match_rate: 0.8}}}\n"
)
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, content: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        return path

    for name, content in (
        ("pyproject.toml", ""),
        ("app.sql", SQL),
        ("schemas/customers.schema.yaml", CUSTOMERS),
        ("schemas/orders.schema.yaml", ORDERS),
        ("schemas/order_lines.schema.yaml", LINES),
    ):
        write_file(name, content)
    return write_file


def run(write: Write, queries: str, head: str = "") -> list[QueryResult]:
    spec = load_spec(write("app.test.yaml", f"application: x\n{head}queries:\n{queries}"))
    return [run_query(spec, q, RunSettings(debug=True), item=q.name, rerun="") for q in spec.queries]


def inputs(path: Path, name: str) -> dict[str, list[object]]:
    """Source → its rows, of one query."""
    spec = load_spec(path)
    query = next(q for q in spec.queries if q.name == name)
    stages = QueryRun(spec, query, RunSettings(), blank_result(spec, query, RunSettings(), item=name, rerun=""))
    made = stages.inputs(stages.prepared())
    return {source: relation.table.to_pylist() for source, relation in made.relations.items()}


JOINED = (
    "  - name: joined\n    inputs:\n      - {source: lines, schema: order_lines, records: 2000}\n"
    "      - {source: orders, records: 300}\n      - {source: customers, records: 40}\n"
)


def test_keys_exist_along_a_chain_and_so_many_have_no_partner(write: Write) -> None:
    path = write(
        "app.test.yaml",
        "application: x\nqueries:\n" + JOINED + "    assertions: [{type: record_count, greater_than: 0}]\n",
    )
    made = inputs(path, "joined")
    customers = {row["id"] for row in made["customers"]}  # type: ignore[index]
    orders = {row["id"] for row in made["orders"]}  # type: ignore[index]
    assert len(orders) == 300
    assert all(row["customer_id"] in customers for row in made["orders"])  # type: ignore[index]
    matched = sum(row["order_id"] in orders for row in made["lines"])  # type: ignore[index]
    assert abs(matched - 1600) < 5 * (2000 * 0.8 * 0.2) ** 0.5


def test_the_join_finds_every_partner(write: Write) -> None:
    override = JOINED.replace("records: 2000", "records: 2000, overrides: {order_id: {references: orders.id}}")
    (result,) = run(write, override + "    assertions: [{type: record_count, equals: 2000}]\n")
    assert result.outcome is Outcome.PASSED, (result.error, result.failures)


def test_keys_point_into_the_rows_that_another_query_of_the_spec_has(write: Write) -> None:
    """`alone` does not read orders: it is given the orders that `whole` is given."""
    path = write(
        "app.test.yaml",
        "application: x\nqueries:\n"
        "  - {name: alone, inputs: [{source: lines, schema: order_lines, records: 500}],"
        " assertions: [{type: record_count, equals: 500}]}\n"
        "  - {name: whole, inputs: [{source: orders, records: 30}], assertions: [{type: record_count, equals: 30}]}\n",
    )
    orders = {row["id"] for row in inputs(path, "whole")["orders"]}  # type: ignore[index]
    lines = inputs(path, "alone")
    assert list(lines) == ["lines"]
    matched = {row["order_id"] for row in lines["lines"] if not row["order_id"].startswith("unmatched")}  # type: ignore[index]
    assert matched == orders


FILE_SQL = """
CREATE STREAM joined AS
SELECT l.id, l.order_id FROM lines l JOIN customers c ON l.id = c.id
WITH ('customers.type' = 'file_source', 'customers.path' = '{path}', 'customers.format' = 'csv', 'lines.type' = 'kafka_source');
"""


def test_keys_point_into_a_file_that_the_sql_reads(write: Write) -> None:
    write("app.sql", FILE_SQL.format(path="customers.csv"))
    write("customers.csv", "id\n1001\n1007\n")
    queries = (
        "  - name: joined\n    inputs: [{source: lines, schema: order_lines, records: 60,"
        " overrides: {id: {references: customers.id}, order_id: {pattern: 'o[0-9]'}}}]\n    assertions: [{type: record_count, equals: 60}]\n"
    )
    (result,) = run(write, queries)
    assert result.outcome is Outcome.PASSED, (result.error, result.failures)


def test_a_file_outside_the_project_is_not_looked_into(write: Write, tmp_path: Path) -> None:
    (tmp_path.parent / f"{tmp_path.name}.csv").write_text("id\n1001\n")
    write("app.sql", FILE_SQL.format(path=f"../{tmp_path.name}.csv"))
    queries = (
        "  - name: joined\n    inputs: [{source: lines, schema: order_lines, records: 60,"
        " overrides: {id: {references: customers.id}, order_id: {pattern: 'o[0-9]'}}}]\n    assertions: [{type: record_count, equals: 60}]\n"
    )
    (result,) = run(write, queries)
    assert result.error is not None
    assert result.error.code is ErrorCode.PATH_OUTSIDE_PROJECT


def test_a_table_may_refer_to_itself(write: Write) -> None:
    write(
        "schemas/orders.schema.yaml",
        "name: orders\nfields:\n  - {name: id, type: uuid}\n"
        "  - {name: customer_id, type: bigint, constraints: {references: orders.number}}\n"
        "  - {name: number, type: bigint, constraints: {range: {min: 1, max: 1000000}}}\n",
    )
    path = write(
        "app.test.yaml",
        "application: x\nschemas: {lines: order_lines}\nqueries: [{name: whole, inputs: [{source: orders}], assertions: [{type: record_count, equals: 1000}]}]\n",
    )
    rows = inputs(path, "whole")["orders"]
    assert {row["customer_id"] for row in rows} < {row["number"] for row in rows}  # type: ignore[index]


def test_a_circle_is_refused_by_name(write: Write) -> None:
    write(
        "schemas/customers.schema.yaml",
        "name: customers\nfields:\n  - {name: id, type: bigint, constraints: {references: orders.id}}\n",
    )
    (result,) = run(write, JOINED + "    assertions: [{type: record_count, equals: 2000}]\n")
    error = result.error
    assert error is not None
    assert error.code is ErrorCode.BAD_VALUE
    assert error.message == "these inputs refer to each other by foreign keys: orders → customers → orders"
    assert error.location is not None
    assert error.location.file.endswith("orders.schema.yaml")
    assert error.location.line == 4
    assert error.hint is not None


def test_a_schema_that_nobody_has_is_refused(write: Write) -> None:
    bad = JOINED.replace("records: 2000", "records: 5, overrides: {order_id: {references: order.id}}")
    (result,) = run(write, bad + "    assertions: [{type: record_count, equals: 2000}]\n")
    error = result.error
    assert error is not None
    assert error.code is ErrorCode.UNKNOWN_SCHEMA
    assert error.hint == 'did you mean "orders"?'
    assert error.location is not None
    assert (Path(error.location.file).name, error.location.line) == ("app.test.yaml", 5)


UNREAD = """\
  - name: whole
    inputs:
      - {source: orders, records: 30}
      - {source: customers, INPUT}
      - {source: lines, schema: order_lines, records: 1}
    assertions:
      - {type: record_count, equals: 30}
"""
REFERENCES = """\
      - {type: data_quality, referential_integrity: {customer_id: customers.id}}
      - {type: join_coverage, left: orders, right: customers, join_key: {customer_id: id}}
      - {type: sql, query: "SELECT COUNT(*) FROM customers", equals: 2}
"""


@pytest.mark.parametrize("given", ["rows: [{id: 7}, {id: 9}]", "data_file: customers.csv"])
def test_keys_point_into_written_rows_that_the_query_does_not_read(write: Write, given: str) -> None:
    write("customers.csv", "id\n7\n9\n")
    text = "application: x\nqueries:\n" + UNREAD.replace("INPUT", given)
    orders = inputs(write("app.test.yaml", text), "whole")["orders"]
    assert {row["customer_id"] for row in orders} == {7, 9}  # type: ignore[index]
    (result,) = run(write, UNREAD.replace("INPUT", given))
    assert (result.outcome, result.notes, dict(result.inputs)) == (Outcome.PASSED, (), {"orders": 30})


def test_checks_look_at_an_input_that_the_query_does_not_read(write: Write) -> None:
    (result,) = run(write, UNREAD.replace("INPUT", "rows: [{id: 7}, {id: 9}]") + REFERENCES)
    assert (result.outcome, result.notes) == (Outcome.PASSED, ()), (result.error, result.failures)
    wrong = UNREAD.replace("records: 30", "rows: [{id: a, customer_id: 8}]").replace("equals: 30", "equals: 1")
    (result,) = run(write, wrong.replace("INPUT", "rows: [{id: 7}]") + REFERENCES.splitlines()[0] + "\n")
    assert result.outcome is Outcome.FAILED
    assert [failure.check for failure in result.failures] == ["data_quality"]
    (result,) = run(write, wrong.replace("INPUT", "records: 5") + REFERENCES.splitlines()[2] + "\n")
    assert [failure.finding.actual for failure in result.failures] == ["count_star() = 5"]
