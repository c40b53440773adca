"""The Avro format against fastavro and the Apache `avro` package, and by hand."""

import datetime
import io
import json
from decimal import Decimal

import avro.io
import avro.schema
import fastavro
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.formats.sql_values import physical, rows_of, scalar_types, sql_types, tables

from velo_engine import types
from velo_engine.errors import VeloError
from velo_engine.formats import Decoded, open_format
from velo_engine.formats.avro.schema import derived_schema
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType, TypeName

NEW_TIMESTAMPS = {"avro.timestamp_mapping.legacy": "false"}


def with_fastavro(schema: object, value: object) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def record(*fields: tuple) -> dict:
    made = [{"name": name, "type": t, **(extra[0] if extra else {})} for name, t, *extra in fields]
    return {"type": "record", "name": "R", "fields": made}


def decode(schema: dict, columns: RowSchema, messages: list) -> Decoded:
    return open_format("avro", columns, {"avro.schema": json.dumps(schema)}).decode(messages)


def only(decoded: Decoded) -> object:
    assert decoded.failures == ()
    return decoded.table.column("c0").to_pylist()[0]


def as_python(t: SqlType, value: object) -> object:
    """What fastavro takes and gives for a value of the engine's."""
    match t.name:
        case _ if value is None:
            return None
        case TypeName.TIMESTAMP_LTZ:
            return value.replace(tzinfo=datetime.UTC)
        case TypeName.ARRAY:
            return [as_python(t.element, v) for v in value]
        case TypeName.MAP:
            return {k: as_python(t.element, v) for k, v in value}
        case TypeName.ROW:
            return {name: as_python(child, value[name]) for name, child in t.fields}
        case _:
            return value


@settings(max_examples=150, deadline=None)
@given(tables(sql_types(scalar_types())))
def test_fastavro_reads_what_we_write_and_we_what_it_writes(case):
    schema, rows = case
    avro_format = open_format("avro", schema, NEW_TIMESTAMPS)
    parsed = fastavro.parse_schema(json.loads(derived_schema(schema, legacy_timestamps=False)))
    expected = [{c.name: as_python(c.type, row[c.name]) for c in schema.columns} for row in rows]

    written = avro_format.encode(physical(schema, rows))

    assert [fastavro.schemaless_reader(io.BytesIO(m), parsed, None) for m in written] == expected
    theirs = [with_fastavro(parsed, row) for row in expected]
    decoded = avro_format.decode(theirs)
    assert decoded.failures == ()
    assert decoded.table.equals(physical(schema, rows))


def test_the_apache_implementation_reads_what_we_write():
    schema = RowSchema.of(
        ("n", types.BIGINT.as_nullable(False)),
        ("s", types.STRING),
        ("d", types.decimal(12, 3)),
        ("a", types.array(types.INT)),
        ("m", types.map_of(types.STRING, types.DOUBLE)),
        ("r", types.row(("day", types.DATE), ("ok", types.BOOLEAN))),
    )
    rows = [
        {
            "n": -(2**63),
            "s": "é",
            "d": Decimal("-123.456"),
            "a": [1, None, -3],
            "m": [("k", 0.5)],
            "r": {"day": datetime.date(1969, 12, 31), "ok": True},
        },
        {"n": 7, "s": None, "d": Decimal("0.000"), "a": [], "m": None, "r": None},
    ]
    avro_format = open_format("avro", schema, {})
    reader = avro.io.DatumReader(avro.schema.parse(derived_schema(schema, legacy_timestamps=True)))

    written = avro_format.encode(physical(schema, rows))

    theirs = [reader.read(avro.io.BinaryDecoder(io.BytesIO(m))) for m in written]
    assert theirs == [{**row, "m": row["m"] and dict(row["m"])} for row in rows]
    assert avro_format.decode(written).table.equals(physical(schema, rows))


