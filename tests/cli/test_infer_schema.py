"""`velo-test infer-schema`: what it writes is read, says what was there, and generates rows that the SQL takes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet
import pytest
from confluent_kafka import Producer

from velo_engine import types as t
from velo_harness.data_schema import DataSchema, load_data_schema
from velo_harness.json_schemas import shipped_text
from velo_harness.kafka.embedded import EmbeddedBroker
from velo_harness.result import Outcome
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

START = datetime(2025, 1, 1, 10)
ROWS = [
    {
        "id": i + 1,
        "sku": f"SKU-{i * 37 % 1000:03d}",
        "status": "paid" if i % 4 else "open",
        "amount": f"{i % 90 + 1}.50",
        "note": None if i % 5 == 0 else "x" * (i % 7 + 1) + " y" * (i % 3),
        "at": START + timedelta(seconds=i),
    }
    for i in range(100)
]
QUERY = "CREATE STREAM q AS SELECT id, sku, status, amount, note FROM orders WHERE amount > 0;\n"


def csv_text(rows: list[dict[str, Any]] = ROWS) -> str:
    lines = [",".join("" if v is None else str(v) for v in row.values()) for row in rows]
    return "\n".join([",".join(rows[0]), *lines]) + "\n"


def json_text(row: dict[str, Any]) -> str:
    """The amount as a number with its digits."""
    text = json.dumps({k: str(v) if isinstance(v, datetime) else v for k, v in row.items()})
    return text.replace(f'"{row["amount"]}"', row["amount"])


def lines(rows: list[dict[str, Any]] = ROWS) -> str:
    return "".join(json_text(row) + "\n" for row in rows)


def parquet(path: Path) -> None:
    amounts = pa.array([Decimal(row["amount"]) for row in ROWS], pa.decimal128(10, 2))
    table = pa.Table.from_pylist([{k: v for k, v in row.items() if k != "amount"} for row in ROWS])
    pa.parquet.write_table(table.append_column("amount", amounts), path)


def avro_schema() -> dict[str, Any]:
    return {
        "type": "record",
        "name": "orders",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "sku", "type": "string"},
            {"name": "status", "type": {"type": "enum", "name": "states", "symbols": ["open", "paid"]}},
            {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
            {"name": "note", "type": ["null", "string"]},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        ],
    }


def avro(path: Path) -> None:
    rows = [{**r, "amount": Decimal(r["amount"]), "at": r["at"].replace(tzinfo=UTC)} for r in ROWS]
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(avro_schema()), rows)


def written(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f"orders.{kind}"
    match kind:
        case "csv":
            path.write_text(csv_text())
        case "csv.gz":
            path.write_bytes(gzip.compress(csv_text().encode()))
        case "jsonl" | "ndjson":
            path.write_text(lines())
        case "jsonl.gz":
            path.write_bytes(gzip.compress(lines().encode()))
        case "json":
            path.write_text("[" + ",".join(json_text(row) for row in ROWS) + "]")
        case "parquet":
            parquet(path)
        case "avro":
            avro(path)
        case "avsc":
            path.write_text(json.dumps(avro_schema()))
        case "sql":
            path.write_text(
                "CREATE TABLE orders (id BIGINT NOT NULL, sku STRING, status STRING, amount DECIMAL(10, 2), note STRING, at TIMESTAMP(3));\n"
            )
    return path


KINDS = ["csv", "csv.gz", "jsonl", "ndjson", "jsonl.gz", "json", "parquet", "avro", "avsc", "sql"]


def types_of(schema: DataSchema) -> dict[str, t.SqlType]:
    return {field.name: field.type.as_nullable() for field in schema.fields}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_generates_rows_that_the_sql_takes(
    command: Callable[..., Any], tmp_path: Path, kind: str
) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    source = written(tmp_path, kind)

    ran = command("velo-test", "infer-schema", source.name)

    assert (ran.code, ran.out) == (0, "")
    path = tmp_path / "schemas" / "orders.schema.yaml"
    assert ran.err == "schemas/orders.schema.yaml\n"
    assert path.read_text().startswith("# yaml-language-server: $schema=../.velo/data.schema.json\n")
    assert (tmp_path / ".velo" / "data.schema.json").read_text() == shipped_text("data")
    schema = load_data_schema(path)
    found = types_of(schema)
    assert (found["id"], found["sku"], found["at"]) == (t.BIGINT, t.STRING, t.timestamp(3 if kind != "parquet" else 6))
    assert found["amount"] in (t.decimal(10, 2), t.decimal(18, 2))

    source.unlink()
    (tmp_path / "app.sql").write_text(QUERY)
    (tmp_path / "app.test.yaml").write_text(
        "application: x\nqueries:\n  - name: q\n    inputs: [{source: orders, records: 150}]\n"
        "    assertions: [{type: record_count, equals: 150}, {type: no_nulls, fields: [id, sku, status, amount]}]\n"
    )
    spec = load_spec(tmp_path / "app.test.yaml")
    result = run_query(spec, spec.queries[0], RunSettings(debug=True), item="q", rerun="")
    assert result.outcome is Outcome.PASSED, (result.error, result.failures, path.read_text())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("avsc", "sql")])
def test_the_sample_shows_through(command: Callable[..., Any], tmp_path: Path, kind: str) -> None:
    ran = command("velo-test", "infer-schema", written(tmp_path, kind), "--print")

    assert ran.code == 0
    assert not (tmp_path / "schemas").exists()
    by_name = {line.split("name: ")[1].split(",")[0]: line for line in ran.out.splitlines() if line.startswith("  - ")}
    assert "sequence: { start: 1, step: 1 }" in by_name["id"]
    assert 'pattern: "SKU-[0-9]{3}"' in by_name["sku"]
    if kind != "avro":
        assert "enum: { values: [paid, open], weights: [75, 25] }" in by_name["status"]
    assert "min: 1.50, max: 90.50" in by_name["amount"]
    assert "nullable: true, null_probability: 0.2" in by_name["note"]
    assert 'start: "2025-01-01T10:00:00", end: "2025-01-01T10:01:39' in by_name["at"]
    assert "sequential" not in by_name["at"]
    assert all("nullable: false" in line for name, line in by_name.items() if name != "note")
    assert "record_count: 100\n" in ran.out


def test_nested_values(command: Callable[..., Any], tmp_path: Path) -> None:
    rows = [
        {"id": i, "place": {"city": "Rom" if i % 2 else "Bonn", "zip": f"{i:05d}"}, "tags": ["a"] * (i % 3)}
        for i in range(40)
    ]
    (tmp_path / "n.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    assert command("velo-test", "infer-schema", "n.jsonl", "--name", "visits", "-o", "out").code == 0

    schema = load_data_schema(tmp_path / "out" / "visits.schema.yaml")
    assert schema.name == "visits"
    place, tags = schema.fields[1], schema.fields[2]
    assert [child.name for child in place.children] == ["city", "zip"]
    assert place.children[0].constraints.source is not None
    assert (tags.constraints.length.minimum, tags.constraints.length.maximum) == (0, 2)  # type: ignore[union-attr]


def test_nothing_is_overwritten_unless_that_is_asked_for(command: Callable[..., Any], tmp_path: Path) -> None:
    source = written(tmp_path, "csv")
    target = tmp_path / "schemas" / "orders.schema.yaml"
    target.parent.mkdir()
    target.write_text("mine")

    refused = command("velo-test", "infer-schema", source)

    assert refused.code == 2
    assert "exists; nothing was written" in refused.err
    assert "--force" in refused.err
    assert target.read_text() == "mine"
    assert command("velo-test", "infer-schema", source, "--force").code == 0
    assert load_data_schema(target).name == "orders"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere.csv"], 'there is no file "nowhere.csv"'),
        (["app.txt"], "schemas are inferred from .sql, .csv"),
        (["empty.jsonl"], "no record to infer columns from"),
        (["broken.avsc"], "Avro"),
        (["broken.avro"], "it is no Avro container file"),
        (["list.avsc"], "describes no record"),
        (["union.avsc"], "only unions with null are read"),
        (["plain.sql"], "declares no source with columns"),
        ([], "give a file, or --topic"),
        (["a.csv", "b.csv", "--name", "x"], "one name for several sources"),
        (["a.csv", "folder/a.csv"], 'two of the sources are called "a"'),
        (["--topic", "orders"], 'no cluster is named that has "orders"'),
        (["kafka://localhost:9092"], "names no topic"),
    ],
)
def test_what_cannot_be_inferred(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    monkeypatch.delenv("VELO_KAFKA_BOOTSTRAP_SERVERS", raising=False)
    (tmp_path / "folder").mkdir()
    for name, text in {
        "app.txt": "x",
        "empty.jsonl": "",
        "broken.avsc": "{",
        "broken.avro": "x",
        "list.avsc": '{"type": "array", "items": "int"}',
        "union.avsc": '{"type": "record", "name": "r", "fields": [{"name": "f", "type": ["int", "string"]}]}',
        "plain.sql": "SET 'a' = 'b';\n",
        "a.csv": "x\n1\n",
        "b.csv": "x\n1\n",
        "folder/a.csv": "x\n1\n",
    }.items():
        (tmp_path / name).write_text(text)

    ran = command("velo-test", "infer-schema", *words)

    assert ran.code in (2, 3)
    assert told in ran.err
    assert not (tmp_path / "schemas").exists()


@pytest.mark.parametrize("spelling", ["uri", "options"])
def test_a_topic(command: Callable[..., Any], tmp_path: Path, spelling: str) -> None:
    with EmbeddedBroker() as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
        for row in ROWS:
            producer.produce("orders", json_text(row))
        producer.produce("orders", None, key="gone")
        producer.flush(20)
        address = broker.bootstrap_servers
        words = [f"kafka://{address}/orders"] if spelling == "uri" else ["--topic", "orders", "--kafka", address]

        ran = command("velo-test", "infer-schema", *words)

    assert ran.code == 0, ran.err
    schema = load_data_schema(tmp_path / "schemas" / "orders.schema.yaml")
    assert [field.name for field in schema.fields] == list(ROWS[0])
    assert schema.record_count == 100


def test_a_topic_of_something_else(command: Callable[..., Any]) -> None:
    with EmbeddedBroker() as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
        producer.produce("orders", b"\x00\x00\x00\x00\x01abc")
        producer.flush(20)
        ran = command("velo-test", "infer-schema", "--topic", "orders", "--kafka", broker.bootstrap_servers)
    assert ran.code == 2
    assert 'the values in "orders" are no JSON objects' in ran.err
    assert "schema registry" in ran.err


@pytest.mark.parametrize("text", ['{"id":', "[1, 2]", "hello\n"])
def test_json_without_a_readable_record_is_called_by_its_own_name(command, tmp_path: Path, text: str) -> None:
    (tmp_path / "half.json").write_text(text)
    ran = command("velo-test", "infer-schema", "half.json")
    assert ran.code == 2
    assert "no record of half.json can be read" in ran.err
    assert "each line is to be a JSON object" in ran.err
    assert not (tmp_path / "schemas").exists()


def test_a_folder_is_not_said_to_be_missing(command, tmp_path: Path) -> None:
    ran = command("velo-test", "infer-schema", ".")
    assert ran.code == 2
    assert '"." is a folder' in ran.err


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("separator", "shown", "written"), [(";", '";"', ";"), ("\t", "tabs", "\\t"), ("|", '"|"', "|")]
)
def test_another_separator_than_commas_is_told(
    command, tmp_path: Path, separator: str, shown: str, written: str, packed: bool
) -> None:
    name = "o.csv.gz" if packed else "o.csv"
    text = "id;nm\n1;a\n2;b\n".replace(";", separator).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if packed else text)

    ran = command("velo-test", "infer-schema", name)

    assert ran.code == 2
    assert f"{name} seems to be separated by {shown}: read with commas it is one column" in ran.err
    assert f"save it with commas; or declare its columns in SQL with 'delimiter' = '{written}'" in ran.err
    assert not (tmp_path / "schemas").exists()


def test_spaces_around_the_names_of_a_header_do_not_count(command, tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text(" id , n\n1,2\n2,5\n")
    assert command("velo-test", "infer-schema", "o.csv").code == 0
    schema = load_data_schema(tmp_path / "schemas" / "o.schema.yaml")
    assert types_of(schema) == {"id": t.BIGINT, "n": t.BIGINT}


@pytest.mark.parametrize("header", ["id,", "id, "])
def test_the_column_of_a_csv_file_without_a_name_is_told(command, tmp_path: Path, header: str) -> None:
    (tmp_path / "o.csv").write_text(f"{header}\n1,2\n")
    ran = command("velo-test", "infer-schema", "o.csv")
    assert ran.code == 2
    assert "column 2 of o.csv has no name" in ran.err
    assert "o.csv:1" in ran.err
    assert not (tmp_path / "schemas").exists()


def test_a_parquet_file_needs_columns_with_names(command, tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"id": [1], "": [2]}), tmp_path / "o.parquet")
    ran = command("velo-test", "infer-schema", "o.parquet")
    assert (ran.code, "column 2 of o.parquet has no name" in ran.err) == (2, True)
    pa.parquet.write_table(pa.table({}), tmp_path / "o.parquet")
    ran = command("velo-test", "infer-schema", "o.parquet")
    assert (ran.code, "o.parquet has no columns to infer a schema from" in ran.err) == (2, True)
    assert not (tmp_path / "schemas").exists()


@pytest.mark.parametrize(("text", "line"), [('{"id":', 1), ('{"id": 1}\n{"id":\n', 2)])
def test_the_line_of_json_that_does_not_parse_is_named(command, tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "half.jsonl").write_text(text)
    ran = command("velo-test", "infer-schema", "half.jsonl")
    assert ran.code == 2
    assert f"half.jsonl:{line}" in ran.err
    assert "does not parse" in ran.err
    assert "sample.json" not in ran.err
