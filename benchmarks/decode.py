"""How fast bytes become columns and back: rows per CPU-second of every format, and the fixed cost of a small batch.

    python benchmarks/decode.py

CPU time of this process, the best of many runs; compare the lines of one run with each other, not runs with each other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np

from velo_engine import types
from velo_engine.formats import open_format
from velo_engine.schema import RowSchema

BATCH_ROWS = 10_000
SMALL_ROWS = 100
SECONDS_EACH = 0.4

TRADES = RowSchema.of(
    ("symbol", types.STRING), ("price", types.decimal(10, 2)), ("quantity", types.BIGINT), ("at", types.timestamp(3))
)


def trades(count: int) -> list[bytes]:
    """JSON trades of 79 bytes."""
    rng = np.random.default_rng(1)
    symbols = rng.choice(["AAPL", "MSFT", "GOOG", "AMZN"], count).tolist()
    cents = rng.integers(100, 99_999, count).tolist()
    quantities = rng.integers(1, 10_000, count).tolist()
    return [
        b'{"symbol":"%s","price":%d.%02d,"quantity":%d,"at":"2024-01-01 %02d:%02d:%02d.%03d"}'
        % (s.encode(), *divmod(c, 100), q, i // 3600 % 24, i // 60 % 60, i % 60, i % 1000)
        for i, (s, c, q) in enumerate(zip(symbols, cents, quantities, strict=True))
    ]


def best_seconds(work: Callable[[], object]) -> float:
    """The least CPU time of one call."""
    best, spent = float("inf"), 0.0
    while spent < SECONDS_EACH:
        begin = time.process_time()
        work()
        took = time.process_time() - begin
        best, spent = min(best, took), spent + took
    return best


def report(name: str, rows: int, work: Callable[[], object]) -> None:
    """Prints one line."""
    seconds = best_seconds(work)
    print(f"{name:44} {rows:7} rows {seconds * 1000:8.3f} ms {rows / seconds / 1e6:8.2f} M rows per CPU-second")


def with_stdlib(messages: Sequence[bytes]) -> list[tuple[object, ...]]:
    """The exact way without a library: one Python object a value."""
    rows = (json.loads(message, parse_float=Decimal) for message in messages)
    return [tuple(row.values()) for row in rows]


def main() -> None:
    """Prints the table."""
    messages = trades(BATCH_ROWS)
    json_format = open_format("json", TRADES, {})
    csv_format = open_format("csv", TRADES, {})
    table = json_format.decode(messages).table
    records = csv_format.encode(table)
    broken = [m[:-5] if i % 100 == 0 else m for i, m in enumerate(messages)]
    quoted = [m.replace(b'"quantity":', b'"quantity":"').replace(b',"at"', b'","at"') for m in messages]
    report("json.loads, parse_float=Decimal (baseline)", BATCH_ROWS, lambda: with_stdlib(messages))
    report("json decode", BATCH_ROWS, lambda: json_format.decode(messages))
    report("json decode, 1 % of the messages broken", BATCH_ROWS, lambda: json_format.decode(broken))
    report("json decode, a number in quotes", BATCH_ROWS, lambda: json_format.decode(quoted))
    report("json decode", SMALL_ROWS, lambda: json_format.decode(messages[:SMALL_ROWS]))
    report("json encode", BATCH_ROWS, lambda: json_format.encode(table))
    report("json encode", SMALL_ROWS, lambda: json_format.encode(table.slice(0, SMALL_ROWS)))
    report("csv decode", BATCH_ROWS, lambda: csv_format.decode(records))
    report("csv decode", SMALL_ROWS, lambda: csv_format.decode(records[:SMALL_ROWS]))
    report("csv encode", BATCH_ROWS, lambda: csv_format.encode(table))


if __name__ == "__main__":
    main()
