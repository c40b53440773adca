"""Our Avro and debezium-json against the recorded answers of Flink 2.3's own (flink_records_2.3.0.jsonl).

Everything that Flink reads has the same value here and is written in the same bytes, everything it refuses is refused,
but for the differences listed in this file, each with its hand-written outcome.
"""

import base64
import json
import re
from pathlib import Path

import pytest
from tests.engine.formats.test_flink_formats import NESTED_TYPES, sql_type

from velo_engine import types
from velo_engine.batch import KIND_SYMBOLS
from velo_engine.errors import VeloError
from velo_engine.formats import open_format
from velo_engine.formats.avro.schema import derived_schema
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType

RECORDED = [json.loads(line) for line in (Path(__file__).parent / "flink_records_2.3.0.jsonl").read_text().splitlines()]

FURTHER_TYPES = {
    **NESTED_TYPES,
    "BINARY(3)": SqlType(types.TypeName.BINARY, length=3),
    "MAP<INT, INT>": types.map_of(types.INT, types.INT),
    "ARRAY<INT NOT NULL>": types.array(types.INT.as_nullable(False)),
    "ROW<a INT, b ROW<c STRING NOT NULL>>": types.row(
        ("a", types.INT), ("b", types.row(("c", types.STRING.as_nullable(False))))
    ),
    "ARRAY<ROW<a DECIMAL(5, 2)>>": types.array(types.row(("a", types.decimal(5, 2)))),
    "ROW<a INT, c STRING>": types.row(("a", types.INT), ("c", types.STRING)),
    "ROW<a INT, c STRING NOT NULL>": types.row(("a", types.INT), ("c", types.STRING.as_nullable(False))),
    "INTERVAL DAY TO SECOND(3)": types.INTERVAL_DAY_TIME,
}

ENUM = '{"type": "enum", "name": "E", "symbols": ["A", "B"]}'
FIXED = '{"type": "fixed", "name": "F", "size": 2}'
BIG_INT = "8080808010"
OTHERWISE = {
    # Type of the column, type of the writer's field (None: any), the value in hexadecimal: the outcome here
    ("BOOLEAN", None, "02"): "refused",  # Flink: false
    ("TINYINT", None, "8002"): "refused",  # Flink wraps around
    ("SMALLINT", None, "808004"): "refused",
    ("INT", None, BIG_INT): "refused",  # Flink drops the bits beyond 32
    ("BIGINT", None, BIG_INT): "refused",
    ("DATE", None, BIG_INT): "refused",
    ("STRING", None, "02ff"): "refused",  # Flink puts a replacement character
    ("STRING", ENUM, "02"): '{"v":"B","n":5}',  # Flink refuses enums and fixed without an explicit schema
    ("BYTES", FIXED, "61ff"): '{"v":"Yf8=","n":5}',
    # Flink takes unscaled numbers and units of time as those of the column.
    ("DECIMAL(10, 2)", '{"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 4}', "043039"): '{"v":1.23,"n":5}',
    ("TIMESTAMP(3)", '{"type": "long", "logicalType": "timestamp-micros"}', "80a8d6b9cd63"): '{"v":"1970-01-20 19:20:02.29","n":5}',
    ("TIMESTAMP(6)", None, "80a8d6b9cd63"): '{"v":"1970-01-20 19:20:02.290176","n":5}',
    ("TIMESTAMP(6)", None, "01"): '{"v":"1969-12-31 23:59:59.999999","n":5}',
    ("TIMESTAMP(6)", None, "03"): '{"v":"1969-12-31 23:59:59.999998","n":5}',
    ("TIMESTAMP_LTZ(6)", None, "80a8d6b9cd63"): '{"v":"1970-01-20 19:20:02.290176Z","n":5}',
    ("TIMESTAMP_LTZ(6)", None, "01"): '{"v":"1969-12-31 23:59:59.999999Z","n":5}',
    ("TIMESTAMP_LTZ(6)", None, "03"): '{"v":"1969-12-31 23:59:59.999998Z","n":5}',
    # Flink keeps digits beyond a timestamp's precision until it next serializes the row; we cut them at once.
    ("TIMESTAMP(0)", None, "ce0f"): '{"v":"1970-01-01 00:00:00","n":5}',
    ("TIMESTAMP(0)", None, "01"): '{"v":"1969-12-31 23:59:59","n":5}',
}  # fmt: skip


