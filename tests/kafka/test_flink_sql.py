"""Flink SQL with its Kafka connector reads and writes our broker: no row lost, none twice."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from tools.flink.installation import FlinkMissingError, require_installed
from tools.flink.script_runner import run_statements
from tools.kafka import installation as kafka_installation

from tests.kafka.checks.cluster import Cluster, unique

pytestmark = [pytest.mark.flink, pytest.mark.slow]

ROWS = 50_000
PARTITIONS = 2
START = 1_700_000_000_000
"""Epoch milliseconds of the first row; the others follow, one every 10 ms."""


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    try:
        require_installed()
    except FlinkMissingError as missing:
        pytest.skip(str(missing))
    reason = kafka_installation.why_unavailable()
    if reason:
        pytest.skip(f"Flink's Kafka connector comes with Kafka: {reason}")


def _table(name: str, columns: str, bootstrap_servers: str, topic: str, options: Mapping[str, str]) -> str:
    given = {
        "connector": "kafka",
        "topic": topic,
        "properties.bootstrap.servers": bootstrap_servers,
        "properties.group.id": f"{topic}-readers",
        "properties.isolation.level": "read_committed",
        "format": "json",
        "scan.startup.mode": "earliest-offset",
        "scan.bounded.mode": "latest-offset",
        **options,
    }
    properties = ", ".join(f"'{key}' = '{value}'" for key, value in given.items())
    return f"CREATE TABLE {name} ({columns}) WITH ({properties})"


def test_flink_copies_every_row_exactly_once(embedded_kafka: str) -> None:
    cluster = Cluster(embedded_kafka)
    source, target = cluster.new_topic(PARTITIONS), cluster.new_topic(PARTITIONS)
    rows = (
        {
            "value": b'{"id": %d, "v": %d}' % (number, number % 10),
            "partition": number % PARTITIONS,
            "timestamp": START + 10 * number,
        }
        for number in range(ROWS)
    )
    cluster.write(source, rows, linger_ms=20, queue_buffering_max_messages=2 * ROWS)

    # The rows of two partitions mix on their way: the watermark waits for all of them.
    columns = "id INT, v INT, ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', WATERMARK FOR ts AS ts - INTERVAL '1' HOUR"
    exactly_once = {
        "sink.delivery-guarantee": "exactly-once",
        "sink.transactional-id-prefix": unique("flink"),
        "sink.partitioner": "round-robin",
        "properties.transaction.timeout.ms": "60000",
    }
    *_, windows = run_statements(
        [
            _table("source", columns, embedded_kafka, source, {}),
            _table("target", columns, embedded_kafka, target, exactly_once),
            "INSERT INTO target SELECT id, v * 2, ts FROM source",
            "SELECT COUNT(*), COUNT(DISTINCT id), SUM(v) FROM"
            " TABLE(TUMBLE(TABLE target, DESCRIPTOR(ts), INTERVAL '10' MINUTE)) GROUP BY window_start, window_end",
        ],
        jars=[kafka_installation.installation().flink_connector],
        settings={
            "parallelism.default": "1",
            "execution.checkpointing.interval": "200ms",
            "table.local-time-zone": "UTC",
        },
    )
    counted = [sum(int(window[column]) for window in windows) for column in range(3)]
    assert counted == [ROWS, ROWS, sum(number % 10 * 2 for number in range(ROWS))]

    # The same, as another client sees it.
    messages = cluster.read_all(target, range(PARTITIONS))
    cluster.close()
    written = [json.loads(message.value() or b"") for message in messages]
    assert len(written) == ROWS
    assert {(row["id"], row["v"]) for row in written} == {(number, number % 10 * 2) for number in range(ROWS)}
    assert {message.partition() for message in messages} == set(range(PARTITIONS))
