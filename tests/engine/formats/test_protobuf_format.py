"""The Protobuf format against protobuf's own runtime, and by hand."""

import base64
import datetime
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.formats.sql_values import physical, rows_of, values

from velo_engine import types
from velo_engine.connectors.schema_registry import RegistrySchema, open_registry
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats import Decoded, open_format
from velo_engine.formats.protobuf.descriptors import types_from_file, types_from_text
from velo_engine.schema import RowSchema

pytest.importorskip("grpc_tools", reason="compiling .proto files needs grpcio-tools")

PROTO = Path(__file__).parent / "orders.proto"
OPTIONS = {"protobuf.schema.file": str(PROTO), "protobuf.message": "Order"}
ORDER = types_from_file(PROTO).message("shop.v1.Order")

LINE = types.row(("sku", types.STRING), ("count", types.INT), ("price", types.decimal(10, 2)))
EVERY_FIELD = RowSchema.of(
    ("id", types.BIGINT),
    ("customer", types.STRING),
    ("note", types.STRING),
    ("total", types.decimal(18, 4)),
    ("status", types.STRING),
    ("at", types.timestamp(6)),
    ("lines", types.array(LINE)),
    ("counts", types.map_of(types.STRING, types.INT)),
    ("tags", types.array(types.STRING)),
    ("points", types.BIGINT),
    ("raw", types.BYTES),
    ("ratio", types.DOUBLE),
    ("weight", types.FLOAT),
    ("paid", types.BOOLEAN),
    ("large", types.BIGINT),
    ("small", types.INT),
    ("signed", types.INT),
    ("history", types.array(types.STRING)),
    ("email", types.STRING),
)


def orders(*columns: tuple, **options: str) -> object:
    return open_format("protobuf", RowSchema.of(*columns), {**OPTIONS, **options})


def one(kind: types.SqlType, field: str, order: object, **options: str) -> object:
    decoded = orders((field, kind), **options).decode([order.SerializeToString()])
    assert decoded.failures == ()
    return decoded.table.column("c0").to_pylist()[0]


def full_order() -> object:
    order = ORDER(id=-5, customer="Ann", note="é", status=2, raw=b"\x00\xff", ratio=0.1, weight=0.5, paid=True)
    order.total.units, order.total.scale = -12345, 2
    order.at.seconds, order.at.nanos = -1, 999_999_999
    order.lines.add(sku="a", count=1).price.units = 7
    order.lines.add(sku="b")
    order.counts.update({"y": 2, "x": 1})
    order.tags.extend(["t", ""])
    order.points.value = 0
    order.large, order.small, order.signed = 2**63 - 1, 2**31 - 1, -1
    order.history.extend([1, 0])
    order.email = "a@b"
    return order


def test_messages_of_the_runtime_become_rows():
    decoded = open_format("protobuf", EVERY_FIELD, OPTIONS).decode([full_order().SerializeToString(), b""])
    assert decoded.failures == ()
    full, empty = rows_of(EVERY_FIELD, decoded.table)
    assert full == {
        "id": -5,
        "customer": "Ann",
        "note": "é",
        "total": Decimal("-123.4500"),
        "status": "CLOSED",
        "at": datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999),
        "lines": [{"sku": "a", "count": 1, "price": Decimal("7.00")}, {"sku": "b", "count": 0, "price": None}],
        "counts": [("x", 1), ("y", 2)],
        "tags": ["t", ""],
        "points": 0,
        "raw": b"\x00\xff",
        "ratio": 0.1,
        "weight": 0.5,
        "paid": True,
        "large": 2**63 - 1,
        "small": 2**31 - 1,
        "signed": -1,
        "history": ["OPEN", "UNKNOWN"],
        "email": "a@b",
    }
    # Without presence a scalar has its default; messages, `optional`, members of oneof and empty lists are NULL.
    defaults = {"id": 0, "note": "", "status": "UNKNOWN", "raw": b"", "ratio": 0.0, "weight": 0.0, "paid": False}
    assert empty == dict.fromkeys(EVERY_FIELD.names) | defaults | {"large": 0, "small": 0, "signed": 0}


