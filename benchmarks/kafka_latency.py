"""Kafka to Kafka: how late the results of a GROUP BY are at a steady rate, and how fast a job catches up.

    python benchmarks/kafka_latency.py                         # the embedded broker, at 10 000 messages/s
    python benchmarks/kafka_latency.py --provider real         # a real Apache Kafka (make kafka)

Broker, generator, job (`velo run`) and consumer are processes of their own. A message carries the time at which it was
handed to the producer, and each message has one result, which carries it on; the latency is from then until a consumer
has the result in hand. CPU seconds are those of each process for the whole run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

PARTITIONS = 3
KEYS = 1000
WARM_UP_S = 3.0
"""At the start of a run what is not counted: connections, imports, first plans."""

PROGRAM = """
SET 'delivery.guarantee' = '{guarantee}';
CREATE TABLE {topic} (k STRING, v INT, sent BIGINT)
WITH ('connector' = 'kafka', 'topic' = '{topic}', 'format' = 'json', 'scan.startup.mode' = 'earliest-offset'{bounded});
CREATE TABLE {topic}_out (k STRING, n BIGINT, total BIGINT, sent BIGINT, PRIMARY KEY (k) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = '{topic}_out', 'key.format' = 'json', 'value.format' = 'json');
INSERT INTO {topic}_out SELECT k, COUNT(*) AS n, SUM(v) AS total, MAX(sent) AS sent FROM {topic} GROUP BY k;
"""
BOUNDED = ", 'scan.bounded.mode' = 'latest-offset'"


def generate(brokers: str, topic: str, rate: int, seconds: float) -> None:
    """Messages at a steady rate, or `rate` messages at once when `seconds` is 0."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5 if seconds else 50, "acks": "all"})
    count, began = 0, time.time()
    total = int(rate * seconds) if seconds else rate
    while count < total:
        due = min(int((time.time() - began) * rate), total) if seconds else min(count + 10_000, total)
        sent = time.time_ns() // 1000
        for number in range(count, due):
            value = b'{"k":"key-%d","v":%d,"sent":%d}' % (number % KEYS, number % 97, sent)
            while True:
                try:
                    producer.produce(topic, value, b"key-%d" % (number % KEYS))
                    break
                except BufferError:
                    producer.poll(0.1)
        count = due
        producer.poll(0)
        if seconds:
            time.sleep(0.001)
    producer.flush()
    print(json.dumps({"count": count, "seconds": time.time() - began, "cpu": time.process_time()}))


