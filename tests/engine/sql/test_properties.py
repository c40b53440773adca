"""WITH (…) properties: spellings, owners, typed values, and what has no meaning."""

from __future__ import annotations

from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.event_time import LateDataStrategy, WatermarkStrategy
from velo_engine.sql.parser import parse_program
from velo_engine.sql.properties import ConfigFiles, job_properties, split_properties


def statement_with(*properties):
    written = ",\n".join(f"'{key}' = '{value}'" for key, value in properties)
    (statement,) = parse_program(f"SELECT a FROM src WITH (\n{written})", file="app.sql", variables={}).statements
    return statement


def split(*properties, sources=("src",), sinks=("out",), files=None):
    return split_properties(statement_with(*properties), sources, sinks, files=files)


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("type", "type"),
        ("topic", "topic"),
        ("topic.name", "topic"),
        ("format", "format"),
        ("value.serializer", "format"),
        ("schema.value.serializer", "format"),
        ("value.format", "format"),
        ("bootstrap.servers", "bootstrap.servers"),
        ("brokers", "bootstrap.servers"),
        ("consumer_config.bootstrap.servers", "bootstrap.servers"),
        ("group.id", "group.id"),
        ("group_id", "group.id"),
        ("consumer.group", "group.id"),
        ("auto.offset.reset", "auto.offset.reset"),
        ("avro.schema", "avro.schema"),
        ("avro.schema.file", "avro.schema.file"),
        ("protobuf.schema.file", "protobuf.schema.file"),
        ("json.schema", "json.schema"),
        ("schema.registry.url", "schema.registry.url"),
        ("schema_registry", "schema.registry.url"),
        ("key.field", "key.field"),
        ("path", "path"),
        ("delimiter", "delimiter"),
        ("has_headers", "header"),
        ("has_header", "header"),
        ("header", "header"),
        ("watch", "watch"),
        ("append", "append"),
        ("mode", "mode"),
        ("datasource.schema.value.serializer", "format"),
        ("file.path", "path"),
        ("HAS_HEADERS", "header"),
        ("json.timestamp-format.standard", "json.timestamp-format.standard"),
        ("csv.null-literal", "csv.null-literal"),
        ("timestamp.format.ts", "timestamp.format.ts"),
    ],
)
def test_every_spelling_has_one_canonical_key(spelling, canonical):
    found = split((f"src.{spelling}", "x"))
    assert found.sources["src"].texts() == {canonical: "x"}
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("kafka_source", "kafka"),
        ("kafka_sink", "kafka"),
        ("file_source", "file"),
        ("file_sink", "file"),
        ("filesystem", "file"),
        ("datagen", "datagen"),
    ],
)
def test_types_are_named_without_their_direction(written, kind):
    assert split(("src.type", written)).sources["src"].get("type") == kind


def test_properties_belong_to_the_relation_whose_name_they_carry():
    found = split(("src.topic", "in"), ("out.topic", "o"), ("out.brokers", "h:1"))
    assert found.sources["src"].texts() == {"topic": "in"}
    assert found.sinks["out"].texts() == {"topic": "o", "bootstrap.servers": "h:1"}
    assert found.own.texts() == {}


def test_the_longest_name_wins():
    found = split(("a.b.topic", "x"), sources=("a", "a.b"), sinks=())
    assert found.sources["a.b"].texts() == {"topic": "x"}
    assert found.sources["a"].texts() == {}


def test_source_and_sink_stand_for_the_only_one():
    found = split(("source.type", "kafka_source"), ("sink.topic", "o"))
    assert found.sources["src"].texts() == {"type": "kafka"}
    assert found.sinks["out"].texts() == {"topic": "o"}
    ambiguous = split(("source.type", "kafka_source"), sources=("a", "b"))
    assert "could belong to several" in ambiguous.warnings[0].message


def test_properties_without_a_name_are_the_statements_and_its_sinks():
    found = split(("topic", "t"), ("mode", "upsert"), ("out.topic", "own"))
    assert found.own.texts() == {"topic": "t", "mode": "upsert"}
    assert found.sinks["out"].texts() == {"topic": "own", "mode": "upsert"}
    assert found.sources["src"].texts() == {}


def test_client_properties_pass_under_their_own_name():
    found = split(
        ("src.consumer_config.fetch.min.bytes", "1"),
        ("src.session.timeout.ms", "2"),
        ("src.security.protocol", "SSL"),
        ("src.properties.client.id", "me"),
        ("out.producer.acks", "all"),
        ("out.producer_config.linger.ms", "5"),
        ("out.sasl.jaas.config", "secret"),
    )
    client = {key: value.value for key, value in found.sources["src"].client.items()}
    assert client == {
        "fetch.min.bytes": "1",
        "session.timeout.ms": "2",
        "security.protocol": "SSL",
        "client.id": "me",
    }
    assert set(found.sinks["out"].client) == {"acks", "linger.ms", "sasl.jaas.config"}
    assert found.sources["src"].texts()["properties.client.id"] == "me"
    assert found.warnings == ()


