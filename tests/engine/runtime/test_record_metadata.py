"""What a row of a topic knows of its record: METADATA columns, and the functions of its headers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from velo_engine import Engine, JobOptions, Topic, TopicInput
from velo_engine.connectors.source import NO_TIMESTAMP
from velo_engine.plan.nodes import PlanNode, Scan, inputs

HEADERS = [
    (("trace", b"1"), ("empty", None), ("trace", b"2")),
    (),
    (("trace", "é".encode()), ("bytes", b"\xff")),
    (("other", b""),),
]
WITH = "WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');"
PLAIN = f"CREATE TABLE t (id INT) {WITH}"


def topic() -> Topic:
    made = Topic("t", 2)
    made.append_batch(
        [b'{"id": %d}' % i for i in range(4)],
        keys=[b"k", None, b"k", None],
        timestamps_ms=np.array([1000, NO_TIMESTAMP, 3000, 4000]),
        partitions=np.array([0, 1, 0, 1], np.int32),
        sequences=np.arange(4),
        headers=HEADERS,
    )
    return made


def rows(sql: str, batch_size: int = 100, name: str = "o") -> list[tuple[Any, ...]]:
    """The rows that the statement gives out, with their kind where it is no insertion."""
    engine = Engine()
    program = engine.plan(sql)
    found = engine.run(program, inputs={"t": TopicInput(topic())}, options=JobOptions(batch_size=batch_size))
    columns = found.statements[name].changelog.to_pydict()
    kinds = columns.pop("op")
    return [
        row if kind == "+I" else (kind, *row)
        for kind, row in zip(kinds, zip(*columns.values(), strict=True), strict=True)
    ]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_headers_are_a_map_of_the_last_values(batch_size: int) -> None:
    """Flink's connector puts one header after the other into a map."""
    ddl = f"CREATE TABLE t (headers MAP<STRING NOT NULL, BYTES NOT NULL> METADATA, id INT) {WITH}"
    assert rows(f"{ddl} CREATE STREAM o AS SELECT * FROM t", batch_size) == [
        ([("trace", b"2"), ("empty", None)], 0),
        ([], 1),
        ([("trace", "é".encode()), ("bytes", b"\xff")], 2),
        ([("other", b"")], 3),
    ]


def test_a_map_of_headers_is_one_like_any_other() -> None:
    ddl = f"CREATE TABLE t (id INT, h MAP<STRING, BYTES> METADATA FROM 'headers' VIRTUAL) {WITH}"
    query = "SELECT id, CAST(h['trace'] AS STRING) AS trace, CARDINALITY(h) AS n FROM t WHERE CARDINALITY(h) > 0"
    assert rows(f"{ddl} CREATE STREAM o AS {query}") == [(0, "2", 2), (2, "é", 2), (3, None, 1)]


def test_the_other_metadata() -> None:
    ddl = f"""
    CREATE TABLE t (
        id INT, topic STRING METADATA, part INT METADATA FROM 'partition', `offset` BIGINT METADATA,
        `timestamp` TIMESTAMP_LTZ(3) METADATA, kind STRING METADATA FROM 'timestamp-type'
    ) {WITH}"""
    query = "SELECT id, topic, part, `offset`, UNIX_TIMESTAMP(CAST(`timestamp` AS STRING)) AS s, kind FROM t"
    assert rows(f"{ddl} CREATE STREAM o AS {query}") == [
        (0, "t", 0, 0, 1, "CreateTime"),
        (1, "t", 1, 0, None, "NoTimestampType"),
        (2, "t", 0, 1, 3, "CreateTime"),
        (3, "t", 1, 1, 4, "CreateTime"),
    ]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_functions_of_headers(batch_size: int) -> None:
    query = (
        "SELECT id, HEADER('trace') AS a, HEADER('empty') AS b, HEADER('bytes') AS c, HAS_HEADER('empty') AS d FROM t"
    )
    assert rows(f"{PLAIN} CREATE STREAM o AS {query}", batch_size) == [
        (0, "2", None, None, True),
        (1, None, None, None, False),
        (2, "é", None, "\ufffd", False),
        (3, None, None, None, False),
    ]


def test_header_keys_are_each_once_in_order() -> None:
    assert rows(f"{PLAIN} CREATE STREAM o AS SELECT HEADER_KEYS() AS k FROM t") == [
        (["trace", "empty"],),
        ([],),
        (["trace", "bytes"],),
        (["other"],),
    ]


def test_in_where_and_by_a_name_that_is_computed() -> None:
    query = "SELECT id, HEADER(CONCAT('tr', 'ace')) AS trace FROM t AS x WHERE HAS_HEADER('trace') AND id > 0"
    assert rows(f"{PLAIN} CREATE STREAM o AS {query}") == [(2, "é")]


def test_as_a_key_of_groups_and_inside_an_aggregate() -> None:
    query = "SELECT HAS_HEADER('trace') AS traced, MAX(HEADER('trace')) AS m FROM t WHERE id < 3 GROUP BY HAS_HEADER('trace')"
    found = rows(f"{PLAIN} CREATE TABLE o AS {query} EMIT CHANGES")
    assert found == [(True, "2"), (False, None), ("-U", True, "2"), ("+U", True, "é")]


def test_in_a_computed_column() -> None:
    ddl = f"CREATE TABLE t (id INT, trace AS UPPER(HEADER('trace'))) {WITH}"
    assert rows(f"{ddl} CREATE STREAM o AS SELECT trace, id FROM t WHERE id > 1") == [("É", 2), (None, 3)]


def test_star_leaves_headers_out() -> None:
    assert rows(f"{PLAIN} CREATE STREAM o AS SELECT *, HEADER('trace') AS t FROM t WHERE id < 2") == [
        (0, "2"),
        (1, None),
    ]


def test_in_a_join_they_are_those_of_the_first_relation() -> None:
    ddl = f"{PLAIN} CREATE STREAM p AS SELECT id, id + 1 AS next FROM t;"
    query = "SELECT t.id, p.next, HEADER('trace') AS trace FROM t JOIN p ON t.id = p.next"
    assert rows(f"{ddl} CREATE STREAM o AS {query}") == [(1, 1, None), (2, 2, "é"), (3, 3, None)]


def test_what_nobody_reads_is_not_built() -> None:
    ddl = f"""
    CREATE TABLE t (id INT, headers MAP<STRING, BYTES> METADATA, `timestamp` TIMESTAMP_LTZ(3) METADATA,
        topic STRING METADATA, k AS HEADER('k')) {WITH}"""
    program = Engine().plan(f"{ddl} CREATE STREAM o AS SELECT id, topic FROM t WHERE id > 0;")
    assert scan_of(program.statements["o"].plan).system_columns == ("_topic",)


def scan_of(node: PlanNode) -> Scan:
    while not isinstance(node, Scan):
        (node,) = inputs(node)
    return node