def test_the_derived_schema_is_flinks():
    # As printed by AvroSchemaConverter.convertToSchema of Flink 2.3 for this table.
    schema = RowSchema.of(
        ("id", types.INT.as_nullable(False)), ("at", types.timestamp(3)), ("r", types.row(("d", types.decimal(5, 2))))
    )
    assert json.loads(derived_schema(schema, legacy_timestamps=True)) == {
        "type": "record",
        "name": "org.apache.flink.avro.generated.record",
        "fields": [
            {"name": "id", "type": "int"},
            {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": None},
            {
                "name": "r",
                "type": [
                    "null",
                    {
                        "type": "record",
                        "name": "org.apache.flink.avro.generated.record_r",
                        "fields": [
                            {
                                "name": "d",
                                "type": [
                                    "null",
                                    {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2},
                                ],
                                "default": None,
                            }
                        ],
                    },
                ],
                "default": None,
            },
        ],
    }


@pytest.mark.parametrize(
    ("kind", "legacy"),
    [
        (types.timestamp(6), "true"),
        (types.timestamp_ltz(3), "true"),
        (types.timestamp(9), "false"),
        (types.time(6), "true"),
        (types.INTERVAL_DAY_TIME, "true"),
        (types.map_of(types.INT, types.INT), "true"),
    ],
)
def test_types_that_flink_refuses_to_derive_are_refused(kind, legacy):
    with pytest.raises(VeloError, match="derives no schema for"):
        open_format("avro", RowSchema.of(("v", kind)), {"avro.timestamp_mapping.legacy": legacy})


LOGICAL = [
    ({"type": "int", "logicalType": "date"}, types.DATE, -1, datetime.date(1969, 12, 31)),
    ({"type": "int", "logicalType": "time-millis"}, types.time(3), 86_399_999, datetime.time(23, 59, 59, 999000)),
    ({"type": "long", "logicalType": "time-micros"}, types.time(3), 1_999, datetime.time(0, 0, 0, 1000)),
    ({"type": "long", "logicalType": "timestamp-millis"}, types.timestamp(3), -1, "1969-12-31 23:59:59.999"),
    ({"type": "long", "logicalType": "timestamp-micros"}, types.timestamp(6), -1, "1969-12-31 23:59:59.999999"),
    ({"type": "long", "logicalType": "timestamp-micros"}, types.timestamp(3), -1, "1969-12-31 23:59:59.999"),
    ({"type": "long", "logicalType": "timestamp-nanos"}, types.timestamp(6), 1_999, "1970-01-01 00:00:00.000001"),
    ({"type": "long", "logicalType": "local-timestamp-millis"}, types.timestamp(6), 5, "1970-01-01 00:00:00.005"),
    (
        {"type": "long", "logicalType": "local-timestamp-micros"},
        types.timestamp_ltz(6),
        5,
        "1970-01-01 00:00:00.000005",
    ),
    ("long", types.timestamp(3), 1000, "1970-01-01 00:00:01"),
    ("long", types.timestamp(6), 1000, "1970-01-01 00:00:00.001"),
    ("long", types.BIGINT, 2**63 - 1, 2**63 - 1),
    ("int", types.BIGINT, -5, -5),
    ("int", types.DOUBLE, 3, 3.0),
    ("long", types.FLOAT, 16_777_217, 16_777_216.0),
    ("float", types.DOUBLE, 0.5, 0.5),
    ("int", types.SMALLINT, -32768, -32768),
    ("bytes", types.STRING, "é".encode(), "é"),
    ("string", types.BYTES, "é", "é".encode()),
    ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, types.STRING, "B", "B"),
    ({"type": "fixed", "name": "F", "size": 3}, types.BYTES, b"abc", b"abc"),
]


@pytest.mark.parametrize(("written", "kind", "value", "expected"), LOGICAL)
def test_a_value_is_read_by_its_writers_type(written, kind, value, expected):
    plain = written["type"] if isinstance(written, dict) and "logicalType" in written else written
    message = with_fastavro(record(("v", plain)), {"v": value})
    if isinstance(expected, str) and kind.name in (TypeName.TIMESTAMP, TypeName.TIMESTAMP_LTZ):
        expected = datetime.datetime.fromisoformat(expected)
    assert only(decode(record(("v", written)), RowSchema.of(("v", kind)), [message])) == expected


