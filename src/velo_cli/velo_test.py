"""The command `velo-test`: runs test specs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from velo_cli.command_line import key_values, new_app, print_version, run_app, set_debug
from velo_cli.coverage_output import CoverageChoice
from velo_cli.expectation_updates import update_of, with_updates
from velo_cli.progress import ProgressLine
from velo_cli.quickstart import quickstart, scaffold
from velo_cli.run_by_default import RunByDefault
from velo_cli.test_annotate import annotate
from velo_cli.test_debug import debug_query, stepped
from velo_cli.test_explain import explain
from velo_cli.test_health import health
from velo_cli.test_infer_schema import infer_schema
from velo_cli.test_init import init
from velo_cli.test_mutate import mutate
from velo_cli.test_run_all import run_all_of
from velo_cli.test_stress import stress
from velo_cli.test_validate import validate

if TYPE_CHECKING:
    from velo_harness.kafka.providers import KafkaChoice
    from velo_harness.reports.outputs import Outputs
    from velo_harness.result import RunResult
    from velo_harness.settings import RunSettings
    from velo_harness.spec import Runner
    from velo_harness.suite import SpecFile

app = new_app("Test streaming SQL by specs: every query with its inputs and what must come out.")


@app.callback(cls=RunByDefault)
def velo_test(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Test streaming SQL by specs: every query with its inputs and what must come out."""


