"""Rows per CPU-second of the stateful operators, and what a small batch costs: `python benchmarks/aggregation.py`.

CPU time of this process, one run each; compare ratios within one run only. Decoding and encoding are not included,
building the output as Arrow is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, StepFunction, make_rows
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.group_aggregate import GroupAggregate
from velo_engine.operators.regular_join import RegularJoin
from velo_engine.operators.session_window import SessionWindow
from velo_engine.operators.table_join import TableJoin
from velo_engine.operators.top_n import TopN
from velo_engine.operators.window_aggregate import WindowAggregate
from velo_engine.plan import nodes
from velo_engine.plan.expressions import AggregateCall
from velo_engine.schema import Column, RowSchema
from velo_engine.types import BIGINT, INT, STRING, decimal, timestamp

SCHEMA = RowSchema.of(("k", STRING), ("px", decimal(10, 2)), ("q", INT), ("ts", timestamp(3)))
FIVE = (
    AggregateCall("count", (), BIGINT),
    AggregateCall("sum", (1,), decimal(38, 2)),
    AggregateCall("avg", (1,), decimal(38, 6)),
    AggregateCall("min", (1,), decimal(10, 2)),
    AggregateCall("max", (1,), decimal(10, 2)),
)
SIX = (*FIVE, AggregateCall("count", (2,), BIGINT, distinct=True))
ROWS_PER_SECOND = 1000
"""Of event time: how fast the watermark moves."""


def batches(rows: int, size: int, keys: int) -> Iterator[ChangeBatch]:
    """Random rows, out of order by up to 3 s; one per cent of them behind the watermark."""
    rng = np.random.default_rng(42)
    names = np.array([f"key-{i}" for i in range(keys)], np.object_)
    watermark = -(2**63)
    for first in range(0, rows, size):
        cents = np.zeros((size, 2), np.int64)
        cents[:, 0] = rng.integers(1, 1_000_000, size)
        now = np.arange(first, first + size) * 1000 // ROWS_PER_SECOND
        late = np.where(rng.random(size) < 0.01, 20_000, 0)
        times = now - rng.integers(0, 3000, size) - late
        columns = [
            pa.array(names[rng.integers(0, keys, size)], pa.string()),
            pa.Array.from_buffers(pa.decimal128(10, 2), size, [None, pa.py_buffer(cents)]),
            pa.array(rng.integers(0, 50, size).astype(np.int32)),
            pa.array(times * 1000).cast(pa.timestamp("us")),
        ]
        seq = np.arange(first, first + size)
        steps = np.maximum.accumulate(np.maximum(times - 5000, watermark))
        moved = np.flatnonzero(np.diff(steps, prepend=watermark))
        table = make_rows(SCHEMA, columns, np.zeros(size, np.int8), seq, np.zeros(size, np.int32))
        yield ChangeBatch(
            table,
            first,
            first + size,
            StepFunction(watermark, seq[moved], steps[moved]),
            StepFunction.constant(0),
        )
        watermark = int(steps[-1])


def group_by(calls: tuple[AggregateCall, ...]) -> Operator:
    """GROUP BY k."""
    result = RowSchema((SCHEMA.columns[0], *(Column(f"a{i}", c.type) for i, c in enumerate(calls))))
    return GroupAggregate(context(), nodes.GroupAggregate(nodes.Upstream("t", SCHEMA), (0,), calls, result), SCHEMA)


def windows(spec: nodes.WindowSpec, calls: tuple[AggregateCall, ...], emit: nodes.Emit = nodes.Emit.FINAL) -> Operator:
    """GROUP BY k and window."""
    columns = [SCHEMA.columns[0], *(Column(f"a{i}", c.type) for i, c in enumerate(calls))]
    result = RowSchema((*columns, *(Column(n, timestamp(3)) for n in ("window_start", "window_end", "window_time"))))
    node = nodes.WindowAggregate(
        nodes.Upstream("t", SCHEMA), spec, 3, (0,), calls, emit, 0, nodes.LateData.DROP, result
    )
    return WindowAggregate(context(), node, SCHEMA)


def table_join(keys: int) -> Operator:
    """LEFT JOIN with a table of all keys."""
    right = RowSchema.of(("name", STRING), ("y", INT))
    joined = RowSchema((*SCHEMA.columns, *right.columns))
    kind = nodes.JoinKind.LEFT
    node = nodes.TableJoin(nodes.Upstream("t", SCHEMA), nodes.Upstream("r", right), kind, (0,), (0,), None, joined)
    operator = TableJoin(context(), node, SCHEMA, right)
    table = [pa.array([f"key-{i}" for i in range(keys)]), pa.array(np.arange(keys, dtype=np.int32))]
    operator.load(pa.table(table, schema=right.physical()))
    return operator


def sessions() -> Operator:
    """GROUP BY k and session of 3 s."""
    columns = [SCHEMA.columns[0], *(Column(f"a{i}", c.type) for i, c in enumerate(FIVE))]
    result = RowSchema((*columns, *(Column(n, timestamp(3)) for n in ("window_start", "window_end", "window_time"))))
    spec = nodes.WindowSpec(nodes.WindowKind.SESSION, 3000, 3000)
    upstream = nodes.Upstream("t", SCHEMA)
    node = nodes.WindowAggregate(upstream, spec, 3, (0,), FIVE, nodes.Emit.FINAL, 0, nodes.LateData.DROP, result)
    return SessionWindow(context(), node, SCHEMA)


def top_three() -> Operator:
    """The three highest px of every k, with their rank."""
    result = RowSchema((*SCHEMA.columns, Column("rank", BIGINT)))
    order = (nodes.SortKey(1, descending=True, nulls_first=False),)
    node = nodes.TopN(nodes.Upstream("t", SCHEMA), (0,), order, 3, True, result)
    return TopN(context(), node, SCHEMA, retracting=False)


def context() -> OperatorContext:
    """A context that drops late rows; the operators here need no kernel."""
    return OperatorContext(
        kernel=None,  # type: ignore[arg-type]
        failures=_ignore,
        late=_ignore,
        emit_unchanged=False,
    )


def _ignore(*_: object) -> None:
    pass


def measure(name: str, operator: Operator, rows: int, size: int, keys: int) -> None:
    """Run and print one line."""
    inputs = list(batches(rows, size, keys))
    made = 0
    start = time.process_time()
    for batch in inputs:
        made += operator.process(batch).rows.num_rows
    spent = time.process_time() - start
    speed = rows / spent / 1e6
    each = spent / len(inputs) * 1e3
    print(f"{name:42} {keys:>9} {size:>7} {speed:8.2f} {each:8.2f} {made:>9}", flush=True)


def measure_join(rows: int, size: int, keys: int) -> None:
    """LEFT JOIN of two streams, a batch of each side in turn; about two matches a row in the end."""
    upstream = nodes.Upstream("t", SCHEMA)
    joined = RowSchema((*SCHEMA.columns, *SCHEMA.columns))
    node = nodes.RegularJoin(upstream, upstream, nodes.JoinKind.LEFT, (0,), (0,), None, joined)
    operator = RegularJoin(context(), node)
    inputs = list(batches(rows, size, keys))
    made = 0
    start = time.process_time()
    for i, batch in enumerate(inputs):
        nothing = batch.with_rows(batch.rows.slice(0, 0))
        made += len(operator.process(batch, nothing) if i % 2 else operator.process(nothing, batch))
    spent = time.process_time() - start
    print(
        f"{'LEFT JOIN of two streams':42} {keys:>9} {size:>7} {rows / spent / 1e6:8.2f} "
        f"{spent / len(inputs) * 1e3:8.2f} {made:>9}",
        flush=True,
    )


TUMBLE = nodes.WindowSpec(nodes.WindowKind.TUMBLE, 10_000, 10_000)
HOP = nodes.WindowSpec(nodes.WindowKind.HOP, 15_000, 5_000)


def main() -> None:
    """All measurements."""
    print(f"{'operator':42} {'keys':>9} {'batch':>7} {'M rows/s':>8} {'ms/batch':>8} {'rows out':>9}")
    measure("warm-up", group_by(SIX), 100_000, 10_000, 100)
    measure("GROUP BY, five aggregates", group_by(FIVE), 1_000_000, 10_000, 100)
    measure("GROUP BY, five and COUNT(DISTINCT)", group_by(SIX), 1_000_000, 10_000, 100)
    measure("GROUP BY, five aggregates", group_by(FIVE), 2_000_000, 10_000, 1_000_000)
    measure("TUMBLE 10 s, five aggregates", windows(TUMBLE, FIVE), 1_000_000, 10_000, 1000)
    measure("TUMBLE 10 s, five and COUNT(DISTINCT)", windows(TUMBLE, SIX), 1_000_000, 10_000, 1000)
    measure("TUMBLE 10 s, five, EMIT CHANGES", windows(TUMBLE, FIVE, nodes.Emit.CHANGES), 1_000_000, 10_000, 1000)
    measure("HOP 15/5 s, five aggregates", windows(HOP, FIVE), 1_000_000, 10_000, 1000)
    measure("HOP 15/5 s, five and COUNT(DISTINCT)", windows(HOP, SIX), 1_000_000, 10_000, 1000)
    measure("LEFT JOIN with a table", table_join(1000), 1_000_000, 10_000, 1000)
    measure("SESSION 3 s, five aggregates", sessions(), 1_000_000, 10_000, 1000)
    measure("SESSION 3 s, five aggregates", sessions(), 1_000_000, 10_000, 100_000)
    measure("Top-3 with rank", top_three(), 1_000_000, 10_000, 1000)
    measure_join(200_000, 10_000, 100_000)
    for size in (1, 100, 1000):
        measure("GROUP BY, five aggregates", group_by(FIVE), 300 * size, size, 100)
        measure("TUMBLE 10 s, five aggregates", windows(TUMBLE, FIVE), 300 * size, size, 100)


if __name__ == "__main__":
    main()
