"""The summary of a job: every record's fate, and the results that go nowhere else."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from velo_cli.run_program import FinishedJob
from velo_harness.relation import python_value
from velo_harness.reports.shown_values import printable_lines, table_lines
from velo_harness.result import versions

SCHEMA_VERSION = 1
SHOWN_ROWS = 20
"""Rows of a result without a sink."""


def summary_text(finished: FinishedJob) -> str:
    """The summary for people."""
    lines: list[str] = []
    for name in finished.shown:
        final = finished.result.statements[name].final
        shown = final.slice(0, SHOWN_ROWS)
        names = shown.column_names
        rows = [{n: python_value(shown.column(j)[i]) for j, n in enumerate(names)} for i in range(len(shown))]
        lines.append(f"{name}: {final.num_rows:,} rows")
        lines += [f"  {line}" for line in table_lines(rows)] if rows else []
        if final.num_rows > SHOWN_ROWS:
            lines.append(f"  and {final.num_rows - SHOWN_ROWS:,} more")
        lines.append("")
    lines += [finished.result.summary()]
    for name, statement in finished.program.statements.items():
        if statement.sink is not None and "path" in statement.sink.properties:
            written = finished.result.statements[name].accounting.written
            lines.append(f"{name} wrote {written:,} rows to {statement.sink.properties['path']}")
    return printable_lines("\n".join(lines))


def summary_json(finished: FinishedJob) -> str:
    """The summary for programs (docs/report.md)."""
    result = finished.result
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "versions": versions(),
        "file": finished.file,
        "records": result.records,
        "elapsed_ms": round(result.elapsed_ms, 3),
        "dead_letters": result.dead_letter_count,
        "statements": {name: asdict(s.accounting) for name, s in result.statements.items()},
    }
    return json.dumps(document, indent=2, ensure_ascii=False)
