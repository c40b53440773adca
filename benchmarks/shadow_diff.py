"""CPU and memory of comparing two Parquet files by key, against the bare SQL join: `python benchmarks/shadow_diff.py`.

Each runs in a process of its own, so that the peak of its memory (RSS) is its own. Compare the ratios of one run only.
`--rows N` (5 000 000), `--memory-limit 192MB` for both.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from velo_engine.kernel import Kernel
from velo_shadow.model import Side
from velo_shadow.offline import compare_files, read_side
from velo_shadow.planning import plan_for

TARGET_RATIO = 2.0
TARGET_MB = 384
BATCH = 500_000


def write_sides(folder: Path, rows: int) -> None:
    """Two files with the same rows in another order: key, decimal, double, text, time; doubles with rounding noise."""
    random = np.random.default_rng(1)
    orders = {"left": np.arange(rows), "right": random.permutation(rows)}
    for name, order in orders.items():
        writer = None
        for start in range(0, rows, BATCH):
            table = _rows(order[start : start + BATCH], noise=1e-13 if name == "right" else 0.0)
            writer = writer or parquet.ParquetWriter(folder / f"{name}.parquet", table.schema)
            writer.write_table(table)
        assert writer is not None
        writer.close()


def _rows(keys: np.ndarray, noise: float) -> pa.Table:
    amounts = pa.array((keys * 7919) % 1_000_000).cast(pa.int32()).cast(pa.decimal128(12, 2))
    names = pa.array([f"customer{i}" for i in range(1000)]).take(pa.array(keys % 1000))
    times = pa.array(1_767_225_600_000_000 + keys * 1000).cast(pa.timestamp("us"))
    return pa.table({"k": keys, "amount": amounts, "ratio": keys / 3 * (1 + noise), "name": names, "ts": times})


def bare_join(folder: Path, limit: str) -> None:
    """What the comparison is measured against: the join and the tests, nothing else."""
    files = [str(folder / f"{side}.parquet") for side in Side]
    sql = f"""
        SELECT COUNT(*) AS n FROM READ_PARQUET('{files[0]}') AS l FULL JOIN READ_PARQUET('{files[1]}') AS r ON l.k = r.k
        WHERE l.amount = r.amount AND ABS(l.ratio - r.ratio) <= 1e-9 * GREATEST(ABS(l.ratio), ABS(r.ratio))
        AND l.name = r.name AND l.ts = r.ts
    """
    with Kernel(memory_limit=limit, files=files) as kernel:
        print(kernel.query(sql).to_pylist(), file=sys.stderr)


def comparison(folder: Path, limit: str) -> None:
    """The comparison as `velo shadow` makes it."""
    sides = [read_side(folder / f"{side}.parquet", side) for side in Side]
    found = compare_files(sides[0], sides[1], plan_for(sides[0], sides[1], key=["k"]), memory_limit=limit)
    assert found.diff.counts.different == 0
    print(found.diff.counts, file=sys.stderr)


MEASURED = {"join": bare_join, "comparison": comparison}


def measure(name: str, folder: Path, limit: str) -> dict[str, float]:
    """CPU seconds and peak MB of one of them, in another process."""
    command = [sys.executable, __file__, "--measure", name, "--folder", str(folder), "--memory-limit", limit]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this very script
    return json.loads(done.stdout)


def main() -> None:
    """Write the files, measure both, print the ratio."""
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=5_000_000)
    options.add_argument("--memory-limit", default="192MB")
    options.add_argument("--measure", choices=MEASURED)
    options.add_argument("--folder", type=Path)
    asked = options.parse_args()
    if asked.measure:
        before = time.process_time()
        MEASURED[asked.measure](asked.folder, asked.memory_limit)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"cpu": time.process_time() - before, "mb": peak}))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sides(folder, asked.rows)
        found = {what: measure(what, folder, asked.memory_limit) for what in MEASURED}
    for what, numbers in found.items():
        print(f"{what:12} {numbers['cpu']:6.2f} CPU s   {numbers['mb']:6.0f} MB")
    ratio = found["comparison"]["cpu"] / found["join"]["cpu"]
    print(f"ratio {ratio:.2f} (target {TARGET_RATIO}), peak {found['comparison']['mb']:.0f} MB (target {TARGET_MB})")


if __name__ == "__main__":
    main()
