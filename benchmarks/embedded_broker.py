"""How fast the embedded Kafka broker is for a librdkafka client on the same machine.

    python benchmarks/embedded_broker.py [--messages 1000000]

The broker runs in a process of its own, as `velo kafka serve` does. Throughput is wall-clock time of one producer and
one consumer in this process at librdkafka's own batching; latency is from `produce` of one message to its delivery to a
consumer that waits for it. Client and broker share the cores: compare the lines of one run with each other.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

MESSAGE_BYTES = 100
LATENCY_SAMPLES = 1_000
BATCH = 10_000
PATIENCE_SECONDS = 60


@contextmanager
def broker_process() -> Iterator[str]:
    """The address of a broker in another process."""
    command = [sys.executable, "-c", "from velo_cli.velo import main; main()", "kafka", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def produce_rate(servers: str, messages: int) -> float:
    """Messages per second, from the first `produce` to the last acknowledgement."""
    producer = Producer({"bootstrap.servers": servers, "queue.buffering.max.messages": messages + 1, "linger.ms": 5})
    producer.list_topics("bulk", timeout=PATIENCE_SECONDS)
    value = b"x" * MESSAGE_BYTES
    begin = time.perf_counter()
    for _ in range(messages):
        producer.produce("bulk", value, partition=0)
    assert producer.flush(PATIENCE_SECONDS) == 0
    return messages / (time.perf_counter() - begin)


def consume_rate(servers: str, messages: int) -> float:
    """Messages per second, from the assignment to the last message."""
    consumer = _consumer(servers)
    consumer.list_topics("bulk", timeout=PATIENCE_SECONDS)
    begin = time.perf_counter()
    consumer.assign([TopicPartition("bulk", 0, OFFSET_BEGINNING)])
    read = 0
    while read < messages:
        read += len(consumer.consume(BATCH, PATIENCE_SECONDS))
    rate = messages / (time.perf_counter() - begin)
    consumer.close()
    return rate


def latencies_ms(servers: str) -> list[float]:
    """Milliseconds from `produce` to delivery, one message at a time."""
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 0})
    consumer = _consumer(servers)
    producer.list_topics("single", timeout=PATIENCE_SECONDS)
    consumer.list_topics("single", timeout=PATIENCE_SECONDS)
    consumer.assign([TopicPartition("single", 0, OFFSET_BEGINNING)])
    taken = []
    for _ in range(LATENCY_SAMPLES):
        begin = time.perf_counter()
        producer.produce("single", b"x", partition=0)
        producer.poll(0)
        message = consumer.poll(PATIENCE_SECONDS)
        assert message is not None
        assert message.error() is None
        taken.append((time.perf_counter() - begin) * 1000)
    producer.flush(PATIENCE_SECONDS)
    consumer.close()
    return taken[LATENCY_SAMPLES // 10 :]  # without the first, which find the leader


def _consumer(servers: str) -> Consumer:
    return Consumer({"bootstrap.servers": servers, "group.id": "benchmark", "enable.auto.commit": False})


def main() -> None:
    """Prints one line each."""
    parser = argparse.ArgumentParser(description="the embedded Kafka broker's throughput and latency")
    parser.add_argument("--messages", type=int, default=1_000_000)
    messages = parser.parse_args().messages
    with broker_process() as servers:
        print(f"produce  {produce_rate(servers, messages):12,.0f} messages/s  ({messages:,} of {MESSAGE_BYTES} bytes)")
        print(f"consume  {consume_rate(servers, messages):12,.0f} messages/s")
        taken = statistics.quantiles(latencies_ms(servers), n=100)
        print(f"latency  p50 {taken[49]:.2f} ms, p95 {taken[94]:.2f} ms, p99 {taken[98]:.2f} ms")


if __name__ == "__main__":
    main()