def test_uuids_are_texts():
    text = "12345678-1234-5678-1234-567812345678"
    columns = RowSchema.of(("u", types.STRING))
    as_text = record(("u", {"type": "string", "logicalType": "uuid"}))
    as_bytes = record(("u", {"type": "fixed", "size": 16, "name": "U", "logicalType": "uuid"}))
    assert only(decode(as_text, columns, [with_fastavro(record(("u", "string")), {"u": text})])) == text
    assert only(decode(as_bytes, columns, [bytes.fromhex(text.replace("-", ""))])) == text


def decimal_schema(precision: int, scale: int, size: int | None = None) -> dict:
    base = {"type": "bytes"} if size is None else {"type": "fixed", "size": size, "name": "D"}
    return record(("d", {**base, "logicalType": "decimal", "precision": precision, "scale": scale}))


@pytest.mark.parametrize(
    ("precision", "scale", "size", "written", "kind", "expected"),
    [
        (10, 2, None, "123.45", types.decimal(10, 2), "123.45"),
        (10, 2, 5, "-123.45", types.decimal(10, 2), "-123.45"),
        (10, 2, 20, "-123.45", types.decimal(10, 2), "-123.45"),
        (38, 0, None, "-" + "9" * 38, types.decimal(38, 0), "-" + "9" * 38),
        (10, 4, None, "1.2350", types.decimal(10, 2), "1.24"),
        (10, 4, None, "-1.2350", types.decimal(10, 2), "-1.24"),
        (10, 1, None, "1.5", types.decimal(20, 18), "1.500000000000000000"),
        (
            38,
            20,
            None,
            "123456789012345678.00000000000000000005",
            types.decimal(38, 19),
            "123456789012345678.0000000000000000001",
        ),
        (10, 0, None, "100", types.decimal(2, 0), None),
        (30, 0, None, "1" + "0" * 29, types.decimal(29, 0), None),
    ],
)
def test_a_decimal_keeps_its_writers_scale(precision, scale, size, written, kind, expected):
    message = with_fastavro(decimal_schema(precision, scale, size), {"d": Decimal(written)})
    kind = kind.as_nullable(expected is not None)
    decoded = decode(decimal_schema(precision, scale, size), RowSchema.of(("d", kind)), [message])
    if expected is None:
        assert [f.reason for f in decoded.failures] == [f'field "d": a number that does not fit in {kind}']
    else:
        assert str(only(decoded)) == expected


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "00"), (127, "7f"), (128, "0080"), (255, "00ff"), (-1, "ff"), (-128, "80"), (-129, "ff7f"), (2**63, "008000000000000000")],
)  # fmt: skip
@pytest.mark.parametrize("other", [5, 10**30])
def test_decimals_are_written_in_as_few_bytes_as_java_takes(number, written, other):
    # BigInteger.toByteArray: the smallest number of bytes that holds the sign bit.
    columns = RowSchema.of(("d", types.decimal(38, 0)))
    avro_format = open_format("avro", columns, {"avro.schema": json.dumps(decimal_schema(38, 0))})
    message = avro_format.encode(physical(columns, [{"d": Decimal(number)}, {"d": Decimal(other)}]))[0]
    assert message.hex() == bytes([len(written)]).hex() + written


def test_a_decimal_longer_than_needed_is_the_same_number():
    schema = decimal_schema(10, 2)
    message = bytes([2 * 20]) + b"\xff" * 18 + b"\xff\x85"
    assert str(only(decode(schema, RowSchema.of(("d", types.decimal(10, 2))), [message]))) == "-1.23"