def test_defaults_may_be_read_for_what_is_not_set():
    options = {"protobuf.read-default-values": "true"}
    assert one(types.STRING, "customer", ORDER(), **options) == ""
    assert one(types.array(types.STRING), "tags", ORDER(), **options) == []
    assert one(types.decimal(5, 2), "total", ORDER(), **options) is None
    assert one(types.array(types.STRING).as_nullable(False), "tags", ORDER()) == []


def test_rows_become_messages_of_the_runtime():
    table = open_format("protobuf", EVERY_FIELD, OPTIONS).decode([full_order().SerializeToString(), b""]).table
    written = open_format("protobuf", EVERY_FIELD, OPTIONS).encode(table)
    full, empty = (ORDER.FromString(m) for m in written)
    expected = full_order()
    expected.total.units, expected.total.scale = -1234500, 4
    expected.at.nanos = 999_999_000
    expected.lines[0].price.units, expected.lines[0].price.scale = 700, 2
    assert full == expected
    assert empty == ORDER()


KINDS = {
    "id": types.BIGINT,
    "customer": types.STRING,
    "total": types.decimal(18, 3),
    "at": types.timestamp(6),
    "lines": types.array(LINE.as_nullable(False)),
    "counts": types.map_of(types.STRING.as_nullable(False), types.INT.as_nullable(False)),
    "tags": types.array(types.STRING.as_nullable(False)),
    "points": types.BIGINT,
    "email": types.STRING,
}


@settings(max_examples=80, deadline=None)
@given(st.lists(st.fixed_dictionaries({name: values(t) for name, t in KINDS.items()}), max_size=8))
def test_rows_come_back_as_they_were(rows):
    schema = RowSchema.of(*KINDS.items())
    protobuf_format = open_format("protobuf", schema, OPTIONS)
    written = protobuf_format.encode(physical(schema, rows))

    for row, message in zip(rows, map(ORDER.FromString, written), strict=True):
        assert message.id == (row["id"] or 0)
        assert (message.customer if message.HasField("customer") else None) == row["customer"]
        assert dict(message.counts) == dict(row["counts"] or [])
        assert [line.sku for line in message.lines] == [line["sku"] or "" for line in row["lines"] or []]

    decoded = protobuf_format.decode(written)
    assert decoded.failures == ()
    assert rows_of(schema, decoded.table) == [as_read(row) for row in rows]


def as_read(row: dict) -> dict:
    """What Protobuf cannot tell from an unset field reads as it."""
    lines = [{**line, "sku": line["sku"] or "", "count": line["count"] or 0} for line in row["lines"] or []]
    return {
        **row,
        "id": row["id"] or 0,
        "lines": lines or None,
        "counts": sorted(row["counts"] or []) or None,
        "tags": row["tags"] or None,
    }


def test_maps_may_hold_messages():
    text = 'syntax = "proto3"; message M { message D { int64 units = 1; int32 scale = 2; } map<int32, D> m = 1; }'
    schema = RowSchema.of(("m", types.map_of(types.INT, types.decimal(5, 2))))
    protobuf_format = open_format("protobuf", schema, {"protobuf.schema": text, "protobuf.message": "M"})
    rows = [{"m": [(1, Decimal("1.25")), (2, Decimal("-3.00"))]}, {"m": None}]
    assert rows_of(schema, protobuf_format.decode(protobuf_format.encode(physical(schema, rows))).table) == rows


def test_null_inside_arrays_and_maps_is_the_default():
    schema = RowSchema.of(
        ("tags", types.array(types.STRING)),
        ("counts", types.map_of(types.STRING, types.INT)),
        ("lines", types.array(LINE)),
        ("history", types.array(types.STRING)),
    )
    rows = [{"tags": [None, "a"], "counts": [("k", None)], "lines": [None], "history": [None, "OPEN"]}]
    message = ORDER.FromString(open_format("protobuf", schema, OPTIONS).encode(physical(schema, rows))[0])
    assert (list(message.tags), dict(message.counts), len(message.lines)) == (["", "a"], {"k": 0}, 1)
    assert list(message.history) == [0, 1]


