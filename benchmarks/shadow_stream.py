"""Two streams compared as they go on: rows a second and memory, `python benchmarks/shadow_stream.py`.

The right side lags a million rows behind the left (`--pending`), which are pending all the time; both sides have the
same `--rows` (10 000 000). Prints changes of both sides by second, the time of the steps, and the slope of the memory
(RSS) over the rows after the first fifth; `--plot FILE.svg` draws it. Fails when the slope is above 1 MB per million
rows of a side.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from velo_engine.types import BIGINT, DOUBLE, STRING, decimal, timestamp
from velo_shadow.equality import default_equality
from velo_shadow.folding import Changelog
from velo_shadow.model import ComparisonPlan, PlanColumn, Side
from velo_shadow.stream.changes import Changes
from velo_shadow.stream.comparator import MEMORY_LIMIT, StreamComparator

MOST_SLOPE = 1.0
"""Megabytes per million rows."""
BATCH = 20_000
START_MS = 1_767_225_600_000
_TYPES = {"k": BIGINT, "amount": decimal(12, 2), "ratio": DOUBLE, "name": STRING, "ts": timestamp(3)}
_NAMES = pa.array([f"customer{i}" for i in range(1000)])


def plan(*key: str) -> ComparisonPlan:
    """By these columns, doubles within the usual tolerance."""
    columns = {name: PlanColumn(name, kind, default_equality(kind)) for name, kind in _TYPES.items()}
    values = tuple(column for name, column in columns.items() if name not in key)
    return ComparisonPlan(values, tuple(columns[name] for name in key), "ts")


def changes(first: int, keys_of: int) -> Changes:
    """A batch of rows, a millisecond apart; so many keys, again and again."""
    numbers = np.arange(first, first + BATCH)
    keys = numbers % keys_of
    amounts = pa.array((keys * 7919) % 1_000_000).cast(pa.int32()).cast(pa.decimal128(12, 2))
    times = pa.array((START_MS + numbers) * 1000).cast(pa.timestamp("us"))
    columns = {"k": keys, "amount": amounts, "ratio": keys / 3, "name": _NAMES.take(pa.array(keys % 1000)), "ts": times}
    return Changes(pa.table(columns), np.zeros(BATCH, np.int8), START_MS + numbers + 40, np.zeros(BATCH, np.int32))


def rss_mb() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def compared(rows: int, pending: int, memory_limit: str, upserted: int) -> list[tuple[float, float]]:
    """Runs the comparison; millions of rows of the left, and the megabytes that were resident then."""
    samples = []
    steps, cpu, began = 0.0, 0.0, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        changelog = Changelog.UPSERT if upserted else Changelog.APPEND
        key = ("k",) if upserted else ("k", "ts")
        comparator = StreamComparator(
            plan(*key), dict.fromkeys(Side, changelog), Path(folder), memory_limit=memory_limit
        )
        for first in range(0, rows + pending, BATCH):
            ready = {Side.LEFT: first, Side.RIGHT: first - pending}
            batches = {side: changes(at, upserted or rows) for side, at in ready.items() if 0 <= at < rows}
            cpu_before = time.process_time()
            for side, batch in batches.items():
                comparator.add(side, batch)
            if comparator.is_due():
                step_began = time.perf_counter()
                comparator.step({})
                steps += time.perf_counter() - step_began
                view = comparator.view()
                print(
                    f"  {view.left:>11,} left {view.matched:>11,} equal {view.pending:>9,} pending {rss_mb():6.0f} MB"
                )
            cpu += time.process_time() - cpu_before
            if first % 200_000 == 0:
                samples.append((first / 1e6, rss_mb()))
        cpu_before = time.process_time()
        counts = comparator.finish(True, {}).diff.counts
        cpu += time.process_time() - cpu_before
        size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
        count = comparator.view().steps
        comparator.close()
    wall = time.perf_counter() - began
    assert counts.matched == (upserted or rows), counts
    assert not counts.different, counts
    print(f"{2 * rows:,} changes in {wall:.1f} s, {cpu:.1f} s of CPU in the comparator")
    print(f"{2 * rows / cpu:,.0f} changes per CPU second")
    print(f"{count} steps took {steps:.1f} s; the folder has {size:.0f} MB at the end")
    return samples


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """Megabytes per million rows after the first fifth: the median of the slopes between two samples (Theil and Sen).

    Memory goes up and down by tens of megabytes within a step, which moves a line of least squares at random.
    """
    later = np.array(samples[len(samples) // 5 :])
    first, second = np.triu_indices(len(later), 1)
    apart = later[second] - later[first]
    return float(np.median(apart[:, 1] / apart[:, 0]))


def plot(samples: Sequence[tuple[float, float]], found: float) -> str:
    """The samples as a picture (SVG)."""
    width, height, left, bottom = 720, 360, 60, 40
    across, most = samples[-1][0], max(mb for _, mb in samples) * 1.15
    points = " ".join(
        f"{left + x / across * (width - left - 20):.1f},{height - bottom - mb / most * (height - bottom - 20):.1f}"
        for x, mb in samples
    )
    marks = []
    for i in range(6):
        x = left + i / 5 * (width - left - 20)
        y = height - bottom - i / 5 * (height - bottom - 20)
        marks.append(f'<text x="{x:.0f}" y="{height - 20}" text-anchor="middle">{across * i / 5:.1f}</text>')
        marks.append(f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">{most * i / 5:.0f}</text>')
        marks.append(f'<line x1="{left}" y1="{y:.0f}" x2="{width - 20}" y2="{y:.0f}" stroke="#ddd"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>{"".join(marks)}'
        f'<polyline points="{points}" fill="none" stroke="#1f6feb" stroke-width="2"/>'
        f'<text x="{left}" y="14">RSS in MB by million rows of the left; slope {found:+.2f} MB per million</text>'
        "</svg>\n"
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--pending", type=int, default=1_000_000)
    parser.add_argument("--upserted", type=int, default=0, help="so many keys, updated by turns, instead of new rows")
    parser.add_argument("--memory-limit", default=MEMORY_LIMIT)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    samples = compared(arguments.rows, arguments.pending, arguments.memory_limit, arguments.upserted)
    found = slope(samples)
    print(f"RSS at most {max(mb for _, mb in samples):.0f} MB; slope {found:+.2f} MB per million rows")
    if arguments.plot is not None:
        arguments.plot.write_text(plot(samples, found), encoding="utf-8")
    return 0 if found <= MOST_SLOPE else 1


if __name__ == "__main__":
    sys.exit(main())
