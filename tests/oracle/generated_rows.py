"""Inputs from seeds: small, with the situations that tell a right operator from a nearly right one."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.oracle.case import Order

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
"""All generated times are milliseconds after this; it is a boundary of every window used."""

DELAY_MS = 5_000
EVENT_COLUMNS = (
    "k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND"
)
"""The table of `events`."""

_PRICES = (0.1, 0.01, 1.0, 12.34, -5.55, 7.77, 99999999.99, -0.01)
_STEPS = (0, 0, 500, 1500, 1500, 3000)
_DISORDER = (500, 1000, 2500, 4000, 5000)
"""Behind the newest row, but never behind the watermark."""
_LATENESS = (5001, 6000, 8000, 12000, 20000, 40000)


def stamp(milliseconds: int) -> str:
    """A time after EPOCH as TIMESTAMP(3) text."""
    return (EPOCH + timedelta(milliseconds=milliseconds)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def events(
    seed: int,
    count: int,
    *,
    keys: str = "ABC",
    window_ms: int = 10_000,
    late: bool = True,
) -> tuple[Mapping[str, Any], ...]:
    """Rows of EVENT_COLUMNS: out of order within the delay, some late, many within 1 ms of a multiple of `window_ms`.

    Others let the watermark land within 1 ms of such a boundary. Nulls in keys and values, repeated values, a gap
    of 15 s now and then.
    """
    r = random.Random(seed)
    newest, rows = 0, []
    for number in range(count):
        newest += 15_000 if r.random() < 0.05 else r.choice(_STEPS)
        time = _time(r, newest, window_ms, late)
        newest = max(newest, time)
        rows.append(
            {
                "k": None if r.random() < 0.08 else r.choice(keys),
                "px": None if r.random() < 0.1 else f"{r.choice([*_PRICES, r.randrange(-500, 500) / 100]):.2f}",
                "q": None if r.random() < 0.1 else r.randrange(6),
                "id": number,
                "ts": stamp(time),
            }
        )
    return tuple(rows)


def _time(r: random.Random, newest: int, window_ms: int, late: bool) -> int:
    draw = r.random()
    behind = 0
    if draw < 0.35:
        behind = r.choice(_DISORDER)
    elif draw < 0.5 and late:
        behind = r.choice(_LATENESS)
    time = newest - behind
    draw = r.random()
    if draw < 0.3:  # the row within 1 ms of a boundary
        time = _nearest(time, window_ms) + r.choice((-1, 0, 1))
    elif draw < 0.45:  # the watermark after the row within 1 ms of closing a window
        time = _nearest(time - DELAY_MS, window_ms) + DELAY_MS + r.choice((-2, -1, 0, 1))
    if not late:
        time = max(time, newest - DELAY_MS + 1)
    return max(time, 0)


def sampled(
    seed: int,
    count: int,
    *,
    values: Mapping[str, Sequence[Any] | str],
    delay_ms: int = DELAY_MS,
    window_ms: int = 10_000,
    step_ms: Sequence[int] = (0, 500, 1500),
) -> tuple[Mapping[str, Any], ...]:
    """Rows of any table: each column one of its `values`, or with `time` for its values an event time.

    Times go on by one of `step_ms`; some are out of order, some late after a watermark of `delay_ms`, some within 1 ms
    of a multiple of `window_ms`.
    """
    r = random.Random(seed)
    newest, rows = delay_ms, []
    for _ in range(count):
        newest += r.choice(step_ms)
        behind = r.choice((0, 0, 0, delay_ms // 2, delay_ms, delay_ms + 1, delay_ms + window_ms))
        time = newest - behind
        if r.random() < 0.3:
            time = _nearest(time, window_ms) + r.choice((-1, 0, 1))
        time = max(time, 0)
        newest = max(newest, time)
        rows.append({name: stamp(time) if of == "time" else r.choice(of) for name, of in values.items()})
    return tuple(rows)


def _nearest(time: int, step: int) -> int:
    return (time + step // 2) // step * step


def shuffled(seed: int, **counts: int) -> Order:
    """An arrival order over several inputs: each input's rows in turn, the inputs mixed at random."""
    r = random.Random(seed)
    names = [name for name, count in counts.items() for _ in range(count)]
    r.shuffle(names)
    return _numbered(names)


def alternating(**counts: int) -> Order:
    """One row of each input in turn, as long as it has any."""
    longest = max(counts.values())
    return _numbered([name for i in range(longest) for name, count in counts.items() if i < count])


def one_after_another(**counts: int) -> Order:
    """All rows of the first input, then all of the second, …"""
    return _numbered([name for name, count in counts.items() for _ in range(count)])


def _numbered(names: Sequence[str]) -> Order:
    seen: dict[str, int] = {}
    order = []
    for name in names:
        order.append((name, seen.get(name, 0)))
        seen[name] = seen.get(name, 0) + 1
    return tuple(order)


def records(names: str, *values: Sequence[Any]) -> tuple[Mapping[str, Any], ...]:
    """Rows written by hand: the column names, then the values of each row."""
    columns = names.split()
    return tuple(dict(zip(columns, row, strict=True)) for row in values)
