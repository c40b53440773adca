"""`velo run` on topics: what it writes, shows and answers, how it ends, and how the next run goes on."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from velo_engine.connectors.kafka import client
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.topic_admin import make_topic
from velo_harness.kafka.embedded import EmbeddedBroker

DEADLINE_S = 60

PROGRAM = """
SET 'delivery.guarantee' = '{guarantee}';
CREATE TABLE orders (id BIGINT, k STRING, v INT)
WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json', 'scan.startup.mode' = 'earliest-offset'{more});
CREATE TABLE sums (k STRING, n BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = 'sums', 'key.format' = 'json', 'value.format' = 'json');
-- @metric: large_orders_total
-- @metric_type: counter
-- @metric_labels: k
-- @metric_condition: v >= 5
-- @metric: order_value
-- @metric_type: histogram
-- @metric_field: v
-- @metric_buckets: 1, 3
-- @metric: newest_value
-- @metric_type: gauge
-- @metric_field: v
-- @metric_labels: k
CREATE VIEW fresh AS SELECT k, v FROM orders;
INSERT INTO sums SELECT k, COUNT(*) AS n, SUM(v) AS s FROM fresh GROUP BY k;
"""
BOUNDED = ", 'scan.bounded.mode' = 'latest-offset'"


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        for topic in ("orders", "sums"):
            make_topic(KafkaCluster(running.bootstrap_servers), topic, 1)
        yield running


def produce(broker: EmbeddedBroker, first: int, last: int) -> None:
    """Orders `first <= id < last`: keys a, b, c in turn, values 0 to 6 in turn."""
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "linger.ms": 0, "log_level": 0})
    for i in range(first, last):
        producer.produce("orders", json.dumps({"id": i, "k": "abc"[i % 3], "v": i % 7}).encode())
    producer.flush()


def expected(count: int) -> dict[str, tuple[int, int]]:
    """Per key how many of the first orders it has, and their sum."""
    orders = [("abc"[i % 3], i % 7) for i in range(count)]
    return {key: (sum(k == key for k, _ in orders), sum(v for k, v in orders if k == key)) for key in "abc"}


def results(broker: EmbeddedBroker, topic: str = "sums") -> list[dict[str, object]]:
    """All committed records of a topic."""
    consumer = Consumer(
        {"bootstrap.servers": broker.bootstrap_servers, "group.id": "test", "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[dict[str, object]] = []
    while True:
        (message,) = consumer.consume(1, DEADLINE_S) or (None,)
        assert message is not None
        if message.error() is not None:
            consumer.close()
            return found
        found.append(json.loads(message.value()))


def sums_in(broker: EmbeddedBroker) -> dict[str, tuple[object, object]]:
    return {str(row["k"]): (row["n"], row["s"]) for row in results(broker)}


class Running:
    """A `velo run` in a process of its own, with its metrics."""

    def __init__(self, *words: object) -> None:
        program = "from velo_cli.velo import main; main()"
        command = [sys.executable, "-c", program, "run", *map(str, words), "--metrics-port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.told = ""
        assert self.process.stderr is not None
        while (found := re.search(r"metrics: (http://\S+)/metrics", self.told)) is None:
            line = self.process.stderr.readline()
            assert line, self.told
            self.told += line
        self.address = found[1]

    def get(self, page: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"{self.address}{page}", timeout=DEADLINE_S) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    def metrics(self) -> dict[tuple[str, ...], float]:
        """Every sample, by its name and the values of its labels."""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return {(s.name, *s.labels.values()): s.value for f in families for s in f.samples}

    def wait(self, reached: Callable[[Running], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not reached(self):
            assert time.monotonic() < deadline
            assert self.process.poll() is None, self.end()
            time.sleep(0.02)

    def wait_for(self, records: int) -> None:
        """Until so many records have been read in this run."""
        self.wait(lambda job: job.metrics()["velo_job_records_in_total", "orders"] == records)

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        if number is not None:
            self.process.send_signal(number)
        out, told = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, out, self.told + told


@contextmanager
def running(*words: object) -> Iterator[Running]:
    job = Running(*words)
    try:
        yield job
    finally:
        job.process.kill()
        job.process.communicate()


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Path]:
    def write(guarantee: str = "at-least-once", more: str = "") -> Path:
        (tmp_path / "app.sql").write_text(PROGRAM.format(guarantee=guarantee, more=more))
        return tmp_path / "app.sql"

    return write


def test_it_runs_to_the_end_of_a_bounded_topic(command, broker, program) -> None:
    produce(broker, 0, 50)
    ran = command("velo", "run", program(more=BOUNDED), "--brokers", broker.bootstrap_servers, "--output", "json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["records"] == 50
    assert sums_in(broker) == expected(50)
    assert len(results(broker)) == 50


def test_changes_without_a_sink_are_printed_as_they_come(command, broker, tmp_path) -> None:
    produce(broker, 0, 4)
    (tmp_path / "show.sql").write_text(
        "CREATE TABLE orders (id BIGINT, k STRING, v INT) WITH ('connector' = 'kafka', 'topic' = 'orders', "
        f"'format' = 'json', 'scan.startup.mode' = 'earliest-offset'{BOUNDED});"
        "CREATE TABLE shown (id BIGINT, d DECIMAL(4, 2)) WITH ('connector' = 'print');"
        "CREATE TABLE hidden (id BIGINT) WITH ('connector' = 'blackhole');"
        "SELECT k, COUNT(*) AS n FROM orders GROUP BY k;"
        "INSERT INTO shown SELECT id, CAST(NULLIF(v, 2) AS DECIMAL(4, 2)) FROM orders;"
        "INSERT INTO hidden SELECT id FROM orders;"
    )
    ran = command("velo", "run", "show.sql", "--brokers", broker.bootstrap_servers)
    assert ran.code == 0, ran.err
    assert sorted(ran.out.splitlines()) == [
        "select_1> +I[a, 1]",
        "select_1> +I[b, 1]",
        "select_1> +I[c, 1]",
        "select_1> +U[a, 2]",
        "select_1> -U[a, 1]",
        "shown> +I[0, 0.00]",
        "shown> +I[1, 1.00]",
        "shown> +I[2, null]",
        "shown> +I[3, 3.00]",
    ]


def test_ctrl_c_ends_it_cleanly_and_the_next_runs_go_on(command, broker, program, tmp_path) -> None:
    words = (program("exactly-once"), "--brokers", broker.bootstrap_servers, "--checkpoint-dir", tmp_path / "state")
    produce(broker, 0, 30)
    with running(*words) as job:
        job.wait_for(30)
        code, out, told = job.end(signal.SIGINT)
    assert (code, out) == (0, "")
    assert "Traceback" not in told
    assert re.search(r"sums +read 30 = accepted 30 ", told)

    produce(broker, 30, 50)
    with running(*words) as job:
        job.wait_for(20)
        in_use = command("velo", "run", *words)
        job.wait(lambda job: sums_in(broker) == expected(50))
        job.process.kill()
    assert in_use.code == 2
    assert "another process runs a job with the checkpoint folder" in in_use.err

    produce(broker, 50, 61)
    with running(*words) as job:
        job.wait(lambda job: sums_in(broker) == expected(61))
        saved = command("velo", "savepoint", tmp_path / "state", tmp_path / "kept", "--stop")
        code, _, told = job.end()
    assert (code, saved.code) == (0, 0), told + saved.err
    assert "going on from the checkpoint" in told
    assert len(results(broker)) == 61

    produce(broker, 61, 70)
    bounded = (program(more=BOUNDED), "--brokers", broker.bootstrap_servers)
    ran = command(
        "velo", "run", *bounded, "--checkpoint-dir", tmp_path / "other", "--from-savepoint", tmp_path / "kept"
    )
    assert ran.code == 0, ran.err
    assert sums_in(broker) == expected(70)
    assert len(results(broker)) == 70

    bounded[0].write_text(bounded[0].read_text().replace("SUM(v) AS s", "MAX(v) AS s"))
    changed = command("velo", "run", *bounded, "--from-savepoint", tmp_path / "kept")
    assert changed.code == 2
    assert "the saved state does not fit the program, which has changed since" in changed.err
    assert "sums: " in changed.err
    assert "--allow-lost-state" in changed.err


def test_metrics_are_what_a_hand_counts_and_health_follows_the_broker(broker, program) -> None:
    with running(program(), "--brokers", broker.bootstrap_servers, "--name", "totals") as job:
        produce(broker, 0, 40)
        job.wait_for(40)
        found = job.metrics()
        status, page = job.get("/health")
        assert (status, json.loads(page)["status"], json.loads(page)["job"]) == (200, "healthy", "totals")
        assert job.get("/elsewhere")[0] == 404
        broker.stop()
        job.wait(lambda job: job.get("/health")[0] == 503)
        problems = json.loads(job.get("/health")[1])["problems"]
        assert any("no broker answers" in problem for problem in problems)
        broker.start()
        job.wait(lambda job: job.get("/health")[0] == 200)
        assert job.end(signal.SIGTERM)[0] == 0

    orders = [("abc"[i % 3], i % 7) for i in range(40)]
    assert found["velo_job_info", "totals"] == 1
    assert found["velo_job_changes_out_total", "fresh"] == 40
    assert found["velo_job_records_out_total", "sums"] == 40
    assert found["velo_job_state_rows", "sums"] == 3
    assert found["velo_job_dead_letters_total",] == 0
    assert found["velo_job_latency_seconds_count",] == 40
    assert found["velo_job_connection_state", "orders", "closed"] == 1
    for key, count in Counter(k for k, v in orders if v >= 5).items():
        assert found["large_orders_total", key] == count
    for key in "abc":
        assert found["newest_value", key] == [v for k, v in orders if k == key][-1]
    for bound, count in (("1.0", 12), ("3.0", 24), ("+Inf", 40)):  # 40 = 5 * 7 + 5: values 0 to 4 six times
        assert found["order_value_bucket", bound] == count
    assert found["order_value_sum",] == sum(v for _, v in orders)


@pytest.fixture
def _impatient(monkeypatch) -> None:
    found = client.cluster_from
    monkeypatch.setattr(client, "cluster_from", lambda *given: replace(found(*given), connect_timeout_s=0.3))


@pytest.mark.usefixtures("_impatient")
def test_no_broker_is_exit_code_3(command, program) -> None:
    ran = command("velo", "run", program(), "--brokers", "127.0.0.1:1")
    assert ran.code == 3
    assert "127.0.0.1:1" in ran.err
    assert "hint: " in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.usefixtures("_impatient")
def test_a_login_that_the_broker_does_not_take_is_exit_code_3_without_the_secret(command, broker, program, tmp_path):
    (tmp_path / "client.properties").write_text(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=ann\nsasl.password=unspeakable\n"
    )
    words = ("--brokers", broker.bootstrap_servers, "--kafka-config", "client.properties")
    ran = command("velo", "run", program(), *words)
    assert ran.code == 3
    assert "SASL" in ran.err
    assert "hint: " in ran.err
    assert "unspeakable" not in ran.err


@pytest.mark.usefixtures("_impatient")
def test_a_topic_that_is_not_there_is_exit_code_3(command, broker, program) -> None:
    sql = program(more=BOUNDED)
    sql.write_text(sql.read_text().replace("'topic' = 'orders'", "'topic' = 'oders'"))
    ran = command("velo", "run", sql, "--brokers", broker.bootstrap_servers)
    assert ran.code == 3
    assert "oders" in ran.err
    assert "hint: " in ran.err


def test_a_registry_that_is_down_is_exit_code_3(command, broker, program) -> None:
    produce(broker, 0, 1)
    registry = "'schema.registry.url' = 'http://127.0.0.1:1', 'schema.registry.max.retries' = '0'"
    sql = program(more=f"{BOUNDED}, {registry}")
    sql.write_text(
        sql.read_text().replace(
            "'topic' = 'orders', 'format' = 'json'", "'topic' = 'orders', 'format' = 'avro-confluent'"
        )
    )
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
    producer.produce("orders", b"\0\0\0\0\1\2\2a\2\2")
    producer.flush()
    ran = command("velo", "run", sql, "--brokers", broker.bootstrap_servers)
    assert ran.code == 3
    assert "the schema registry http://127.0.0.1:1" in ran.err
    assert "Traceback" not in ran.err


def test_a_metric_that_means_nothing_is_an_error_at_its_place(command, broker, program) -> None:
    sql = program(more=BOUNDED)
    sql.write_text(sql.read_text().replace("@metric_condition: v >= 5", "@metric_condition: vv >= 5"))
    ran = command("velo", "run", sql, "--brokers", broker.bootstrap_servers)
    assert ran.code == 2
    assert 'fresh gives out no column "vv"' in ran.err
    assert "app.sql:10:23" in ran.err
    assert 'did you mean "v"' in ran.err


def test_metrics_of_a_program_over_files_are_refused(command, tmp_path) -> None:
    (tmp_path / "in.csv").write_text("a\n1\n")
    (tmp_path / "files.sql").write_text("SELECT a FROM 'file://in.csv?header=true';")
    ran = command("velo", "run", "files.sql", "--metrics-port", "0")
    assert ran.code == 2
    assert "leave out --metrics-port" in ran.err
