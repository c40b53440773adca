"""`velo-test run` on brokers, and `velo kafka clean`: reports, messages, exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from velo_engine.connectors.kafka.open_client import check_cluster
from velo_harness.kafka import cleaning, external
from velo_harness.kafka.embedded import EmbeddedBroker
from velo_harness.kafka.ledger import Ledger


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VELO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VELO_KAFKA_BOOTSTRAP_SERVERS", raising=False)
    for module in (cleaning, external):
        monkeypatch.setattr(module, "check_cluster", lambda c: check_cluster(replace(c, connect_timeout_s=0.5)))


def test_the_report_says_where_topics_were(command, project: Path) -> None:
    ran = command("velo-test", "run", ".", "--kafka", "embedded", "--output", "json")
    assert ran.code == 0
    assert json.loads(ran.out)["kafka"] == "embedded"
    assert "1 passed in" in ran.err
    assert ran.err.rstrip().endswith("topics on Kafka (embedded)")
    assert json.loads(command("velo-test", "run", ".", "--output", "json").out)["kafka"] == "memory"


def test_a_failure_is_exit_code_1_on_a_broker_too(command, project: Path) -> None:
    spec = project / "orders.test.yaml"
    spec.write_text(spec.read_text().replace("rows: [{ id: 2, amount: 12.50 }]", "rows: [{ id: 2, amount: 12.51 }]"))
    assert command("velo-test", "run", ".", "--kafka", "embedded").code == 1


def test_no_broker_at_the_address_is_exit_code_3_at_once(command, project: Path) -> None:
    ran = command("velo-test", "run", ".", "--kafka", "127.0.0.1:1")
    assert ran.code == 3
    assert ran.err.startswith("error[VELO5001]: Kafka at 127.0.0.1:1: looking for a broker: no broker answers")
    assert "hint: " in ran.err
    assert "Traceback" not in ran.err


def test_the_address_may_come_from_the_environment(command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedBroker() as broker:
        monkeypatch.setenv("VELO_KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
        ran = command("velo-test", "run", ".", "--output", "json")
        assert broker.size().topics == 0
    assert ran.code == 0
    assert json.loads(ran.out)["kafka"] == "external"


def test_choices_that_contradict_each_other_are_exit_code_2(command, project: Path) -> None:
    ran = command("velo-test", "run", ".", "--kafka", "embedded", "--use-testcontainers")
    assert ran.code == 2
    assert "--kafka and --use-testcontainers both say where Kafka is" in ran.err


def test_a_secret_is_in_no_message(command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "client.properties").write_text("sasl.mechanism=PLAIN\nsecurity.protocol=SASL_PLAINTEXT\n")
    monkeypatch.setenv("VELO_KAFKA_SASL_USERNAME", "ann")
    monkeypatch.setenv("VELO_KAFKA_SASL_PASSWORD", "hunter2")
    ran = command("velo-test", "run", ".", "--kafka", "127.0.0.1:1", "--kafka-config", "client.properties")
    assert ran.code == 3
    assert "hunter2" not in ran.err + ran.out


def test_clean_deletes_what_a_crash_left(command) -> None:
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic

    with EmbeddedBroker() as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 2})
        for future in admin.create_topics([NewTopic(name, 1, 1) for name in ("test_x_orders", "mine")]).values():
            future.result(30)
        ledger = Ledger("x", broker.bootstrap_servers)
        ledger.enter(["test_x_orders"])
        ledger._file.close()
        ran = command("velo", "kafka", "clean")
        assert ran.code == 0
        assert ran.out == "test_x_orders\n"
        assert ran.err == f"{broker.bootstrap_servers}: 1 topics deleted\n"
        assert set(admin.list_topics(timeout=30).topics) == {"mine"}
    assert command("velo", "kafka", "clean").err == "no run has left topics behind\n"


def test_clean_says_when_the_cluster_is_not_there_and_keeps_the_ledger(command) -> None:
    ledger = Ledger("x", "127.0.0.1:1")
    ledger.enter(["test_x_orders"])
    ledger._file.close()
    ran = command("velo", "kafka", "clean")
    assert ran.code == 3
    assert "no broker answers" in ran.err
    assert ledger.path.exists()
