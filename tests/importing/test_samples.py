"""Samples of real inputs: read from files and topics, what schemas take from them, and what they never take."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from velo_cli.velo import app
from velo_engine.connectors.kafka.client import ClientRole, KafkaCluster, client_configuration
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.flink.script import parse_script
from velo_engine.types import BIGINT, DOUBLE, SqlType
from velo_harness.data_schema import data_schema_of
from velo_harness.generation import generate
from velo_harness.inference.fitting import fitted_distribution
from velo_harness.kafka.embedded import EmbeddedBroker
from velo_harness.yaml_source import parse_yaml
from velo_import.convert.job import convert_job
from velo_import.model import ConvertedJob
from velo_import.samples.reading import Sampling, sampled
from velo_import.schemas import schema_files

SQL = """\
CREATE TABLE customers (id BIGINT, email STRING, country STRING, PRIMARY KEY (id) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = 'customers', 'properties.bootstrap.servers' = '{brokers}',
      'key.format' = 'json', 'value.format' = 'json');
CREATE TABLE orders (
    code STRING, customer_id BIGINT, amount DOUBLE, status STRING, salary INT, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'orders', 'properties.bootstrap.servers' = '{brokers}', 'format' = 'json');
SELECT c.country, o.code, o.amount, o.status, o.salary, o.ts, c.email FROM orders o JOIN customers c ON o.customer_id = c.id;
"""
START = datetime(2025, 1, 1)


def job(brokers: str = "nowhere:1") -> ConvertedJob:
    return convert_job("shop", [parse_script(SQL.replace("{brokers}", brokers))])


def customers() -> list[dict[str, Any]]:
    return [
        {"id": 1000 + 37 * i, "email": f"person{i}@corp.example", "country": "DE" if i % 3 else "FR"} for i in range(40)
    ]


def orders() -> list[dict[str, Any]]:
    """400 orders, of which a tenth have no customer, a quarter no status; up to 3 s out of order."""
    chance = random.Random(5)
    return [
        {
            "code": f"ORD-{i:05}",
            "customer_id": 7 if i % 10 == 0 else 1000 + 37 * (i % 40),
            "amount": round(chance.lognormvariate(3, 0.5), 2),
            "status": None if i % 4 == 0 else "paid" if i % 4 < 3 else "open",
            "salary": 40_000 + i,
            "ts": str(START + timedelta(seconds=2 * i - (3 if i % 7 == 6 else 0))),
        }
        for i in range(400)
    ]


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "orders.jsonl").write_text(lines(orders()))
    pa.parquet.write_table(pa.Table.from_pylist(customers()), tmp_path / "c.parquet")
    return f"orders={tmp_path / 'orders.jsonl'}", f"customers={tmp_path / 'c.parquet'}"


def fields(text: str) -> dict[str, str]:
    """The lines of a schema's fields by their names."""
    found = [line for line in text.splitlines() if line.startswith("  - { name: ")]
    return {line.removeprefix("  - { name: ").partition(",")[0]: line for line in found}


def test_what_rows_show_stands_in_the_schemas(files: tuple[str, str]) -> None:
    tables = sampled([job()], Sampling(files))["shop"].tables
    schemas = schema_files(job(), tables)
    shown = fields(schemas["schemas/orders.schema.yaml"])

    assert 'pattern: "ORD-[0-9]{5}"' in shown["code"]
    assert "references: { schema: customers, field: id, match_rate: 0.9 }" in shown["customer_id"]
    assert "distribution: { type: log_normal, mu: " in shown["amount"]
    assert "null_probability: 0.25" in shown["status"]
    assert "enum: { values: [paid, open], weights: [200, 100] }" in shown["status"]
    assert 'start: "-798000ms", end: now, jitter: 1000ms' in shown["ts"]
    assert "record_count: 400" in schemas["schemas/orders.schema.yaml"]
    assert "sequence: { start: 1000, step: 37 }" in fields(schemas["schemas/customers.schema.yaml"])["id"]


def test_nothing_personal_stands_in_a_schema(files: tuple[str, str]) -> None:
    tables = sampled([job()], Sampling(files))["shop"].tables
    schemas = schema_files(job(), tables)
    orders_text, customers_text = schemas["schemas/orders.schema.yaml"], schemas["schemas/customers.schema.yaml"]

    assert "corp.example" not in customers_text
    assert "person" not in customers_text.replace("may be personal", "")
    assert "40000" not in orders_text
    assert "40399" not in orders_text
    assert "may be personal" in fields(orders_text)["salary"]


