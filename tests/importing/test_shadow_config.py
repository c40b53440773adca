"""shadow_config.yaml: what is written for a job, what the loader makes of it, and what it refuses at which place."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.flink.script import parse_script
from velo_harness.json_schemas import shipped_text
from velo_harness.scalars import plain_value
from velo_harness.yaml_source import parse_yaml
from velo_import.convert.job import convert_job
from velo_import.shadow_config import shadow_config_text, with_left_topic
from velo_shadow.config import FileStream, TopicStream, load_shadow_config
from velo_shadow.folding import Changelog
from velo_shadow.model import ColumnEquality, Rule

JOB = """\
CREATE TABLE orders (
    customer STRING, amount DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
    'connector' = 'kafka', 'topic' = 'shop.orders', 'properties.bootstrap.servers' = 'kafka:9092',
    'properties.group.id' = 'shop', 'properties.sasl.password' = 'secret', 'properties.security.protocol' = 'SASL_SSL',
    'format' = 'json', 'scan.startup.mode' = 'latest-offset'
);
CREATE TABLE totals (customer STRING, until TIMESTAMP(3), total DOUBLE) WITH (
    'connector' = 'kafka', 'topic' = 'shop.totals', 'properties.bootstrap.servers' = 'kafka:9092', 'format' = 'json'
);
CREATE TABLE archive (customer STRING, amount DOUBLE, at TIMESTAMP_LTZ(3), PRIMARY KEY (customer) NOT ENFORCED)
WITH ('connector' = 'jdbc', 'url' = 'jdbc:mysql://db/shop', 'table-name' = 'archive');
CREATE TABLE shown (customer STRING) WITH ('connector' = 'print');
INSERT INTO totals SELECT customer, window_end, SUM(amount)
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' MINUTE)) GROUP BY customer, window_start, window_end;
INSERT INTO archive SELECT customer, MAX(amount), NOW() FROM orders GROUP BY customer;
INSERT INTO shown SELECT customer FROM orders;
"""


def written(sql: str) -> str:
    return shadow_config_text(convert_job("shop", [parse_script(sql)]))


def loaded(folder: Path, text: str, **environment: str):
    path = folder / "shadow_config.yaml"
    path.write_text(text)
    return load_shadow_config(path, environment)


def test_a_job_becomes_inputs_and_sinks(tmp_path: Path) -> None:
    config = loaded(tmp_path, written(JOB), KAFKA_PASSWORD="p")

    assert (config.job, config.program) == ("shop", tmp_path / "app.sql")
    assert (config.warm_up_ms, config.bound, config.duration_ms) == (600_000, 0.001, 3_600_000)
    (orders,) = config.inputs
    assert (orders.source, orders.stream.start) == ("orders", "latest")
    assert orders.stream.topic == "shop.orders"
    assert orders.stream.properties == {"sasl.password": "p", "security.protocol": "SASL_SSL"}
    totals, archive = config.sinks
    assert (totals.left, totals.right) == (
        TopicStream("shop.totals", "kafka:9092"),
        TopicStream("shop.totals-velo", "kafka:9092"),
    )
    assert (totals.key, totals.time_column, totals.grace_ms) == (("customer", "until"), "until", 5000)
    assert totals.equality == {"total": ColumnEquality(Rule.REL, Decimal("1e-9"))}
    assert (archive.key, archive.ignored) == (("customer",), ("at",))
    assert archive.left == TopicStream("archive", "kafka:9092", changelog=Changelog.UPSERT)


def test_what_a_person_must_know_stands_beside_it() -> None:
    text = written(JOB)

    assert "secret" not in text
    assert text.startswith("# yaml-language-server: $schema=.velo/shadow_config.schema.json\n")
    assert "# shown: Flink's print keeps no rows that could be compared" in text
    assert (
        "left: { topic: archive, changelog: upsert }  # stands for jdbc: fill it with what Flink writes there" in text
    )
    assert "ignore: [at]  # CURRENT_TIMESTAMP: another in every run" in text
    assert "key: [customer]  # the sink's primary key" in text


def test_a_topic_that_is_given_is_one_to_be_filled_no_more() -> None:
    text = (
        "sinks:\n"
        "  - name: out\n"
        "    left: { topic: docs, format: avro }  # stands for elasticsearch-7: fill it with what Flink writes there\n"
        "    right: { topic: docs-velo, format: avro }\n"
    )

    assert with_left_topic(text, "cmp") == (
        "sinks:\n  - name: out\n    left: { topic: cmp, format: avro }\n    right: { topic: docs-velo, format: avro }\n"
    )


def test_a_written_config_is_valid_by_the_shipped_schema() -> None:
    def plain(value: object) -> object:
        match value:
            case list():
                return [plain(item) for item in value]
            case dict():
                return {key: plain(item) for key, item in value.items()}
            case Decimal():
                return float(value)
        return value

    schema = json.loads(shipped_text("shadow-config"))
    tree = plain(plain_value(parse_yaml(written(JOB), "f")))

    jsonschema.Draft202012Validator(schema).validate(tree)
    tree["sinks"][0]["lefft"] = {}
    assert not jsonschema.Draft202012Validator(schema).is_valid(tree)


def test_without_a_key_the_sides_are_bags(tmp_path: Path) -> None:
    sql = """\