def test_job_wide_properties():
    found = split(
        ("job.enable_dlq", "true"),
        ("job.dlq_max_size", "10"),
        ("failure_strategy", "FailBatch"),
        ("max_retries", "3"),
        ("retry_backoff", "1s"),
        ("join.timeout", "5m"),
        ("state.ttl", "1h"),
        ("delivery.guarantee", "exactly_once"),
        ("emit.semantics", "flink"),
    )
    assert {key: value.value for key, value in found.job.items()} == {
        "job.enable_dlq": "true",
        "job.dlq_max_size": "10",
        "failure_strategy": "FailBatch",
        "max_retries": "3",
        "retry_backoff": "1s",
        "join.timeout": "5m",
        "state.ttl": "1h",
        "delivery.guarantee": "exactly_once",
        "emit.semantics": "flink",
    }
    assert found.warnings == ()


def test_event_time_of_the_statement_holds_for_sources_that_say_nothing_else():
    found = split(
        ("event.time.field", "ts"),
        ("event.time.format", "epoch_millis"),
        ("watermark.strategy", "Bounded-Out-Of-Orderness"),
        ("watermark.max_out_of_orderness", "5s"),
        ("watermark.idle_timeout", "1 minute"),
        ("allowed.lateness", "500ms"),
        ("late.data.strategy", "dead_letter"),
        ("other.event.time.field", "created"),
        sources=("src", "other"),
    )
    time = found.sources["src"].event_time
    assert (time.field, time.format) == ("ts", "epoch_millis")
    assert time.strategy is WatermarkStrategy.BOUNDED_OUT_OF_ORDERNESS
    assert (time.max_out_of_orderness_ms, time.idle_timeout_ms, time.allowed_lateness_ms) == (5_000, 60_000, 500)
    assert time.late_data is LateDataStrategy.DEAD_LETTER
    assert time.locations["allowed.lateness"].line == 7
    assert found.sources["other"].event_time.field == "created"
    assert found.sources["other"].event_time.max_out_of_orderness_ms == 5_000
    assert found.own.event_time == time
    assert found.sinks["out"].event_time.field is None


@pytest.mark.parametrize(
    ("key", "value", "message", "hint"),
    [
        ("watermark.strategy", "ascendin", "cannot be 'ascendin'", 'did you mean "ascending"?'),
        ("late.data.strategy", "keep", "cannot be 'keep'", "known: dead_letter, drop, side_output, update_previous"),
        ("allowed.lateness", "soon", '"soon" is not a duration', "5s"),
        ("watermark.idle_timeout", "1 month", "no fixed length", "5s"),
        ("event.time.field", " ", "is empty", None),
    ],
)
def test_a_bad_event_time_value_is_an_error_at_its_place(key, value, message, hint):
    with pytest.raises(VeloError, match=message) as caught:
        split(("topic", "t"), (key, value))
    assert caught.value.code is ErrorCode.BAD_PROPERTY
    assert caught.value.location.line == 3
    assert caught.value.location.column == len(f"'{key}' = ") + 1
    assert hint is None or hint in caught.value.hint


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("src.topc", "did you mean 'src.topic'?"),
        ("scr.topic", "did you mean 'src.topic'?"),
        ("event.tme.field", "did you mean 'event.time.field'?"),
        ("job.enable_dql", "did you mean 'job.enable_dlq'?"),
        ("json.ignore-parse-error", "did you mean 'json.ignore-parse-errors'?"),
        ("csv.nul-literal", "did you mean 'csv.null-literal'?"),
        ("zzz", None),
    ],
)
def test_an_unknown_property_is_a_warning_with_the_nearest_name(key, hint):
    found = split(("topic", "t"), (key, "x"))
    (warning,) = found.warnings
    assert warning.message == f"the property '{key}' has no meaning"
    assert warning.hint == hint
    assert str(warning.location) == "app.sql:3:1"


def test_known_properties_without_meaning_are_listed_with_the_reason():
    found = split(("src.performance_profile", "high"), ("src.stream.config.retention.ms", "1"), ("src.cache.ttl", "1"))
    assert [warning.message.partition(": ")[0] for warning in found.warnings] == [
        "the property 'src.performance_profile' has no effect here",
        "the property 'src.stream.config.retention.ms' has no effect here",
        "the property 'src.cache.ttl' has no effect here",
    ]


