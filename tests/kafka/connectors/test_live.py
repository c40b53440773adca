"""Jobs that go on, over topics of a broker: dead letters, connections, and brokers that are late."""

from __future__ import annotations

import socket
import threading
from functools import partial

import pytest

from velo_engine import Engine, JobOptions
from velo_engine.connectors.circuit import CircuitState
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.cluster_view import ClusterView
from velo_engine.connectors.kafka.connection import ConnectionState
from velo_engine.connectors.kafka.tail import records_of
from velo_engine.connectors.kafka.topic_admin import make_topic
from velo_engine.connectors.records import Records
from velo_engine.connectors.retry import retried
from velo_engine.errors import VeloError
from velo_engine.runtime import open_live
from velo_engine.runtime.checkpoints import CheckpointFolder
from velo_harness.kafka.embedded import EmbeddedBroker

COPY = """
SET 'job.dlq_topic' = '{topic}-letters';
SET 'delivery.guarantee' = '{guarantee}';
CREATE STREAM numbers (n BIGINT) WITH ('type' = 'kafka', 'topic' = '{topic}', 'scan.bounded.mode' = 'latest-offset');
CREATE STREAM halves AS SELECT 100 / n AS half FROM numbers WITH ('type' = 'kafka', 'topic' = '{topic}-out', 'partitions' = '1');
"""


def read(cluster: KafkaCluster, topic: str):
    view = ClusterView(cluster).topic(topic)
    return [m for batch in records_of(cluster, view, last=None, follow=False) for m in batch]


@pytest.mark.parametrize("guarantee", ["at-least-once", "exactly-once"])
def test_records_that_cannot_be_used_go_to_a_topic_with_reason_and_place(
    guarantee, cluster, new_topic, writer, tmp_path
):
    topic = new_topic()
    make_topic(cluster, f"{topic}-letters", 1)
    writer.write(Records(topic, [b'{"n":50}', b"broken", b'{"n":0}', b'{"n":10}']))
    writer.flush()
    engine = Engine(kafka=cluster)
    program = engine.plan(COPY.format(topic=topic, guarantee=guarantee))
    with CheckpointFolder(tmp_path) as folder:
        job = engine.live_job(program, name=topic, folder=folder)
        job.start()
        job.run(threading.Event())

    assert [m.value() for m in read(cluster, f"{topic}-out")] == [b'{"half":2}', b'{"half":10}']
    letters = read(cluster, f"{topic}-letters")
    assert [m.value() for m in letters] == [b"broken", b'{"n":0}']
    first, second = (dict(m.headers() or ()) for m in letters)
    assert (first["velo.topic"], first["velo.source"]) == (topic.encode(), b"numbers")
    assert (first["velo.partition"], first["velo.offset"]) == (b"0", b"1")
    assert second["velo.reason"] == b"/ by zero"
    assert second["velo.row"] == b'{"n":0}'


def test_the_statistics_say_whether_brokers_answer(cluster, new_topic):
    topic = new_topic()
    make_topic(cluster, f"{topic}-letters", 1)
    engine = Engine(kafka=cluster)
    job = engine.live_job(engine.plan(COPY.format(topic=topic, guarantee="at-least-once")), name=topic)

    connections = job.statistics().connections
    job.close()

    assert {name: c.circuit for name, c in connections.items()} == {"numbers": "closed", "output": "closed"}


def test_a_connection_is_a_circuit():
    from confluent_kafka import KafkaError

    now = iter([10, 20])
    state = ConnectionState(lambda: next(now))
    assert state.status.circuit is CircuitState.HALF_OPEN
    state.alive()
    state.failed(KafkaError(KafkaError._TRANSPORT, "refused"))
    assert (state.status.circuit, state.status.since_ms) == (CircuitState.CLOSED, 10)
    state.failed(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    assert (state.status.circuit, state.status.since_ms) == (CircuitState.OPEN, 20)
    assert "refused" in (state.status.problem or "")


def test_a_broker_that_is_late_is_tried_again(monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    engine = Engine(kafka=KafkaCluster(f"127.0.0.1:{port}", connect_timeout_s=0.2))
    sql = "SET 'failure_strategy' = 'RetryWithBackoff'; SET 'max_retries' = '{}'; SET 'retry_backoff' = '1ms';" + COPY
    waits: list[float] = []
    broker = EmbeddedBroker(port=port)

    def waited(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            broker.start()
            cluster = KafkaCluster(broker.bootstrap_servers)
            for name in ("t", "t-letters"):
                make_topic(cluster, name, 1)

    monkeypatch.setattr(open_live, "retried", partial(retried, sleep_s=waited))
    try:
        program = engine.plan(sql.format(50, topic="t", guarantee="at-least-once"))
        job = engine.live_job(program, name="late", options=JobOptions())
        job.close()
    finally:
        broker.stop()
    assert waits[:2] == [0.001, 0.002]


def test_without_retries_no_broker_is_an_error_at_once(monkeypatch):
    engine = Engine(kafka=KafkaCluster("127.0.0.1:1", connect_timeout_s=0.2))
    monkeypatch.setattr(open_live, "retried", partial(retried, sleep_s=pytest.fail))
    program = engine.plan(COPY.format(topic="t", guarantee="at-least-once"))

    with pytest.raises(VeloError) as caught:
        engine.live_job(program, name="none")

    assert caught.value.exit_code == 3