EVERY_KIND = record(
    ("b", "boolean"),
    ("i", "int"),
    ("l", "long"),
    ("f", "float"),
    ("d", "double"),
    ("x", "bytes"),
    ("s", "string"),
    ("e", {"type": "enum", "name": "E", "symbols": ["A", "B"]}),
    ("z", {"type": "fixed", "name": "Z", "size": 40}),
    ("a", {"type": "array", "items": ["null", "string"]}),
    ("m", {"type": "map", "values": {"type": "array", "items": "int"}}),
    ("r", record(("p", "int"), ("q", ["null", "double", "string"])) | {"name": "Q"}),
    ("last", "long"),
)


def of_every_kind(i: int) -> dict:
    return {
        "b": i % 2 == 0,
        "i": i,
        "l": i * 2**40,
        "f": 0.5,
        "d": -0.5,
        "x": b"\x00" * (i % 5),
        "s": "é" * (i % 4),
        "e": "AB"[i % 2],
        "z": bytes(40),
        "a": ["x", None] * (i % 3),
        "m": {"k": [1, 2], "j": []} if i % 2 else {},
        "r": {"p": i, "q": [None, 0.5, "text"][i % 3]},
        "last": i,
    }


def test_fields_without_a_column_are_passed_over():
    messages = [with_fastavro(EVERY_KIND, of_every_kind(i)) for i in range(50)]
    decoded = decode(EVERY_KIND, RowSchema.of(("last", types.BIGINT)), messages)
    assert decoded.failures == ()
    assert decoded.table.column("c0").to_pylist() == list(range(50))


def test_columns_that_nobody_wants_are_null():
    columns = RowSchema.of(("s", types.STRING), ("last", types.BIGINT), ("i", types.INT))
    avro_format = open_format("avro", columns, {"avro.schema": json.dumps(EVERY_KIND)}, frozenset({1}))
    decoded = avro_format.decode([with_fastavro(EVERY_KIND, of_every_kind(i)) for i in (3, 4)])
    assert decoded.table.to_pylist() == [{"c0": None, "c1": i, "c2": None} for i in (3, 4)]


def test_a_broken_record_fails_alone_wherever_it_is_cut():
    good = with_fastavro(EVERY_KIND, of_every_kind(7))
    columns = RowSchema.of(("i", types.INT), ("last", types.BIGINT))
    cut = [good[:n] for n in range(len(good))]
    messages = [m for part in cut for m in (part, good)]
    decoded = decode(EVERY_KIND, columns, messages)
    assert [f.index for f in decoded.failures] == list(range(0, len(messages), 2))
    assert decoded.positions.tolist() == list(range(1, len(messages), 2))
    assert decoded.table.to_pylist() == [{"c0": 7, "c1": 7}] * len(good)
    assert {f.reason for f in decoded.failures if f.index > 0} <= {
        f'field "{path}": {reason}'
        for path in [*(f["name"] for f in EVERY_KIND["fields"]), "r.p", "r.q"]
        for reason in (
            "the record ends inside it",
            "a length beyond the end of the record",
            "more items than the record holds, or more than 100000",
        )
    }


BOOL, INT, LONG, TEXT = (RowSchema.of(("v", t)) for t in (types.BOOLEAN, types.INT, types.BIGINT, types.STRING))


