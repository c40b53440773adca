"""Keys and values of records in formats of their own, as Flink's Kafka connector lays them out."""

import json

import pyarrow as pa
import pytest
from tests.engine.formats.sql_values import physical, rows_of

from velo_engine import Engine, TopicInput, types
from velo_engine.batch import KIND_SYMBOLS, RowKind
from velo_engine.connectors.keys import KeyEncoder
from velo_engine.connectors.record_formats import KeyedFormat, key_layout, open_decoder, open_encoders
from velo_engine.errors import VeloError
from velo_engine.formats import open_format
from velo_engine.schema import RowSchema

ORDERS = RowSchema.of(("k_id", types.BIGINT), ("name", types.STRING), ("k_part", types.STRING))
EXCEPT_KEY = {
    "key.format": "json",
    "key.field": "k_id;k_part",
    "key.fields-prefix": "k_",
    "value.fields-include": "EXCEPT_KEY",
}


def test_the_keys_columns_come_from_the_key_alone():
    decoder = open_decoder("o", ORDERS, {**EXCEPT_KEY, "format": "csv"}, None)
    assert isinstance(decoder, KeyedFormat)
    decoded = decoder.decode_records(
        [b"Ann", b"x,y", b"Bob", b"Cid"],
        [b'{"id": 1, "part": "a"}', b'{"id": 2}', None, b'{"id": "x"}'],
    )
    assert rows_of(ORDERS, decoded.table) == [{"k_id": 1, "name": "Ann", "k_part": "a"}]
    assert decoded.positions.tolist() == [0]
    assert [f.index for f in decoded.failures] == [1, 2, 3]
    assert [f.reason for f in decoded.failures][1:] == [
        "key: the record has no key",
        'key: field "id" (BIGINT): "x" is not a whole number',
    ]


def test_rows_are_written_and_read_in_both_formats():
    properties = {**EXCEPT_KEY, "key.format": "avro", "format": "json"}
    rows = [{"k_id": 5, "name": "Ann", "k_part": None}, {"k_id": None, "name": None, "k_part": "é"}]
    encoders = open_encoders("o", ORDERS, properties)
    table = physical(ORDERS, rows)

    values = encoders.values.encode(table)
    keys = KeyEncoder(ORDERS, encoders.key_columns, encoders.keys).encode(table)

    assert values == [b'{"name":"Ann"}', b'{"name":null}']
    assert keys == [b"\x02\x0a\x00", b"\x00\x02\x04\xc3\xa9"]
    decoder = open_decoder("o", ORDERS, properties, frozenset({0, 1, 2}))
    assert rows_of(ORDERS, decoder.decode_records(values, keys).table) == rows


def test_columns_that_nobody_wants_are_not_read_from_the_value():
    decoder = open_decoder("o", ORDERS, {**EXCEPT_KEY, "format": "json"}, frozenset({0}))
    decoded = decoder.decode_records([b'{"name": "Ann"}'], [b'{"id": 1}'])
    assert rows_of(ORDERS, decoded.table) == [{"k_id": 1, "name": None, "k_part": None}]


def test_upserts_take_the_row_of_a_tombstone_from_its_key():
    schema = RowSchema.of(("id", types.BIGINT.as_nullable(False)), ("name", types.STRING))
    properties = {"key.format": "avro", "format": "avro"}
    decoder = open_decoder("u", schema, properties, None, primary_key=(0,))
    values = open_format("avro", schema, {}).encode(physical(schema, [{"id": 1, "name": "Ann"}]))

    decoded = decoder.decode_records([values[0], None, b"\x04"], [b"\x02", b"\x06", b"\x02"])

    assert rows_of(schema, decoded.table) == [{"id": 1, "name": "Ann"}, {"id": 3, "name": None}]
    assert [KIND_SYMBOLS[k] for k in decoded.kinds.tolist()] == ["+U", "-D"]
    assert [(f.index, f.reason) for f in decoded.failures] == [(2, 'field "name": the record ends inside it')]


