"""Rows per CPU-second of joins of streams, and what a small batch costs: `python benchmarks/joins.py`.

CPU time of this process, one run each; compare ratios within one run only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from velo_engine.batch import INITIAL_WATERMARK, ChangeBatch, StepFunction, make_rows
from velo_engine.kernel import Kernel
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.interval_join import IntervalJoin
from velo_engine.operators.regular_join import RegularJoin
from velo_engine.operators.temporal_join import TemporalJoin
from velo_engine.plan import nodes
from velo_engine.plan.nodes import JoinKind
from velo_engine.schema import RowSchema
from velo_engine.types import BIGINT, DOUBLE, STRING, timestamp

SCHEMA = RowSchema.of(("k", STRING), ("id", BIGINT), ("px", DOUBLE), ("ts", timestamp(3)))
JOINED = RowSchema((*SCHEMA.columns, *SCHEMA.columns))
LEFT, RIGHT = nodes.Upstream("left", SCHEMA), nodes.Upstream("right", SCHEMA)
START_MS = 1_704_067_200_000
DISORDER_MS = 3_000
"""One row a millisecond, so far out of order."""


class Feed:
    """Rows of both sides, half and half."""

    def __init__(self, keys: int, late: float = 0.0) -> None:
        self._random = np.random.default_rng(1)
        self._keys = pa.array([f"key{i}" for i in range(keys)])
        self._late = late
        self._seq = 0
        self._watermark = INITIAL_WATERMARK

    def batches(self, rows: int, size: int) -> Iterator[tuple[ChangeBatch, ChangeBatch]]:
        """The next rows."""
        for _ in range(rows // size):
            seq = np.arange(self._seq, self._seq + size)
            times = START_MS + seq - self._random.integers(0, DISORDER_MS, size)
            late = self._random.random(size) < self._late
            times[late] -= self._random.integers(DISORDER_MS, 4 * DISORDER_MS, int(late.sum()))
            values = np.maximum.accumulate(np.maximum(times - DISORDER_MS, self._watermark))
            rises = values > np.concatenate([[self._watermark], values[:-1]])
            watermark = StepFunction(self._watermark, seq[rises], values[rises])
            right = self._random.random(size) < 0.5
            yield self._batch(seq, times, ~right, watermark), self._batch(seq, times, right, watermark)
            self._seq, self._watermark = self._seq + size, int(values[-1])

    def _batch(self, seq: np.ndarray, times: np.ndarray, mine: np.ndarray, watermark: StepFunction) -> ChangeBatch:
        count = int(mine.sum())
        keys = self._keys.take(pa.array(self._random.integers(0, len(self._keys), count)))
        stamps = pa.array(times[mine] * 1000).cast(pa.timestamp("us"))
        columns = [keys, pa.array(seq[mine]), pa.array(self._random.random(count)), stamps]
        rows = make_rows(SCHEMA, columns, np.zeros(count, np.int8), seq[mine], np.zeros(count, np.int32))
        return ChangeBatch(rows, int(seq[0]), int(seq[-1]) + 1, watermark, StepFunction.constant(START_MS))


def context() -> OperatorContext:
    """Without anything that these joins do not use."""
    return OperatorContext(kernel=Kernel(), failures=None, late=None, emit_unchanged=False)  # type: ignore[arg-type]


def regular(kind: JoinKind) -> Operator:
    """Keyed by the string."""
    return RegularJoin(context(), nodes.RegularJoin(LEFT, RIGHT, kind, (0,), (0,), None, JOINED))


def interval(kind: JoinKind, reach_ms: int) -> Operator:
    """Times at most `reach_ms` from each other."""
    node = nodes.IntervalJoin(LEFT, RIGHT, kind, (0,), (0,), frozenset(), 3, 3, -reach_ms, reach_ms, None, JOINED)
    return IntervalJoin(context(), node)


def temporal() -> Operator:
    """Half of all rows are versions."""
    node = nodes.TemporalJoin(LEFT, RIGHT, JoinKind.LEFT, (0,), (0,), 3, 3, False, None, JOINED)
    return TemporalJoin(context(), node)


def measure(operator: Operator, batches: list[tuple[ChangeBatch, ChangeBatch]]) -> tuple[float, float, float]:
    """Million rows in and out per CPU-second, and milliseconds of the median batch."""
    rows, out, spent = 0, 0, []
    for left, right in batches:
        begin = time.process_time()
        out += len(operator.process(left, right))
        spent.append(time.process_time() - begin)
        rows += len(left) + len(right)
    return rows / sum(spent) / 1e6, out / sum(spent) / 1e6, float(np.median(spent)) * 1000


def main() -> None:
    """Print the table."""
    runs: list[tuple[str, Operator, Feed]] = [
        ("inner join, 100 000 keys", regular(JoinKind.INNER), Feed(100_000)),
        ("left join, 100 000 keys", regular(JoinKind.LEFT), Feed(100_000)),
        ("full join, 100 000 keys", regular(JoinKind.FULL), Feed(100_000)),
        ("interval join, 1 000 keys, 1 % late", interval(JoinKind.LEFT, 500), Feed(1_000, 0.01)),
        ("interval join, 100 000 keys", interval(JoinKind.LEFT, 500), Feed(100_000)),
        ("temporal join, 1 000 keys", temporal(), Feed(1_000)),
    ]
    for name, operator, feed in runs:
        rows, out, median = measure(operator, list(feed.batches(200_000, 10_000)))
        print(f"{name:40} {rows:5.2f} M/s in {out:5.2f} M/s out {median:6.1f} ms a batch")
    for held in (10_000, 1_000_000):
        operator, feed = regular(JoinKind.LEFT), Feed(held)
        measure(operator, list(feed.batches(held, 10_000)))
        _, _, median = measure(operator, list(feed.batches(1_000, 10)))
        print(f"left join, batch of 10 rows with {held} held: {median:.2f} ms")


if __name__ == "__main__":
    main()