def consume(brokers: str, topic: str, count: int) -> None:
    """The latency of `count` results, committed ones only."""
    from confluent_kafka import Consumer, TopicPartition

    settings = {"bootstrap.servers": brokers, "group.id": "latency", "isolation.level": "read_committed"}
    consumer = Consumer({**settings, "fetch.wait.max.ms": 100, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
    print("ready", flush=True)
    arrived: list[tuple[int, list[Any]]] = []
    found, deadline = 0, time.monotonic() + 180
    while found < count and time.monotonic() < deadline:
        messages = consumer.consume(1, 0.2)
        if messages:
            messages += consumer.consume(10_000, 0)
            arrived.append((time.time_ns() // 1000, messages))
            found += len(messages)
    consumer.close()
    stamp = re.compile(rb'"sent":(\d+)')
    sent = np.array([int(stamp.search(m.value())[1]) for _, batch in arrived for m in batch])
    at = np.repeat([a for a, _ in arrived], [len(batch) for _, batch in arrived])
    late = (at - sent)[sent - sent.min() >= WARM_UP_S * 1e6] / 1000
    p50, p95, p99 = np.percentile(late, [50, 95, 99])
    print(
        json.dumps({"count": found, "p50": p50, "p95": p95, "p99": p99, "max": late.max(), "cpu": time.process_time()})
    )


@contextlib.contextmanager
def broker(provider: str) -> Iterator[tuple[str, int]]:
    """Its address and its process."""
    if provider == "real":
        from tools.kafka.real_kafka import RealKafka

        with RealKafka() as kafka:
            yield kafka.bootstrap_servers, kafka.pid
        return
    with started("-c", "from velo_cli.velo import main; main()", "kafka", "serve") as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process.pid
        process.send_signal(signal.SIGTERM)


def started(*words: object) -> subprocess.Popen[str]:
    """Python, in a process of its own."""
    command = [sys.executable, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603


def job(brokers: str, topic: str, guarantee: str, folder: Path, *, bounded: bool) -> subprocess.Popen[str]:
    """`velo run`."""
    sql = folder / f"{topic}.sql"
    sql.write_text(PROGRAM.format(guarantee=guarantee, topic=topic, bounded=BOUNDED if bounded else ""))
    words = ("run", sql, "--brokers", brokers, "--checkpoint-dir", folder / topic, "--output", "json")
    return started("-c", "from velo_cli.velo import main; main()", *words)


def cpu_of(pid: int) -> float:
    """CPU seconds of a running process, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ended(process: subprocess.Popen[str]) -> tuple[str, float]:
    """What a process printed, and the CPU seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out, told = process.communicate(timeout=240)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(told)
    return out, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def make_topics(brokers: str, topic: str) -> None:
    """The input and the output."""
    from velo_engine.connectors.kafka.client import KafkaCluster
    from velo_engine.connectors.kafka.topic_admin import make_topic

    for name in (topic, f"{topic}_out"):
        make_topic(KafkaCluster(brokers), name, PARTITIONS)


def steady(
    brokers: str, pid: int, guarantee: str, rate: int, seconds: float, folder: Path, *, shown: bool = True
) -> None:
    """Print the latency at a steady rate; not `shown`: only warm a broker up, whose JVM compiles what it runs often."""
    from velo_engine.runtime.control import ask

    topic = f"steady_{uuid.uuid4().hex[:8]}"
    make_topics(brokers, topic)
    broker_cpu = cpu_of(pid)
    running = job(brokers, topic, guarantee, folder, bounded=False)
    reading = started(__file__, "--role", "consume", brokers, topic + "_out", int(rate * seconds))
    assert reading.stdout is not None
    reading.stdout.readline()
    time.sleep(2)
    made = json.loads(ended(started(__file__, "--role", "generate", brokers, topic, rate, seconds))[0])
    got = json.loads(ended(reading)[0])
    told = ask(folder / topic, ask="status")
    running.send_signal(signal.SIGINT)
    _, job_cpu = ended(running)
    if not shown:
        return
    saved, shares = told["checkpoints"], told["seconds"]
    lines = (
        f"{guarantee:14} {made['count'] / made['seconds']:8,.0f}/s for {made['seconds']:.0f} s, {got['count']:,} "
        f"results: p50 {got['p50']:.1f}  p95 {got['p95']:.1f}  p99 {got['p99']:.1f}  max {got['max']:.0f} ms",
        f"CPU s: job {job_cpu:.1f}  broker {cpu_of(pid) - broker_cpu:.1f}  generator {made['cpu']:.1f}  "
        f"consumer {got['cpu']:.1f}; load {os.getloadavg()[0]:.1f}",
        f"the job's time: {', '.join(f'{name} {seconds:.1f} s' for name, seconds in shares.items())}; "
        f"{saved['count']} checkpoints of {saved['total_seconds'] / max(saved['count'], 1) * 1000:.0f} ms",
    )
    print("\n               ".join(lines), flush=True)


def catch_up(brokers: str, pid: int, guarantee: str, count: int, folder: Path) -> None:
    """Print how fast a job reads what was there before it."""
    topic = f"behind_{uuid.uuid4().hex[:8]}"
    make_topics(brokers, topic)
    ended(started(__file__, "--role", "generate", brokers, topic, count, 0))
    broker_cpu, began = cpu_of(pid), time.monotonic()
    out, job_cpu = ended(job(brokers, topic, guarantee, folder, bounded=True))
    seconds = time.monotonic() - began
    read = json.loads(out)["records"]
    assert read == count, f"{read} of {count}"
    print(
        f"{guarantee:14} catch-up of {count:,} in {seconds:.1f} s with its start: {count / seconds:,.0f}/s | "
        f"CPU s: job {job_cpu:.1f} ({count / job_cpu:,.0f} a CPU second)  broker {cpu_of(pid) - broker_cpu:.1f} | "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provider", choices=("embedded", "real"), default="embedded")
    parser.add_argument("--rate", type=int, default=10_000, help="messages per second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--messages", type=int, default=1_000_000, help="of the catch-up; 0: none")
    parser.add_argument("--role", choices=("generate", "consume"), help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role == "generate":
        generate(given.words[0], given.words[1], int(given.words[2]), float(given.words[3]))
    elif given.role == "consume":
        consume(given.words[0], given.words[1], int(given.words[2]))
    else:
        with tempfile.TemporaryDirectory() as folder, broker(given.provider) as (brokers, pid):
            if given.seconds:
                steady(brokers, pid, "at-least-once", given.rate, WARM_UP_S + 2, Path(folder), shown=False)
            for guarantee in ("at-least-once", "exactly-once"):
                if given.seconds:
                    steady(brokers, pid, guarantee, given.rate, given.seconds, Path(folder))
            for guarantee in ("at-least-once", "exactly-once") if given.messages else ():
                catch_up(brokers, pid, guarantee, given.messages, Path(folder))


if __name__ == "__main__":
    main()
