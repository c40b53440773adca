"""Records of six fields in every format: how many a CPU-second decodes and encodes, beside the libraries' own ways.

    python benchmarks/formats.py

CPU time of this process, the best of many runs; compare the lines of one run with each other, not runs with each other.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import fastavro
import numpy as np
import pyarrow as pa
from decode import report

from velo_engine import types
from velo_engine.connectors.schema_registry import open_registry
from velo_engine.formats import open_format
from velo_engine.formats.avro.schema import derived_schema
from velo_engine.formats.protobuf.descriptors import types_from_text
from velo_engine.schema import RowSchema

BATCH_ROWS = 10_000

TRADES = RowSchema.of(
    ("id", types.BIGINT),
    ("symbol", types.STRING),
    ("price", types.decimal(10, 2)),
    ("quantity", types.INT),
    ("live", types.BOOLEAN),
    ("at", types.timestamp(3)),
)
PROTO = """
syntax = "proto3";
import "google/protobuf/timestamp.proto";
message Decimal { int64 units = 1; int32 scale = 2; }
message Trade {
  int64 id = 1; string symbol = 2; Decimal price = 3; int32 quantity = 4; bool live = 5;
  google.protobuf.Timestamp at = 6;
}
"""


def trades(count: int) -> pa.Table:
    """Rows of six fields."""
    rng = np.random.default_rng(1)
    cents = rng.integers(100, 99_999, count)
    return pa.table(
        [
            pa.array(np.arange(count) * 37),
            pa.array([f"SYM{i}" for i in rng.integers(0, 500, count)]),
            pa.array([Decimal(int(c)).scaleb(-2) for c in cents], pa.decimal128(10, 2)),
            pa.array(rng.integers(1, 10_000, count).astype(np.int32)),
            pa.array(rng.random(count) < 0.5),
            pa.array(1_704_067_200_000_000 + np.arange(count) * 1000, pa.timestamp("us")),
        ],
        names=[f"c{i}" for i in range(6)],
    )


def with_fastavro(messages: list[bytes], parsed: object) -> list[object]:
    """Record by record, as a consumer with fastavro does."""
    read = partial(fastavro.schemaless_reader, writer_schema=parsed, reader_schema=None)
    return [read(io.BytesIO(message)) for message in messages]


def with_confluent(messages: list[bytes], registry: str) -> Callable[[], object]:
    """Confluent's deserializer, record by record."""
    from confluent_kafka.schema_registry.avro import AvroDeserializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    open_registry({"schema.registry.url": registry})
    client = open_registry({"schema.registry.url": registry})
    assert client is not None
    client.latest("trades-value")
    deserialize = AvroDeserializer(client._client)
    context = SerializationContext("trades", MessageField.VALUE)
    return lambda: [deserialize(message, context) for message in messages]


def main() -> None:
    """Prints the table."""
    table = trades(BATCH_ROWS)
    proto = {"protobuf.schema": PROTO, "protobuf.message": "Trade"}
    framed = {"schema.registry.url": "mock://benchmark", "topic": "trades"}
    for name, options in (
        ("json", {}),
        ("csv", {}),
        ("avro", {}),
        ("avro-confluent", framed),
        ("protobuf", proto),
        ("protobuf-confluent", {**framed, **proto, "topic": "protobuf"}),
    ):
        chosen = open_format(name, TRADES, options)
        messages = chosen.encode(table)
        assert chosen.decode(messages).table.equals(table)
        size = sum(map(len, messages)) / len(messages)
        report(f"{name} decode ({size:.0f} bytes)", BATCH_ROWS, partial(chosen.decode, messages))
        report(f"{name} encode", BATCH_ROWS, partial(chosen.encode, table))
        report(f"{name} decode", 100, partial(chosen.decode, messages[:100]))
    events = open_format("debezium-json", TRADES, {})
    messages = events.encode(table)
    report("debezium-json decode", BATCH_ROWS, partial(events.decode, messages))
    report("debezium-json encode", BATCH_ROWS, partial(events.encode, table))
    avro = open_format("avro", TRADES, {}).encode(table)
    parsed = fastavro.parse_schema(json.loads(derived_schema(TRADES, legacy_timestamps=True)))
    report("fastavro, record by record", BATCH_ROWS, partial(with_fastavro, avro, parsed))
    confluent = open_format("avro-confluent", TRADES, framed).encode(table)
    report("Confluent's AvroDeserializer", BATCH_ROWS, with_confluent(confluent, "mock://benchmark"))
    message = types_from_text(PROTO, "the benchmark").message("Trade")
    plain = open_format("protobuf", TRADES, proto).encode(table)
    report("protobuf's FromString alone", BATCH_ROWS, lambda: list(map(message.FromString, plain)))


if __name__ == "__main__":
    main()
