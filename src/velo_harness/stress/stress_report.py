"""What stress runs measured, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from velo_harness.reports.shown_values import printable_lines
from velo_harness.stress.stress_run import Limits, StressResult

SCHEMA_VERSION = 1


def stress_text(results: Sequence[StressResult], limits: Limits) -> str:
    """A few lines a query, and what it did not keep to."""
    return "\n\n".join("\n".join(_lines(result, limits)) for result in results)


def stress_line(result: StressResult) -> str:
    """The measurements in one line."""
    return (
        f"{result.records:,} records in {result.elapsed_s:.2f} s, {result.records_per_second:,.0f} a second;"
        f" p99 {result.latency.p99_ms:.1f} ms; {result.peak_memory_bytes / 1e6:,.0f} MB;"
        f" {result.dead_letters:,} dead letters"
    )


def _lines(result: StressResult, limits: Limits) -> list[str]:
    latency = result.latency
    repeated = f" in {result.runs} runs" if result.runs > 1 else ""
    lines = [
        result.query,
        f"  throughput  {result.records_per_second:,.0f} records/s ({result.records:,} records{repeated},"
        f" {result.elapsed_s:.2f} s, {result.output_rows:,} changes out)",
        f"  latency     p50 {latency.p50_ms:.1f} ms, p95 {latency.p95_ms:.1f} ms, p99 {latency.p99_ms:.1f} ms,"
        f" max {latency.max_ms:.1f} ms",
        f"  memory      peak {result.peak_memory_bytes / 1e6:,.0f} MB ({result.memory_growth_bytes / 1e6:+,.0f} MB"
        " while it ran)",
        f"  errors      {result.dead_letters:,} dead letters, {result.late:,} late rows",
    ]
    if result.error is not None:
        lines.append(printable_lines(str(result.error)))
    lines += [f"  FAILED      {problem}" for problem in limits.broken_by(result)]
    return lines


def stress_json(results: Sequence[StressResult], limits: Limits) -> str:
    """An object with the measurements of every query."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "passed": not any(limits.broken_by(result) for result in results),
        "queries": [
            {
                "query": result.query,
                "records": result.records,
                "output_rows": result.output_rows,
                "runs": result.runs,
                "elapsed_s": round(result.elapsed_s, 6),
                "records_per_second": round(result.records_per_second, 1),
                "latency_ms": {
                    "p50": round(result.latency.p50_ms, 3),
                    "p95": round(result.latency.p95_ms, 3),
                    "p99": round(result.latency.p99_ms, 3),
                    "max": round(result.latency.max_ms, 3),
                },
                "peak_memory_bytes": result.peak_memory_bytes,
                "memory_growth_bytes": result.memory_growth_bytes,
                "dead_letters": result.dead_letters,
                "late": result.late,
                "error": None if result.error is None else result.error.message,
                "problems": limits.broken_by(result),
            }
            for result in results
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