@pytest.mark.parametrize(
    ("kind", "field", "order", "expected"),
    [
        (types.INT, "status", ORDER(status=2), 2),
        (types.BIGINT, "small", ORDER(small=2**32 - 1), 2**32 - 1),
        (types.decimal(20, 0), "large", ORDER(large=2**64 - 1), Decimal(2**64 - 1)),
        (types.TINYINT, "signed", ORDER(signed=-128), -128),
        (types.DOUBLE, "weight", ORDER(weight=0.5), 0.5),
        (types.row(("seconds", types.BIGINT), ("nanos", types.INT)), "at", ORDER(at={"seconds": 1, "nanos": 2}), {"seconds": 1, "nanos": 2}),
        (types.row(("units", types.BIGINT)), "total", ORDER(total={"units": 5}), {"units": 5}),
        (types.timestamp_ltz(3), "at", ORDER(at={"seconds": 1, "nanos": 1_999_999}), datetime.datetime(1970, 1, 1, 0, 0, 1, 1000)),
        (types.decimal(4, 1), "total", ORDER(total={"units": 1235, "scale": 3}), Decimal("1.2")),
        (types.decimal(4, 1), "total", ORDER(total={"units": -125, "scale": 2}), Decimal("-1.3")),
    ],
)  # fmt: skip
def test_further_types(kind, field, order, expected):
    assert one(kind, field, order) == expected


def test_common_types_of_google():
    pytest.importorskip("google.type", reason="needs googleapis-common-protos")
    text = """syntax = "proto3"; import "google/type/decimal.proto"; import "google/type/date.proto";
    import "google/type/timeofday.proto";
    message M { google.type.Decimal d = 1; google.type.Date day = 2; google.type.TimeOfDay t = 3; }"""
    schema = RowSchema.of(("d", types.decimal(6, 2)), ("day", types.DATE), ("t", types.time(3)))
    message = types_from_text(text, "common").message(None)
    protobuf_format = open_format("protobuf", schema, {"protobuf.schema": text})
    made = message(
        d={"value": "1.005"}, day={"year": 2024, "month": 2, "day": 29}, t={"hours": 23, "nanos": 999_999_999}
    )
    bad = [message(day={"year": 2023, "month": 2, "day": 29}), message(t={"hours": 24}), message(d={"value": "x"})]

    decoded = protobuf_format.decode([m.SerializeToString() for m in (made, *bad)])

    assert rows_of(schema, decoded.table) == [
        {"d": Decimal("1.01"), "day": datetime.date(2024, 2, 29), "t": datetime.time(23, 0, 0, 999_000)}
    ]
    assert len(decoded.failures) == 3
    back = message.FromString(protobuf_format.encode(decoded.table)[0])
    assert (back.d.value, back.day, back.t.nanos) == ("1.01", made.day, 999_000_000)


def test_numbers_may_be_times():
    decoded = orders(("seen_ms", types.timestamp(3)), **{"timestamp.format.seen_ms": "epoch_millis"}).decode(
        [ORDER(seen_ms=1_500).SerializeToString()]
    )
    assert decoded.table.column("c0").to_pylist() == [datetime.datetime(1970, 1, 1, 0, 0, 1, 500_000)]


@pytest.mark.parametrize(
    ("kind", "field", "message", "reason"),
    [
        (types.INT, "small", ORDER(small=2**31), 'field "small" (INT): is out of range'),
        (types.BIGINT, "large", ORDER(large=2**63), 'field "large" (BIGINT): is out of range'),
        (types.STRING, "status", ORDER(status=9), 'field "status" (STRING): the enum shop.v1.Status has no value 9'),
        (types.decimal(3, 0), "total", ORDER(total={"units": 1000}), 'field "total" (DECIMAL(3, 0)): 1000 does not fit in DECIMAL(3, 0)'),
        (types.decimal(3, 0), "total", ORDER(total={"units": 1, "scale": 5000}), 'field "total" (DECIMAL(3, 0)): a decimal of 5000 digits behind the point'),
        (types.timestamp(3), "at", ORDER(at={"nanos": -1}), 'field "at" (TIMESTAMP(3)): a timestamp out of range'),
        (types.timestamp(3), "at", ORDER(at={"seconds": 2**60}), 'field "at" (TIMESTAMP(3)): a timestamp out of range'),
        (types.STRING.as_nullable(False), "customer", ORDER(), 'field "customer" (STRING NOT NULL): not set'),
        (types.array(types.STRING), "history", ORDER(history=[0, 7]), 'field "history" (ARRAY<STRING>): the enum shop.v1.Status has no value 7'),
    ],
)  # fmt: skip
def test_a_value_without_a_place_fails_its_record_alone(kind, field, message, reason):
    good = full_order().SerializeToString()
    decoded = orders((field, kind)).decode([good, message.SerializeToString(), good])
    if field in ("at", "large", "small", "status", "customer", "history"):
        assert decoded.positions.tolist() == [0, 2]
    assert (1, reason) in [(f.index, f.reason) for f in decoded.failures]


