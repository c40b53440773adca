"""Where a side is."""

from __future__ import annotations

from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_shadow.config import FileStream, Stream, TopicStream
from velo_shadow.folding import Changelog
from velo_shadow.sides.address import is_topic, parse_address, shown_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kafka://totals", TopicStream("totals", "here:1")),
        ("KAFKA://totals", TopicStream("totals", "here:1")),
        ("kafka://host:9092/totals", TopicStream("totals", "host:9092")),
        ("kafka://a:9092,[::1]:9093/shop.totals-v2", TopicStream("shop.totals-v2", "a:9092,[::1]:9093")),
        ("kafka://totals?format=debezium-json", TopicStream("totals", "here:1", "debezium-json")),
        (
            "kafka://totals?format=avro-confluent&schema.registry.url=http://registry:8081/a%26b",
            TopicStream("totals", "here:1", "avro-confluent", {"schema.registry.url": "http://registry:8081/a&b"}),
        ),
        (
            "kafka://totals?changelog=upsert&start=latest",
            TopicStream("totals", "here:1", changelog=Changelog.UPSERT, start="latest"),
        ),
        ("out/totals.jsonl", FileStream(Path("out/totals.jsonl"))),
        ("totals", FileStream(Path("totals"))),
    ],
)
def test_an_address_is_a_topic_or_a_file(text: str, expected: Stream) -> None:
    assert parse_address(text, brokers="here:1") == expected
    assert is_topic(text) == isinstance(expected, TopicStream)


def test_files_are_relative_to_a_folder() -> None:
    assert parse_address("totals.csv", folder=Path("/jobs")) == FileStream(Path("/jobs/totals.csv"))
    assert parse_address("/data/totals.csv", folder=Path("/jobs")) == FileStream(Path("/data/totals.csv"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kafka://", "names no topic"),
        ("kafka://host:9092/", "names no topic"),
        ("kafka:///totals", "names no brokers"),
        ("kafka://to tals", "names no topic"),
        ("kafka://totals?format", "is no option"),
        ("kafka://totals?=json", "is no option"),
        ("kafka://totals?changelog=upserts", "is no changelog"),
        ("s3://bucket/totals.jsonl", "neither a topic nor a file"),
        ("", "is empty"),
    ],
)
def test_what_is_no_address_is_refused(text: str, said: str) -> None:
    with pytest.raises(VeloError, match=said) as error:
        parse_address(text, brokers="here:1")

    assert error.value.code is ErrorCode.BAD_VALUE


def test_a_topic_must_be_somewhere() -> None:
    with pytest.raises(VeloError, match="nothing says where"):
        parse_address("kafka://totals")


def test_streams_are_called_as_they_are_addressed() -> None:
    assert shown_address(TopicStream("totals", "host:9092")) == "kafka://totals"
    assert shown_address(FileStream(Path("out/totals.jsonl"))) == "out/totals.jsonl"
