"""Programs over topics of a broker give what they give over topics in memory."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from confluent_kafka.cimpl import NewTopic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from velo_engine import Engine, VeloError
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.cluster_view import ClusterView
from velo_engine.connectors.kafka.open_client import open_admin
from velo_engine.connectors.kafka.tail import records_of
from velo_engine.connectors.records import Records
from velo_engine.runtime.open_kafka import sinks_cluster, sinks_settings

COUNTS = """
CREATE STREAM orders (id BIGINT, who STRING) WITH
  ('type' = 'kafka', 'topic' = '{source}', 'bootstrap.servers' = 'production:9092', 'properties.security.protocol' = 'SSL');
CREATE TABLE counts AS SELECT who PRIMARY KEY, COUNT(*) AS n, MIN(id) AS first FROM orders GROUP BY who EMIT CHANGES
  WITH ('type' = 'kafka', 'topic' = '{sink}', 'mode' = 'upsert', 'partitions' = '2', 'producer.compression.type' = 'zstd');
"""


def value(number: int, who: str) -> bytes:
    return json.dumps({"id": number, "who": who}).encode()


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9), st.sampled_from("abc")), max_size=20))
def test_a_program_gives_what_it_gives_in_memory(cluster, new_topic, writer, records):
    topic = new_topic(3)
    partitions = np.array([p for p, _, _ in records], np.int32)
    times = np.array([t for _, t, _ in records], np.int64)
    values = [value(i, who) for i, (_, _, who) in enumerate(records)]
    writer.write(Records(topic, values, None, times, None, partitions))
    writer.flush()
    memory = Engine()
    memory.topics.create(topic, 3).append_batch(values, timestamps_ms=times, partitions=partitions)
    sql = COUNTS.format(source=topic, sink=f"{topic}-counts").replace("'bootstrap.servers' = 'production:9092', ", "")

    expected = memory.run(memory.plan(sql)).statements["counts"]
    # Without idempotence a producer need not wait for its id.
    engine = Engine(kafka=KafkaCluster(cluster.bootstrap_servers, {"enable.idempotence": "false"}))
    found = engine.run(engine.plan(sql)).statements["counts"]

    assert found.changelog.equals(expected.changelog)
    assert found.accounting == expected.accounting
    view = ClusterView(cluster).topic(f"{topic}-counts")
    written = [(m.key(), m.value()) for batch in records_of(cluster, view, last=None, follow=False) for m in batch]
    in_memory = [(r.key, r.value) for r in memory.topics.get(f"{topic}-counts").records()]
    for who in (b"a", b"b", b"c"):
        assert [v for k, v in written if k == who] == [v for k, v in in_memory if k == who]
    assert len(view.partitions) == 2


def test_the_given_cluster_counts_and_not_the_one_in_the_program(cluster, new_topic, writer):
    topic = new_topic()
    writer.write(Records(topic, [value(1, "a")]))
    writer.flush()
    engine = Engine(kafka=cluster)

    result = engine.run(engine.plan(COUNTS.format(source=topic, sink=f"{topic}-counts")))

    assert result.statements["counts"].accounting.written == 1


def test_without_a_given_cluster_it_is_the_one_in_the_program(kafka_bootstrap, new_topic, writer):
    topic = new_topic()
    writer.write(Records(topic, [value(1, "a")]))
    writer.flush()
    sql = COUNTS.format(source=topic, sink=f"{topic}-counts").replace("production:9092", kafka_bootstrap)
    engine = Engine()

    result = engine.run(engine.plan(sql.replace(", 'properties.security.protocol' = 'SSL'", "")))

    assert result.statements["counts"].final.to_pylist() == [{"who": "a", "n": 1, "first": 1}]
    assert engine.topics.names == (f"{topic}-counts",)


def test_topics_of_a_run_have_its_prefix(cluster, new_topic, writer):
    topic = new_topic()
    writer.write(Records(topic, [value(1, "a")]))
    writer.flush()
    prefix = topic[:5]
    engine = Engine(kafka=KafkaCluster(cluster.bootstrap_servers, topic_prefix=prefix))

    engine.run(engine.plan(COUNTS.format(source=topic[5:], sink=f"{topic[5:]}-counts")))

    assert ClusterView(cluster).topic(f"{topic}-counts").records == 1


@pytest.mark.parametrize("several", ["'topic' = 'a;b'", "'topic-pattern' = 'a.*'"])
def test_several_topics_in_one_source_are_refused(several):
    engine = Engine(kafka=KafkaCluster("127.0.0.1:1"))
    sql = f"CREATE STREAM s (n BIGINT) WITH ('type' = 'kafka', {several}); CREATE STREAM t AS SELECT n FROM s"

    with pytest.raises(VeloError, match="several topics"):
        engine.run(engine.plan(sql))


TWO_SINKS = """
CREATE STREAM s (n BIGINT) WITH ('type' = 'kafka');
CREATE STREAM a AS SELECT n FROM s WITH ('type' = 'kafka', {a});
CREATE STREAM b AS SELECT n FROM s WITH ('type' = 'kafka', {b});
"""


def test_sinks_share_a_cluster():
    engine = Engine()
    one = engine.plan(TWO_SINKS.format(a="'bootstrap.servers' = 'one:1'", b="'topic' = 'b'"))
    two = engine.plan(TWO_SINKS.format(a="'bootstrap.servers' = 'one:1'", b="'bootstrap.servers' = 'two:1'"))
    given = KafkaCluster("given:1")

    assert sinks_cluster(one, None) == KafkaCluster("one:1")
    assert sinks_cluster(two, given) == given
    with pytest.raises(VeloError, match="on several"):
        sinks_cluster(two, None)


def test_sinks_share_a_producer():
    engine = Engine()
    zstd, gzip = (f"'producer.compression.type' = '{kind}'" for kind in ("zstd", "gzip"))

    assert sinks_settings(engine.plan(TWO_SINKS.format(a=zstd, b="'topic' = 'b'")), given=False) == {
        "compression.type": "zstd"
    }
    with pytest.raises(VeloError, match=r"wants compression\.type = gzip"):
        sinks_settings(engine.plan(TWO_SINKS.format(a=zstd, b=gzip)), given=False)


TIMES = """
CREATE STREAM s (at TIMESTAMP(3), n BIGINT) WITH ('type' = 'kafka', 'topic' = '{topic}');
CREATE STREAM t AS SELECT at, n FROM s WITH ('type' = 'kafka', 'topic' = '{topic}-out', 'partitions' = '1', 'timestamp.field' = '{field}');
"""


def test_a_column_gives_the_timestamp_of_records(cluster, new_topic, writer):
    topic = new_topic()
    writer.write(Records(topic, [b'{"at":"2024-01-01 12:00:00.123","n":1}', b'{"n":2}']))
    writer.flush()
    engine = Engine(kafka=cluster)
    began = time.time_ns() // 1_000_000

    engine.run(engine.plan(TIMES.format(topic=topic, field="at")))

    view = ClusterView(cluster).topic(f"{topic}-out")
    times = [m.timestamp()[1] for batch in records_of(cluster, view, last=None, follow=False) for m in batch]
    assert times[0] == 1_704_110_400_123
    assert began <= times[1] <= time.time_ns() // 1_000_000


@pytest.mark.parametrize(("field", "message"), [("nope", 'no column "nope"'), ("n", "is BIGINT, not a timestamp")])
def test_a_column_that_is_no_timestamp(field, message):
    engine = Engine()
    engine.topics.create("t")

    with pytest.raises(VeloError, match=message):
        engine.run(engine.plan(TIMES.format(topic="t", field=field)))


def test_headers_and_timestamps_go_from_record_to_record(cluster, new_topic, writer):
    topic, sink = new_topic(), new_topic()
    headers = [(("a", b"1"), ("none", None), ("a", "é".encode())), ()]
    writer.write(Records(topic, [value(1, "x"), value(2, "y")], None, np.array([1234, 5678]), headers))
    writer.flush()
    columns = (
        "headers MAP<STRING NOT NULL, BYTES NOT NULL> METADATA, happened TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'"
    )
    program = f"""
    CREATE TABLE t (id BIGINT, {columns}) WITH ('connector' = 'kafka', 'topic' = '{topic}', 'format' = 'json');
    CREATE TABLE o ({columns}, id BIGINT, a STRING, names INT)
      WITH ('connector' = 'kafka', 'topic' = '{sink}', 'format' = 'json');
    INSERT INTO o SELECT headers, happened, id, HEADER('a'), CARDINALITY(HEADER_KEYS()) FROM t;
    """
    engine = Engine(kafka=cluster)

    engine.run(engine.plan(program))

    found = [
        m for batch in records_of(cluster, ClusterView(cluster).topic(sink), last=None, follow=False) for m in batch
    ]
    assert [(json.loads(m.value()), m.headers(), m.timestamp()[1]) for m in found] == [
        ({"id": 1, "a": "é", "names": 2}, [("a", "é".encode())], 1234),
        ({"id": 2, "a": None, "names": 0}, None, 5678),
    ]


def test_whose_time_a_timestamp_is(cluster, new_topic, writer):
    topics = [new_topic(), f"{new_topic()}-appended"]
    admin = open_admin(cluster)
    made = admin.create_topics([NewTopic(topics[1], 1, config={"message.timestamp.type": "LogAppendTime"})])
    made[topics[1]].result(10)
    for topic in topics:
        writer.write(Records(topic, [value(1, "x")], None, np.array([1234])))
    writer.flush()
    engine = Engine(kafka=cluster)

    kinds = []
    for topic in topics:
        ddl = f"CREATE TABLE t (id BIGINT, kind STRING METADATA FROM 'timestamp-type') WITH ('connector' = 'kafka', 'topic' = '{topic}')"
        kinds += (
            engine.run(engine.plan(f"{ddl}; CREATE STREAM o AS SELECT kind FROM t"))
            .statements["o"]
            .changelog.to_pylist()
        )

    assert kinds == [{"kind": "CreateTime", "op": "+I"}, {"kind": "LogAppendTime", "op": "+I"}]
