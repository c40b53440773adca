"""A broker that goes away while a job runs, and comes back: nothing is lost, nothing is there twice."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from tools.kafka.real_kafka import free_port

from tests.recovery.campaign import read_committed
from velo_engine import Engine
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.runtime.checkpoints import CheckpointFolder
from velo_engine.runtime.live_job import LiveJob
from velo_harness.kafka.embedded import EmbeddedBroker

PROGRAM = """
CREATE TABLE orders (k STRING, v INT) WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json');
CREATE TABLE doubled (k STRING, v INT) WITH ('connector' = 'kafka', 'topic' = 'doubled', 'format' = 'json');
INSERT INTO doubled SELECT k, v * 2 FROM orders;
"""
DEADLINE_S = 60.0


def until(reached: Callable[[], bool]) -> None:
    """Wait for it."""
    end = time.monotonic() + DEADLINE_S
    while not reached():
        assert time.monotonic() < end, "it did not come to that"
        threading.Event().wait(0.01)


def produce(address: str, numbers: range) -> None:
    producer = Producer({"bootstrap.servers": address})
    for number in numbers:
        producer.produce("orders", json.dumps({"k": f"k{number % 3}", "v": number}))
    producer.flush()


@pytest.mark.parametrize("guarantee", ["at-least-once", "exactly-once"])
def test_a_broker_that_comes_back_finds_the_job_waiting(guarantee: str, tmp_path: Path) -> None:
    broker = EmbeddedBroker(port=free_port())
    broker.start()
    address = broker.bootstrap_servers
    admin = AdminClient({"bootstrap.servers": address})
    for made in admin.create_topics([NewTopic("orders", 2, 1), NewTopic("doubled", 1, 1)]).values():
        made.result()
    produce(address, range(100))
    engine = Engine(kafka=KafkaCluster(address))
    program = engine.plan(f"SET 'delivery.guarantee' = '{guarantee}';" + PROGRAM)
    stop = threading.Event()
    with CheckpointFolder(tmp_path) as folder:
        job = engine.live_job(program, name="outage", folder=folder)
        job.start()
        running = threading.Thread(target=job.run, args=(stop,), daemon=True)
        running.start()
        try:
            until(lambda: published(job) == 100)
            broker.stop()
            until(lambda: seen_down(job))
            broker.start()
            produce(address, range(100, 200))
            until(lambda: published(job) == 200)
        finally:
            stop.set()
            running.join(DEADLINE_S)
    found = sorted(row["v"] for row in read_committed(address, "doubled", partitions=1))
    broker.stop()

    assert found == [2 * number for number in range(200)]


def published(job: LiveJob) -> int:
    return job.statistics().statements["doubled"].written


def seen_down(job: LiveJob) -> bool:
    return any(connection.circuit == "open" for connection in job.statistics().connections.values())