@pytest.mark.parametrize(
    ("written", "columns", "message", "reason"),
    [
        ("boolean", BOOL, b"\x02", 'field "v": a boolean that is neither 0 nor 1'),
        ("int", INT, b"\x80\x80\x80\x80\x10", 'field "v": a number of more than 32 bits'),
        ("long", LONG, b"\xff" * 11, 'field "v": a number of more than 10 bytes'),
        ("int", RowSchema.of(("v", types.TINYINT)), b"\x80\x02", 'field "v": a number that does not fit in TINYINT'),
        ("string", TEXT, b"\x02\xff", 'field "v": not valid UTF-8'),
        ("string", TEXT, b"\x01", 'field "v": a length beyond the end of the record'),
        ("int", INT, b"\x02\x02", "bytes follow behind the datum"),
        (["null", "int"], INT, b"\x04\x02", 'field "v": a branch beyond the 2 of the union'),
        (["null", "int"], RowSchema.of(("v", types.INT.as_nullable(False))), b"\x00", 'field "v": is null, but the column is INT NOT NULL'),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, TEXT, b"\x02", 'field "v": a symbol beyond the 1 of the enum'),
        ({"type": "array", "items": "null"}, RowSchema.of(("v", types.array(types.STRING))), b"\xd2\x0f\x00", 'field "v": more items than the record holds, or more than 1000'),
        ("int", INT, None, "the record has no value (a tombstone)"),
    ],
)  # fmt: skip
def test_reasons(written, columns, message, reason):
    decoded = decode(record(("v", written)), columns, [message])
    assert [f.reason for f in decoded.failures] == [reason]


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("string", types.BIGINT),
        ("long", types.INT),
        ("double", types.FLOAT),
        ("boolean", types.STRING),
        ("int", types.decimal(5, 2)),
        ("int", types.timestamp(3)),
        ({"type": "long", "logicalType": "time-micros"}, types.timestamp(3)),
        ({"type": "array", "items": "string"}, types.array(types.INT)),
        ({"type": "map", "values": "int"}, types.array(types.INT)),
    ],
)
def test_types_that_do_not_go_together_are_refused_before_the_first_record(written, kind):
    with pytest.raises(VeloError, match=r'field "v": the writer.s .* cannot be read as'):
        decode(record(("v", written)), RowSchema.of(("v", kind)), [])


def test_a_union_fails_only_the_records_of_the_branch_that_cannot_be_read():
    schema = record(("v", ["int", "string", "null"]))
    messages = [with_fastavro(schema, {"v": v}) for v in (1, "a", None, 2)]
    decoded = decode(schema, LONG, messages)
    assert decoded.table.column("c0").to_pylist() == [1, None, 2]
    assert [(f.index, f.reason) for f in decoded.failures] == [
        (1, 'field "v": the writer\'s string cannot be read as BIGINT')
    ]


def test_items_in_several_blocks_with_and_without_sizes():
    blocks = b"\x04\x02\x04" + b"\x03\x04\x06\x08" + b"\x00"  # [1, 2], then a block of 2 in 2 bytes: [3, 4]
    columns = RowSchema.of(("v", types.array(types.INT)))
    assert only(decode(record(("v", {"type": "array", "items": "int"})), columns, [blocks])) == [1, 2, 3, 4]


def test_the_last_of_equal_keys_counts():
    columns = RowSchema.of(("v", types.map_of(types.STRING, types.INT)))
    message = b"\x06\x02a\x02\x02b\x04\x02a\x06\x00"
    assert only(decode(record(("v", {"type": "map", "values": "int"})), columns, [message])) == [("a", 3), ("b", 2)]


def test_references_to_named_types_and_namespaces():
    inner = {"type": "record", "name": "Point", "fields": [{"name": "x", "type": "int"}]}
    schema = {
        "type": "record",
        "name": "Line",
        "namespace": "geo.shapes",
        "fields": [{"name": "a", "type": inner}, {"name": "b", "type": ["null", "geo.shapes.Point"]}],
    }
    columns = RowSchema.of(("a", types.row(("x", types.INT))), ("b", types.row(("x", types.INT))))
    message = with_fastavro(schema, {"a": {"x": 1}, "b": {"x": 2}})
    assert decode(schema, columns, [message]).table.to_pylist() == [{"c0": {"x": 1}, "c1": {"x": 2}}]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not an Avro schema"),
        ('"strin"', "is not an Avro schema: unknown type strin"),
        ('{"type": "record", "name": "R"}', "is not an Avro schema"),
        ('{"type": "record", "name": "R", "fields": [{"name": "r", "type": ["null", "R"]}]}', "contains itself"),
        ('{"type": "enum", "name": "E", "symbols": ["A", "A"]}', "is not an Avro schema"),
        ("[" * 100 + "]" * 100, "is not an Avro schema"),
    ],
)
def test_what_is_no_schema_is_refused(text, problem):
    with pytest.raises(VeloError, match=problem):
        open_format("avro", INT, {"avro.schema": text})


