"""Hostile records, from a seed: valid ones mutated as broken producers, wrong topics and attackers do it.

    python -m tests.engine.formats.hostile [RECORDS] [SEED]

decodes that many of every format and prints how many became rows and how many were refused; any exception ends it.
"""

from __future__ import annotations

import datetime
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tests.engine.formats.sql_values import physical

from velo_engine import types
from velo_engine.batch import RowKind
from velo_engine.formats import Decoded, Format, open_format
from velo_engine.schema import RowSchema

BATCH = 500

FLAT = RowSchema.of(
    ("id", types.BIGINT),
    ("name", types.STRING),
    ("price", types.decimal(10, 2)),
    ("large", types.decimal(38, 10)),
    ("ok", types.BOOLEAN),
    ("at", types.timestamp(3)),
    ("day", types.DATE),
    ("t", types.time(3)),
    ("ratio", types.DOUBLE),
    ("small", types.TINYINT),
    ("raw", types.BYTES),
)
NESTED = RowSchema.of(
    *((c.name, c.type) for c in FLAT.columns),
    ("tags", types.array(types.STRING)),
    ("counts", types.map_of(types.STRING, types.INT)),
    ("r", types.row(("a", types.INT), ("b", types.array(types.decimal(5, 2))))),
)
PROTO = """
syntax = "proto3";
import "google/protobuf/timestamp.proto";
message Decimal { int64 units = 1; int32 scale = 2; }
enum Status { NONE = 0; SOME = 1; }
message M {
  optional int64 id = 1; string name = 2; Decimal price = 3; bool ok = 4; google.protobuf.Timestamp at = 5;
  double ratio = 6; bytes raw = 7; repeated string tags = 8; map<string, int32> counts = 9; repeated Decimal many = 10;
  Status status = 11; uint64 large = 12;
}
"""
MESSAGES = RowSchema.of(
    ("id", types.BIGINT),
    ("name", types.STRING),
    ("price", types.decimal(10, 2)),
    ("ok", types.BOOLEAN),
    ("at", types.timestamp(6)),
    ("ratio", types.DOUBLE),
    ("raw", types.BYTES),
    ("tags", types.array(types.STRING)),
    ("counts", types.map_of(types.STRING, types.INT)),
    ("many", types.array(types.decimal(8, 4))),
    ("status", types.STRING),
    ("large", types.BIGINT),
)


@dataclass(frozen=True)
class Target:
    """A format that is fed hostile records."""

    name: str
    schema: RowSchema
    format: Format
    valid: Sequence[bytes]


def targets(rng: random.Random) -> list[Target]:
    """Every format, with valid records to begin with."""
    flat = physical(FLAT, [_row(rng, FLAT) for _ in range(40)])
    nested = physical(NESTED, [_row(rng, NESTED) for _ in range(40)])
    messages = physical(MESSAGES, [_row(rng, MESSAGES) | {"status": "SOME", "large": 2**60} for _ in range(40)])
    kinds = [rng.choice(list(RowKind)) for _ in range(40)]
    registry = {"schema.registry.url": "mock://hostile", "topic": "hostile"}
    proto = {"protobuf.schema": PROTO, "protobuf.message": "M"}
    made = [
        Target(name, schema, fmt, fmt.encode(table))
        for name, schema, table, fmt in (
            ("json", NESTED, nested, open_format("json", NESTED, {})),
            ("csv", FLAT, flat, open_format("csv", FLAT, {})),
            ("raw", RowSchema.of(("s", types.STRING)), flat.select([1]).rename_columns(["c0"]), open_format("raw", RowSchema.of(("s", types.STRING)), {})),
            ("avro", NESTED, nested, open_format("avro", NESTED, {})),
            ("avro-confluent", NESTED, nested, open_format("avro-confluent", NESTED, registry)),
            ("protobuf", MESSAGES, messages, open_format("protobuf", MESSAGES, proto)),
            ("protobuf-confluent", MESSAGES, messages, open_format("protobuf-confluent", MESSAGES, {**registry, **proto, "topic": "hostile-protobuf"})),
        )
    ]  # fmt: skip
    debezium = open_format("debezium-json", NESTED, {})
    events = [
        _event(row, kind) for row, kind in zip(open_format("json", NESTED, {}).encode(nested), kinds, strict=True)
    ]
    return [*made, Target("debezium-json", NESTED, debezium, events)]


def _event(row: bytes, kind: RowKind) -> bytes:
    value = json.loads(row)
    match kind:
        case RowKind.INSERT:
            event = {"before": None, "after": value, "op": "c"}
        case RowKind.DELETE:
            event = {"before": value, "after": None, "op": "d"}
        case _:
            event = {"before": value, "after": value, "op": "u"}
    return json.dumps(event).encode()


def _row(rng: random.Random, schema: RowSchema) -> dict[str, object]:
    return {c.name: None if rng.random() < 0.1 else _value(rng, c.type) for c in schema.columns}


