"""Idle partitions and sources hold no watermark back. Expected values by hand, from the rules of Flink's
WatermarkOutputMultiplexer and IndexedCombinedWatermarkStatus."""

from __future__ import annotations

import json
from typing import Any

import pytest

from velo_engine import Engine, JobOptions, TopicInput
from velo_engine.runtime.timeline import Tick

MINUTE = 60_000
COUNTS = "SELECT window_start AS w, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end"


def table(name: str, timeout: str | None = "60 s") -> str:
    idle = "" if timeout is None else f", 'scan.watermark.idle-timeout' = '{timeout}'"
    return (
        f"CREATE TABLE {name} (k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) "
        f"WITH ('connector' = 'kafka', 'topic' = '{name}', 'format' = 'json'{idle});"
    )


def at(second: float) -> str:
    return f"2024-01-01 00:00:{second:06.3f}"


def run(
    sql: str, rows: list[tuple[str, int, float]], ticks: list[Tick], partitions: int, batch_size: int = 1000
) -> tuple[list[Any], list[int]]:
    """`rows`: (topic, partition, second). The results in order, and the event that gave out each."""
    engine = Engine()
    topics = {name: engine.topics.create(name, partitions=partitions) for name in sorted({r[0] for r in rows})}
    for order, (name, partition, second) in enumerate(rows):
        value = json.dumps({"k": name, "ts": at(second)}).encode()
        topics[name].append(value, partition=partition, sequence=order)
    options = JobOptions(now_ms=0, timeline=tuple(ticks), batch_size=batch_size)
    result = engine.run(engine.plan(sql), inputs={n: TopicInput(t) for n, t in topics.items()}, options=options)
    *_, statement = result.statements.values()
    return statement.changelog.to_pylist(), statement.rows.column("seq").to_pylist()


def windows(changes: list[Any]) -> list[tuple[int, int]]:
    return [(row["w"].second, row["n"]) for row in changes]


@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_an_idle_partition_holds_nothing_back(batch_size: int) -> None:
    rows = [("t", 0, 1), ("t", 0, 12), ("t", 0, 13)]  # partition 1 never says anything
    ticks = [Tick(2, MINUTE - 1), Tick(2, MINUTE)]

    changes, events = run(table("t") + COUNTS, rows, ticks, partitions=2, batch_size=batch_size)

    assert windows(changes) == [(0, 1), (10, 2)]
    # Events: two rows, two ticks, a row, the end. At the second tick the last row of partition 0 is 60 s back, too:
    # all are idle and the watermark stays; the row at 13 s makes partition 0 active, alone.
    assert events == [4, 5]


def test_without_a_timeout_the_end_alone_gives_results() -> None:
    rows = [("t", 0, 1), ("t", 0, 12), ("t", 0, 13)]

    _, events = run(table("t", None) + COUNTS, rows, [Tick(2, 10 * MINUTE)], partitions=2)

    assert events == [4, 4]


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_a_partition_that_returns_counts_again_and_its_old_rows_are_late(batch_size: int) -> None:
    rows = [("t", 0, 1), ("t", 1, 2), ("t", 0, 15), ("t", 1, 3), ("t", 0, 29), ("t", 1, 21)]
    # Before the third row partition 1 is idle, partition 0 has just spoken.
    ticks = [Tick(1, 1_000), Tick(2, 30_000), Tick(3, 61_000)]

    changes, events = run(table("t") + COUNTS, rows, ticks, partitions=2, batch_size=batch_size)

    # 1 s of partition 0 at clock 0; 2 s of partition 1 at 1 s; 15 s of partition 0 at 30 s; at 61 s partition 1 is idle
    # for 60 s: the watermark rises to 15 s and [0, 10) closes; 3 s is late; partition 1 is active with 3 s, so 29 s
    # moves nothing; 21 s of partition 1 raises the watermark to 21 s and closes [10, 20).
    assert windows(changes) == [(0, 2), (10, 1), (20, 2)]
    assert events == [5, 8, 9]