@pytest.mark.parametrize(
    ("schema", "columns", "problem"),
    [
        (record(("a", "int")), RowSchema.of(("a", types.INT), ("b", types.INT)), 'no field "b"'),
        (record(("a", "int"), ("b", "int")), RowSchema.of(("a", types.INT)), 'needs a field "b"'),
        (record(("a", "int")), RowSchema.of(("a", types.BIGINT)), "cannot be written"),
        (decimal_schema(10, 2), RowSchema.of(("d", types.decimal(10, 3))), "does not fit"),
        (decimal_schema(10, 4), RowSchema.of(("d", types.decimal(10, 2))), "does not fit"),
    ],
)
def test_rows_that_the_schema_cannot_hold_are_refused(schema, columns, problem):
    avro_format = open_format("avro", columns, {"avro.schema": json.dumps(schema)})
    with pytest.raises(VeloError, match=problem):
        avro_format.encode(physical(columns, []))


@pytest.mark.parametrize(
    ("written", "kind", "value", "problem"),
    [
        ("int", types.INT, None, 'column "v" is NULL in a row'),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, types.STRING, "B", 'column "v" is "B", which is no symbol'),
        ({"type": "fixed", "name": "F", "size": 2}, types.BYTES, b"abc", "not 2 bytes long"),
    ],
)
def test_values_that_the_schema_cannot_hold_stop_the_job(written, kind, value, problem):
    columns = RowSchema.of(("v", kind))
    avro_format = open_format("avro", columns, {"avro.schema": json.dumps(record(("v", written)))})
    with pytest.raises(VeloError, match=problem):
        avro_format.encode(physical(columns, [{"v": value}]))


def test_missing_columns_are_written_as_their_defaults():
    schema = record(
        ("a", "int"), ("n", ["null", "string"]), ("d", "string", {"default": "x"}), ("l", {"type": "array", "items": "int"}, {"default": [1]})
    )  # fmt: skip
    columns = RowSchema.of(("a", types.INT))
    written = open_format("avro", columns, {"avro.schema": json.dumps(schema)}).encode(physical(columns, [{"a": 5}]))
    read = fastavro.schemaless_reader(io.BytesIO(written[0]), fastavro.parse_schema(schema), None)
    assert read == {"a": 5, "n": None, "d": "x", "l": [1]}


def test_slices_and_chunks_are_written_as_their_rows():
    schema = RowSchema.of(("s", types.STRING), ("d", types.decimal(30, 2)), ("a", types.array(types.INT)))
    rows = [{"s": "x" * i, "d": Decimal(10**i), "a": [i] * (i % 3)} for i in range(20)]
    avro_format = open_format("avro", schema, {})
    table = physical(schema, rows)
    chunked = pa.concat_tables([table.slice(0, 7), table.slice(7, 13)])
    assert avro_format.encode(table.slice(5, 4)) == avro_format.encode(table)[5:9]
    assert avro_format.encode(chunked) == avro_format.encode(table)


