"""Records flink_records_2.3.0.jsonl: what Flink's Avro and debezium-json formats answer to single messages.

    python tests/engine/formats/recorder/record_records.py FOLDER AVRO_JAR

Needs a JDK 17 (javac and java on the path), the folder of Flink's jars (`make flink` provides them) and the jar
`org.apache.flink:flink-sql-avro:2.3.0` from Maven Central.
"""

import base64
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
RECORDED = HERE.parent / "flink_records_2.3.0.jsonl"

SCALARS = ["BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "STRING", "CHAR(3)", "VARCHAR(3)", "BYTES", "BINARY(3)", "DECIMAL(10, 2)", "DECIMAL(38, 18)", "DECIMAL(3, 0)", "DATE", "TIME(0)", "TIME(3)", "TIME(6)", "TIMESTAMP(0)", "TIMESTAMP(3)", "TIMESTAMP(6)", "TIMESTAMP(9)", "TIMESTAMP_LTZ(3)", "TIMESTAMP_LTZ(6)"]  # fmt: skip
NESTED = ["ARRAY<INT>", "ARRAY<INT NOT NULL>", "MAP<STRING, INT>", "MAP<INT, INT>", "MULTISET<STRING>", "ROW<a INT, b ROW<c STRING NOT NULL>>", "ARRAY<ROW<a DECIMAL(5, 2)>>", "INTERVAL DAY TO SECOND(3)"]  # fmt: skip


def logical(kind: str, name: str, **more: object) -> object:
    return {"type": kind, "logicalType": name, **more}


def decimal(precision: int, scale: int) -> object:
    return logical("bytes", "decimal", precision=precision, scale=scale)


LONGS = ["00", "01", "02", "d00f", "80a8d6b9cd63", "feffffffffffffffff01", "ffffffffffffffffff01", "80"]
INTS = ["00", "01", "80808080 10", "feffffff0f", "ffffffff0f", "8002", "80"]
DECIMALS = [
    "00",
    "0200",
    "020a",
    "02f6",
    "043039",
    "04cfc7",
    "0800000001",
    "0a0098968000",
    "10" + "7f" * 8,
    "20" + "7f" * 16,
]
TEXTS = ["00", "0261", "06e282ac", "02ff", "0461", "01", "0a6162636465"]

READ = [
    # Type of the column, type of the writer's field, encodings of the value (hexadecimal)
    ("BOOLEAN", "boolean", ["00", "01", "02"]),
    ("TINYINT", "int", ["fe01", "ff01", "8002", "00"]),
    ("SMALLINT", "int", ["feff03", "808004", "00"]),
    ("INT", "int", INTS),
    ("INT", "long", ["02"]),
    ("BIGINT", "long", LONGS),
    ("BIGINT", "int", INTS),
    ("BIGINT", "string", ["0261"]),
    ("FLOAT", "float", ["0000003f", "0000c07f"]),
    ("FLOAT", "long", ["02"]),
    ("FLOAT", "double", ["000000000000e03f"]),
    ("DOUBLE", "float", ["0000003f"]),
    ("DOUBLE", "double", ["000000000000e03f"]),
    ("DOUBLE", "int", ["03"]),
    ("STRING", "string", TEXTS),
    ("STRING", "bytes", TEXTS),
    ("BYTES", "string", ["0461ff"]),
    ("BYTES", "bytes", ["00", "0461ff"]),
    ("CHAR(3)", "string", ["0261", "0a6162636465"]),
    ("STRING", {"type": "enum", "name": "E", "symbols": ["A", "B"]}, ["02"]),
    ("BYTES", {"type": "fixed", "name": "F", "size": 2}, ["61ff"]),
    ("STRING", logical("string", "uuid"), ["0261"]),
    ("DECIMAL(10, 2)", decimal(10, 2), DECIMALS),
    ("DECIMAL(38, 18)", decimal(38, 18), DECIMALS),
    ("DECIMAL(10, 2)", decimal(10, 4), ["043039"]),
    ("DECIMAL(3, 0)", decimal(10, 0), ["043039"]),
    ("DECIMAL(10, 2)", "bytes", ["043039"]),
    ("DATE", logical("int", "date"), ["00", "01", "c09a02", "80808080 10"]),
    ("DATE", "int", ["01"]),
    ("TIME(3)", logical("int", "time-millis"), ["00", "feb7b252", "80b8b252", "01"]),
    ("TIMESTAMP(3)", logical("long", "timestamp-millis"), LONGS[:5]),
    ("TIMESTAMP(0)", logical("long", "timestamp-millis"), ["d00f", "ce0f", "01"]),
    ("TIMESTAMP(3)", logical("long", "timestamp-micros"), ["80a8d6b9cd63"]),
    ("TIMESTAMP(3)", logical("long", "local-timestamp-millis"), ["80a8d6b9cd63"]),
    ("TIMESTAMP(3)", "long", ["80a8d6b9cd63"]),
    ("ARRAY<INT>", {"type": "array", "items": ["null", "int"]}, ["00", "04020200 00", "0302040600", "0402020001"]),
    ("ARRAY<INT>", {"type": "array", "items": "int"}, ["04020400", "03040204 00", "00"]),
    ("MAP<STRING, INT>", {"type": "map", "values": ["null", "int"]}, ["00", "02026102 0400", "04026102 02026102 0400"]),
    ("MULTISET<STRING>", {"type": "map", "values": "int"}, ["0202610400"]),
    ("ROW<a INT, b STRING>", {"type": "record", "name": "X", "fields": [{"name": "b", "type": "string"}, {"name": "a", "type": "int"}]}, ["026104"]),
    ("ROW<a INT, c STRING>", {"type": "record", "name": "X", "fields": [{"name": "a", "type": "int"}]}, ["04"]),
    ("ROW<a INT, c STRING NOT NULL>", {"type": "record", "name": "X", "fields": [{"name": "a", "type": "int"}]}, ["04"]),
    ("INT", ["null", "int"], ["00", "0204", "0404"]),
    ("INT", ["int", "null"], ["0004", "02"]),
    ("INT NOT NULL", ["null", "int"], ["00", "0204"]),
    ("BIGINT", ["null", "int", "string"], ["00", "0204", "040261"]),
    ("INT", "null", [""]),
]  # fmt: skip

EVENTS = [
    {"before": None, "after": {"v": 1, "n": 2}, "op": "c"},
    {"before": None, "after": {"v": 1, "n": 2}, "op": "r"},
    {"before": {"v": 1, "n": 2}, "after": {"v": 3, "n": 2}, "op": "u"},
    {"before": {"v": 1}, "after": None, "op": "d"},
    {"before": {"v": 1}, "op": "d"},
    {"after": {"n": 2}, "op": "c"},
    {"after": {"n": 2, "x": 5}, "op": "c", "ts_ms": 5},
    {"before": None, "after": {"v": 3}, "op": "u"},
    {"before": None, "after": None, "op": "d"},
    {"before": None, "after": None, "op": "c"},
    {"before": {"v": 1}, "after": None, "op": "u"},
    {"before": None, "after": {"v": 1}, "op": "t"},
    {"before": None, "after": {"v": 1}, "op": None},
    {"before": None, "after": {"v": 1}},
    {"after": {"v": "x"}, "op": "c"},
    {"after": {"v": "7"}, "op": "c"},
    {"before": {"v": "x"}, "after": {"v": 1}, "op": "c"},
    {},
    {"after": [1], "op": "c"},
    {"after": {"v": 1}, "op": "C"},
]


def cases() -> Iterator[tuple[str, str, str, str, bytes]]:
    """Kind, type of `v`, legacy timestamps, the writer's schema, message."""
    for kind in [*SCALARS, *(f"{t} NOT NULL" for t in SCALARS[:3]), *NESTED]:
        for legacy in ("true", "false"):
            yield "schema", kind, legacy, "", b""
    for kind, written, values in READ:
        fields = [{"name": "v", "type": written}, {"name": "n", "type": "int"}]
        schema = json.dumps({"type": "record", "name": "W", "fields": fields})
        for value in values:
            yield "avro", kind, "true", schema, bytes.fromhex(value) + b"\x0a"
    fields = [{"name": "n", "type": "int"}]
    only_n = json.dumps({"type": "record", "name": "W", "fields": fields})
    yield "avro", "STRING", "true", only_n, b"\x0a"
    yield "avro", "STRING NOT NULL", "true", only_n, b"\x0a"
    for kind, unit in (("TIMESTAMP(6)", "local-timestamp-micros"), ("TIMESTAMP_LTZ(6)", "timestamp-micros"), ("TIMESTAMP_LTZ(3)", "timestamp-millis")):  # fmt: skip
        schema = json.dumps(
            {"type": "record", "name": "W", "fields": [{"name": "v", "type": logical("long", unit)}, *fields]}
        )
        for value in ("80a8d6b9cd63", "01", "03"):
            yield "avro", kind, "false", schema, bytes.fromhex(value) + b"\x0a"
    derived = {"STRING": "0206e282ac020a", "INT": "00020a", "ARRAY<INT>": "0204000204000 20a"}
    for kind, message in derived.items():
        yield "avro", kind, "true", "", bytes.fromhex(message.replace(" ", ""))
    for event in EVENTS:
        yield "debezium", "INT", "true", "", json.dumps(event).encode()
        yield "debezium-schema", "INT", "true", "", json.dumps({"schema": {}, "payload": event}).encode()
    for message in (b"", b"{", b"null", b"5", b"[]"):
        yield "debezium", "INT", "true", "", message


def main(jars: str, avro: str) -> None:
    lines = "".join("\t".join([*case[:4], base64.b64encode(case[4]).decode()]) + "\n" for case in cases())
    with tempfile.TemporaryDirectory() as classes:
        path = f"{jars}/*:{avro}"
        subprocess.run(["javac", "-nowarn", "-d", classes, "-cp", path, str(HERE / "FlinkRecords.java")], check=True)
        answers = subprocess.run(
            ["java", "-cp", f"{classes}:{path}", "FlinkRecords"],
            input=lines.encode(),
            check=True,
            stdout=subprocess.PIPE,
        )
    RECORDED.write_bytes(answers.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