def test_an_idle_side_of_a_join_holds_nothing_back() -> None:
    query = (
        "SELECT l.ts AS a, r.ts AS b FROM (SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))) l "
        "JOIN (SELECT * FROM TABLE(TUMBLE(TABLE o, DESCRIPTOR(ts), INTERVAL '10' SECOND))) r "
        "ON l.window_start = r.window_start AND l.window_end = r.window_end"
    )
    rows = [("t", 0, 1), ("o", 0, 2), ("t", 0, 12), ("o", 0, 13), ("t", 0, 25), ("o", 0, 14), ("o", 0, 26)]
    ticks = [Tick(4, idle=frozenset({"o"}))]

    for batch_size in (1, 2, 1000):
        changes, events = run(table("t", None) + table("o", None) + query, rows, ticks, 1, batch_size)

        pairs = [(row["a"].second, row["b"].second) for row in changes]
        # The tick is event 4; the watermark of t alone is 12 s, that of both was 12 s before: 13 s of o came at event 3.
        # At event 5 t says 25 s, so [10, 20) closes without o; 14 s of o is late.
        assert pairs == [(1, 2), (12, 13), (25, 26)]
        assert events == [3, 5, 8]


def test_stated_watermarks_close_windows() -> None:
    rows = [("t", 0, 1), ("t", 0, 2), ("t", 0, 3)]
    stated = 1_704_067_200_000 + 10_000
    ticks = [Tick(2, watermarks={"t": stated - 2}), Tick(2, watermarks={"t": stated - 1})]

    for batch_size in (1, 2, 1000):
        changes, events = run(table("t", None) + COUNTS, rows, ticks, 1, batch_size)

        assert windows(changes) == [(0, 2)]  # the third row is late
        assert events == [3]


SPOKEN = [("t", 0, 1), ("t", 1, 2), ("t", 0, 25), ("t", 0, 26)]
"""Two rows of the window [0, 10), one of each partition; then partition 0 alone is far ahead."""


@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_one_partition_is_called_idle(batch_size: int) -> None:
    ticks = [Tick(3, idle_partitions=frozenset({("t", 1)}))]

    changes, events = run(table("t", None) + COUNTS, SPOKEN, ticks, partitions=2, batch_size=batch_size)

    # Events: three rows, the tick (3), a row (4), the end (5). Partition 1 held the watermark at 2 s until the tick.
    assert windows(changes) == [(0, 2), (20, 2)]
    assert events == [3, 5]


@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_what_is_stated_of_one_partition_waits_for_the_other(batch_size: int) -> None:
    ahead = 1_704_067_200_000 + 12_000  # 2024-01-01 00:00:12
    ticks = [
        Tick(2, partition_watermarks={("t", 1): ahead}),  # partition 0 stands at 1 s
        Tick(3),
    ]

    changes, events = run(table("t", None) + COUNTS, SPOKEN, ticks, partitions=2, batch_size=batch_size)

    # Events: two rows, the tick (2), the row of 25 s (3) which lets the watermark rise to 12 s, …
    assert windows(changes) == [(0, 2), (20, 2)]
    assert events[0] == 3


def test_an_idle_partition_that_speaks_again_counts_again() -> None:
    rows = [("t", 0, 1), ("t", 1, 2), ("t", 0, 15), ("t", 1, 4), ("t", 1, 13), ("t", 0, 29)]
    ticks = [Tick(3, idle_partitions=frozenset({("t", 1)}))]

    for batch_size in (1, 2, 1000):
        changes, events = run(table("t", None) + COUNTS, rows, ticks, partitions=2, batch_size=batch_size)

        # The tick (event 3) lets [0, 10) close; the row of 4 s is late; partition 1 then holds back at 13 s: [10, 20)
        # closes at the end alone.
        assert windows(changes) == [(0, 2), (10, 2), (20, 1)]
        assert events == [3, 7, 7]