WRITERS = record(
    ("kept", "int"),
    ("old", "string"),
    ("gone", ["null", "long"]),
    ("e", {"type": "enum", "name": "E", "symbols": ["A", "B", "C"]}),
)
READERS = record(
    ("kept", "long"),
    ("renamed", "string", {"aliases": ["old"]}),
    ("e", {"type": "enum", "name": "E", "symbols": ["A", "C"], "default": "A"}),
    ("added", ["null", "string"], {"default": None}),
    ("text", "string", {"default": "é"}),
    ("raw", "bytes", {"default": "\u00ff\u0001"}),
    ("amount", {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, {"default": "\u0001\u0000"}),
    ("many", {"type": "array", "items": "int"}, {"default": [1, -2]}),
    ("pairs", {"type": "map", "values": "double"}, {"default": {"a": 1.5}}),
    ("nested", record(("x", "int"), ("y", "boolean", {"default": True})) | {"name": "N"}, {"default": {"x": 3}}),
)  # fmt: skip


def test_schema_evolution_by_names_aliases_and_defaults():
    columns = RowSchema.of(
        ("added", types.STRING),
        ("kept", types.BIGINT.as_nullable(False)),
        ("renamed", types.STRING),
        ("e", types.STRING),
        ("text", types.STRING),
        ("raw", types.BYTES),
        ("amount", types.decimal(4, 2)),
        ("many", types.array(types.INT)),
        ("pairs", types.map_of(types.STRING, types.DOUBLE)),
        ("nested", types.row(("x", types.INT), ("y", types.BOOLEAN))),
    )
    registry = "mock://evolution"
    framed = open_format(
        "avro-confluent", columns, {"schema.registry.url": registry, "topic": "t", "avro.schema": json.dumps(READERS)}
    )
    schema_id = registered(registry, "t-value", WRITERS)
    values = [{"kept": i, "old": f"v{i}", "gone": None if i else 5, "e": "ABC"[i]} for i in range(3)]
    messages = [b"\x00" + schema_id.to_bytes(4) + with_fastavro(WRITERS, v) for v in values]

    decoded = framed.decode(messages)

    assert decoded.failures == ()
    writers, readers = fastavro.parse_schema(WRITERS), fastavro.parse_schema(READERS)
    theirs = [fastavro.schemaless_reader(io.BytesIO(m[5:]), writers, readers) for m in messages]
    ours = rows_of(columns, decoded.table)
    assert [row["e"] for row in ours] == ["A", "A", "C"]
    assert ours[1] == {
        "added": None,
        "kept": 1,
        "renamed": "v1",
        "e": "A",
        "text": "é",
        "raw": b"\xff\x01",
        "amount": Decimal("2.56"),
        "many": [1, -2],
        "pairs": [("a", 1.5)],
        "nested": {"x": 3, "y": True},
    }
    for name in ("added", "kept", "renamed", "e", "text", "many"):
        assert [row[name] for row in ours] == [row[name] for row in theirs]


def registered(url: str, subject: str, schema: dict) -> int:
    from velo_engine.connectors.schema_registry import RegistrySchema, open_registry

    return open_registry({"schema.registry.url": url}).register(subject, RegistrySchema(json.dumps(schema)))


def test_records_of_several_writers_in_one_batch():
    url = "mock://several"
    old = registered(url, "several-value", record(("a", "int")))
    new = registered(url, "several-value", record(("b", "string", {"default": ""}), ("a", "long")))
    columns = RowSchema.of(("a", types.BIGINT), ("b", types.STRING))
    messages = [
        b"\x00" + old.to_bytes(4) + b"\x02",
        b"\x00" + new.to_bytes(4) + b"\x02x\x04",
        b"\x00" + old.to_bytes(4) + b"\x06",
        b"\x00\x00\x00\xff\xff\x02",
        b"\x01\x00\x00\x00\x01\x02",
        b"\x00\x00",
        None,
        b"\x00" + new.to_bytes(4) + b"\x02",
    ]
    decoded = open_format("avro-confluent", columns, {"schema.registry.url": url}).decode(messages)
    assert decoded.positions.tolist() == [0, 1, 2]
    assert decoded.table.to_pylist() == [{"c0": 1, "c1": None}, {"c0": 2, "c1": "x"}, {"c0": 3, "c1": None}]
    assert [(f.index, f.reason) for f in decoded.failures] == [
        (3, "schema 65535 is not in the registry mock://several"),
        (4, "the record does not begin with a zero byte and a schema id"),
        (5, "the record does not begin with a zero byte and a schema id"),
        (6, "the record has no value (a tombstone)"),
        (7, 'field "b": a length beyond the end of the record'),
    ]


def test_a_writers_schema_that_cannot_be_read_fails_its_records_with_the_reason():
    url = "mock://unreadable"
    text = registered(url, "u-value", record(("a", "string")))
    columns = RowSchema.of(("a", types.BIGINT))
    decoded = open_format("avro-confluent", columns, {"schema.registry.url": url}).decode([b"\x00" + text.to_bytes(4)])
    assert [f.reason for f in decoded.failures] == [
        f"schema {text} cannot be read as the declared columns: "
        'field "a": the writer\'s string cannot be read as BIGINT'
    ]


def test_a_column_that_may_not_be_null_must_be_in_the_writers_schema():
    url = "mock://not-null"
    schema_id = registered(url, "n-value", record(("a", "int")))
    columns = RowSchema.of(("a", types.INT), ("b", types.INT.as_nullable(False)))
    decoded = open_format("avro-confluent", columns, {"schema.registry.url": url}).decode(
        [b"\x00" + schema_id.to_bytes(4) + b"\x02"]
    )
    assert "does not have it, and it has no default" in decoded.failures[0].reason


def test_the_sink_registers_its_schema_under_the_topics_subject():
    options = {"schema.registry.url": "mock://sink", "topic": "orders"}
    columns = RowSchema.of(("id", types.BIGINT), ("name", types.STRING))
    framed = open_format("avro", columns, options)
    rows = [{"id": 1, "name": "é"}, {"id": None, "name": None}]

    written = framed.encode(physical(columns, rows))

    from velo_engine.connectors.schema_registry import open_registry

    schema_id, schema = open_registry(options).latest("orders-value")
    assert json.loads(schema.text) == json.loads(derived_schema(columns, legacy_timestamps=True))
    assert [m[:5] for m in written] == [b"\x00" + schema_id.to_bytes(4)] * 2
    parsed = fastavro.parse_schema(json.loads(schema.text))
    assert [fastavro.schemaless_reader(io.BytesIO(m[5:]), parsed, None) for m in written] == rows
    assert rows_of(columns, open_format("avro-confluent", columns, options).decode(written).table) == rows


def test_the_sink_may_be_told_not_to_register():
    columns = RowSchema.of(("id", types.INT.as_nullable(False)))
    options = {"schema.registry.url": "mock://strict", "topic": "t"}
    strict = open_format("avro-confluent", columns, {**options, "auto.register.schemas": "false"})
    with pytest.raises(VeloError, match="is not registered under t-value in mock://strict"):
        strict.encode(physical(columns, [{"id": 1}]))
    latest = {**options, "use.latest.version": "true"}
    with pytest.raises(VeloError, match="there is no schema under t-value"):
        open_format("avro-confluent", columns, latest).encode(physical(columns, [{"id": 1}]))
    schema_id = registered("mock://strict", "t-value", record(("id", "long"), ("x", "int", {"default": 3})))
    written = open_format("avro-confluent", columns, latest).encode(physical(columns, [{"id": 1}]))
    assert written == [b"\x00" + schema_id.to_bytes(4) + b"\x02\x06"]


@settings(max_examples=100, deadline=None)
@given(tables(sql_types(scalar_types())), st.randoms(use_true_random=False))
def test_batches_do_not_matter(case, random):
    schema, rows = case
    avro_format = open_format("avro", schema, NEW_TIMESTAMPS)
    messages = avro_format.encode(physical(schema, rows))
    broken = [m if random.random() < 0.7 else m[: random.randrange(len(m) + 1)] + b"\x7f" for m in messages]
    whole = avro_format.decode(broken)
    alone = [avro_format.decode([m]) for m in broken]
    assert [f.index for f in whole.failures] == [i for i, d in enumerate(alone) if d.failures]
    assert [f.reason for f in whole.failures] == [d.failures[0].reason for d in alone if d.failures]
    # As JSON, since Python has no dates beyond the year 9999.
    as_json = open_format("json", schema, {}).encode
    assert as_json(whole.table) == [row for d in alone for row in as_json(d.table)]
