"""Data schemas of imported tables: what the DDL, generators' options, queries and names make of columns."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from velo_engine.sql.flink.script import parse_script
from velo_engine.types import BIGINT, BOOLEAN, DOUBLE, INT, STRING, SqlType, array, timestamp, varchar
from velo_harness.data_schema import DataSchema, data_schema_of, load_data_schema
from velo_harness.discovery import PathPolicy
from velo_harness.drafting.column_names import is_personal, rule_of
from velo_harness.drafting.text_patterns import regular_expression
from velo_harness.generation import generate
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import spec_of
from velo_harness.yaml_source import parse_yaml
from velo_import.convert.job import convert_job
from velo_import.model import ConvertedJob
from velo_import.schemas import schema_files
from velo_import.schemas.faker_expressions import faker_values
from velo_import.schemas.files import schema_notes
from velo_import.schemas.generators import generated_table

NOW = datetime(2025, 1, 1, tzinfo=UTC)
SHOP = """\
CREATE TABLE customers (
    id BIGINT COMMENT 'as in the CRM', email STRING, country STRING, PRIMARY KEY (id) NOT ENFORCED
) COMMENT 'who buys' WITH ('connector' = 'upsert-kafka', 'topic' = 'shop.customers', 'key.format' = 'json', 'value.format' = 'json');
CREATE TABLE orders (
    customer_id BIGINT, amount DECIMAL(10, 2) NOT NULL, status STRING, note STRING, details STRING, sent STRING,
    ts TIMESTAMP(3), kept_ms BIGINT, at_ms AS TO_TIMESTAMP_LTZ(kept_ms, 3), sent_at AS TO_TIMESTAMP(sent, 'dd.MM.yyyy HH:mm'),
    part INT METADATA FROM 'partition' VIRTUAL,
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'shop.orders', 'format' = 'json');
CREATE TABLE unread (x INT) WITH ('connector' = 'kafka', 'topic' = 'unread', 'format' = 'json');
CREATE TABLE large (country STRING, total DECIMAL(20, 2), w TIMESTAMP(3)) WITH ('connector' = 'print');
CREATE TABLE found (customer_id BIGINT, colour STRING, at_ms TIMESTAMP_LTZ(3), sent_at TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO large
SELECT c.country, SUM(o.amount), o.window_end
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) o JOIN customers c ON o.customer_id = c.id
WHERE o.status = 'PAID' GROUP BY c.country, o.window_start, o.window_end;
INSERT INTO found
SELECT customer_id, JSON_VALUE(details, '$.colour'), at_ms, sent_at FROM orders
WHERE note LIKE '%gift%' AND JSON_VALUE(details, '$.colour') = 'red' AND amount > 250;
"""


def job_of(sql: str) -> ConvertedJob:
    return convert_job("shop", [parse_script(sql)])


def schemas_of(sql: str) -> dict[str, DataSchema]:
    files = schema_files(job_of(sql))
    return {path: data_schema_of(parse_yaml(text, path)) for path, text in files.items()}


def column(schema: DataSchema, name: str, **given: pa.Table) -> list[object]:
    table = generate(schema, records=200, seed=1, now=NOW, references=given)
    return list(table.column(name).to_pylist())


def test_every_table_that_is_read_has_a_schema_with_its_physical_columns() -> None:
    found = schemas_of(SHOP)

    assert set(found) == {"schemas/customers.schema.yaml", "schemas/orders.schema.yaml"}
    orders, customers = found["schemas/orders.schema.yaml"], found["schemas/customers.schema.yaml"]
    names = ["customer_id", "amount", "status", "note", "details", "sent", "ts", "kept_ms"]
    assert [field.name for field in orders.fields] == names
    assert [field.name for field in orders.fields if not field.type.nullable] == ["amount", "ts"]
    assert (orders.topic, orders.origin, orders.description) == ("shop.orders", "flink_ddl", None)
    assert (customers.description, customers.fields[0].description) == ("who buys", "as in the CRM")


def test_generated_rows_have_what_the_queries_ask_for() -> None:
    found = schemas_of(SHOP)
    customers = generate(found["schemas/customers.schema.yaml"], records=20, seed=1, now=NOW)
    orders = found["schemas/orders.schema.yaml"]
    rows = generate(orders, records=200, seed=1, now=NOW, references={"customers": customers}).to_pydict()

    assert customers.column("id").to_pylist() == list(range(1, 21))
    met = sum(value in range(1, 21) for value in rows["customer_id"])
    assert 150 < met < 200, "a join needs rows with a partner, and some without"
    assert set(rows["status"]) == {"PAID", "other"}
    assert min(rows["amount"]) < 250 < max(rows["amount"])
    assert {"gift" in note for note in rows["note"]} == {True, False}
    assert {'"red"' in text for text in rows["details"]} == {True, False}
    assert datetime.strptime(str(rows["sent"][0]), "%d.%m.%Y %H:%M").year == 2024
    assert max(rows["kept_ms"]) < NOW.timestamp() * 1000 <= min(rows["kept_ms"]) + 600_000
    times = rows["ts"]
    late = max((max(times[: i + 1]) - times[i]).total_seconds() for i in range(len(times)))
    assert 0 < late <= 5, "out of order, but within the delay of the watermark"
    assert 540 < (max(times) - min(times)).total_seconds() <= 605, "ten windows of a minute"


def test_each_constraint_says_why_it_is_there() -> None:
    for text in schema_files(job_of(SHOP)).values():
        for line in text.splitlines():
            assert ("constraints:" in line) == ("  # " in line), line


def test_converted_statements_give_results_from_generated_rows(tmp_path: Path) -> None:
    job = job_of(SHOP)
    (tmp_path / "app.sql").write_text(job.app_sql)
    for path, text in schema_files(job).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
        assert load_data_schema(tmp_path / path).fields
    spec_text = """\
