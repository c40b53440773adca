"""`velo-test stress`: queries run at volume and measured."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from velo_cli.command_line import key_values, set_debug
from velo_harness.reports.standard_output import print_out


class StressFormat(StrEnum):
    """What measurements are written in."""

    TEXT = "text"
    JSON = "json"


def stress(
    path: Annotated[Path, typer.Argument(help="a SQL file, a spec or a folder", show_default=False)],
    query: Annotated[list[str], typer.Option(help="only the query of this name (repeatable)")] = [],  # noqa: B006
    records: Annotated[int | None, typer.Option(min=1, help="records of each stream; 100000 by default")] = None,
    rate: Annotated[
        float | None, typer.Option("--rate-per-second", "--rate", min=0.001, help="their pace, in real time")
    ] = None,
    duration: Annotated[
        float | None, typer.Option("--duration-seconds", "--duration", min=0.001, help="how long; see docs/commands.md")
    ] = None,
    min_throughput: Annotated[float | None, typer.Option(help="fail below so many records a second")] = None,
    max_p99_ms: Annotated[float | None, typer.Option(help="fail above this latency")] = None,
    max_memory_mb: Annotated[float | None, typer.Option(help="fail above this peak of memory")] = None,
    max_dead_letters: Annotated[int | None, typer.Option(help="fail above so many")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="most events the engine handles at once")] = None,
    seed: Annotated[int | None, typer.Option(help="seed of the records")] = None,
    var: Annotated[list[str], typer.Option(help="a value for ${NAME}, as NAME=VALUE (repeatable)")] = [],  # noqa: B006
    output: Annotated[StressFormat, typer.Option(help="text or json")] = StressFormat.TEXT,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Run queries at volume over generated records: throughput, latency, peak memory, errors.

    What the options leave open is what stress_test in the spec says. Leaves with 1 when a limit is not kept.
    """
    from velo_cli.colours import coloured
    from velo_cli.progress import ProgressLine
    from velo_engine.errors import ExitCode
    from velo_harness.plugin_files import load_conftests
    from velo_harness.query_run import expected_error
    from velo_harness.runner import blank_result
    from velo_harness.settings import RunSettings
    from velo_harness.stress.stress_report import stress_json, stress_text
    from velo_harness.stress.stress_run import Limits, stress_query
    from velo_harness.suite import find_spec_files, load_items

    set_debug(debug)
    settings = RunSettings(seed=seed, batch_size=batch_size, variables=key_values(var), debug=debug)
    limits = Limits(min_throughput, max_p99_ms, max_memory_mb, max_dead_letters)
    files = find_spec_files([path])
    load_conftests(file.path for file in files)
    items, errors = load_items(files, settings, query)
    for wrong in errors:
        raise wrong.error
    items = [item for item in items if item.query.skip is None and expected_error(item.query) is None]
    results = []
    with ProgressLine(len(items)) as line:
        for number, item in enumerate(items):
            line.step(number, item.query.name)
            load = item.spec.stress_test.overridden(records, rate, duration)
            blank = blank_result(item.spec, item.query, settings, item=item.query.name, rerun="")
            tell = lambda progress: line.touch(f"{progress.records:,} records")  # noqa: E731
            results.append(stress_query(item.spec, item.query, settings, load, blank, tell))
    if output is StressFormat.JSON:
        print_out(stress_json(results, limits))
    else:
        print_out(coloured(stress_text(results, limits), sys.stdout) + "\n")
    failed = any(limits.broken_by(result) for result in results)
    raise typer.Exit(ExitCode.FAILED if failed else ExitCode.PASSED)
