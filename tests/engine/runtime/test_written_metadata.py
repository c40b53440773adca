"""METADATA columns of a topic that is written: the headers and the timestamp of its records."""

from __future__ import annotations

import numpy as np
import pytest

from velo_engine import Engine, JobOptions, Topic, TopicInput
from velo_engine.connectors.source import NO_TIMESTAMP
from velo_engine.connectors.topics import TopicRecord
from velo_engine.errors import ErrorCode, VeloError

READ = """
CREATE TABLE t (id INT, owner STRING, h MAP<STRING, BYTES> METADATA FROM 'headers',
    ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp')
WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
"""
TO_TOPIC = "WITH ('connector' = 'kafka', 'topic' = 'o', 'format' = 'json'"
VALUES = [b'{"id":1,"owner":"ann"}', b'{"id":2,"owner":"bob"}', b'{"id":3,"owner":"ann"}']
HEADERS = [(("a", b"1"), ("b", None), ("a", b"2")), (), (("c", b"\xff"),)]


def written(sql: str, batch_size: int = 100) -> list[TopicRecord]:
    """The records that the program writes to the topic o."""
    topic = Topic("t")
    topic.append_batch(VALUES, timestamps_ms=np.array([1234, NO_TIMESTAMP, 5678]), headers=HEADERS)
    engine = Engine()
    program = engine.plan(READ + sql)
    engine.run(program, inputs={"t": TopicInput(topic)}, options=JobOptions(batch_size=batch_size))
    return engine.topics.get("o").records()


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_they_are_in_the_record_and_not_in_its_value(batch_size: int) -> None:
    """A header without value is not written, as Flink's sink leaves it out."""
    ddl = f"""CREATE TABLE o (h MAP<STRING NOT NULL, BYTES NOT NULL> METADATA FROM 'headers', id INT,
        `timestamp` TIMESTAMP_LTZ(3) METADATA, place BIGINT METADATA FROM 'offset' VIRTUAL, name STRING) {TO_TOPIC});"""
    records = written(f"{ddl} INSERT INTO o SELECT h, id, ts, UPPER(owner) FROM t", batch_size)
    assert [(r.value, r.headers, r.timestamp_ms) for r in records] == [
        (b'{"id":1,"name":"ANN"}', (("a", b"2"),), 1234),
        (b'{"id":2,"name":"BOB"}', (), NO_TIMESTAMP),
        (b'{"id":3,"name":"ANN"}', (("c", b"\xff"),), 5678),
    ]


def test_columns_that_insert_leaves_out_give_nothing() -> None:
    ddl = (
        f"CREATE TABLE o (headers MAP<STRING, BYTES> METADATA, `timestamp` TIMESTAMP(3) METADATA, id INT) {TO_TOPIC});"
    )
    records = written(f"{ddl} INSERT INTO o (id) SELECT id FROM t WHERE id = 3")
    assert [(r.value, r.headers, r.timestamp_ms) for r in records] == [(b'{"id":3}', (), NO_TIMESTAMP)]


def test_beside_keys_that_are_not_in_the_value() -> None:
    options = "'key.format' = 'json', 'key.fields' = 'owner', 'value.fields-include' = 'EXCEPT_KEY'"
    ddl = f"CREATE TABLE o (headers MAP<STRING, BYTES> METADATA, owner STRING, id INT) {TO_TOPIC}, {options});"
    records = written(f"{ddl} INSERT INTO o SELECT MAP['k', ENCODE(owner, 'UTF-8')], owner, id FROM t WHERE id < 3")
    assert [(r.key, r.value, r.headers) for r in records] == [
        (b'{"owner":"ann"}', b'{"id":1}', (("k", b"ann"),)),
        (b'{"owner":"bob"}', b'{"id":2}', (("k", b"bob"),)),
    ]


def test_of_upserts_and_their_tombstones() -> None:
    ddl = """CREATE TABLE o (headers MAP<STRING, BYTES> METADATA, owner STRING, n BIGINT, PRIMARY KEY (owner) NOT ENFORCED)
        WITH ('connector' = 'upsert-kafka', 'topic' = 'o', 'value.format' = 'json', 'key.format' = 'json');"""
    query = "SELECT MAP['n', ENCODE(CAST(COUNT(*) AS STRING), 'UTF-8')], owner, COUNT(*) FROM t GROUP BY owner"
    records = written(f"{ddl} INSERT INTO o {query} HAVING COUNT(*) < 2")
    assert [(r.key, r.value, r.headers) for r in records] == [
        (b'{"owner":"ann"}', b'{"owner":"ann","n":1}', (("n", b"1"),)),
        (b'{"owner":"bob"}', b'{"owner":"bob","n":1}', (("n", b"1"),)),
        (b'{"owner":"ann"}', None, (("n", b"1"),)),
    ]


@pytest.mark.parametrize(
    ("column", "options", "code", "message"),
    [
        (
            "p INT METADATA FROM 'partition'",
            TO_TOPIC,
            ErrorCode.SQL_UNSUPPORTED,
            "writing METADATA FROM 'partition' is not supported",
        ),
        (
            "headers MAP<STRING, INT> METADATA",
            TO_TOPIC,
            ErrorCode.TYPE_MISMATCH,
            "the metadata 'headers' is a MAP<STRING, BYTES>, not MAP<STRING, INT>",
        ),
        (
            "`timestamp` BIGINT METADATA",
            TO_TOPIC,
            ErrorCode.TYPE_MISMATCH,
            "the metadata 'timestamp' is a TIMESTAMP_LTZ(3), not BIGINT",
        ),
        (
            "headers MAP<STRING, BYTES> METADATA, h MAP<STRING, BYTES> METADATA FROM 'headers'",
            TO_TOPIC,
            ErrorCode.TYPE_MISMATCH,
            "there are two columns of the metadata 'headers'",
        ),
        (
            "headers MAP<STRING, BYTES> METADATA",
            "WITH ('connector' = 'filesystem', 'path' = 'o.json', 'format' = 'json'",
            ErrorCode.SQL_UNSUPPORTED,
            "METADATA of a file that is written is not supported",
        ),
    ],
)
def test_refused(column: str, options: str, code: ErrorCode, message: str) -> None:
    with pytest.raises(VeloError) as caught:
        Engine().plan(f"{READ} CREATE TABLE o (id INT, {column}) {options}); INSERT INTO o (id) SELECT id FROM t;")
    assert (caught.value.code, caught.value.message) == (code, message)
    assert caught.value.location is not None


def test_the_timestamp_is_said_once() -> None:
    ddl = f"CREATE TABLE o (id INT, `timestamp` TIMESTAMP_LTZ(3) METADATA, at TIMESTAMP_LTZ(3)) {TO_TOPIC}, "
    with pytest.raises(VeloError) as caught:
        written(f"{ddl} 'timestamp.field' = 'at'); INSERT INTO o SELECT id, ts, ts FROM t")
    assert caught.value.code is ErrorCode.BAD_PROPERTY