def test_a_declaration_as_in_flink_keeps_its_connector():
    (statement,) = parse_program(
        "CREATE TABLE t (a INT) WITH ('connector' = 'upsert-kafka', 'topic' = 'x', 'value.format' = 'json',"
        " 'properties.bootstrap.servers' = 'h:1', 'properties.group.id' = 'g', 'json.fail-on-missing-field' = 'true')"
    ).statements
    found = split_properties(statement)
    assert found.own.texts() == {
        "connector": "upsert-kafka",
        "type": "kafka",
        "mode": "upsert",
        "topic": "x",
        "format": "json",
        "bootstrap.servers": "h:1",
        "group.id": "g",
        "json.fail-on-missing-field": "true",
    }
    assert found.warnings == ()


def test_settings_of_the_job():
    program = parse_program(
        "SET 'table.exec.state.ttl' = '1 h'; SET 'table.local-time-zone' = 'UTC'; SET 'parallelism.default' = '4';"
        "SET 'state.tll' = '1';"
    )
    job, warnings = job_properties(program)
    assert {key: value.value for key, value in job.items()} == {"state.ttl": "1 h", "time.zone": "UTC"}
    assert [warning.message.partition(":")[0] for warning in warnings] == [
        "the setting 'parallelism.default' has no effect here",
        "the setting 'state.tll' has no meaning",
    ]
    assert warnings[1].hint == "did you mean 'state.ttl'?"


def test_a_config_file_fills_what_with_leaves_open(tmp_path: Path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "base.yaml").write_text(
        "datasource:\n"
        "  type: kafka_source\n"
        "  consumer_config:\n"
        "    bootstrap.servers: ${BROKERS:localhost:9092}\n"
        "    fetch.min.bytes: 5\n"
        "  schema:\n"
        "    value.serializer: json\n"
    )
    (tmp_path / "config" / "trades.yaml").write_text(
        "extends: base.yaml\ntopic:\n  name: trades\nperformance_profile: x\n"
    )
    found = split(
        ("src.config_file", "config/trades.yaml"),
        ("src.topic", "mine"),
        files=ConfigFiles(tmp_path, {"BROKERS": "k1:9092"}),
    )
    assert found.sources["src"].texts() == {
        "config_file": "config/trades.yaml",
        "type": "kafka",
        "topic": "mine",
        "format": "json",
        "bootstrap.servers": "k1:9092",
        "properties.fetch.min.bytes": "5",
    }
    (warning,) = found.warnings
    assert warning.location.file == str(tmp_path / "config" / "trades.yaml")
    assert warning.location.line == 4


def test_a_group_in_a_config_file_tells_the_type(tmp_path: Path):
    (tmp_path / "k.yaml").write_text("kafka_source:\n  brokers: h:1\n  topic: t\n  group_id: g\n")
    found = split(("src.config_file", "k.yaml"), files=ConfigFiles(tmp_path))
    assert found.sources["src"].texts() == {
        "config_file": "k.yaml",
        "type": "kafka",
        "bootstrap.servers": "h:1",
        "topic": "t",
        "group.id": "g",
    }


def test_a_missing_config_file_is_an_error_at_the_property(tmp_path: Path):
    (tmp_path / "trades.yaml").write_text("topic: t\n")
    with pytest.raises(VeloError) as caught:
        split(("topic", "t"), ("src.config_file", "trade.yaml"), files=ConfigFiles(tmp_path))
    assert caught.value.code is ErrorCode.FILE_NOT_FOUND
    assert (caught.value.location.file, caught.value.location.line) == ("app.sql", 3)
    assert caught.value.hint == 'did you mean "trades.yaml"?'


def test_config_files_are_not_read_unless_asked_for():
    assert split(("src.config_file", "nowhere.yaml")).sources["src"].texts() == {"config_file": "nowhere.yaml"}


@pytest.mark.parametrize(
    ("key", "refused", "same"),
    [("csv.allow-comments", "true", "false"), ("json.map-null-key.mode", "DROP", "fail")],
)
def test_an_option_that_would_change_results_has_one_value(key, refused, same):
    with pytest.raises(VeloError, match=f"{key} = {refused} is not supported") as caught:
        split((key, refused))
    assert caught.value.code is ErrorCode.SQL_UNSUPPORTED
    assert caught.value.location.line == 2
    assert split((key, same)).warnings == ()


def test_options_of_formats_have_one_name_however_they_are_spelled():
    found = split(("src.csv.null_literal", "-"), ("src.value.json.ignore-parse-errors", "true"))
    assert found.warnings == ()
    assert {key: value.value for key, value in found.sources["src"].values.items()} == {
        "csv.null-literal": "-",
        "json.ignore-parse-errors": "true",
    }