application: shop
sql_file: app.sql
queries:
  - name: large
    inputs: [{ source: customers }, { source: orders }]
    assertions: [{ type: record_count, greater_than: 0 }]
  - name: found
    inputs: [{ source: customers }, { source: orders }]
    assertions: [{ type: record_count, greater_than: 0 }]
"""
    file = tmp_path / "t.test.yaml"
    spec = replace(spec_of(parse_yaml(spec_text, str(file)), file, PathPolicy.for_file(file, ())), file=file)
    results = [run_query(spec, query, RunSettings(), item="", rerun="") for query in spec.queries]

    assert [(result.error, list(result.failures)) for result in results] == [(None, [])] * 2
    assert all(0 < result.output_rows < 200 for result in results)


def values_of(columns: str, query: str, name: str) -> list[object]:
    sql = f"CREATE TABLE t ({columns}) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');\n{query};"
    (schema,) = schemas_of(sql).values()
    return column(schema, name)


@pytest.mark.parametrize(
    ("columns", "query", "name", "wanted", "other"),
    [
        ("k INT, v INT", "SELECT k FROM t WHERE v = 2000", "v", 2000, 2001),
        ("k INT, v STRING", "SELECT k FROM t WHERE UPPER(v) IN ('A', 'B')", "v", "B", "other"),
        ("k INT, v STRING", "SELECT k FROM t WHERE CAST(v AS INT) > 7", "v", "12", "2"),
        ("k INT, v STRING", "SELECT CASE v WHEN 'x' THEN 1 ELSE 2 END FROM t", "v", "x", "other"),
        ("k INT, v INT", "SELECT k FROM t WHERE MOD(v, 123) = 0", "v", 123, 247),
        ("k INT, v STRING", "SELECT k FROM (SELECT k, TRIM(v) AS w FROM t) WHERE w = 'x'", "v", "x", "other"),
        ("k INT, v DATE", "SELECT k FROM t WHERE v = DATE '2020-02-28'", "v", datetime(2020, 2, 28).date(), None),
    ],
)
def test_constants_are_met_and_missed(columns: str, query: str, name: str, wanted: object, other: object) -> None:
    found = set(values_of(columns, query, name))

    assert wanted in found
    assert other is None or other in found
    assert len(found) > 1


def test_definitions_of_a_pattern_are_met() -> None:
    query = """\
