"""`velo kafka topics`, `groups` and `tail`."""

from __future__ import annotations

import itertools
import json
import threading

import numpy as np
import pytest
from typer.testing import CliRunner

from velo_cli.kafka_commands import kafka_app
from velo_engine.connectors.kafka.cluster_view import ClusterView
from velo_engine.connectors.kafka.producer import TransactionalWriter
from velo_engine.connectors.kafka.tail import records_of
from velo_engine.connectors.records import Records
from velo_engine.errors import VeloError


@pytest.fixture
def velo_kafka(kafka_bootstrap):
    def run(*arguments: str) -> bytes:
        result = CliRunner().invoke(kafka_app, [*arguments, "--brokers", kafka_bootstrap], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout_bytes

    return run


@pytest.fixture
def filled(new_topic, writer):
    """A topic of two partitions with the values 0 to 5, by time."""
    topic = new_topic(2)
    times = np.array([1000, 2000, 3000, 4000, 5000, 6000])
    writer.write(
        Records(
            topic,
            [b"0", b"1", b"2", b"\xff", None, b"5"],
            [b"k0", None, b"k2", b"k3", b"k4", b"k5"],
            times,
            [(("h", b"v"),), (), (), (), (), ()],
            np.array([0, 1, 1, 0, 1, 0], np.int32),
        )
    )
    writer.flush()
    return topic


def test_topics_are_listed_with_their_sizes(velo_kafka, filled):
    listed = json.loads(velo_kafka("topics", "--output", "json"))

    assert [t for t in listed if t["topic"] == filled] == [
        {
            "topic": filled,
            "replicas": 1,
            "partitions": [
                {"partition": 0, "first_offset": 0, "next_offset": 3},
                {"partition": 1, "first_offset": 0, "next_offset": 3},
            ],
        }
    ]
    assert not [t for t in listed if t["topic"].startswith("__")]
    lines = velo_kafka("topics").decode().splitlines()
    assert lines[0].split() == ["TOPIC", "PARTITIONS", "REPLICAS", "OFFSETS"]
    assert [filled, "2", "1", "6"] in [line.split() for line in lines]


def test_tail_gives_the_last_records_in_order(velo_kafka, filled):
    records = [json.loads(line) for line in velo_kafka("tail", filled, "-n", "3").splitlines()]

    assert [(r["partition"], r["offset"], r["timestamp"]) for r in records] == [
        (0, 1, "1970-01-01T00:00:04.000Z"),
        (1, 2, "1970-01-01T00:00:05.000Z"),
        (0, 2, "1970-01-01T00:00:06.000Z"),
    ]
    assert [r.get("value") for r in records] == [None, None, "5"]
    assert records[0]["value_base64"] == "/w=="
    assert "value_base64" not in records[1]


def test_tail_from_the_beginning(velo_kafka, filled):
    assert velo_kafka("tail", filled, "--from", "beginning", "--format", "raw") == b"0\n1\n2\n\xff\n\n5\n"
    assert velo_kafka("tail", filled, "--from", "beginning", "--count", "2", "--format", "key-value") == b"k0\t0\n\t1\n"
    first = json.loads(velo_kafka("tail", filled, "--from", "beginning", "--count", "1"))
    assert first["headers"] == [{"name": "h", "value": "v"}]


def test_tail_from_the_end_gives_nothing_that_is_there(velo_kafka, filled):
    assert velo_kafka("tail", filled, "--from", "end") == b""


def test_following_gives_what_comes(cluster, filled, writer):
    view = ClusterView(cluster).topic(filled)
    coming = records_of(cluster, view, last=1, follow=True)
    assert [m.value() for m in next(coming)] == [b"5"]
    writer.write(Records(filled, [b"6"]))
    writer.write(Records(filled, [b"7"]))

    found = itertools.chain.from_iterable(coming)

    assert {next(found).value(), next(found).value()} == {b"6", b"7"}
    coming.close()


def test_the_lag_of_a_group(velo_kafka, cluster, filled):
    transactions = TransactionalWriter(cluster, f"velo.{filled}", f"velo.{filled}")
    transactions.open()
    transactions.publish(3, [], {(filled, 0): 1, (filled, 1): 3})
    transactions.close()

    offsets = json.loads(velo_kafka("groups", f"velo.{filled}", "--output", "json"))

    assert [(o["partition"], o["offset"], o["next_offset"], o["lag"], o["metadata"]) for o in offsets] == [
        (0, 1, 3, 2, "epoch=3"),
        (1, 3, 3, 0, "epoch=3"),
    ]
    assert velo_kafka("groups", f"velo.{filled}").decode().splitlines()[-1].split() == ["all", "2"]
    assert f"velo.{filled}" in [g["group"] for g in json.loads(velo_kafka("groups", "--output", "json"))]


def test_a_topic_or_group_that_is_not_there(cluster):
    with pytest.raises(VeloError, match='there is no topic "nowhere"') as no_topic:
        ClusterView(cluster).topic("nowhere")
    with pytest.raises(VeloError, match='the group "nobody" has committed nothing') as no_group:
        ClusterView(cluster).group_offsets("nobody")

    assert (no_topic.value.exit_code, no_group.value.exit_code) == (3, 3)


def test_no_cluster_is_named(monkeypatch):
    monkeypatch.delenv("VELO_KAFKA_BOOTSTRAP_SERVERS", raising=False)

    result = CliRunner().invoke(kafka_app, ["topics"])

    assert isinstance(result.exception, VeloError)
    assert result.exception.exit_code == 3
    assert "--brokers" in (result.exception.hint or "")


def test_following_ends_when_it_is_told_to(cluster, filled):
    stop = threading.Event()
    coming = records_of(cluster, ClusterView(cluster).topic(filled), last=1, follow=True, stop=stop)
    assert len(next(coming)) == 1
    stop.set()

    assert list(coming) == []
