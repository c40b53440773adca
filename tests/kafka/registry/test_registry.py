"""The registry for tests, asked by Confluent's own client, and our client asking it."""

import contextlib
import json
import socket
import urllib.request

import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.formats.sql_values import physical, rows_of
from velo_engine import types
from velo_engine.connectors.schema_registry import RegistrySchema, open_registry, without_credentials
from velo_engine.errors import ErrorCode, ExitCode, VeloError
from velo_engine.formats import open_format
from velo_engine.formats.avro.schema import parse_avro_schema
from velo_engine.schema import RowSchema
from velo_harness.kafka.registry import RegistryServer
from velo_harness.kafka.registry.compatibility import breaches, unreadable

COLUMNS = RowSchema.of(("id", types.BIGINT.as_nullable(False)), ("name", types.STRING))
WIDER = RowSchema.of(("id", types.BIGINT.as_nullable(False)), ("name", types.STRING), ("age", types.INT))
NEEDS_AGE = RowSchema.of(("id", types.BIGINT.as_nullable(False)), ("age", types.INT.as_nullable(False)))
FAST = {"schema.registry.max.retries": "0", "schema.registry.timeout": "5"}


@pytest.fixture
def server():
    with RegistryServer() as running:
        yield running


def record(*fields: tuple) -> str:
    made = [{"name": name, "type": t, **(extra[0] if extra else {})} for name, t, *extra in fields]
    return json.dumps({"type": "record", "name": "R", "fields": made})


def avro(server: RegistryServer, columns: RowSchema, **options: str) -> object:
    return open_format("avro-confluent", columns, {"schema.registry.url": server.url, "topic": "t", **FAST, **options})


def test_rows_go_from_sink_to_source_while_the_schema_grows(server):
    old = avro(server, COLUMNS).encode(physical(COLUMNS, [{"id": 1, "name": "Ann"}]))
    new = avro(server, WIDER).encode(physical(WIDER, [{"id": 2, "name": None, "age": 30}]))
    assert server.store.versions("t-value") == [1, 2]
    assert rows_of(WIDER, avro(server, WIDER).decode(old + new).table) == [
        {"id": 1, "name": "Ann", "age": None},
        {"id": 2, "name": None, "age": 30},
    ]
    assert rows_of(COLUMNS, avro(server, COLUMNS).decode(old + new).table) == [
        {"id": 1, "name": "Ann"},
        {"id": 2, "name": None},
    ]


def test_an_incompatible_schema_is_refused(server):
    avro(server, COLUMNS).encode(physical(COLUMNS, []))
    with pytest.raises(VeloError) as refusal:
        avro(server, NEEDS_AGE).encode(physical(NEEDS_AGE, []))
    assert refusal.value.code is ErrorCode.SCHEMA_MISMATCH
    assert server.url in refusal.value.message
    assert "/age: a new field without default" in refusal.value.message


@pytest.fixture
def client(server):
    with contextlib.closing(SchemaRegistryClient({"url": server.url, "max.retries": 0})) as made:
        yield made


def test_confluents_serializers_and_ours_read_each_other(server, client):
    context = SerializationContext("t", MessageField.VALUE)
    text = record(("id", "long"), ("name", ["null", "string"], {"default": None}))
    theirs = AvroSerializer(client, text)({"id": 5, "name": "é"}, context)
    assert rows_of(COLUMNS, avro(server, COLUMNS).decode([theirs]).table) == [{"id": 5, "name": "é"}]
    ours = avro(server, COLUMNS).encode(physical(COLUMNS, [{"id": 6, "name": None}]))[0]
    assert AvroDeserializer(client)(ours, context) == {"id": 6, "name": None}