def test_rows_are_generated_from_what_a_sample_shows(files: tuple[str, str]) -> None:
    tables = sampled([job()], Sampling(files))["shop"].tables
    now = datetime(2025, 6, 1, tzinfo=UTC)
    schemas = {p: data_schema_of(parse_yaml(text, p)) for p, text in schema_files(job(), tables).items()}
    made = generate(schemas["schemas/customers.schema.yaml"], records=40, seed=1, now=now)
    rows = generate(
        schemas["schemas/orders.schema.yaml"], records=400, seed=1, now=now, references={"customers": made}
    ).to_pydict()

    assert len(set(made.column("id").to_pylist())) == 40
    met = sum(value in set(made.column("id").to_pylist()) for value in rows["customer_id"])
    assert 330 < met < 390
    assert 60 < rows["status"].count(None) < 140
    logs = np.log(np.array(rows["amount"]))
    assert abs(logs.mean() - 3) < 0.15


def test_a_file_for_the_only_table_needs_no_name(tmp_path: Path) -> None:
    one = convert_job(
        "one",
        [
            parse_script(
                "CREATE TABLE t (x INT, y STRING) WITH ('connector'='kafka','topic'='t','format'='csv');\nSELECT x FROM t;"
            )
        ],
    )
    (tmp_path / "t.csv").write_text("x,y\n1,a\n2,b\n")

    assert sampled([one], Sampling((str(tmp_path / "t.csv"),)))["one"].tables["t"].to_pydict() == {
        "x": [1, 2],
        "y": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("file", "code", "message"),
    [
        ("order=x.csv", ErrorCode.UNKNOWN_TABLE, 'no statement reads a table "order"'),
        ("x.csv", ErrorCode.BAD_VALUE, '"x.csv" does not say which table'),
        ("orders=x.csv", ErrorCode.FILE_NOT_FOUND, 'there is no file "x.csv"'),
        ("orders=x.xml", ErrorCode.BAD_VALUE, "says no format"),
    ],
)
def test_a_file_that_cannot_be_a_sample(file: str, code: ErrorCode, message: str) -> None:
    with pytest.raises(VeloError) as caught:
        sampled([job()], Sampling((file,)))

    assert caught.value.code is code
    assert message in caught.value.message


def test_topics_are_read_from_their_beginning() -> None:
    with EmbeddedBroker() as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
        for row in orders():
            producer.produce("orders", json.dumps(row))
        producer.produce("orders", b"broken")
        producer.produce("customers", json.dumps(customers()[0]), json.dumps({"id": 1000}))
        producer.produce("customers", b"broken", json.dumps({"id": 1}))
        producer.flush(20)
        found = sampled([job(broker.bootstrap_servers)], Sampling(topics=True, rows=300))["shop"]

    assert set(found.tables) == {"orders", "customers"}, found.notes
    assert found.tables["customers"].num_rows == 1
    assert found.tables["orders"].column("code").to_pylist() == [f"ORD-{i:05}" for i in range(300)]
    (note,) = found.notes
    assert note == "customers: 1 of 2 records of its topic could not be read as json: they are not in the sample"


def test_topics_are_read_with_the_clients_properties_and_secrets_of_the_ddl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trust.pem").write_text("-")
    secured = SQL.replace(
        "'topic' = 'orders',",
        f"""'topic' = 'orders', 'properties.ssl.truststore.location' = '{tmp_path / "trust.pem"}',
        'properties.ssl.truststore.password' = 'x', 'properties.sasl.jaas.config' =
        'org.apache.kafka.common.security.plain.PlainLoginModule required username="me" password="pass word";',""",
    )
    asked: list[dict[str, Any]] = []

    def opened(cluster: KafkaCluster) -> None:
        asked.append(client_configuration(cluster, ClientRole.CONSUMER))
        raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, "no broker answers")

    monkeypatch.setattr("velo_engine.connectors.kafka.cluster_view.ClusterView", opened)
    one = convert_job("shop", [parse_script(secured.replace("{brokers}", "nowhere:1"))])
    sampled([one], Sampling(topics=True))
    sampled([one], Sampling(topics=True, brokers="other:1"))

    own, given = asked
    assert (own["sasl.username"], own["sasl.password"]) == ("me", "pass word")
    assert own["ssl.ca.location"] == str(tmp_path / "trust.pem")
    assert "ssl.truststore.password" not in own
    # A cluster that the command line names is another one: `velo run --brokers` leaves its security out, too.
    assert not [key for key in given if key.startswith(("sasl.", "ssl."))]


def test_a_topic_that_is_not_there_is_noted() -> None:
    with EmbeddedBroker() as broker:
        found = sampled([job(broker.bootstrap_servers)], Sampling(topics=True))["shop"]

    assert found.tables == {}
    assert [note.partition(" on Kafka")[0] for note in found.notes] == [
        f'{name}: not sampled: there is no topic "{name}"' for name in ("orders", "customers")
    ]


