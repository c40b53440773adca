"""`velo-test init`: the spec that it writes passes, and each of its assertions fails for some other program or data."""

from __future__ import annotations

from pathlib import Path

import pytest

from velo_harness.json_schemas import shipped_text
from velo_harness.result import Outcome
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

SQL = """\
-- @app: shop
CREATE TABLE orders (
    id BIGINT NOT NULL, customer STRING, amount DECIMAL(10, 2), status STRING, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json');
CREATE TABLE customers (customer STRING, tier STRING, PRIMARY KEY (customer) NOT ENFORCED)
WITH ('connector' = 'kafka', 'topic' = 'customers', 'format' = 'json');
CREATE STREAM large AS
SELECT id, customer, amount, status, CASE WHEN amount > 100 THEN 'huge' ELSE 'large' END AS size
FROM orders
WHERE amount > 10 AND status IN ('NEW', 'PAID') AND customer IS NOT NULL;
CREATE STREAM renamed AS SELECT id AS order_id, ts FROM orders;
CREATE TABLE hourly AS
SELECT customer, window_start, window_end, COUNT(*) AS orders_n, SUM(amount) AS total
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' MINUTE))
GROUP BY customer, window_start, window_end;
CREATE STREAM named AS SELECT o.id, c.tier FROM orders o JOIN customers c ON o.customer = c.customer;
CREATE STREAM top_orders AS
SELECT customer, id, place FROM (
    SELECT customer, id, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY amount DESC) AS place FROM orders
) WHERE place <= 2;
"""
HOURLY = SQL[SQL.index("SELECT customer, window_start") : SQL.index(";\nCREATE STREAM named")]
HOURLY_IN_DISORDER = f"""\
SELECT customer, window_start, CASE WHEN MOD(orders_n, 2) = 0 THEN window_end ELSE window_start END AS window_end,
       orders_n, total
FROM ({HOURLY})"""
OTHER_PROGRAMS = [
    ("amount > 10 AND ", ""),
    ("WHERE amount > 10", "WHERE amount > 11"),
    ("status IN ('NEW', 'PAID') AND ", ""),
    (" AND customer IS NOT NULL", ""),
    ("'huge'", "'enormous'"),
    ("SELECT id, customer, amount, status, CASE", "SELECT CAST(NULL AS BIGINT) AS id, customer, amount, status, CASE"),
    ("SELECT id, customer, amount, status", "SELECT id, customer, amount, UPPER(status) AS state, status"),
    ("SELECT id AS order_id, ts FROM orders", "SELECT id AS order_id, ts FROM orders WHERE id > 3"),
    ("SELECT id AS order_id, ts", "SELECT CAST(id AS STRING) AS order_id, ts"),
    ("SELECT id AS order_id, ts", "SELECT CAST(NULLIF(id, 3) AS BIGINT) AS order_id, ts"),
    ("INTERVAL '10' MINUTE", "INTERVAL '20' MINUTE"),
    (
        "SELECT customer, window_start, window_end, COUNT(*)",
        "SELECT 'x' AS customer, window_start, window_end, COUNT(*)",
    ),
    ("COUNT(*) AS orders_n", "COUNT(*) - 1 AS orders_n"),
    ("COUNT(*) AS orders_n", "COUNT(DISTINCT status) AS orders_n"),
    ("COUNT(*) AS orders_n", "CAST(NULL AS BIGINT) AS orders_n"),
    ("SUM(amount) AS total", "SUM(amount) + 1 AS total"),
    ("SUM(amount) AS total", "CAST(SUM(amount) AS DOUBLE) AS total"),
    (HOURLY, HOURLY_IN_DISORDER),
    ("JOIN customers c ON o.customer = c.customer", "LEFT JOIN customers c ON o.customer = c.customer"),
    ("SELECT o.id, c.tier", "SELECT CAST(NULL AS BIGINT) AS id, c.tier"),
    ("SELECT o.id, c.tier", "SELECT c.tier, o.id"),
    ("WHERE place <= 2", "WHERE place <= 3"),
    ("SELECT customer, id, place FROM (", "SELECT 'a' AS customer, id, place FROM ("),
    (
        "SELECT customer, id, place FROM (",
        "SELECT customer, CAST(NULL AS BIGINT) AS id, CAST(NULL AS BIGINT) AS place FROM (",
    ),
    ("SELECT customer, id, place FROM (", "SELECT customer, id AS order_id, place FROM ("),
]
OTHER_DATA = [("match_rate: 0.9", "match_rate: 0.1")]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "shop.sql").write_text(SQL)
    return tmp_path


def failing_lines(spec_file: Path) -> set[int]:
    """The lines of the assertions that do not hold now; those of a query that does not run."""
    spec = load_spec(spec_file)
    failed: set[int] = set()
    for query in spec.queries:
        result = run_query(spec, query, RunSettings(), item=query.name, rerun="")
        if result.error is None:
            failed |= {failure.location.line for failure in result.failures}
    return failed