@app.command()
def run(
    paths: Annotated[list[Path], typer.Argument(help="SQL files, specs or folders", show_default=False)],
    query: Annotated[list[str], typer.Option(help="run only the query of this name (repeatable)")] = [],  # noqa: B006
    seed: Annotated[int | None, typer.Option(help="seed of all generated data, instead of the specs' own")] = None,
    output: Annotated[
        str | None,
        typer.Option(help="format of the report: text, json, junit, html, markdown, github", metavar="FORMAT"),
    ] = None,
    report: Annotated[list[Path], typer.Option(help="write a report to this file (repeatable)", metavar="FILE")] = [],  # noqa: B006
    compare_to: Annotated[
        Path | None, typer.Option(help="say what changed since this earlier JSON report", metavar="FILE")
    ] = None,
    timeout_ms: Annotated[int | None, typer.Option(min=1, help="time limit of a query")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="most events the engine handles at once")] = None,
    var: Annotated[list[str], typer.Option(help="a value for ${NAME}, as NAME=VALUE (repeatable)")] = [],  # noqa: B006
    allow_path: Annotated[list[Path], typer.Option(help="a folder outside the project that specs may use")] = [],  # noqa: B006
    runner: Annotated[
        str | None, typer.Option(help="engine, flink or recorded, instead of the specs' own runners", metavar="RUNNER")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="ask a real Flink for the answers that the runner recorded replays")
    ] = False,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="keep to the rates and waits of specs in real time")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="what would be a warning is an error")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="write expectations that do not hold, and missing ones")
    ] = False,
    update_new_only: Annotated[
        bool, typer.Option("--update-new-only", help="write the expectations of queries that have none")
    ] = False,
    permute: Annotated[
        int, typer.Option(min=0, help="try so many other orders of arrival of each query", metavar="N")
    ] = 0,
    cov: Annotated[bool, typer.Option("--cov", help="say which ways through the SQL no row has taken")] = False,
    cov_fail_under: Annotated[
        float | None, typer.Option(min=0, max=100, help="fail below this SQL coverage in percent", metavar="PERCENT")
    ] = None,
    cov_annotate: Annotated[
        Path | None, typer.Option(help="write the SQL with a mark beside each line to this file", metavar="FILE")
    ] = None,
    by_folder: Annotated[bool, typer.Option("--by-folder", help="sum up each folder")] = False,
    step: Annotated[bool, typer.Option("--step", help="run each query in the debugger, record by record")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="ask nothing")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="show late rows of queries that pass, too")] = False,
    kafka: Annotated[
        str | None, typer.Option(help="where topics are: memory (default), embedded, HOST:PORT", metavar="WHERE")
    ] = None,
    use_testcontainers: Annotated[
        bool, typer.Option("--use-testcontainers", help="topics are on Kafka in a container")
    ] = False,
    reuse_containers: Annotated[
        bool, typer.Option("--reuse-containers", help="take an earlier run's container, leave it for the next")
    ] = False,
    keep_containers: Annotated[
        bool, typer.Option("--keep-containers", help="leave the container and its topics to be looked at")
    ] = False,
    kafka_image: Annotated[
        str | None, typer.Option(help="the image of containers, instead of VELO_KAFKA_IMAGE", metavar="IMAGE")
    ] = None,
    kafka_config: Annotated[Path | None, typer.Option(help="client properties for the cluster", metavar="FILE")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Run specs. The report for people goes to stderr; a machine format goes to stdout, or to --report."""
    from dataclasses import replace

    from velo_engine.errors import ExitCode
    from velo_harness.kafka.providers import KafkaChoice
    from velo_harness.plugin_files import load_conftests
    from velo_harness.reports.json_reading import read_report
    from velo_harness.reports.outputs import outputs
    from velo_harness.reports.trends import trend
    from velo_harness.settings import RunSettings
    from velo_harness.suite import find_spec_files

    set_debug(debug)
    files = find_spec_files(paths)
    load_conftests(file.path for file in files)
    wanted = outputs(output, report)
    earlier = None if compare_to is None else read_report(compare_to)
    choice = KafkaChoice(kafka, use_testcontainers, reuse_containers, keep_containers, kafka_image, kafka_config)
    coverage = CoverageChoice(cov, cov_fail_under, cov_annotate)
    settings = RunSettings(
        seed=seed,
        timeout_ms=timeout_ms,
        batch_size=batch_size,
        runner=_runner(runner),
        record=record,
        realtime=realtime,
        strict=strict,
        debug=debug,
        variables=key_values(var),
        allowed=tuple(allow_path),
        update=update_of(update, update_new_only),
        permute=permute,
        coverage=coverage.wanted,
        profile=wanted.plotted,
    )
    result = stepped(files, settings, query, assumes_yes=yes) if step else _run_all(files, settings, query, choice)
    if earlier is not None:
        result = replace(result, trend=trend(earlier, result, str(compare_to)))
    _report(result, wanted, verbose=verbose)
    if by_folder:
        from velo_harness.reports.folders import folders_text

        print(f"\n{folders_text(result)}", file=sys.stderr)
    covered = coverage.show(result)
    raise typer.Exit(result.exit_code or (ExitCode.PASSED if covered else ExitCode.FAILED))


def _runner(name: str | None) -> Runner | None:
    from velo_harness.spec import Runner

    if name is None:
        return None
    if name not in list(Runner):
        raise typer.BadParameter(f'"{name}" is not one of {", ".join(Runner)}', param_hint="--runner")
    return Runner(name)


def _run_all(files: list[SpecFile], settings: RunSettings, wanted: list[str], choice: KafkaChoice) -> RunResult:
    from contextlib import closing, nullcontext
    from dataclasses import replace

    from velo_harness.kafka.session import chosen_session
    from velo_harness.suite import load_items, run_items

    items, errors = load_items(files, settings, wanted)
    session = chosen_session(choice)
    with closing(session) if session is not None else nullcontext(), ProgressLine(len(items)) as line:
        result = run_items(
            items,
            settings,
            on_start=lambda number, item: line.step(number, item.query.name),
            on_progress=lambda progress: line.touch(f"{progress.records:,} records"),
            kafka=session,
        )
    if session is not None and session.provider.stays is not None:
        print(session.provider.stays, file=sys.stderr)
    return with_updates(replace(result, file_errors=tuple(errors)))


def _report(result: RunResult, wanted: Outputs, *, verbose: bool) -> None:
    """Shows the result to people on stderr, then writes the reports. In GitHub Actions it is annotated too."""
    from velo_harness.reports import github
    from velo_harness.reports.outputs import write_reports

    if sys.stderr.isatty():
        from rich.console import Console

        from velo_harness.reports.terminal import print_run

        print_run(result, Console(stderr=True), verbose=verbose)
    else:
        from velo_harness.reports.text import run_text

        text = run_text(result, verbose=verbose)
        print(github.silenced(text) if github.wanted(os.environ) else text, file=sys.stderr)
    if github.wanted(os.environ) and wanted.stdout != "github":
        sys.stderr.write(github.run_annotations(result))
    write_reports(result, wanted)
    for file, _ in wanted.files:
        print(f"report in {file}", file=sys.stderr)


app.command("run-all")(run_all_of(run))
app.command("validate")(validate)
app.command("health")(health)
app.command("init")(init)
app.command("annotate")(annotate)
app.command("stress")(stress)
app.command("infer-schema")(infer_schema)
app.command("scaffold")(scaffold)
app.command("quickstart")(quickstart)


app.command("mutate")(mutate)


app.command("explain")(explain)
app.command("debug")(debug_query)


def main() -> None:
    """Entry point of `velo-test`."""
    run_app(app)