def test_broken_messages_fail_alone():
    good = ORDER(id=3).SerializeToString()
    messages = [good, good + b"\x08", None, b"\x1a\x01\xff", good]
    decoded = orders(("id", types.BIGINT), ("note", types.STRING)).decode(messages)
    assert decoded.table.column("c0").to_pylist() == [3, 3]
    assert decoded.positions.tolist() == [0, 4]
    reasons = [f.reason for f in decoded.failures]
    assert reasons[0].startswith("not a message of the type shop.v1.Order")
    assert reasons[1] == "the record has no value (a tombstone)"
    assert reasons[2].startswith("not a message of the type shop.v1.Order")


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (types.INT, "note"),
        (types.STRING, "id"),
        (types.timestamp(3), "id"),
        (types.decimal(5, 2), "at"),
        (types.STRING, "tags"),
        (types.array(types.INT), "tags"),
        (types.map_of(types.STRING, types.STRING), "counts"),
        (types.row(("nothing", types.INT)), "total"),
        (types.INT, "nothing"),
    ],
)
def test_columns_that_do_not_go_with_the_fields_are_refused(kind, field):
    with pytest.raises(VeloError) as problem:
        orders((field, kind)).decode([])
    assert problem.value.code is ErrorCode.SCHEMA_MISMATCH
    with pytest.raises(VeloError):
        orders((field, kind)).encode(physical(RowSchema.of((field, kind)), []))


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [(types.STRING, "status", "LOST"), (types.BIGINT, "large", -1), (types.decimal(38, 0), "total", Decimal(10**30))],
)
def test_values_that_no_message_holds_stop_the_job(kind, field, value):
    schema = RowSchema.of((field, kind))
    with pytest.raises(VeloError, match=r"a row cannot be written as shop\.v1\.Order"):
        open_format("protobuf", schema, OPTIONS).encode(physical(schema, [{field: value}]))


def test_the_schema_may_be_text_or_a_descriptor_set(tmp_path):
    schema = RowSchema.of(("a", types.INT))
    text = 'syntax = "proto3"; message Outer { message Inner { int32 a = 1; } Inner inner = 1; }'
    inline = open_format("protobuf", schema, {"protobuf.schema": text, "protobuf.message": "com.example.Outer$Inner"})
    assert inline.decode([b"\x08\x05"]).table.column("c0").to_pylist() == [5]
    (tmp_path / "m.proto").write_text(text)
    out = tmp_path / "m.desc"
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{tmp_path}", f"--descriptor_set_out={out}", "m.proto"]
    subprocess.run(protoc, check=True)
    compiled = open_format("protobuf", schema, {"protobuf.schema.file": str(out), "protobuf.message": "Inner"})
    assert compiled.decode([b"\x08\x05"]).table.column("c0").to_pylist() == [5]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "needs the type of its messages"),
        ({"protobuf.schema.file": str(PROTO)}, "which message of"),
        ({"protobuf.schema.file": str(PROTO), "protobuf.message": "Ordr"}, 'did you mean "Order"'),
        ({"protobuf.schema.file": "nowhere.proto"}, r"there is no Protobuf schema nowhere\.proto"),
        ({"protobuf.schema": "message {"}, "is not a Protobuf schema"),
        ({"protobuf.schema.file": __file__}, "is neither a .proto file nor a descriptor set"),
    ],
)
def test_schemas_that_cannot_be_used_are_refused(options, problem):
    with pytest.raises(VeloError, match=problem):
        open_format("protobuf", RowSchema.of(("id", types.BIGINT)), options)