def test_a_key_may_be_plain_text():
    schema = RowSchema.of(("id", types.STRING.as_nullable(False)), ("n", types.INT))
    decoder = open_decoder("u", schema, {"key.format": "raw", "format": "avro"}, None, primary_key=(0,))
    assert rows_of(schema, decoder.decode_records([None], [b'a,"b']).table) == [{"id": 'a,"b', "n": None}]


def test_with_all_columns_in_the_value_the_key_is_not_read():
    properties = {"key.format": "raw", "key.field": "name", "format": "json"}
    decoder = open_decoder("o", ORDERS, properties, None)
    assert not isinstance(decoder, KeyedFormat)
    assert open_encoders("o", ORDERS, properties).keys is None
    assert key_layout("o", ORDERS, properties).key == (1,)


def test_the_value_has_options_of_its_own():
    options = {"format": "json", "value.json.fail-on-missing-field": "true", "key.json.fail-on-missing-field": "x"}
    decoded = open_decoder("o", ORDERS, options, None).decode([b"{}"])
    assert [f.reason for f in decoded.failures] == ['field "k_id" (BIGINT): missing']


def test_keys_have_a_subject_of_their_own():
    from velo_engine.connectors.schema_registry import open_registry

    properties = {
        "topic": "both",
        "format": "avro-confluent",
        "schema.registry.url": "mock://keys",
        "key.format": "avro-confluent",
        "key.field": "k_id",
    }
    encoders = open_encoders("o", ORDERS, properties)
    table = physical(ORDERS, [{"k_id": 5, "name": "Ann", "k_part": None}])
    encoders.values.encode(table)
    KeyEncoder(ORDERS, encoders.key_columns, encoders.keys).encode(table)
    registry = open_registry(properties)
    fields = [json.loads(registry.latest(s)[1].text)["fields"] for s in ("both-key", "both-value")]
    assert [[f["name"] for f in own] for own in fields] == [["k_id"], ["k_id", "name", "k_part"]]


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ({"key.field": "nme"}, 'did you mean "name"'),
        ({"key.field": "name", "key.fields-prefix": "n"}, "key.fields-prefix is set while the value has all columns"),
        ({"value.fields-include": "EXCEPT_KEY"}, "EXCEPT_KEY without a key"),
        ({"value.fields-include": "SOME"}, "it can be ALL or EXCEPT_KEY"),
        ({**EXCEPT_KEY, "key.field": "name"}, 'the key field "name" does not begin with'),
        ({**EXCEPT_KEY, "key.format": "jsn"}, 'did you mean "json"'),
    ],
)
def test_options_that_contradict_each_other_are_refused(properties, problem):
    with pytest.raises(VeloError) as refusal:
        open_encoders("o", ORDERS, properties)
    assert problem in str(refusal.value)


def test_upserts_need_to_know_the_format_of_their_keys():
    with pytest.raises(VeloError, match='upserts in the format "avro" need to know the format of their keys'):
        open_decoder("u", ORDERS, {"format": "avro"}, None, primary_key=(0,))


PEOPLE = """
CREATE TABLE people (id INT, name STRING) WITH ('connector' = 'kafka', 'topic' = 'p', 'format' = 'debezium-json');
CREATE TABLE counts (name STRING, n BIGINT, PRIMARY KEY (name) NOT ENFORCED)
WITH ('connector' = 'kafka', 'topic' = 'counts', 'format' = 'debezium-json');
"""


def event(op: str, before: dict | None, after: dict | None) -> bytes:
    return json.dumps({"before": before, "after": after, "op": op}).encode()


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_change_events_go_through_a_job(batch_size):
    from velo_engine import JobOptions

    engine = Engine()
    topic = engine.topics.create("p")
    ann, anne = {"id": 1, "name": "Ann"}, {"id": 1, "name": "Anne"}
    for value in (event("c", None, ann), None, event("u", ann, anne), b"{", None, event("d", anne, None), None):
        topic.append(value)
    program = engine.plan(PEOPLE + "INSERT INTO counts SELECT name, COUNT(*) AS n FROM people GROUP BY name;")
    result = engine.run(
        program, inputs={"people": TopicInput(topic, format="debezium-json")}, options=JobOptions(batch_size=batch_size)
    )
    written = [json.loads(v) for log in engine.topics.get("counts").logs for v in log.values]
    assert [(w["op"], (w["before"] or w["after"])["name"], (w["before"] or w["after"])["n"]) for w in written] == [
        ("c", "Ann", 1),
        ("d", "Ann", 1),
        ("c", "Anne", 1),
        ("d", "Anne", 1),
    ]
    assert [letter.raw for letter in result.dead_letters] == [b"{"]


