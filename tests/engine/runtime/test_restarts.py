"""A job that ticks stop goes on from its checkpoint as if nothing had happened, whatever its state is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from velo_engine import Engine, JobOptions, TopicInput
from velo_engine.errors import VeloError
from velo_engine.runtime.timeline import Tick

COLUMNS = "(k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)"
SOURCE = f"CREATE TABLE t {COLUMNS} WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');"
SUMS = "SELECT k, SUM(v) AS s FROM t WHERE v <> 100 GROUP BY k"
WINDOWS = (
    "SELECT window_start AS w, SUM(v) AS s FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) "
    "GROUP BY window_start, window_end"
)
JOIN = "SELECT a.k AS k, a.v AS v, b.v AS u FROM t a JOIN t b ON a.k = b.k AND b.v > a.v"
ROWS = [("a", 1, 1), ("b", 2, 3), ("a", 100, 12), ("a", 4, 4), ("b", 5, 14), ("a", 6, 25)]


def run(sql: str, ticks: list[Tick], batch_size: int = 1000, partitions: int = 2) -> Any:
    engine = Engine()
    topic = engine.topics.create("t", partitions=partitions)
    for order, (k, v, second) in enumerate(ROWS):
        value = json.dumps({"k": k, "v": v, "ts": f"2024-01-01 00:00:{second:02}"}).encode()
        topic.append(value, partition=order % partitions, sequence=order)
    topic.append(b"{not json", partition=0, sequence=len(ROWS))
    options = JobOptions(now_ms=0, timeline=tuple(ticks), batch_size=batch_size)
    return engine.run(engine.plan(SOURCE + sql), inputs={"t": TopicInput(topic)}, options=options)


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_sums_go_on_where_they_stopped(batch_size: int) -> None:
    (sums,) = run(SUMS, [Tick(3, restart=True)], batch_size).statements.values()

    # By hand: a: 1, then 1 + 4 behind the restart (100 is filtered), then 11; b: 2, then 7.
    given = [(row["op"], row["k"], row["s"]) for row in sums.changelog.to_pylist() if row["op"] in ("+I", "+U")]
    assert given == [("+I", "a", 1), ("+I", "b", 2), ("+U", "a", 5), ("+U", "b", 7), ("+U", "a", 11)]


@pytest.mark.parametrize("sql", [SUMS, WINDOWS, JOIN])
@pytest.mark.parametrize("partitions", [1, 2])
def test_wherever_it_is_stopped_results_and_books_are_the_same(sql: str, partitions: int) -> None:
    whole = run(sql, [], partitions=partitions)
    (wanted,) = whole.statements.values()
    assert wanted.accounting.dead_lettered == (2 if sql == JOIN else 1), "once for each scan"
    assert whole.dead_letter_count == 1
    for place in range(len(ROWS) + 2):
        found = run(sql, [Tick(place, restart=True)], 2, partitions)
        (statement,) = found.statements.values()
        assert statement.changelog.to_pylist() == wanted.changelog.to_pylist(), place
        assert statement.late.to_pylist() == wanted.late.to_pylist()
        assert statement.accounting == wanted.accounting
        assert found.dead_letters == whole.dead_letters


def test_a_job_may_be_restarted_again_and_again_and_at_the_end() -> None:
    (wanted,) = run(WINDOWS, []).statements.values()
    ticks = [Tick(place, restart=True) for place in (0, 0, 2, 5, 7)]

    (found,) = run(WINDOWS, ticks, 2).statements.values()

    assert found.changelog.to_pylist() == wanted.changelog.to_pylist()


def test_the_clock_goes_on() -> None:
    sql = "SELECT k, CURRENT_TIMESTAMP AS c FROM t"
    ticks = [Tick(1, 5_000), Tick(2, restart=True), Tick(3, 9_000)]

    (found,) = run(sql, ticks, 2).statements.values()

    assert [row["c"].second for row in found.changelog.to_pylist()] == [0, 5, 5, 9, 9, 9]


def test_a_file_cannot_be_read_on(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("k,v\na,1\n")
    sql = "CREATE TABLE f (k STRING, v INT) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');"
    engine = Engine(base_dir=tmp_path)
    program = engine.plan(sql + "SELECT k FROM f")

    with pytest.raises(VeloError, match='cannot be restarted within the input of "f"'):
        engine.run(program, options=JobOptions(now_ms=0, timeline=(Tick(0, 1), Tick(1, restart=True))))