def test_brokers_that_do_not_answer_are_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def opened(cluster: KafkaCluster) -> None:
        asked.append(cluster.bootstrap_servers)
        raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, "no broker answers")

    monkeypatch.setattr("velo_engine.connectors.kafka.cluster_view.ClusterView", opened)
    found = sampled([job("nowhere:1")], Sampling(topics=True))["shop"]

    assert asked == ["nowhere:1"]
    assert found.notes == [f"{name}: not sampled: no broker answers" for name in ("orders", "customers")]


def test_kept_rows_are_json_lines(files: tuple[str, str]) -> None:
    kept = sampled([job()], Sampling(files))["shop"].kept_files()

    assert set(kept) == {"samples/orders.jsonl", "samples/customers.jsonl"}
    assert json.loads(kept["samples/customers.jsonl"].splitlines()[0]) == customers()[0]


def test_samples_are_written_only_when_asked(files: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "shop.sql").write_text(SQL)
    words = ["import", str(tmp_path / "shop.sql"), "--output", str(tmp_path / "out")]
    for file in files:
        words += ["--sample-file", file]

    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    assert not (tmp_path / "out" / "samples").exists()
    assert "source: sample" in (tmp_path / "out/schemas/orders.schema.yaml").read_text()

    ran = CliRunner().invoke(app, [*words, "--keep-samples"])
    assert (tmp_path / "out" / "samples" / "orders.jsonl").read_text().count("\n") == 400
    assert "they may be personal" in ran.output


# --- distributions ---


def drawn(shape: str, count: int = 500) -> list[float]:
    rng = np.random.default_rng(11)
    return {
        "uniform": rng.uniform(10, 20, count),
        "normal": rng.normal(100, 15, count),
        "log_normal": rng.lognormal(2, 0.8, count),
        "exponential": rng.exponential(30, count),
        "two heaps": np.concatenate([rng.normal(0, 1, count // 2), rng.normal(50, 1, count // 2)]),
    }[shape].tolist()


@pytest.mark.parametrize("shape", ["uniform", "normal", "log_normal", "exponential"])
def test_the_distribution_of_a_sample_is_found(shape: str) -> None:
    found = fitted_distribution(drawn(shape), DOUBLE)

    assert found is not None
    assert found.constraint.startswith((shape, f"{{ type: {shape},"))


@pytest.mark.parametrize(
    ("values", "kind"),
    [(drawn("two heaps"), DOUBLE), (drawn("normal", 50), DOUBLE), ([1.0, 2.0] * 200, BIGINT)],
)
def test_no_distribution_is_claimed_without_evidence(values: list[float], kind: SqlType) -> None:
    assert fitted_distribution(values, kind) is None


def test_whole_numbers_are_tested_by_cells() -> None:
    values = [float(round(value)) for value in np.random.default_rng(3).normal(1000, 40, 800)]
    found = fitted_distribution(values, BIGINT)

    assert found is not None
    assert found.constraint.startswith("{ type: normal, mean: ")
    assert abs(float(found.constraint.split("mean: ")[1].split(",")[0]) - 1000) < 5
    assert "chi" in found.test


ONE = "CREATE TABLE t (a INT, b STRING) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json'); SELECT a, b FROM t;"


def sample_of(name: str, text: str, folder: Path) -> list[str]:
    (folder / name).write_text(text, encoding="utf-8")
    one = convert_job("one", [parse_script(ONE)])
    return sampled([one], Sampling((str(folder / name),)))["one"].notes


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("a,b\n", "t: the sample s.csv has no rows: nothing is taken from it"),
        ("a,b,c\n1,x,2\n", "t: the sample s.csv has columns that the table does not have, they are left out: c"),
        ("a,b\n1,x\0y\n", "t: the sample s.csv has NUL bytes in b: is it another encoding, or no text?"),
    ],
)
def test_what_of_a_sample_is_of_no_use_is_noted(text: str, note: str, tmp_path: Path) -> None:
    assert sample_of("s.csv", text, tmp_path) == [note]
    assert sample_of("good.csv", "a,b\n1,x\n", tmp_path) == []


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [("s.csv", "a,b\n1,x\n2\n", 3), ("t.csv", "a,b\n1,x\ny,x\n", 3), ("s.jsonl", '{"a": 1}\n{bad\n', 2)],
)
def test_a_malformed_sample_is_an_unreadable_file_at_its_line(name: str, text: str, line: int, tmp_path: Path) -> None:
    with pytest.raises(VeloError) as raised:
        sample_of(name, text, tmp_path)

    assert (raised.value.code, raised.value.exit_code) == (ErrorCode.FILE_UNREADABLE, 2)
    assert raised.value.location is not None
    assert raised.value.location.line == line