def test_the_spec_passes_and_every_assertion_can_fail(command, shop: Path) -> None:
    ran = command("velo-test", "init", "shop.sql")
    assert ran.code == 0, ran.err
    spec_file = shop / "shop.test.yaml"
    spec = load_spec(spec_file)
    assert [query.name for query in spec.queries] == ["large", "renamed", "hourly", "named", "top_orders"]
    results = [run_query(spec, query, RunSettings(), item="", rerun="") for query in spec.queries]
    assert [result.outcome for result in results] == [Outcome.PASSED] * 5
    assert all(result.output_rows for result in results)
    written = {a.location.line: f"{q.name}: {a.type}" for q in spec.queries for a in q.assertions}

    failed: set[int] = set()
    for old, new in OTHER_PROGRAMS:
        assert SQL.count(old) == 1, old
        (shop / "shop.sql").write_text(SQL.replace(old, new))
        failed |= failing_lines(spec_file)
    (shop / "shop.sql").write_text(SQL)
    schema = shop / "schemas/orders.schema.yaml"
    for old, new in OTHER_DATA:
        schema.write_text(schema.read_text().replace(old, new))
        failed |= failing_lines(spec_file)

    assert {line: what for line, what in written.items() if line not in failed} == {}


def test_what_the_plan_promises_is_asserted(command, shop: Path) -> None:
    command("velo-test", "init", "shop.sql")
    spec = load_spec(shop / "shop.test.yaml")
    assert spec.name == "shop"
    types = {query.name: {assertion.type for assertion in query.assertions} for query in spec.queries}
    assert types == {
        "large": {"schema_contains", "no_nulls", "field_values", "field_in_set", "sql"},
        "renamed": {"record_count", "schema_contains", "no_nulls", "sql"},
        "hourly": {
            *("schema_contains", "no_nulls", "unique_values", "window_boundary"),
            *("field_values", "aggregate_check", "ordering", "sql"),
        },
        "named": {"schema_contains", "no_nulls", "join_coverage", "sql"},
        "top_orders": {"schema_contains", "no_nulls", "unique_values", "field_values", "sql"},
    }


def test_editors_find_the_schemas(command, shop: Path) -> None:
    command("velo-test", "init", "shop.sql")
    for name, file in [("spec", "shop.test.yaml"), ("data", "schemas/orders.schema.yaml")]:
        path = shop / file
        first, _, _ = path.read_text().partition("\n")
        target = first.removeprefix("# yaml-language-server: $schema=")
        assert target != first
        assert (path.parent / target).read_text() == shipped_text(name)


def test_what_it_writes_is_valid_and_formatted(command, shop: Path) -> None:
    command("velo-test", "init", "shop.sql")
    assert command("velo-test", "validate", ".", "--strict").code == 0
    assert command("velo", "fmt", "shop.test.yaml", "schemas", "--check").code == 0


@pytest.mark.parametrize("existing", ["shop.test.yaml", "schemas/orders.schema.yaml"])
def test_nothing_is_overwritten(command, shop: Path, existing: str) -> None:
    path = shop / existing
    path.parent.mkdir(exist_ok=True)
    mine = (
        "name: orders\nfields:\n  - { name: id, type: bigint, nullable: false }\n" if "schema" in existing else "mine"
    )
    path.write_text(mine)
    before = {p for p in shop.rglob("*") if p.is_file()}

    ran = command("velo-test", "init", "shop.sql")

    assert path.read_text() == mine
    if existing == "shop.test.yaml":
        assert ran.code == 2
        assert '"shop.test.yaml" exists; nothing was written' in ran.err
        assert {p for p in shop.rglob("*") if p.is_file()} == before


def test_force_overwrites(command, shop: Path) -> None:
    (shop / "shop.test.yaml").write_text("mine")
    assert command("velo-test", "init", "shop.sql", "--force", "-y").code == 0
    assert "application: shop" in (shop / "shop.test.yaml").read_text()


def test_the_spec_may_lie_elsewhere(command, shop: Path) -> None:
    ran = command("velo-test", "init", "shop.sql", "--output", "tests/shop.spec.yaml")
    assert ran.code == 0
    assert 'sql_file: "../shop.sql"' in (shop / "tests/shop.spec.yaml").read_text()
    assert command("velo-test", "run", "tests").code == 0


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("CREATE STREAM a AS SELECT * FROM b;", 'nothing defines "b"'),
        ("CREATE STREAM a (x INT);", "has no query to test"),
        ("SELEKT", "error[VELO1001]"),
    ],
)
def test_a_program_that_cannot_be_tested_leaves_nothing_behind(command, tmp_path: Path, sql: str, message: str) -> None:
    (tmp_path / "a.sql").write_text(sql)
    ran = command("velo-test", "init", "a.sql")
    assert ran.code == 2
    assert message in ran.err
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.sql"]


def test_variables_that_were_given_stand_in_the_spec(command, shop: Path) -> None:
    (shop / "shop.sql").write_text(SQL.replace("amount > 10", "amount > ${LEAST}"))
    assert command("velo-test", "init", "shop.sql", "--var", "LEAST=10").code == 0
    assert command("velo-test", "run", ".").code == 0


def test_no_program_is_wrong_input(command, tmp_path: Path) -> None:
    assert command("velo-test", "init", "nowhere.sql").code == 2