def schema_of(case: dict) -> RowSchema:
    text = case["type"].removesuffix(" NOT NULL")
    kind = FURTHER_TYPES.get(case["type"]) or FURTHER_TYPES.get(text) or sql_type(text)
    return RowSchema.of(("v", kind.as_nullable(not case["type"].endswith(" NOT NULL"))), ("n", types.INT))


def of_kind(*kinds: str) -> list[dict]:
    return [case for case in RECORDED if case["kind"] in kinds]


def case_id(case: dict) -> str:
    return re.sub(r"\W+", "_", f"{case['type']}-{case['legacy']}-{base64.b64decode(case['message']).hex()[:40]}")


def test_the_record_is_large_enough_to_mean_something():
    assert len(of_kind("schema")) > 60
    assert len(of_kind("avro")) > 120
    assert len(of_kind("debezium", "debezium-schema")) > 40
    assert sum("error" in case for case in RECORDED) > 50


@pytest.mark.parametrize("case", of_kind("schema"), ids=case_id)
def test_schemas_are_derived_as_flink_derives_them(case):
    if "error" in case:
        with pytest.raises(VeloError, match="derives no schema for"):
            derived_schema(schema_of(case), legacy_timestamps=case["legacy"])
        return
    ours = json.loads(derived_schema(schema_of(case), legacy_timestamps=case["legacy"]))
    assert with_full_names(ours) == with_full_names(json.loads(case["schema"]))


def with_full_names(written: object, namespace: str = "") -> object:
    """Java writes a name and its namespace apart, and the names below without it."""
    match written:
        case dict() if written.get("type") == "record":
            own = written.get("namespace", namespace)
            name = written["name"] if "." in written["name"] else f"{own}.{written['name']}"
            inner = name.rpartition(".")[0]
            return {"type": "record", "name": name, "fields": [with_full_names(f, inner) for f in written["fields"]]}
        case dict():
            return {key: with_full_names(value, namespace) for key, value in written.items()}
        case list():
            return [with_full_names(value, namespace) for value in written]
        case _:
            return written


def expected(case: dict, message: bytes) -> str:
    value = message.hex().removesuffix("0a")
    field = json.dumps(json.loads(case["writer"])["fields"][0]["type"]) if case["writer"] else ""
    known = OTHERWISE.get((case["type"], field, value)) or OTHERWISE.get((case["type"], None, value))
    if known is not None:
        return known
    return "refused" if "error" in case else case["json"]


@pytest.mark.parametrize("case", of_kind("avro"), ids=case_id)
def test_avro_is_read_and_written_as_flink_does(case):
    schema, message = schema_of(case), base64.b64decode(case["message"])
    options = {"avro.timestamp_mapping.legacy": str(case["legacy"]).lower()}
    reading = {"avro.schema": case["writer"]} if case["writer"] else options
    ours, rows = "refused", None
    try:
        decoded = framed_decode(schema, case["writer"], message) if case["writer"] else None
        decoded = decoded or open_format("avro", schema, reading).decode([message])
    except VeloError:
        decoded = None
    if decoded is not None and not decoded.failures:
        rows = decoded.table
        ours = open_format("json", schema, {}).encode(rows)[0].decode()
    assert ours == expected(case, message)
    if rows is not None and ours == case.get("json"):
        assert open_format("avro", schema, options).encode(rows) == [base64.b64decode(case["written"])]


def framed_decode(schema: RowSchema, writer: str, message: bytes) -> object:
    """Through a registry, where the columns are the reader's schema, as Flink was asked."""
    from velo_engine.connectors.schema_registry import RegistrySchema, open_registry

    options = {"schema.registry.url": "mock://flink-records"}
    schema_id = open_registry(options).register("recorded-value", RegistrySchema(writer))
    return open_format("avro-confluent", schema, options).decode([b"\x00" + schema_id.to_bytes(4) + message])


@pytest.mark.parametrize("case", of_kind("debezium", "debezium-schema"), ids=case_id)
def test_change_events_are_read_as_flink_does(case):
    schema = schema_of(case)
    options = {"debezium-json.schema-include": str(case["kind"] == "debezium-schema").lower()}
    decoded = open_format("debezium-json", schema, options).decode([base64.b64decode(case["message"])])
    assert bool(decoded.failures) == ("error" in case)
    rows = [row.decode() for row in open_format("json", schema, {}).encode(decoded.table)]
    ours = [[KIND_SYMBOLS[kind], row] for kind, row in zip(decoded.kinds.tolist(), rows, strict=True)]
    assert ours == case.get("rows", [])