CREATE TABLE a (x INT) WITH ('connector' = 'kafka', 'topic' = 'a', 'format' = 'json');
CREATE TABLE b (x INT) WITH ('connector' = 'kafka', 'topic' = 'b', 'format' = 'json');
INSERT INTO b SELECT x FROM a;
"""
    text = written(sql)
    config = loaded(tmp_path, text)

    assert config.sinks[0].key == ()
    assert config.sinks[0].time_column is None
    assert 'brokers: "localhost:9092"  # the input names none' in text


HEAD = "job: j\nbrokers: k:1\n"


def test_files_are_relative_to_the_config(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        HEAD + "waivers: w.yaml\nreport: r.json\nsinks:\n  - { name: s, left: { file: a.csv }, right: { topic: t } }\n",
    )

    assert config.sinks[0].left == FileStream(tmp_path / "a.csv")
    assert config.sinks[0].right == TopicStream("t", "k:1")
    assert (config.waivers, config.reports) == (tmp_path / "w.yaml", (tmp_path / "r.json",))
    assert (config.bound, config.least_rows, config.memory_limit) == (None, 1, "192MB")


SINK = "sinks:\n  - name: s\n    left: {left}\n    right: {right}\n"


@pytest.mark.parametrize(
    ("text", "code", "message", "line"),
    [
        (HEAD, ErrorCode.MISSING_KEY, 'needs the key "sinks"', 1),
        (HEAD + "sink: []\n", ErrorCode.UNKNOWN_KEY, 'unknown key "sink"', 3),
        (HEAD + SINK.format(left="{ topic: t }", right="{ topic: t }"), ErrorCode.BAD_VALUE, "the same stream", 6),
        (
            HEAD + SINK.format(left="{ format: json }", right="{ topic: t }"),
            ErrorCode.MISSING_KEY,
            '"topic" or "file"',
            5,
        ),
        (
            HEAD + SINK.format(left="{ file: a.csv, format: csv }", right="{ topic: t }"),
            ErrorCode.BAD_VALUE,
            '"format" has no effect',
            5,
        ),
        (
            "job: j\n" + SINK.format(left="{ topic: a }", right="{ topic: t }"),
            ErrorCode.MISSING_KEY,
            "nothing says where this topic is",
            4,
        ),
        (
            HEAD + SINK.format(left="{ topic: a }", right="{ topic: b }") + "    equal: { x: about }\n",
            ErrorCode.BAD_VALUE,
            '"about" is no rule',
            7,
        ),
        (
            HEAD + SINK.format(left="{ topic: a }", right="{ topic: b }") + "    key: [x]\n    ignore: [x]\n",
            ErrorCode.BAD_VALUE,
            '"x" is ignored and used',
            8,
        ),
        (HEAD + "inputs: [{ source: o, start: soon }]\nsinks: []\n", ErrorCode.BAD_VALUE, '"soon" says nowhere', 3),
        (
            HEAD + SINK.format(left="{ topic: a, properties: { p: '${NONE}' } }", right="{ topic: b }"),
            ErrorCode.BAD_VALUE,
            "the environment has no NONE",
            5,
        ),
        (
            HEAD + "sinks:\n" + "  - { name: s, left: { topic: a }, right: { topic: b } }\n" * 2,
            ErrorCode.BAD_VALUE,
            'two sinks "s"',
            5,
        ),
        (HEAD + "verdict: { bound: 2 }\nsinks: []\n", ErrorCode.BAD_VALUE, "0.5", 3),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(
    tmp_path: Path, text: str, code: ErrorCode, message: str, line: int
) -> None:
    with pytest.raises(VeloError) as caught:
        loaded(tmp_path, text)

    assert caught.value.code is code
    assert message in caught.value.message
    assert caught.value.location is not None
    assert caught.value.location.line == line