def test_the_api_that_confluents_client_speaks(client):
    first = Schema(record(("a", "int")), "AVRO")
    schema_id = client.register_schema("s", first)
    assert client.register_schema("other", first) == schema_id
    assert client.get_schema(schema_id).schema_str == first.schema_str
    assert client.lookup_schema("s", first).version == 1
    assert client.get_latest_version("s").schema_id == schema_id
    assert sorted(client.get_subjects()) == ["other", "s"]
    text = Schema(record(("a", "string")), "AVRO")
    assert not client.test_compatibility("s", text)
    assert client.get_compatibility() == "BACKWARD"
    client.set_compatibility("s", "NONE")
    client.register_schema("s", text)
    assert client.get_versions("s") == [1, 2]
    assert client.delete_subject("s") == [1, 2]
    proto = Schema('syntax = "proto3"; message M { int32 a = 1; }', "PROTOBUF")
    assert client.get_schema(client.register_schema("p", proto)).schema_type == "PROTOBUF"


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (lambda c: c.get_schema(99), 404),
        (lambda c: c.get_latest_version("none"), 404),
        (lambda c: c.register_schema("s", Schema("{", "AVRO")), 422),
        (lambda c: c.register_schema("s", Schema("x", "XML")), 422),
        (lambda c: c.set_compatibility("s", "SIDEWAYS"), 422),
    ],
)
def test_what_is_wrong_is_answered_with_a_code(client, ask, status):
    with pytest.raises(SchemaRegistryError) as refusal:
        ask(client)
    assert refusal.value.http_status_code == status


def test_an_id_is_asked_for_once(server):
    registry = open_registry({"schema.registry.url": server.url})
    schema_id = registry.register("s", RegistrySchema(record(("a", "int"))))
    assert registry.schema_by_id(99) is None
    found = registry.schema_by_id(schema_id)
    server.close()
    assert registry.schema_by_id(99) is None
    assert registry.schema_by_id(schema_id) is found
    assert registry.register("s", RegistrySchema(record(("a", "int")))) == schema_id
    server.__init__()  # so that the fixture has one to close


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_registry_that_is_away_is_missing_infrastructure():
    url = f"http://ann:secret@127.0.0.1:{free_port()}"
    options = {"schema.registry.url": url, "topic": "t", **FAST}
    for use in (
        lambda: open_format("avro-confluent", COLUMNS, options).decode([b"\x00\x00\x00\x00\x01\x02"]),
        lambda: open_format("avro-confluent", COLUMNS, options).encode(physical(COLUMNS, [])),
    ):
        with pytest.raises(VeloError) as refusal:
            use()
        assert refusal.value.exit_code is ExitCode.NO_INFRASTRUCTURE
        assert "does not answer" in refusal.value.message
        assert "secret" not in str(refusal.value)


def test_what_answers_and_is_no_registry(server):
    options = {"schema.registry.url": server.url + "/nowhere", "topic": "t", **FAST}
    with pytest.raises(VeloError, match="there is no schema registry at"):
        open_format("avro-confluent", COLUMNS, options).encode(physical(COLUMNS, []))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "needs a schema registry"),
        ({"schema.registry.url": "registry:8081"}, "cannot be used: Invalid url"),
        ({"schema.registry.url": "http://x", "schema.registry.colour": "blue"}, "Unrecognized properties: colour"),
        ({"schema.registry.url": "http://x", "schema.registry.timeout": "soon"}, "it is a number"),
        ({"schema.registry.url": "http://x", "avro-confluent.ssl.truststore.location": "x.jks"}, "Java key store"),
        ({"schema.registry.url": "http://x", "auto.register.schemas": "maybe"}, "it can be true or false"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, problem):
    with pytest.raises(VeloError) as refusal:
        open_format("avro-confluent", COLUMNS, {"topic": "t", **options}).encode(physical(COLUMNS, []))
    assert problem in str(refusal.value)
    assert refusal.value.exit_code is ExitCode.WRONG_INPUT


def test_credentials_are_sent_and_not_shown():
    assert without_credentials("https://ann:secret@registry.example:8081") == "https://***@registry.example:8081"
    registry = open_registry({"avro-confluent.url": "http://x", "avro-confluent.basic-auth.user-info": "ann:secret"})
    assert registry._settings["basic.auth.user.info"] == "ann:secret"


