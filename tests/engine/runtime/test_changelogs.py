"""Sources of changes and sinks by key in whole jobs: records of topics, restarts, what a sink gets."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine import EmitSemantics, Engine, FailureStrategy, JobOptions, TableInput, TopicInput, VeloError
from velo_engine.batch import KIND_SYMBOLS, RowKind
from velo_engine.runtime.job import Job
from velo_engine.runtime.result import JobResult, StatementResult

Change: TypeAlias = tuple[Any, ...]
Upsert: TypeAlias = tuple[str, int | None, str]

UPSERTS = """
CREATE TABLE u (k STRING, v INT, w STRING, PRIMARY KEY (k) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = 'u', 'key.format' = 'json', 'value.format' = 'json');
"""
SINK = "CREATE TABLE s ({}, PRIMARY KEY ({}) NOT ENFORCED) WITH ('connector' = 'upsert-kafka', 'topic' = 's');\n"


def changes(result: StatementResult, rows: pa.Table | None = None) -> list[Change]:
    rows = result.rows if rows is None else rows
    kinds = [KIND_SYMBOLS[kind] for kind in rows.column("kind").to_pylist()]
    columns = [rows.column(i).to_pylist() for i in range(len(result.schema))]
    return list(zip(kinds, *columns, strict=True))


def test_a_record_without_a_value_deletes_the_row_of_its_key() -> None:
    engine = Engine()
    topic = engine.topics.create("u")
    for key, value in [
        ("A", {"k": "A", "v": 1}),
        ("B", {"k": "B", "v": 2}),
        ("A", None),
        ("C", None),
        ("B", {"k": "B"}),
    ]:
        topic.append(None if value is None else json.dumps(value).encode(), key=key.encode())
    result = engine.run(engine.plan(UPSERTS + "SELECT k, v FROM u"), inputs={"u": TopicInput(topic)})
    assert changes(result.statements["select_1"]) == [
        ("+I", "A", 1),
        ("+I", "B", 2),
        ("-D", "A", 1),
        ("-U", "B", 2),
        ("+U", "B", None),
    ]


def test_a_deletion_may_have_its_key_as_an_object() -> None:
    engine = Engine()
    topic = engine.topics.create("u")
    topic.append(b'{"k": "A", "v": 1}', key=b'{"k": "A"}')
    topic.append(None, key=b'{"k": "A"}')
    result = engine.run(engine.plan(UPSERTS + "SELECT k, v FROM u"), inputs={"u": TopicInput(topic)})
    assert changes(result.statements["select_1"]) == [("+I", "A", 1), ("-D", "A", 1)]


def test_a_deletion_without_a_key_is_a_dead_letter() -> None:
    engine = Engine()
    topic = engine.topics.create("u")
    topic.append(None)
    topic.append(b'{"k": "A", "v": 1}', key=b"A")
    result = engine.run(engine.plan(UPSERTS + "SELECT k, v FROM u"), inputs={"u": TopicInput(topic)})
    assert changes(result.statements["select_1"]) == [("+I", "A", 1)]
    assert result.dead_letter_count == 1


def test_upserts_need_a_primary_key() -> None:
    with pytest.raises(VeloError, match="without a primary key"):
        Engine().plan("CREATE TABLE u (k STRING) WITH ('connector' = 'upsert-kafka'); SELECT k FROM u")


def test_a_topic_of_upserts_gets_the_newest_row_of_each_key_and_tombstones() -> None:
    engine = Engine()
    program = UPSERTS + SINK.format("w STRING, n BIGINT", "w") + "INSERT INTO s SELECT w, COUNT(*) FROM u GROUP BY w"
    rows: list[Upsert] = [("A", 1, "x"), ("B", 2, "x"), ("A", 3, "y"), ("B", 4, "y")]
    engine.run(engine.plan(program), inputs={"u": upserts(rows)})
    log = engine.topics.get("s").logs[0]
    values = [None if value is None else json.loads(value) for value in log.values]
    assert list(zip(log.keys, values, strict=True)) == [
        (b"x", {"w": "x", "n": 1}),
        (b"x", {"w": "x", "n": 2}),
        (b"x", {"w": "x", "n": 1}),
        (b"y", {"w": "y", "n": 1}),
        (b"x", None),
        (b"y", {"w": "y", "n": 2}),
    ]


def test_a_primary_key_that_does_not_identify_the_rows_asks_what_then() -> None:
    program = UPSERTS + SINK.format("w STRING, v INT", "w") + "INSERT INTO s SELECT w, v FROM u"
    with pytest.raises(VeloError, match="ON CONFLICT DO DEDUPLICATE"):
        Engine().plan(program)
    with pytest.raises(VeloError, match="ON CONFLICT DO ERROR is not supported"):
        Engine().plan(program + " ON CONFLICT DO ERROR")
    assert "SinkUpsertMaterialize" in repr(Engine().plan(program + " ON CONFLICT DO DEDUPLICATE").statements["s"].sink)


def upserts(rows: list[Upsert]) -> TableInput:
    """Upserts; a row without a value deletes."""
    kinds = np.array([RowKind.DELETE if v is None else RowKind.UPDATE_AFTER for _, v, _ in rows], np.int8)
    columns = [pa.array([row[i] for row in rows], t) for i, t in enumerate((pa.string(), pa.int32(), pa.string()))]
    return TableInput(pa.table(columns, names=["k", "v", "w"]), kinds=kinds)


PROGRAMS = {
    "normalised": UPSERTS + "CREATE TABLE r AS SELECT * FROM u",
    "filtered": UPSERTS + "CREATE TABLE r AS SELECT k, v FROM u WHERE v > 1 AND w <> 'z'",
    "of one column": UPSERTS + "CREATE TABLE r AS SELECT w FROM u",
    "grouped": UPSERTS + "CREATE TABLE r AS SELECT w, COUNT(*) AS n, SUM(v) AS s FROM u GROUP BY w",
    "ranked": UPSERTS
    + "CREATE TABLE r AS SELECT k, v, n FROM (SELECT k, v, ROW_NUMBER() OVER (ORDER BY v DESC) AS n FROM u) "
    "WHERE n <= 2",
    "materialised": UPSERTS
    + SINK.format("w STRING, v INT", "w").replace("TABLE s", "TABLE r")
    + "INSERT INTO r SELECT w, v FROM u ON CONFLICT DO DEDUPLICATE",
}

rows_of_upserts = st.lists(
    st.tuples(st.sampled_from("ABC"), st.one_of(st.none(), st.integers(0, 3)), st.sampled_from("xyz")), max_size=20
)


def job(name: str, rows: list[Upsert], size: int) -> Job:
    engine = Engine()
    options = JobOptions(batch_size=size, emit=EmitSemantics.FLINK, now_ms=0)
    return engine.job(engine.plan(PROGRAMS[name]), inputs={"u": upserts(rows)}, options=options)


def outcome(result: StatementResult) -> tuple[list[Change], list[Change]]:
    return changes(result), changes(result, result.sink_rows)


@pytest.mark.parametrize("name", PROGRAMS)
@settings(max_examples=15, deadline=None)
@given(rows=rows_of_upserts, size=st.integers(1, 5), data=st.data())
def test_neither_batches_nor_a_restart_change_anything(
    name: str, rows: list[Upsert], size: int, data: st.DataObject
) -> None:
    expected = outcome(job(name, rows, 1000).run().statements["r"])

    first = job(name, rows, size)
    spans = list(first.spans())
    cut = data.draw(st.integers(0, len(spans)))
    for span in spans[:cut]:
        first.step(span)
    second = job(name, rows, size)
    second.restore(first.snapshot())
    for span in spans[cut:]:
        second.step(span)

    parts = [outcome(part.finish().statements["r"]) for part in (first, second)]
    assert (parts[0][0] + parts[1][0], parts[0][1] + parts[1][1]) == expected


@pytest.mark.parametrize("name", PROGRAMS)
@settings(max_examples=15, deadline=None)
@given(rows=rows_of_upserts)
def test_the_changes_add_up_to_the_newest_rows(name: str, rows: list[Upsert]) -> None:
    """Against a dictionary of the newest rows."""
    newest: dict[str, Upsert] = {}
    for row in rows:
        newest.pop(row[0], None)
        if row[1] is not None:
            newest[row[0]] = row
    result = job(name, rows, 3).run().statements["r"]
    final = sorted(tuple(row.values()) for row in result.final.to_pylist())
    match name:
        case "normalised":
            assert final == sorted(newest.values())
        case "filtered":
            assert final == sorted((k, v) for k, v, w in newest.values() if (v or 0) > 1 and w != "z")
        case "of one column":
            assert final == sorted((w,) for _, _, w in newest.values())
        case "grouped":
            groups = {w: [v for _, v, x in newest.values() if x == w] for _, _, w in newest.values()}
            assert final == sorted((w, len(vs), sum(vs)) for w, vs in groups.items())
        case "ranked":
            ranks = sorted((v for _, v, _ in newest.values()), reverse=True)[:2]
            assert sorted((n, v) for _, v, n in final) == list(enumerate(ranks, 1))
        case "materialised":
            kept: dict[str, Change] = {}
            for kind, *row in changes(result, result.sink_rows):
                kept.pop(row[0], None)
                if kind != "-D":
                    kept[row[0]] = tuple(row)
            assert kept.keys() == {w for _, _, w in newest.values()}
            assert {tuple(row) for row in kept.values()} <= {(w, v) for _, v, w in newest.values()}


REQUIRED = """
CREATE TABLE t (k STRING, v INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
CREATE TABLE s (k STRING NOT NULL, v INT NOT NULL) WITH ('connector' = 'kafka', 'topic' = 's', 'format' = 'json');
"""


def run_with_nulls(program: str, options: JobOptions | None = None) -> JobResult:
    engine = Engine()
    topic = engine.topics.create("t")
    for row in ({"k": "A", "v": 1}, {"k": None, "v": 2}, {"k": "A", "v": None}, {"k": "B", "v": 3}):
        topic.append(json.dumps(row).encode())
    return engine.run(engine.plan(program), inputs={"t": TopicInput(topic)}, options=options)


def test_null_for_a_column_that_the_sink_declares_not_null_is_a_dead_letter() -> None:
    result = run_with_nulls(REQUIRED + "INSERT INTO s SELECT k, v FROM t")
    written = result.statements["s"]
    assert changes(written, written.sink_rows) == [("+I", "A", 1), ("+I", "B", 3)]
    assert [letter.reason.partition(" (")[0] for letter in result.dead_letters] == [
        "column 'k' is NOT NULL, however, a null value is being written into it",
        "column 'v' is NOT NULL, however, a null value is being written into it",
    ]
    assert (written.accounting.accepted, written.accounting.dead_lettered, written.accounting.written) == (2, 2, 2)


def test_null_for_a_not_null_column_stops_a_job_that_sets_nothing_aside() -> None:
    with pytest.raises(VeloError, match="column 'k' is NOT NULL"):
        run_with_nulls(REQUIRED + "INSERT INTO s SELECT k, v FROM t", JobOptions(failure_strategy=FailureStrategy.FAIL))


def test_null_in_the_primary_key_of_a_group_stops_the_job() -> None:
    sink = "CREATE TABLE g (k STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'upsert-kafka');\n"
    with pytest.raises(VeloError, match="column 'k' is NOT NULL"):
        run_with_nulls(REQUIRED + sink + "INSERT INTO g SELECT k, COUNT(*) FROM t GROUP BY k")


def test_rows_with_null_may_be_dropped() -> None:
    setting = "SET 'table.exec.sink.not-null-enforcer' = 'DROP';\n"
    result = run_with_nulls(setting + REQUIRED + "INSERT INTO s SELECT k, v FROM t")
    written = result.statements["s"]
    assert changes(written, written.sink_rows) == [("+I", "A", 1), ("+I", "B", 3)]
    assert (result.dead_letter_count, written.accounting.accepted) == (0, 4)


def test_the_column_list_of_the_statement_itself_is_a_declaration() -> None:
    program = REQUIRED + "CREATE TABLE c (k STRING NOT NULL, v INT) WITH ('connector' = 'kafka') AS SELECT k, v FROM t"
    written = run_with_nulls(program).statements["c"]
    assert changes(written, written.sink_rows) == [("+I", "A", 1), ("+I", "A", None), ("+I", "B", 3)]


def test_the_setting_has_two_values() -> None:
    with pytest.raises(VeloError, match='is ERROR or DROP, not "IGNORE"') as failure:
        Engine().plan(
            "SET 'table.exec.sink.not-null-enforcer' = 'IGNORE';" + REQUIRED + "INSERT INTO s SELECT k, v FROM t"
        )
    assert failure.value.location is not None