def framed(schema: RowSchema, registry: str, **options: str) -> object:
    given = {"schema.registry.url": registry, "topic": "orders", **options}
    return open_format("protobuf-confluent", schema, given)


SMALL = RowSchema.of(("id", types.BIGINT), ("status", types.STRING))


def test_a_sink_registers_its_file_and_a_source_needs_only_the_registry():
    rows = [{"id": 1, "status": "OPEN"}, {"id": 2, "status": "CLOSED"}]
    written = framed(SMALL, "mock://proto", **OPTIONS).encode(physical(SMALL, rows))
    schema_id, schema = open_registry({"schema.registry.url": "mock://proto"}).latest("orders-value")
    assert schema.kind == "PROTOBUF"
    assert FileDescriptorProto.FromString(base64.b64decode(schema.text)).package == "shop.v1"
    # Order is the second message of the file: one index, 1 in zigzag.
    assert [m[:7] for m in written] == [b"\x00" + schema_id.to_bytes(4) + b"\x02\x02"] * 2
    assert [ORDER.FromString(m[7:]).id for m in written] == [1, 2]
    decoded = framed(SMALL, "mock://proto").decode(written)
    assert rows_of(SMALL, decoded.table) == rows


def test_the_registry_may_give_text_with_imports():
    url = "mock://imports"
    registry = open_registry({"schema.registry.url": url})
    registry.register("money.proto", RegistrySchema('syntax = "proto3"; message M { int64 units = 1; }', "PROTOBUF"))
    text = 'syntax = "proto3"; import "money.proto"; message A { string s = 1; } message B { message C { M m = 1; } }'
    made = RegistrySchema(text, "PROTOBUF", (("money.proto", "money.proto", 1),))
    schema_id = registry.register("orders-value", made)
    schema = RowSchema.of(("m", types.row(("units", types.BIGINT))))
    frame = b"\x00" + schema_id.to_bytes(4)
    c = b"\x0a\x02\x08\x05"
    messages = [frame + b"\x04\x02\x00" + c, frame + b"\x02\x06" + c, frame + b"\x00", frame, b"\x01" + frame]
    decoded = framed(schema, url).decode(messages)
    assert decoded.table.to_pylist() == [{"c0": {"units": 5}}]
    assert [f.reason for f in decoded.failures] == [
        f"schema {schema_id} has no message at [3]",
        'the message A has no field "m"',
        *["the record does not begin with a zero byte, a schema id and the path of a message"] * 2,
    ]


def test_an_explicit_schema_reads_records_of_every_id():
    schema = RowSchema.of(("id", types.BIGINT))
    decoded = framed(schema, "mock://explicit", **OPTIONS).decode(
        [b"\x00\x00\x00\x00\x63\x00" + ORDER(id=5).SerializeToString()]
    )
    assert decoded.table.column("c0").to_pylist() == [5]


def test_confluents_own_client_reads_and_writes_the_same_frames():
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    client = SchemaRegistryClient.new_client({"url": "mock://theirs"})
    context = SerializationContext("orders", MessageField.VALUE)
    theirs = ProtobufSerializer(ORDER, client)(full_order(), context)
    schema = RowSchema.of(("id", types.BIGINT))
    ours = framed(schema, "mock://ours", **OPTIONS)
    assert ours.decode([theirs]).table.column("c0").to_pylist() == [-5]
    written = ours.encode(physical(schema, [{"id": 9}]))[0]
    read = ProtobufDeserializer(ORDER, {"use.deprecated.format": False}, client)(theirs[:5] + written[5:], context)
    assert read.id == 9


def test_types_of_two_programs_do_not_meet():
    first = types_from_text('syntax = "proto3"; message M { int32 a = 1; }', "first").message(None)
    second = types_from_text('syntax = "proto3"; message M { string a = 1; }', "second").message(None)
    assert (first(a=1).a, second(a="x").a) == (1, "x")


def test_empty_batches():
    decoded: Decoded = orders(("id", types.BIGINT), ("lines", types.array(LINE))).decode([])
    assert decoded.table.num_rows == 0
    assert orders(("id", types.BIGINT)).encode(pa.table({"c0": pa.array([], pa.int64())})) == []
