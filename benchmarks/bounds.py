"""What bounds a job: memory and CPU over a million rows, and the cost of a small batch beside a large state.

`python benchmarks/bounds.py` runs each scenario in a process of its own and prints rows, CPU seconds and peak RSS; then
the CPU of batches of 10 rows with 10 thousand and with 1 million keys in state. `--check` fails when a bound is
broken: 1 GB of RSS with `memory_limit` 512MB, and a ratio of 2.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa

from velo_engine import Engine, JobOptions, TableInput

ROWS = 1_000_000
MEMORY_LIMIT = "512MB"
MOST_MEGABYTES = 1000
MOST_RATIO = 2.0
SMALL_BATCH = 10
FEW_KEYS, MANY_KEYS = 10_000, 1_000_000
BATCHES = 200

TABLES = """
CREATE TABLE t (k STRING, id BIGINT, x DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '3' SECOND)
WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
CREATE TABLE o (k STRING, id BIGINT, x DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '3' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'o', 'format' = 'json');
"""
GROUP_BY = "SELECT k, COUNT(*) AS n, SUM(x) AS s, AVG(x) AS a, MIN(x) AS mn, MAX(x) AS mx FROM t GROUP BY k"
QUERIES = {
    "group by, 100 keys": (100, GROUP_BY),
    "group by, 1 M keys": (1_000_000, GROUP_BY),
    "tumble": (
        1000,
        "SELECT k, window_start, COUNT(*) AS n, SUM(x) AS s FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' "
        "SECOND)) GROUP BY k, window_start, window_end",
    ),
    "interval join": (
        1000,
        "SELECT t.id, o.id AS other FROM t JOIN o ON t.k = o.k "
        "AND o.ts BETWEEN t.ts - INTERVAL '0.050' SECOND AND t.ts",
    ),
    "top n": (
        1000,
        "SELECT k, id, x, r FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY x DESC) AS r FROM t) "
        "WHERE r <= 3",
    ),
}
SMALL = ("group by, 1 M keys", "top n")


def rows(count: int, keys: int, seed: int, *, each_once: bool = False) -> pa.Table:
    """Random rows, out of order by up to 2 s; `each_once`: every key in turn."""
    rng = np.random.default_rng(seed)
    cents = np.zeros((count, 2), np.int64)
    cents[:, 0] = rng.integers(1, 1_000_000, count)
    codes = np.arange(count) % keys if each_once else rng.integers(0, keys, count)
    times = np.arange(count) - rng.integers(0, 2000, count)
    return pa.table(
        {
            "k": pa.array(codes).cast(pa.string()),
            "id": pa.array(np.arange(count)),
            "x": pa.Array.from_buffers(pa.decimal128(10, 2), count, [None, pa.py_buffer(cents)]),
            "ts": pa.array(times * 1000).cast(pa.timestamp("us")),
        }
    )


def million(name: str) -> dict[str, float]:
    """One scenario over `ROWS` rows, in this process: CPU seconds and peak RSS in megabytes."""
    keys, query = QUERIES[name]
    engine = Engine()
    plan = engine.plan(f"{TABLES}\n{query};")
    given = {"t": (keys, 1), "o": (keys, 2)}
    inputs = {source: TableInput(rows(ROWS, *given[source])) for source in plan.sources}
    began = time.process_time()
    engine.run(plan, inputs=inputs, options=JobOptions(capture=False, now_ms=0, memory_limit=MEMORY_LIMIT))
    return {"cpu": time.process_time() - began, "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}


def small_batches(name: str) -> dict[str, float]:
    """CPU milliseconds of a batch of `SMALL_BATCH` rows, the median, with few and with many keys in state."""
    return {str(keys): _small_batch(QUERIES[name][1], keys) for keys in (FEW_KEYS, MANY_KEYS)}


def _small_batch(query: str, keys: int) -> float:
    engine = Engine()
    plan = engine.plan(f"{TABLES}\n{query};")
    options = JobOptions(capture=False, now_ms=0)
    loaded = engine.job(plan, inputs={"t": TableInput(rows(keys, keys, 1, each_once=True))}, options=options)
    for span in loaded.spans():
        loaded.step(span)
    few = TableInput(rows(SMALL_BATCH * BATCHES, keys, 2))
    job = engine.job(plan, inputs={"t": few}, options=replace(options, batch_size=SMALL_BATCH))
    job.restore(loaded.snapshot())
    spent = []
    for span in job.spans():
        began = time.process_time()
        job.step(span)
        spent.append(time.process_time() - began)
    return float(np.median(spent)) * 1000


def in_a_process(scenario: str, name: str) -> dict[str, float]:
    """What a scenario prints, run alone."""
    command = [sys.executable, __file__, "--scenario", scenario, name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this file itself
    return dict(json.loads(done.stdout))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true", help="fail when a bound is broken")
    parser.add_argument("--scenario", nargs=2, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.scenario is not None:
        scenario, name = parsed.scenario
        print(json.dumps({"million": million, "small": small_batches}[scenario](name)))
        return 0
    broken = []
    for name in QUERIES:
        found = in_a_process("million", name)
        print(f"{name:20} {ROWS:,} rows  {found['cpu']:6.1f} CPU s  {found['rss']:5.0f} MB", flush=True)
        if found["rss"] > MOST_MEGABYTES:
            broken.append(f"{name}: {found['rss']:.0f} MB")
    for name in SMALL:
        few, many = in_a_process("small", name).values()
        print(
            f"{name:20} {SMALL_BATCH} rows: {few:.2f} ms with {FEW_KEYS:,} keys, {many:.2f} ms with {MANY_KEYS:,}",
            flush=True,
        )
        if many > MOST_RATIO * few:
            broken.append(f"{name}: {many / few:.1f} times the CPU")
    print("\n".join(broken))
    return 1 if broken and parsed.check else 0


if __name__ == "__main__":
    sys.exit(main())
