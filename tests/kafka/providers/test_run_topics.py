"""What a run does on a broker: which topics it makes, what it writes to them, what is left when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.kafka.providers.broker import own_topics, records_in, settings_of
from velo_engine import Engine, TopicInput
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.topics import Topic
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.schema import RowSchema
from velo_engine.types import INT, STRING
from velo_harness.kafka.broker_run import BrokerRun, on_broker
from velo_harness.kafka.external import ExternalProvider
from velo_harness.kafka.ledger import Ledger, left_ledgers
from velo_harness.kafka.providers import EmbeddedProvider
from velo_harness.kafka.session import KafkaSession
from velo_harness.kafka.topics import NewTopic
from velo_harness.topic_naming import TopicNaming

SQL = """
CREATE STREAM small AS SELECT id, name FROM orders WHERE id < 10
WITH ('orders.type' = 'kafka_source', 'orders.topic' = 'orders', 'orders.bootstrap.servers' = 'nowhere:1',
      'small.type' = 'kafka_sink', 'small.topic' = 'orders', 'small.bootstrap.servers' = 'nowhere:1', {sink});
CREATE STREAM seen AS SELECT id FROM orders
WITH ('orders.type' = 'kafka_source', 'orders.topic' = 'orders');
"""
NOW_MS = 1_735_689_600_000
DAY_MS = 86_400_000


def program(sink: str = "'small.format' = 'json'") -> PlannedProgram:
    return Engine().plan(SQL.format(sink=sink), schemas={"orders": RowSchema.of(("id", INT), ("name", STRING))})


def orders(partitions: int = 2) -> Topic:
    """Records 0 to 5, by turns in the partitions."""
    topic = Topic("orders", partitions)
    topic.append_batch(
        [b'{"id":%d,"name":"n"}' % i for i in range(6)],
        keys=[b"k%d" % i if i % 2 else None for i in range(6)],
        timestamps_ms=np.arange(NOW_MS, NOW_MS + 6),
        partitions=np.arange(6, dtype=np.int32) % partitions,
        headers=[(("trace", b"%d" % i), ("trace", None)) if i == 3 else () for i in range(6)],
        sequences=np.arange(100, 106),
    )
    return topic


@contextmanager
def running(session: KafkaSession, planned: PlannedProgram, topic: Topic) -> Iterator[BrokerRun]:
    with on_broker(session, TopicNaming(), planned, ["small", "seen"], {"orders": TopicInput(topic)}) as run:
        yield run


def test_inputs_are_written_as_the_spec_has_them_and_numbered(session: KafkaSession, kafka_bootstrap: str) -> None:
    with running(session, program(), orders()) as run:
        found = records_in(kafka_bootstrap, run.inputs["orders"].properties["topic"], 6)
    numbers = [0, 2, 4, 1, 3, 5]
    assert [(m.partition(), m.offset()) for m in found] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert [m.value() for m in found] == [b'{"id":%d,"name":"n"}' % i for i in numbers]
    assert [m.key() for m in found] == [None, None, None, b"k1", b"k3", b"k5"]
    assert [m.timestamp()[1] for m in found] == [NOW_MS + i for i in numbers]
    assert [m.headers()[-1] for m in found] == [("velo.sequence", (100 + i).to_bytes(8, "big")) for i in numbers]
    assert [m.headers()[:-1] for m in found] == [[], [], [], [], [("trace", b"3"), ("trace", None)], []]


def test_a_run_has_topics_of_its_own_which_go_with_it(session: KafkaSession, kafka_bootstrap: str) -> None:
    session.start()
    before = own_topics(kafka_bootstrap)
    with running(session, program(), orders()) as first, running(session, program(), orders()) as second:
        made = [r.inputs["orders"].properties["topic"] for r in (first, second)]
        made += [r.program.statements["small"].sink.properties["topic"] for r in (first, second)]
        assert len(set(made)) == 4
        assert own_topics(kafka_bootstrap) - before == set(made)
        assert all(name.startswith("test_") and "_orders" in name for name in made)
        assert first.sinks == {"small": first.program.statements["small"].sink.properties["topic"]}
    assert own_topics(kafka_bootstrap) == before


def test_topics_go_when_a_run_fails(session: KafkaSession, kafka_bootstrap: str) -> None:
    session.start()
    before = own_topics(kafka_bootstrap)
    with pytest.raises(ZeroDivisionError), running(session, program(), orders()):
        raise ZeroDivisionError
    assert own_topics(kafka_bootstrap) == before


def test_the_cluster_that_the_program_names_is_not_asked(session: KafkaSession) -> None:
    with running(session, program(), orders()) as run:
        result = Engine(kafka=run.cluster).run(run.program, inputs=run.inputs)
    assert result.statements["small"].accounting.written == 6


def test_partitions_are_those_of_the_spec_and_of_the_sink(session: KafkaSession, kafka_bootstrap: str) -> None:
    from confluent_kafka.admin import AdminClient

    with running(session, program("'small.partitions' = '4'"), orders(3)) as run:
        topics = AdminClient({"bootstrap.servers": kafka_bootstrap}).list_topics(timeout=30).topics
        assert len(topics[run.inputs["orders"].properties["topic"]].partitions) == 3
        assert len(topics[run.sinks["small"]].partitions) == 4


def test_partitions_of_a_sink_are_a_number(session: KafkaSession) -> None:
    with pytest.raises(VeloError) as refused, running(session, program("'small.partitions' = 'many'"), orders()):
        pass
    assert refused.value.code is ErrorCode.BAD_PROPERTY


def test_topics_on_a_cluster_of_others_have_finite_retention_that_keeps_old_records(
    session: KafkaSession, kafka_bootstrap: str
) -> None:
    import time

    with running(session, program(), orders()) as run:
        age = time.time_ns() // 1_000_000 - NOW_MS
        for topic in (run.inputs["orders"].properties["topic"], run.sinks["small"]):
            found = settings_of(kafka_bootstrap, topic)
            assert age < int(found["retention.ms"]) <= age + 2 * DAY_MS
            assert found["cleanup.policy"] == "delete"
            assert found["message.timestamp.type"] == "CreateTime"


def test_topics_of_a_test_broker_are_kept_for_ever() -> None:
    session = KafkaSession(EmbeddedProvider())
    address = session.start().bootstrap_servers
    with running(session, program(), orders()) as run:
        assert settings_of(address, run.sinks["small"])["retention.ms"] == "-1"
    session.close()


def large_orders() -> Topic:
    topic = Topic("orders")
    topic.append_batch([b'{"id":1,"name":"%s"}' % (b"x" * 1_500_000)], sequences=[0])
    return topic


def test_inputs_larger_than_brokers_take_by_default_are_taken(session: KafkaSession) -> None:
    with running(session, program(), large_orders()) as run:
        result = Engine(kafka=run.cluster).run(run.program, targets=["seen"], inputs=run.inputs)
    assert result.statements["seen"].accounting.read == 1


def test_on_a_test_broker_results_may_have_any_size() -> None:
    session = KafkaSession(EmbeddedProvider())
    with running(session, program(), large_orders()) as run:
        result = Engine(kafka=run.cluster).run(run.program, inputs=run.inputs)
        assert result.statements["small"].accounting.written == 1
        (record,) = records_in(run.cluster.bootstrap_servers, run.sinks["small"], 1)
    assert len(record.value()) > 1_500_000
    session.close()


def test_a_run_without_topics_makes_none(session: KafkaSession, kafka_bootstrap: str) -> None:
    planned = Engine().plan("CREATE STREAM one AS SELECT 1 AS a")
    session.start()
    before = own_topics(kafka_bootstrap)
    with on_broker(session, TopicNaming(), planned, ["one"], {}):
        assert own_topics(kafka_bootstrap) == before


def test_the_ledger_has_the_topics_while_they_are_there_and_goes_with_them(
    session: KafkaSession, ledgers: Path
) -> None:
    with running(session, program(), orders()) as run:
        (file,) = ledgers.iterdir()
        for topic in (run.inputs["orders"].properties["topic"], run.sinks["small"]):
            assert f'{{"topic": "{topic}"}}' in file.read_text().splitlines()
        assert left_ledgers() == []
    session.close()
    assert list(ledgers.iterdir()) == []


def test_the_ledger_is_written_before_a_topic_is_made(session: KafkaSession, monkeypatch: pytest.MonkeyPatch) -> None:
    session.start()
    entered: list[set[str]] = []

    def create(topics: list[NewTopic], now_ms: int) -> None:
        entered.append({topic.name for topic in topics} - session._ledger._open)
        raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, "the broker is gone")

    monkeypatch.setattr(session._admin, "create", create)
    with pytest.raises(VeloError, match="the broker is gone"), running(session, program(), orders()):
        pass
    assert entered == [set()]


def test_a_test_broker_needs_no_ledger(ledgers: Path) -> None:
    session = KafkaSession(EmbeddedProvider())
    session.start()
    assert not ledgers.exists()
    session.close()


def test_what_a_crash_left_is_deleted_and_nothing_else(
    cluster: KafkaCluster, session: KafkaSession, ledgers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from velo_harness.kafka.cleaning import clean_left_topics
    from velo_harness.kafka.topics import TopicAdmin

    address = cluster.bootstrap_servers
    crashed = Ledger("crashed", address)
    crashed.enter(["left-1", "left-2", "never-made", "deleted-before"])
    crashed.strike(["deleted-before"])
    admin = TopicAdmin(cluster, ExternalProvider.rules)
    admin.create([NewTopic("left-1"), NewTopic("left-2"), NewTopic("of-others")], NOW_MS)
    with crashed.path.open("a") as file:
        file.write('{"topic": "cut')
    crashed._file.close()  # as the end of its process does, which gives the lock back
    with running(session, program(), orders()) as living:
        (done,) = clean_left_topics(None, None, {})
        assert set(done.deleted) == {"left-1", "left-2", "never-made"}
        assert done.left == ()
        there = own_topics(address)
        assert there >= {"of-others", living.sinks["small"]}
        assert there.isdisjoint(done.deleted)
    assert clean_left_topics(None, None, {}) == []
    admin.delete(["of-others"])


def test_only_the_cluster_that_is_named_is_cleaned(ledgers: Path) -> None:
    from velo_harness.kafka.cleaning import clean_left_topics

    elsewhere = Ledger("elsewhere", "127.0.0.1:1")
    elsewhere.enter(["t"])
    elsewhere._file.close()
    assert clean_left_topics("127.0.0.1:2", None, {}) == []
    assert [left.topics for left in left_ledgers()] == [("t",)]


def test_a_broker_that_fails_the_check_is_given_back_and_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from velo_harness.kafka import session as module

    checks: list[str] = []

    def check(cluster: KafkaCluster, topic: str, transactional_id: str) -> None:
        checks.append(topic)
        raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, "it loses rows")

    monkeypatch.setattr(module, "check_broker", check)
    provider = EmbeddedProvider()
    session = KafkaSession(provider)
    for _ in range(2):
        with pytest.raises(VeloError, match="it loses rows"):
            session.start()
    assert len(checks) == 1
    assert provider._broker is None
