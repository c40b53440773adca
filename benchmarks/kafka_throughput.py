"""Kafka connectors: records per CPU-second of consuming and decoding, and of encoding and producing.

    python benchmarks/kafka_throughput.py                        # against the embedded broker, in a process of its own
    python benchmarks/kafka_throughput.py --brokers HOST:PORT    # against any other

CPU time is that of this process: the client library's threads are in it, the broker's are not.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import uuid
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from velo_engine import types
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.producer import KafkaWriter
from velo_engine.connectors.kafka.source import KafkaSource
from velo_engine.connectors.kafka.start import Boundary, Place
from velo_engine.connectors.kafka.topic_admin import make_topic
from velo_engine.connectors.record_sink import AppendSink
from velo_engine.formats import open_format
from velo_engine.schema import RowSchema

SCHEMA = RowSchema.of(("id", types.BIGINT), ("symbol", types.STRING), ("price", types.DOUBLE), ("quantity", types.INT))
BATCH = 10_000
POLLED = 20_000


def rows(count: int) -> pa.Table:
    """Trades, as a sink gets them."""
    numbers = np.arange(count)
    columns = {
        "c0": numbers,
        "c1": pa.array([f"SYM{i % 100}" for i in range(count)]),
        "c2": 100 + numbers % 997 / 100,
        "c3": (numbers % 50).astype(np.int32),
        "kind": np.zeros(count, np.int8),
    }
    return pa.table(columns)


def measured(name: str, count: int, work: Callable[[], None]) -> None:
    """Print what `work` on `count` records took."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"{name:36} {count / wall / 1e3:9.0f} K records/s {count / cpu / 1e3:9.0f} K records/CPU-s")


def write(cluster: KafkaCluster, topic: str, table: pa.Table, keys: tuple[int, ...]) -> None:
    """Encode and produce all rows, and wait until they are acknowledged."""
    writer = KafkaWriter(cluster)
    sink = AppendSink(topic, open_format("json", SCHEMA, {}), SCHEMA, writer, key_columns=keys)
    for start in range(0, table.num_rows, BATCH):
        sink.write(table.slice(start, BATCH))
    sink.close()


def read(cluster: KafkaCluster, topic: str, count: int) -> None:
    """Read to the end, merged."""
    source = KafkaSource(topic, open_format("json", SCHEMA, {}), SCHEMA, cluster)
    found = 0
    while (batch := source.read(BATCH)) is not None:
        found += batch.records
    source.close()
    assert found == count, f"{found} of {count}"


def poll(cluster: KafkaCluster, topic: str, count: int) -> None:
    """Read as a live job does."""
    source = KafkaSource(topic, open_format("json", SCHEMA, {}), SCHEMA, cluster, end=Boundary(Place.LATEST))
    found = 0
    while not source.ended:
        batch = source.poll(POLLED, 1.0)
        found += 0 if batch is None else batch.records
    source.close()
    assert found == count, f"{found} of {count}"


def run(cluster: KafkaCluster, count: int, partitions: int) -> None:
    """All measurements."""
    table = rows(count)
    run_id = uuid.uuid4().hex[:8]
    for name, keys in (("encode and produce, no key", ()), ("encode and produce, keyed", (1,))):
        topic = f"throughput-{run_id}-{len(keys)}"
        make_topic(cluster, topic, partitions)
        measured(name, count, lambda topic=topic, keys=keys: write(cluster, topic, table, keys))
    measured("consume and decode, polled", count, lambda: poll(cluster, topic, count))
    measured("consume, merge and decode, to the end", count, lambda: read(cluster, topic, count))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers")
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--partitions", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.brokers:
        run(KafkaCluster(arguments.brokers), arguments.records, arguments.partitions)
        return
    serve = [sys.executable, "-c", "from velo_cli.velo import main; main()", "kafka", "serve"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as broker:  # noqa: S603
        assert broker.stdout is not None
        run(KafkaCluster(broker.stdout.readline().strip()), arguments.records, arguments.partitions)
        broker.terminate()


if __name__ == "__main__":
    main()