SELECT * FROM t MATCH_RECOGNIZE (
    PARTITION BY k ORDER BY ts MEASURES A.v AS a PATTERN (A B) DEFINE A AS A.v = 'up', B AS B.v = 'down'
)"""
    columns = "k STRING, v STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts"

    assert set(values_of(columns, query, "v")) == {"up", "down", "other"}
    assert len(set(values_of(columns, query, "k"))) == 5


def test_conditions_on_groups_are_met() -> None:
    query = "SELECT k, SUM(v) FROM t GROUP BY k HAVING SUM(v) > 5000 AND COUNT(*) > 30"
    keys, amounts = values_of("k STRING, v INT", query, "k"), values_of("k STRING, v INT", query, "v")

    assert max(keys.count(key) for key in keys) > 30
    assert 4000 < max(amounts) <= 5000  # type: ignore[type-var]


def test_fields_of_rows_have_constraints_of_their_own() -> None:
    found = values_of("k INT, r ROW<s STRING, n INT>", "SELECT k FROM t WHERE t.r.s = 'x'", "r")

    assert {row["s"] for row in found} == {"x", "other"}  # type: ignore[index]


# --- names ---


@pytest.mark.parametrize(
    ("name", "kind", "meaning"),
    [
        ("customerEmail", STRING, "an e-mail address"),
        ("ship_country", STRING, "a country's code"),
        ("unit_price", DOUBLE, "an amount of money"),
        ("lat", DOUBLE, "a latitude in degrees"),
        ("humidity_percent", INT, "a percentage"),
        ("country", varchar(2), "a country's code"),
        ("city", varchar(3), None),
        ("plate", STRING, None),
        ("email", INT, None),
    ],
)
def test_names_say_what_a_column_holds(name: str, kind: SqlType, meaning: str | None) -> None:
    rule = rule_of(name, kind)

    assert (rule.meaning if rule is not None else None) == meaning


def test_every_rule_of_names_makes_values() -> None:
    from velo_harness.drafting.column_names import RULES
    from velo_harness.drafting.source_drafts import type_parts

    for rule in RULES:
        kind = next(one for one in (STRING, BIGINT, DOUBLE) if one.name in rule.types)
        for constraint in (rule.constraint, *((f"enum: [{', '.join(rule.few)}]",) if rule.few else ())):
            text = f"name: s\nfields: [{{ name: f, {', '.join(type_parts(kind))}, constraints: {{ {constraint} }} }}]"
            schema = data_schema_of(parse_yaml(text, rule.name))
            assert len(generate(schema, records=3, seed=1, now=NOW)) == 3


@pytest.mark.parametrize(
    "name", ["email", "userName", "phone_number", "home_address", "customer_id", "iban", "last_name"]
)
def test_names_of_personal_columns(name: str) -> None:
    assert is_personal(name)


@pytest.mark.parametrize("name", ["status", "amount", "order_id", "country", "ts"])
def test_names_of_other_columns(name: str) -> None:
    assert not is_personal(name)


@pytest.mark.parametrize(
    ("function", "constants", "text"),
    [
        ("like", ["a%b_"], "ab_"),
        ("like", ["50!%", "!"], "50%"),
        ("similar", ["4[0-9]|x"], "47"),
        ("regexp", ["^a+$"], "aa"),
    ],
)
def test_patterns_as_regular_expressions(function: str, constants: list[str], text: str) -> None:
    import re

    pattern = regular_expression(function, constants)

    assert pattern is not None
    assert re.fullmatch(pattern, text.replace("_", "x") if constants == ["a%b_"] else text)
    assert not re.fullmatch(pattern, "other")


# --- tables that make rows ---


@pytest.mark.parametrize(
    ("options", "kind", "constraint", "nulls"),
    [
        ({"kind": "sequence", "start": "5", "end": "90"}, BIGINT, "sequence: { start: 5 }", None),
        ({"min": "1.5", "max": "9"}, DOUBLE, "range: { min: 1.5, max: 9 }", None),
        ({"max": "9", "null-rate": "0.25"}, INT, "range: { max: 9 }", "0.25"),
        ({"length": "4"}, STRING, 'pattern: "[0-9a-f]{4}"', None),
        ({"length": "2"}, array(INT), "length: 2", None),
        ({"max-past": "10 min"}, timestamp(3), 'start: "-10m"', None),
    ],
)
def test_options_of_datagen(options: dict[str, str], kind: SqlType, constraint: str, nulls: str | None) -> None:
    found = generated_table("datagen", {f"fields.x.{key}": value for key, value in options.items()}, {"x": kind})

    assert found.values["x"].constraints[0] == constraint
    assert found.values["x"].null_probability == nulls


def test_a_number_of_rows_is_taken_over() -> None:
    assert generated_table("datagen", {"number-of-rows": "30"}, {}).records == 30
    assert generated_table("datagen", {"number-of-rows": "1000000"}, {}).records == 2000
    assert generated_table("kafka", {"number-of-rows": "30"}, {}).records is None


@pytest.mark.parametrize(
    ("expression", "kind", "constraint"),
    [
        ("#{number.numberBetween '1','100'}", INT, "range: { min: 1, max: 99 }"),
        ("#{Number.randomDouble '2','1','150'}", DOUBLE, "range: { min: 1, max: 150 }"),
        ("#{Options.option 'a','a','b'}", STRING, "enum: { values: [a, b], weights: [2, 1] }"),
        ("#{regexify '(OK|KO){1}'}", STRING, "enum: [OK, KO]"),
        ("#{regexify '(200|404){1}'}", INT, "enum: [200, 404]"),
        ("#{regexify '[a-z]{3}'}", STRING, 'pattern: "[a-z]{3}"'),
        ("#{numerify 'user_##'}", STRING, 'pattern: "user_[0-9][0-9]"'),
        ("/#{GreekPhilosopher.name}.html", STRING, 'pattern: "/(Socrates|Plato|Aristotle|Zeno|Thales)\\\\.html"'),
        ("#{date.past '15','5','SECONDS'}", timestamp(3), 'start: "-15s"'),
        ("#{Name.fullName}", STRING, "faker: name"),
        ("#{Internet.emailAddress}", STRING, "faker: email"),
        ("-", STRING, 'enum: ["-"]'),
        ("#{bool.bool}", BOOLEAN, "probability: 0.5"),
    ],
)
def test_expressions_of_faker(expression: str, kind: SqlType, constraint: str) -> None:
    found = faker_values(expression, kind)

    assert found is not None
    assert found.constraints[0] == constraint


def test_an_expression_that_is_not_known_is_noted() -> None:
    sql = """\
CREATE TABLE t (a STRING, b INT) WITH (
    'connector' = 'faker', 'fields.a.expression' = '#{Hobbit.character}', 'fields.b.expression' = '#{number.numberBetween ''3'',''5''}'
);
SELECT a, b FROM t;
"""
    job = job_of(sql)

    assert schema_notes(job) == ("t: a: #{Hobbit.character} is not known; its values are made by the type",)
    (schema,) = (data_schema_of(parse_yaml(text, path)) for path, text in schema_files(job).items())
    assert set(column(schema, "b")) == {3, 4}
