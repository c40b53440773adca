"""Sources and their rows: small, full of nulls, ties, repetitions, disorder, late rows and times at boundaries."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from tests.fuzz.relation import Column, Kind, Relation
from tests.oracle.case import Order, Table
from tests.oracle.generated_rows import shuffled, stamp

ROW_COUNTS = (8, 10, 12, 14)
EMPTY_SHARE = 0.04
DELAYS_MS = (0, 1, 1000, 5000, 5000)
"""Of watermarks."""
DECIMALS = ((10, 2), (5, 0), (38, 18), (20, 4), (7, 3), (38, 0))
BOUNDARY_MS = 10_000
"""Windows begin and end at multiples of this, or of a divisor."""
JOIN_BOUNDS_MS = (-5000, 0, 3000, 5000)
"""How far apart rows of an interval join may be, either way."""


@dataclass(frozen=True)
class Data:
    """The sources of one round, their rows and the order of arrival."""

    tables: Mapping[str, Table]
    order: Order
    sources: Mapping[str, Relation]


def data(seed: int) -> Data:
    """The data of a round."""
    r = random.Random(seed)
    names = ("t", "u")
    tables: dict[str, Table] = {}
    moments: list[int] = []
    for name in names:
        tables[name] = _table(r, moments)
    order = shuffled(r.randrange(1 << 30), **{name: len(table.rows) for name, table in tables.items()})
    return Data(tables, order, {name: _source(name) for name in names})


_COLUMNS = {
    "id": Kind.INT,
    "k": Kind.STRING,
    "i": Kind.INT,
    "b": Kind.BIGINT,
    "x": Kind.DECIMAL,
    "y": Kind.DECIMAL,
    "d": Kind.DOUBLE,
    "s": Kind.STRING,
    "p": Kind.BOOLEAN,
    "dt": Kind.DATE,
    "m": Kind.TIMESTAMP,
    "a": Kind.ARRAY,
    "ts": Kind.TIMESTAMP,
}
_TYPES = {
    "id": "INT",
    "k": "STRING",
    "i": "INT",
    "b": "BIGINT",
    "d": "DOUBLE",
    "s": "STRING",
    "p": "BOOLEAN",
    "dt": "DATE",
    "m": "TIMESTAMP(3)",
    "a": "ARRAY<INT>",
    "ts": "TIMESTAMP(3)",
}


def _source(name: str) -> Relation:
    columns = tuple(Column(column, kind) for column, kind in _COLUMNS.items())
    return Relation(f"SELECT * FROM {name}", columns, name, time="ts", key=("id",), table=name)


def _table(r: random.Random, moments: list[int]) -> Table:
    """A table; `moments` are the times of the rows of those before it, and are added to."""
    types = dict(_TYPES)
    scales = {}
    for name in ("x", "y"):
        precision, scale = r.choice(DECIMALS)
        scales[name] = (precision, scale)
        types[name] = f"DECIMAL({precision}, {scale})"
    delay = r.choice(DELAYS_MS)
    ddl = ", ".join(f"{name} {types[name]}" for name in _COLUMNS)
    watermark = f"WATERMARK FOR ts AS ts - INTERVAL '{delay / 1000:g}' SECOND" if delay else "WATERMARK FOR ts AS ts"
    count = 0 if r.random() < EMPTY_SHARE else r.choice(ROW_COUNTS)
    return Table(f"{ddl}, {watermark}", tuple(_rows(r, count, delay, scales, moments)))


def _rows(
    r: random.Random, count: int, delay: int, scales: Mapping[str, tuple[int, int]], moments: list[int]
) -> list[dict[str, Any]]:
    nulls = r.choice((0.0, 0.1, 0.3))
    values = _values(r, scales)
    newest = 0
    rows: list[dict[str, Any]] = []
    for number in range(count):
        if rows and r.random() < 0.15:  # all but the id and the time again
            row = dict(r.choice(rows))
        else:
            row = {name: None if r.random() < nulls else value() for name, value in values.items()}
        time = _time(r, newest, delay, moments)
        moments.append(time)
        newest = max(newest, time)
        rows.append({**row, "id": number, "ts": stamp(time)})
    return rows


def _values(r: random.Random, scales: Mapping[str, tuple[int, int]]) -> dict[str, Callable[[], Any]]:
    keys = "AB" if r.random() < 0.5 else "ABCD"
    return {
        "k": lambda: r.choice(keys),
        "i": lambda: r.choice((0, 1, 2, 3, 5, -1, -7, r.randrange(-20, 20), 2147483647 if r.random() < 0.2 else 4)),
        "b": lambda: r.choice((0, 1, 2, -3, 10, 4294967296, r.randrange(-99, 99))),
        "x": lambda: _decimal(r, *scales["x"]),
        "y": lambda: _decimal(r, *scales["y"]),
        "d": lambda: r.choice((0.0, 0.25, 1.5, -2.75, 3.0, 100.5, -0.5, r.randrange(-40, 40) / 4)),
        "s": lambda: r.choice(
            (
                *("", "a", "ab", "Abc", "aab", " b ", "b%c", "x_y", "10", "-3", "é", "A,B,C", "abcabc", "2024-01-02"),
                *("a\nb", "\nab"),
            )
        ),
        "p": lambda: r.random() < 0.5,
        "dt": lambda: (date(2024, 1, 1) + timedelta(days=r.choice((0, 1, 2, 30, 59, 60, 365, -1)))).isoformat(),
        "m": lambda: stamp(r.choice((0, 1, 999, 1000, 59_999, 3_600_000, 86_400_000, r.randrange(100_000)))),
        "a": lambda: [None if r.random() < 0.15 else r.randrange(4) for _ in range(r.choice((0, 1, 2, 3)))],
    }


def _decimal(r: random.Random, precision: int, scale: int) -> str:
    unscaled = r.choice(
        (0, 1, -1, 5, 10**scale, -(10**scale), 10**scale + 5, r.randrange(-999, 999), r.randrange(-99999, 99999))
    )
    if r.random() < 0.08:
        unscaled = r.choice((1, -1)) * (10**precision - 1)
    if abs(unscaled) >= 10**precision:
        unscaled = 7
    digits = str(abs(unscaled)).rjust(scale + 1, "0")
    whole, fraction = (digits[:-scale], digits[-scale:]) if scale else (digits, "")
    return ("-" if unscaled < 0 else "") + whole + ("." + fraction if fraction else "")


def _time(r: random.Random, newest: int, delay: int, others: Sequence[int]) -> int:
    """Mostly near the newest; or behind it, at or behind the watermark, within 1 ms of a boundary or of a bound of
    a join with the `others`."""
    time = newest + (16_000 if r.random() < 0.06 else r.choice((0, 0, 500, 1500, 1500, 3000)))
    draw = r.random()
    if draw < 0.15:
        time -= r.choice((1, 500, 1000, 2500, 4999, 5000))
    elif draw < 0.34:  # the watermark is `newest - delay`
        time = newest - delay - r.choice((-1, 0, 0, 0, 1, 1000, 3000, 7000, 20_000))
    elif draw < 0.5:
        time = _nearest(time) + r.choice((-1, 0, 1))
    elif draw < 0.62:  # the watermark after the row within 1 ms of closing a window
        time = _nearest(time - delay) + delay + r.choice((-2, -1, 0, 1))
    elif draw < 0.68:  # just one gap of a session after the newest
        time = newest + r.choice((2999, 3000, 3001))
    elif draw < 0.83:
        bounds = [other + bound for other in others for bound in JOIN_BOUNDS_MS]
        near = [moment for moment in bounds if -3000 <= moment - newest <= 4000]
        time = r.choice(near) + r.choice((-1, 0, 0, 0, 1)) if near else time
    return max(time, 0)


def _nearest(time: int) -> int:
    step = BOUNDARY_MS // 2
    return (time + step // 2) // step * step