def test_a_request_may_not_be_large(server):
    request = urllib.request.Request(
        f"{server.url}/subjects/s/versions", method="POST", headers={"Content-Length": "5000000"}, data=b"{}"
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request)
    assert refusal.value.code == 413
    refusal.value.close()


PRIMITIVES = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "bytes", "string"])


def avro_types() -> st.SearchStrategy:
    named = st.sampled_from(
        [
            {"type": "fixed", "name": "F", "size": 2},
            {"type": "fixed", "name": "F", "size": 3},
            {"type": "enum", "name": "E", "symbols": ["A"]},
            {"type": "enum", "name": "E", "symbols": ["A", "B"]},
        ]
    )

    def nested(inner):
        return st.one_of(
            inner.map(lambda t: {"type": "array", "items": t}),
            inner.map(lambda t: {"type": "map", "values": t}),
            PRIMITIVES.filter(lambda t: t != "null").map(lambda t: ["null", t]),
        )

    return st.recursive(PRIMITIVES | named, nested, max_leaves=3)


def avro_records() -> st.SearchStrategy:
    def field(name):
        return st.tuples(avro_types(), st.booleans()).map(
            lambda x: (name, ["null", x[0]] if x[1] and plain(x[0]) else x[0], {"default": None} if x[1] and plain(x[0]) else {})
        )  # fmt: skip

    return st.lists(st.sampled_from("abc"), unique=True, max_size=3).flatmap(
        lambda names: st.tuples(*map(field, names)).map(lambda fields: unique_names(record(*fields)))
    )


def plain(t: object) -> bool:
    return not isinstance(t, list) and t != "null"


def unique_names(text: str) -> str:
    """Only the first definition of a named type may stand; others get names of their own."""
    parts = text.split('"name": "F"')
    text = parts[0] + "".join(f'"name": "F{i if i else ""}"{part}' for i, part in enumerate(parts[1:]))
    parts = text.split('"name": "E"')
    return parts[0] + "".join(f'"name": "E{i if i else ""}"{part}' for i, part in enumerate(parts[1:]))


@settings(max_examples=100, deadline=None)
@given(avro_records(), avro_records())
def test_compatibility_is_that_of_the_apache_implementation(reader, writer):
    theirs = ReaderWriterCompatibilityChecker().get_compatibility(parse(reader), parse(writer))
    ours = list(unreadable(parse_avro_schema(reader, "r"), parse_avro_schema(writer, "w"), ""))
    if ours:
        assert theirs.compatibility is SchemaCompatibilityType.incompatible
    elif '"F' not in reader and '"E' not in reader:
        # It also compares the names of types, which Confluent's registry and Avro's Java reader do not for most.
        assert theirs.compatibility is SchemaCompatibilityType.compatible


OLD = record(("a", "int"), ("b", "string", {"default": ""}))
WITHOUT_B = record(("a", "int"))
WIDENED = record(("a", "long"), ("b", "string", {"default": ""}))
ADDED = record(("a", "int"), ("b", "string", {"default": ""}), ("c", "int"))


@pytest.mark.parametrize(
    ("new", "allowed"),
    [
        (WITHOUT_B, {"BACKWARD", "FORWARD", "FULL", "NONE"}),
        (WIDENED, {"BACKWARD", "NONE"}),
        (ADDED, {"FORWARD", "NONE"}),
        (record(("a", "string")), {"NONE"}),
    ],
)
def test_levels(new, allowed):
    versions = [parse_avro_schema(OLD, "old")]
    ours = parse_avro_schema(new, "new")
    assert {
        level for level in ("BACKWARD", "FORWARD", "FULL", "NONE") if not breaches(level, ours, versions)
    } == allowed


def test_transitive_levels_look_at_all_versions():
    versions = [parse_avro_schema(t, "old") for t in (record(("a", "string")), OLD)]
    new = parse_avro_schema(WIDENED, "new")
    assert not breaches("BACKWARD", new, versions)
    assert breaches("BACKWARD_TRANSITIVE", new, versions)