def _value(rng: random.Random, t: types.SqlType) -> object:
    match t.name:
        case types.TypeName.BIGINT:
            return rng.choice([0, -1, rng.getrandbits(62), 2**63 - 1])
        case types.TypeName.INT | types.TypeName.TINYINT:
            return rng.randrange(-128, 128)
        case types.TypeName.VARCHAR:
            return rng.choice(["", "a", "é€😀", "x" * 300, '"quoted", and\n'])
        case types.TypeName.DECIMAL:
            return Decimal(rng.randrange(-(10 ** min(t.precision, 20)) + 1, 10 ** min(t.precision, 20))).scaleb(
                -t.scale
            )
        case types.TypeName.BOOLEAN:
            return rng.random() < 0.5
        case types.TypeName.TIMESTAMP:
            return datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=rng.randrange(-(10**13), 10**13))
        case types.TypeName.DATE:
            return datetime.date.fromordinal(rng.randrange(1, 3_000_000))
        case types.TypeName.TIME:
            return datetime.time(rng.randrange(24), rng.randrange(60), 0, 1000 * rng.randrange(1000))
        case types.TypeName.DOUBLE:
            return rng.choice([0.0, -1.5, 1e300, 1e-300])
        case types.TypeName.VARBINARY:
            return rng.randbytes(rng.randrange(20))
        case types.TypeName.ARRAY:
            return [_value(rng, t.element) for _ in range(rng.randrange(4))]
        case types.TypeName.MAP:
            return [(f"k{i}", rng.randrange(9)) for i in range(rng.randrange(3))]
        case types.TypeName.ROW:
            return {name: _value(rng, child) for name, child in t.fields}
        case _:
            raise NotImplementedError(t)


EXTREMES = (
    b"\xff" * 10,
    b"\x80" * 9 + b"\x01",
    b"\x00",
    b"\xfe\xff\xff\xff\x0f",
    b"-9223372036854775809",
    b"1e999999999",
    b"NaN",
    b'"\\ud800"',
    b"\xed\xa0\x80",
    b"[" * 300,
    b'{"a":' * 300,
    b"\x0b" * 200,
    b'"' * 3,
    b"\r\n",
)


def hostile(rng: random.Random, valid: Sequence[bytes]) -> bytes | None:
    """One hostile record."""
    record = bytearray(rng.choice(valid))
    choice = rng.random()
    if choice < 0.02:
        return None
    if choice < 0.07:
        return rng.randbytes(rng.randrange(60))
    if choice < 0.10:
        return b"".join(rng.choice(EXTREMES) for _ in range(rng.randrange(4)))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 5))):
        at = rng.randrange(len(record) + 1)
        match rng.randrange(7):
            case 0:
                del record[at:]
            case 1 if at < len(record):
                record[at] ^= 1 << rng.randrange(8)
            case 2:
                record[at:at] = rng.randbytes(rng.randrange(1, 5))
            case 3:
                record[at:at] = rng.choice(EXTREMES)
            case 4:
                del record[at : at + rng.randrange(1, 9)]
            case 5:
                other = rng.choice(valid)
                record[at:] = other[rng.randrange(len(other) + 1) :]
            case _ if at < len(record):
                record[at] = rng.randrange(256)
    return bytes(record)


def batches(target: Target, count: int, seed: int) -> Iterator[list[bytes | None]]:
    """`count` hostile records."""
    rng = random.Random(f"{target.name} {seed}")
    while count > 0:
        yield [hostile(rng, target.valid) for _ in range(min(BATCH, count))]
        count -= BATCH


def check(target: Target, records: Sequence[bytes | None]) -> Decoded:
    """Decodes, and holds that every record is a row or has a reason, and that rows are values of their types."""
    decoded = target.format.decode(records)
    rows, refused = set(decoded.positions.tolist()), [f.index for f in decoded.failures]
    assert refused == sorted(set(refused))
    assert rows.isdisjoint(refused)
    if decoded.kinds is None:
        assert len(decoded.positions) == len(rows) == decoded.table.num_rows
        assert len(rows) + len(refused) == len(records)
    else:
        assert len(decoded.kinds) == len(decoded.positions) == decoded.table.num_rows
        assert all(not records[i] for i in range(len(records)) if i not in rows and i not in set(refused))
    assert all(f.reason for f in decoded.failures)
    assert decoded.table.schema.equals(target.schema.physical())
    decoded.table.validate(full=True)
    open_format("json", target.schema, {}).encode(decoded.table)
    return decoded


def main(count: int, seed: int) -> None:
    """Prints the balance of every format."""
    for target in targets(random.Random(seed)):
        rows = refused = 0
        for records in batches(target, count, seed):
            decoded = check(target, records)
            rows += len(set(decoded.positions.tolist()))
            refused += len(decoded.failures)
        print(
            f"{target.name:20} {count:8} records {rows:8} rows {refused:8} refused {count - rows - refused:6} without"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
