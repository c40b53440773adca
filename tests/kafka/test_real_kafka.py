"""The real Kafka that other tests are held against can be gone for a while and come back."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from tools.kafka.real_kafka import RealKafka

pytestmark = pytest.mark.real_kafka


def _write(address: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": address})
    producer.produce("t", value)
    assert producer.flush(30) == 0


def _end_offset(address: str) -> int:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "g"})
    _, end = consumer.get_watermark_offsets(TopicPartition("t", 0), timeout=30)
    consumer.close()
    return int(end)


def test_a_server_that_was_gone_comes_back_with_its_records_at_its_address() -> None:
    with RealKafka() as kafka:
        address = kafka.bootstrap_servers
        _write(address, b"before")
        for records, end in ((2, kafka.stop), (3, kafka.kill)):
            end()
            kafka.start()
            assert kafka.bootstrap_servers == address
            _write(address, b"after")
            assert _end_offset(address) == records


def test_a_server_that_cannot_start_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"num\.io\.threads"):
        RealKafka({"num.io.threads": "none"})
