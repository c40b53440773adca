"""Sides that cannot be compared: a message that says what to do, and never a verdict that it is safe."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.shadow.sides.conftest import Topics

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.errors import ErrorCode, ExitCode, VeloError
from velo_shadow.config import FileStream, Stream, TopicStream
from velo_shadow.folding import Changelog
from velo_shadow.judgement import judged
from velo_shadow.live import compare_streams
from velo_shadow.model import Decision, Side
from velo_shadow.sides import kafka_reader, topic_side
from velo_shadow.sides.opening import COLUMNS_FILE, open_sides
from velo_shadow.sides.sampling import SAMPLE_RECORDS
from velo_shadow.stream.comparator import StreamComparator

ROW = {"id": 1, "total": 2, "at": "2026-01-01 00:00:00"}


def lines(*rows: Any) -> list[bytes]:
    """Rows as JSON."""
    return [json.dumps(row).encode() for row in rows]


@pytest.fixture
def decide(tmp_path: Path) -> Callable[..., Decision]:
    """The decision over two streams that are read to their ends."""

    def run(left: Stream, right: Stream, **options: Any) -> Decision:
        opened = open_sides(left, right, folder=tmp_path, **{"key": ["id"], **options})
        with StreamComparator(opened.plan, opened.changelogs, tmp_path) as comparator:
            compared = compare_streams(opened.readers(once=True), comparator)
        return judged(compared, today=date(2026, 1, 1)).verdict.decision

    return run


def refused(decide: Callable[..., Decision], left: Stream, right: Stream, **options: Any) -> VeloError:
    """The error that it ends with."""
    with pytest.raises(VeloError) as error:
        decide(left, right, **options)
    assert error.value.exit_code in (ExitCode.WRONG_INPUT, ExitCode.NO_INFRASTRUCTURE)
    return error.value


def test_brokers_that_do_not_answer(
    topics: Topics, decide: Callable[..., Decision], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = topics.write(topics.make(), lines(ROW))

    def soon(stream: TopicStream) -> KafkaCluster:
        return KafkaCluster(stream.brokers, connect_timeout_s=0.3)

    monkeypatch.setattr(topic_side, "cluster_of", soon)
    error = refused(decide, TopicStream("totals", "127.0.0.1:1"), right)

    assert error.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert "Kafka at 127.0.0.1:1: reading totals: no broker answers" in error.message


def test_a_topic_that_is_not_there(topics: Topics, decide: Callable[..., Decision]) -> None:
    error = refused(decide, TopicStream("nowhere", topics.brokers), topics.write(topics.make(), lines(ROW)))

    assert error.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert "reading nowhere: there is no such topic" in error.message


def test_a_file_that_is_not_there(topics: Topics, decide: Callable[..., Decision]) -> None:
    error = refused(decide, topics.write(topics.make(), lines(ROW)), FileStream(Path("nowhere.jsonl")))

    assert error.code is ErrorCode.FILE_NOT_FOUND


def test_a_key_that_one_side_lacks(topics: Topics, decide: Callable[..., Decision]) -> None:
    left = topics.write(topics.make(), lines({"number": 1, "total": 2}))
    right = topics.write(topics.make(), lines({"id": 1, "total": 2}))

    error = refused(decide, left, right)

    assert error.code is ErrorCode.SCHEMA_MISMATCH
    assert f'the left side, kafka://{left.topic}, has no column "id", which is to be the key' in error.message
    assert error.hint == "both sides have: total"


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        ({"id": 1, "total": 2, "tax": 1}, {"id": 1, "total": 2}, 'lacks "tax", which the other side has'),
        ({"id": 1, "total": 2}, {"id": 1, "total": "2"}, 'the type of column "total" has changed: it is no text on the left'),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit(
    topics: Topics, decide: Callable[..., Decision], left: dict[str, Any], right: dict[str, Any], said: str
) -> None:
    error = refused(decide, topics.write(topics.make(), lines(left)), topics.write(topics.make(), lines(right)))

    assert error.code is ErrorCode.SCHEMA_MISMATCH
    assert said in error.message


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ({**ROW, "total": 2.5}, 'field "total" (BIGINT): the value is a number with a fraction'),
        ({**ROW, "total": "2"}, 'field "total" (BIGINT): the value is text'),
        ({**ROW, "note": "new"}, 'it has a field "note", which no record before had'),
        ({**ROW, "at": "noon"}, 'field "at" (TIMESTAMP(6)): "noon"'),
    ],
)
def test_a_later_record_that_does_not_fit_is_named_by_its_place(
    topics: Topics, decide: Callable[..., Decision], later: dict[str, Any], said: str
) -> None:
    first = lines(ROW) * SAMPLE_RECORDS
    left = topics.write(topics.make(), lines(ROW))
    right = topics.write(topics.make(), [*first, *lines(later)])

    error = refused(decide, left, right)

    assert error.code is ErrorCode.SCHEMA_MISMATCH
    assert error.message.startswith(f"kafka://{right.topic}, partition 0, offset {SAMPLE_RECORDS}: {said}")


@pytest.mark.parametrize(
    ("value", "said", "hint"),
    [
        (b"id,total", 'the record is no JSON object: "id,total"', "say how the records are written"),
        (b"\x00\x00\x00\x00\x07\x02\x04", "the record is no JSON object", "format avro-confluent"),
    ],
)
def test_records_in_another_format(
    topics: Topics, decide: Callable[..., Decision], value: bytes, said: str, hint: str
) -> None:
    left = topics.write(topics.make(), [*lines(ROW), value])

    error = refused(decide, left, topics.write(topics.make(), lines(ROW)))

    assert error.message.startswith(f"kafka://{left.topic}, partition 0, offset 1: {said}")
    assert error.hint is not None
    assert hint in error.hint


def test_json_that_is_said_to_be_avro(topics: Topics, decide: Callable[..., Decision]) -> None:
    options = {"schema.registry.url": "mock://bad"}
    left = topics.write(topics.make(format="avro-confluent", properties=options), lines(ROW))

    error = refused(decide, left, topics.write(topics.make(), lines(ROW)))

    assert "does not begin with a zero byte and the id of a schema" in error.message


def test_a_format_that_does_not_say_its_columns(topics: Topics, decide: Callable[..., Decision]) -> None:
    left = topics.write(topics.make(format="csv"), [b"1,2"])

    error = refused(decide, left, topics.write(topics.make(), lines(ROW)))

    assert 'records in the format "csv" do not say what their columns are' in error.message


def test_tombstones_without_a_key(topics: Topics, decide: Callable[..., Decision]) -> None:
    left = topics.write(topics.make(), [*lines(ROW), None], keys=[b"1", b"1"])

    error = refused(decide, left, topics.write(topics.make(), lines(ROW)), key=[])

    assert "the record has no value (a tombstone)" in error.message
    assert error.hint is not None
    assert "upsert" in error.hint


def test_retractions_need_a_format_that_says_them(topics: Topics, decide: Callable[..., Decision]) -> None:
    left = topics.write(topics.make(changelog=Changelog.RETRACT), lines(ROW))

    error = refused(decide, left, topics.write(topics.make(), lines(ROW)))

    assert 'records in the format "json" do not say what they take back' in error.message


def test_no_side_has_a_record(topics: Topics, decide: Callable[..., Decision]) -> None:
    assert refused(decide, topics.make(), topics.make()).code is ErrorCode.EMPTY_INPUT


@pytest.mark.parametrize("empty", ["left", "right"])
def test_an_empty_side_is_not_safe(topics: Topics, decide: Callable[..., Decision], empty: str) -> None:
    sides = {"left": topics.make(), "right": topics.make()}
    topics.write(sides["right" if empty == "left" else "left"], lines(ROW))

    assert decide(**sides) is Decision.INCONCLUSIVE


def test_clocks_years_apart_are_not_safe(topics: Topics, decide: Callable[..., Decision]) -> None:
    left = topics.write(topics.make(), lines(*({**ROW, "id": i} for i in range(5))))
    right = topics.write(topics.make(), lines(*({**ROW, "id": i + 9, "at": "2019-01-01 00:00:00"} for i in range(5))))

    assert decide(left, right) is Decision.INCONCLUSIVE


def test_a_start_that_is_no_place(topics: Topics, decide: Callable[..., Decision]) -> None:
    right = topics.write(topics.make(), lines(ROW))

    for start, said in (("yesterday", "says nowhere to begin"), ("committed", "needs a group")):
        left = topics.write(topics.make(start=start), lines(ROW))
        assert said in refused(decide, left, right).message


def test_records_that_do_not_come_are_not_waited_for_on_and_on(
    topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_reader, "STALLED_S", 0.3)
    left, right = (topics.write(topics.make(), lines(ROW)) for _ in range(2))
    opened = open_sides(left, right, key=["id"], folder=tmp_path)
    readers = opened.readers(once=True)
    readers[Side.LEFT].seek({(left.topic, 0): 0, (f"{left.topic} (end)", 0): 5})

    with (
        StreamComparator(opened.plan, opened.changelogs, tmp_path) as comparator,
        pytest.raises(VeloError, match=r"no record has come for 0\.3 s") as error,
    ):
        compare_streams(readers, comparator)

    assert error.value.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert error.value.hint == "a transaction that is still open holds them back"


def test_knowledge_of_topics_that_is_damaged(topics: Topics, decide: Callable[..., Decision], tmp_path: Path) -> None:
    (tmp_path / COLUMNS_FILE).write_text("{", encoding="utf-8")
    left, right = (topics.write(topics.make(), lines(ROW)) for _ in range(2))

    assert refused(decide, left, right).code is ErrorCode.STATE_MISMATCH
