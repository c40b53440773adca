"""ROWS WINDOW BUFFER: every row at once, with values over the last n rows; expected values are computed from lists."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from velo_engine import EmitSemantics, Engine, JobOptions, TopicInput

START = datetime(2024, 1, 1, tzinfo=UTC)
SIZE = 4
EXPIRE = 5


def generated(seed: int) -> list[dict[str, Any]]:
    r = random.Random(seed)
    now, rows = 0, []
    for n in range(60):
        now += r.choice((0, 1, 1, 2, 9))
        time = max(now - r.choice((0, 0, 0, 2, 12)), 0)
        v = r.choice((None, *range(6)))
        rows.append({"n": n, "k": r.choice(("a", "b", None)), "v": v, "time": time})
    return rows


def buffers(rows: list[dict[str, Any]], expire: int | None) -> list[list[dict[str, Any]]]:
    """The buffer of each row's partition when it had come, in arrival order."""
    out = []
    for i, row in enumerate(rows):
        before = [(j, other) for j, other in enumerate(rows[: i + 1]) if other["k"] == row["k"]]
        if expire is not None:
            clock = {j: max(o["time"] for o in rows[: j + 1] if o["k"] == row["k"]) for j, _ in before}
            before = [(j, other) for j, other in before if clock[i] - clock[j] <= expire]
        out.append([other for _, other in before[-SIZE:]])
    return out


def answers(select: str, rows: list[dict[str, Any]], batch_size: int) -> list[tuple[Any, ...]]:
    engine = Engine()
    program = engine.plan(
        "CREATE TABLE t (n INT, k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND);\n"
        f"SELECT n, {select} FROM t"
    )
    topic = engine.topics.create("t")
    for i, row in enumerate(rows):
        at = (START + timedelta(seconds=row["time"])).strftime("%Y-%m-%d %H:%M:%S")
        topic.append(json.dumps({"n": row["n"], "k": row["k"], "v": row["v"], "ts": at}).encode(), sequence=i)
    options = JobOptions(emit=EmitSemantics.FLINK, now_ms=0, batch_size=batch_size)
    (result,) = engine.run(program, inputs={"t": TopicInput(topic)}, options=options).statements.values()
    assert result.rows.column("kind").to_pylist() == [0] * len(rows)
    assert result.rows.column("seq").to_pylist() == list(range(len(rows))), "each row is given out at once"
    assert result.rows.column("c0").to_pylist() == list(range(len(rows)))
    return list(zip(*(c.to_pylist() for c in result.rows.columns[1:-3]), strict=True))


def over(call: str, rest: str = "") -> str:
    return f"{call} OVER (ROWS WINDOW BUFFER {SIZE} ROWS PARTITION BY k{rest})"


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
@pytest.mark.parametrize("expire", [None, EXPIRE])
def test_aggregates_are_over_the_last_rows(expire: int | None, batch_size: int) -> None:
    rest = "" if expire is None else f" EXPIRE AFTER INTERVAL '{expire}' SECOND"
    select = ", ".join(
        f"{over(call, rest)} AS c{i}"
        for i, call in enumerate(("COUNT(*)", "COUNT(v)", "SUM(v)", "MIN(v)", "MAX(v)", "COUNT(DISTINCT v)"))
    )
    rows = generated(1)
    expected = []
    for buffer in buffers(rows, expire):
        values = [row["v"] for row in buffer if row["v"] is not None]
        sums = (sum(values), min(values), max(values)) if values else (None, None, None)
        expected.append((len(buffer), len(values), *sums, len(set(values))))
    assert answers(select, rows, batch_size) == expected


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_lag_and_lead_move_within_the_buffer(batch_size: int) -> None:
    select = ", ".join(f"{over(call)} AS c{i}" for i, call in enumerate(("LAG(v)", "LAG(v, 2, -1)", "LEAD(v)")))
    rows = generated(2)
    expected = [
        (b[-2]["v"] if len(b) > 1 else None, b[-3]["v"] if len(b) > 2 else -1, None) for b in buffers(rows, None)
    ]
    assert answers(select, rows, batch_size) == expected


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
@pytest.mark.parametrize("expire", [None, EXPIRE])
@pytest.mark.parametrize("descending", [False, True])
def test_order_by_sorts_the_buffer(descending: bool, expire: int | None, batch_size: int) -> None:
    calls = (
        *("ROW_NUMBER()", "RANK()", "DENSE_RANK()", "PERCENT_RANK()", "CUME_DIST()", "NTILE(3)", "LAG(n)", "LEAD(n)"),
        *("FIRST_VALUE(v)", "LAST_VALUE(v)", "NTH_VALUE(n, 2)"),
    )
    rest = f" ORDER BY v{' DESC' if descending else ''}"
    rest += "" if expire is None else f" EXPIRE AFTER INTERVAL '{expire}' SECOND"
    rows = generated(3)
    expected = [ranked(row, buffer, descending) for row, buffer in zip(rows, buffers(rows, expire), strict=True)]
    select = ", ".join(f"{over(call, rest)} AS c{i}" for i, call in enumerate(calls))
    assert answers(select, rows, batch_size) == expected


def ranked(row: dict[str, Any], buffer: list[dict[str, Any]], descending: bool) -> tuple[Any, ...]:
    """NULL is the smallest value; rows of equal values stand as they came."""
    key = {other["n"]: -1 if other["v"] is None else other["v"] for other in buffer}
    ordered = sorted(buffer, key=lambda other: (-key[other["n"]] if descending else key[other["n"]], other["n"]))
    numbers = [other["n"] for other in ordered]
    at, count = numbers.index(row["n"]), len(buffer)
    better = [k for k in key.values() if (k > key[row["n"]] if descending else k < key[row["n"]])]
    equal = list(key.values()).count(key[row["n"]])
    tiles: list[list[int]] = [[], [], []]
    for place in range(count):
        size = [count // 3 + (tile < count % 3) for tile in range(3)]
        tile = next(t for t in range(3) if place < sum(size[: t + 1]))
        tiles[tile].append(place)
    values = [other["v"] for other in ordered if other["v"] is not None]
    return (
        at + 1,
        len(better) + 1,
        len(set(better)) + 1,
        len(better) / (count - 1) if count > 1 else 0.0,
        (len(better) + equal) / count,
        next(t for t in range(3) if at in tiles[t]) + 1,
        numbers[at - 1] if at else None,
        numbers[at + 1] if at + 1 < count else None,
        values[0] if values else None,
        values[-1] if values else None,
        numbers[1] if count > 1 else None,
    )


def test_without_order_by_all_rows_of_the_buffer_are_peers() -> None:
    select = ", ".join(f"{over(call)} AS c{i}" for i, call in enumerate(("ROW_NUMBER()", "RANK()", "CUME_DIST()")))
    rows = generated(4)
    assert answers(select, rows, 7) == [(len(buffer), 1, 1.0) for buffer in buffers(rows, None)]
