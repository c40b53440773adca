"""From Flink SQL to the verdict: a real Flink writes topics of a broker, the imported job runs beside it.

The same Flink runs a slightly changed job, too, whose topics must not pass for those of the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from tools.flink.installation import FlinkMissingError, require_installed
from tools.flink.script_runner import run_statements
from tools.kafka import installation as kafka_installation

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.topic_admin import make_topic
from velo_harness.kafka.embedded import EmbeddedBroker

pytestmark = [pytest.mark.flink, pytest.mark.slow]

ORDERS = """CREATE TABLE orders (
  customer STRING, amount DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'shop.orders', 'properties.bootstrap.servers' = '{brokers}',
  'properties.group.id' = 'flink', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json'{bounded})"""
TOTALS = """CREATE TABLE totals{name} (customer STRING, window_end TIMESTAMP(3), n BIGINT, total DECIMAL(38, 2))
WITH ('connector' = 'kafka', 'topic' = 'totals{name}', 'properties.bootstrap.servers' = '{brokers}', 'format' = 'json')"""
BALANCES = """CREATE TABLE balances{name} (
  customer STRING, n BIGINT, balance DECIMAL(38, 2), PRIMARY KEY (customer) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka', 'topic' = 'balances{name}', 'properties.bootstrap.servers' = '{brokers}',
  'key.format' = 'json', 'value.format' = 'json')"""
FILL_TOTALS = """INSERT INTO totals{name} SELECT customer, window_end, COUNT(*), {sum}
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' MINUTE)) GROUP BY customer, window_start, window_end"""
FILL_BALANCES = """INSERT INTO balances{name} SELECT customer, COUNT(*), {sum} FROM orders GROUP BY customer"""
CHANGED = "ROUND(SUM(amount), 1)"
CUSTOMERS = 7
COUNT = 4000


def orders() -> Iterator[dict[str, Any]]:
    """An order every five seconds, some a little out of order. None is late: which of those a Flink that reads as fast
    as it can drops is chance."""
    for i in range(COUNT):
        second = 5 * i + (4 if i % 3 else 0)
        time = f"2026-01-01 {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        yield {"customer": f"customer {i % CUSTOMERS}", "amount": f"{i % 997 / 100:.2f}", "ts": time}


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    """A broker on which Flink has run both jobs to the end of the orders."""
    try:
        require_installed()
    except FlinkMissingError as missing:
        pytest.skip(str(missing))
    reason = kafka_installation.why_unavailable()
    if reason:
        pytest.skip(f"Flink's Kafka connector comes with Kafka: {reason}")
    with EmbeddedBroker() as broker:
        address = broker.bootstrap_servers
        for topic in ("shop.orders", "totals", "balances", "totals_changed", "balances_changed"):
            make_topic(KafkaCluster(address), topic, 1)
        producer = Producer({"bootstrap.servers": address, "log_level": 0})
        for row in orders():
            producer.produce("shop.orders", json.dumps(row).encode())
        producer.flush()
        statements = [ORDERS.format(brokers=address, bounded=", 'scan.bounded.mode' = 'latest-offset'")]
        for name, total in (("", "SUM(amount)"), ("_changed", CHANGED)):
            given = {"brokers": address, "name": name, "sum": total}
            statements += [part.format(**given) for part in (TOTALS, BALANCES, FILL_TOTALS, FILL_BALANCES)]
        run_statements(
            statements,
            jars=[kafka_installation.installation().flink_connector],
            settings={"parallelism.default": "1", "table.local-time-zone": "UTC"},
        )
        yield address


@pytest.fixture
def imported(brokers: str, tmp_path: Path, command: Callable[..., Any]) -> Path:
    """The folder that the import of the first job writes."""
    given = {"brokers": brokers, "name": "", "sum": "SUM(amount)"}
    parts = [ORDERS.format(brokers=brokers, bounded="")]
    parts += [part.format(**given) for part in (TOTALS, BALANCES, FILL_TOTALS, FILL_BALANCES)]
    (tmp_path / "shop.sql").write_text(";\n".join(parts) + ";\n")
    ran = command("velo", "import", "shop.sql", "--output", "shop")
    assert ran.code == 0, ran.out + ran.err
    return tmp_path / "shop"


def test_the_imported_job_is_safe_beside_flink(command: Callable[..., Any], imported: Path) -> None:
    ran = command("velo", "shadow", imported, "--once", "--warm-up", "0s", "--bound", "0.5", "--report", "r.json")

    assert ran.code == 0, ran.out + ran.err
    sinks = {sink["name"]: sink for sink in json.loads(Path("r.json").read_text())["sinks"]}
    assert [sink["verdict"]["decision"] for sink in sinks.values()] == ["SAFE", "SAFE"]
    assert sinks["balances"]["counts"]["matched"] == CUSTOMERS
    # 20 000 seconds have 33 windows that end, and one that only the end of Flink's input ends.
    assert sinks["totals"]["counts"]["matched"] == 33 * CUSTOMERS
    assert 0 < sinks["totals"]["pending"] <= CUSTOMERS


def test_a_slightly_changed_job_of_flinks_is_not_safe(command: Callable[..., Any], imported: Path) -> None:
    words = ("velo", "shadow", imported, "--once", "--warm-up", "0s", "--bound", "0.5", "--sink")
    found = []
    for sink in ("totals", "balances"):
        ran = command(*words, sink, "--compare-topic", f"kafka://{sink}_changed", "--report", f"{sink}.json")
        assert ran.code == 1, ran.out + ran.err
        found += json.loads(Path(f"{sink}.json").read_text())["sinks"]

    for sink, column in zip(found, ("total", "balance"), strict=True):
        assert sink["verdict"]["decision"] == "NOT SAFE"
        assert list(sink["counts"]["by_column"]) == [column]
        assert list(sink["causes"]) == ["decimal scale or rounding"], sink["causes"]