def test_the_old_and_the_new_row_of_an_update_are_one_event():
    engine = Engine()
    topic = engine.topics.create("p")
    ann, anne = {"id": 1, "name": "Ann"}, {"id": 1, "name": "Anne"}
    topic.append(event("c", None, ann))
    topic.append(event("u", ann, anne))
    program = engine.plan(PEOPLE + "SELECT name FROM people")
    rows = engine.run(program, inputs={"people": TopicInput(topic, format="debezium-json")}).statements["select_1"].rows
    assert rows.select(["kind", "seq", "sub"]).to_pylist() == [
        {"kind": RowKind.INSERT, "seq": 0, "sub": 0},
        {"kind": RowKind.UPDATE_BEFORE, "seq": 1, "sub": 0},
        {"kind": RowKind.UPDATE_AFTER, "seq": 1, "sub": 1},
    ]
    assert rows.column("c0").to_pylist() == ["Ann", "Ann", "Anne"]
    assert isinstance(rows, pa.Table)


def test_schemas_lie_beside_the_program(tmp_path):
    (tmp_path / "schemas").mkdir()
    fields = [
        {"name": "id", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ]
    schema = {"type": "record", "name": "Event", "fields": fields}
    (tmp_path / "schemas" / "event.avsc").write_text(json.dumps(schema))
    engine = Engine(base_dir=tmp_path, root=tmp_path)
    declared = "CREATE TABLE {} (id BIGINT NOT NULL, at TIMESTAMP(6) NOT NULL) WITH ('connector' = 'kafka', 'topic' = '{}', 'format' = '{}'{});"
    program = engine.plan(
        declared.format("events", "events", "json", "")
        + declared.format("copies", "copies", "avro", ", 'avro.schema.file' = 'schemas/event.avsc'")
        + "INSERT INTO copies SELECT id, at FROM events;"
    )
    topic = engine.topics.create("events")
    topic.append(b'{"id": 1, "at": "1970-01-01 00:00:00.000002"}')
    engine.run(program, inputs={"events": TopicInput(topic)})
    assert engine.topics.get("copies").logs[0].values == [b"\x02\x04"]


def test_a_schema_outside_the_project_is_refused(tmp_path):
    engine = Engine(base_dir=tmp_path, root=tmp_path)
    engine.topics.create("t")
    declared = "CREATE TABLE t (id INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'avro', 'avro.schema.file' = '../x.avsc');"
    program = engine.plan(declared + "SELECT id FROM t;")
    with pytest.raises(VeloError, match="lies outside"):
        engine.run(program)


def test_options_of_the_formats_are_known_to_programs():
    options = {
        "connector": "kafka",
        "topic": "t",
        "value.format": "avro-confluent",
        "value.avro-confluent.url": "http://registry.example",
        "value.avro-confluent.basic-auth.user-info": "ann:secret",
        "value.avro-confluent.subject": "s",
        "key.format": "avro-confluent",
        "key.avro-confluent.url": "http://registry.example",
        "key.fields": "id",
        "value.fields-include": "EXCEPT_KEY",
        "avro.timestamp_mapping.legacy": "false",
        "schema.registry.ssl.ca.location": "ca.pem",
        "auto.register.schemas": "false",
        "use.latest.version": "true",
        "protobuf.read-default-values": "true",
    }
    written = ", ".join(f"'{key}' = '{value}'" for key, value in options.items())
    program = Engine().plan(f"CREATE TABLE t (id INT, v INT) WITH ({written}); SELECT id, v FROM t;")
    assert program.warnings == ()
    encoders = open_encoders("t", RowSchema.of(("id", types.INT), ("v", types.INT)), program.sources["t"].properties)
    assert encoders.keys._registry.url == encoders.values._values._registry.url == "http://registry.example"
    assert encoders.values._values._subject.name == "s"
    assert encoders.keys._subject.name == "t-key"
