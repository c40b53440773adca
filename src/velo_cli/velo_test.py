"""The command `velo-test`: runs test specs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from velo_cli.command_line import key_values, new_app, run_app, set_debug
from velo_cli.progress import ProgressLine
from velo_cli.test_health import health
from velo_cli.test_mutate import mutate
from velo_cli.test_validate import validate

if TYPE_CHECKING:
    from velo_harness.kafka.providers import KafkaChoice
    from velo_harness.result import RunResult
    from velo_harness.settings import RunSettings

TEXT = "text"

app = new_app("Test streaming SQL by specs: every query with its inputs and what must come out.")


@app.callback()
def velo_test() -> None:
    """Test streaming SQL by specs: every query with its inputs and what must come out."""


@app.command()
def run(
    paths: Annotated[list[Path], typer.Argument(help="SQL files, specs or folders", show_default=False)],
    query: Annotated[list[str], typer.Option(help="run only the query of this name (repeatable)")] = [],  # noqa: B006
    seed: Annotated[int | None, typer.Option(help="seed of all generated data, instead of the specs' own")] = None,
    output: Annotated[
        str | None, typer.Option(help="format of the report: text, json, junit", metavar="FORMAT")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="write the report to this file, not to stdout")] = None,
    timeout_ms: Annotated[int | None, typer.Option(min=1, help="time limit of a query")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="most events the engine handles at once")] = None,
    var: Annotated[list[str], typer.Option(help="a value for ${NAME}, as NAME=VALUE (repeatable)")] = [],  # noqa: B006
    allow_path: Annotated[list[Path], typer.Option(help="a folder outside the project that specs may use")] = [],  # noqa: B006
    strict: Annotated[bool, typer.Option("--strict", help="what would be a warning is an error")] = False,
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
    from velo_harness.kafka.providers import KafkaChoice
    from velo_harness.settings import RunSettings

    set_debug(debug)
    choice = KafkaChoice(kafka, use_testcontainers, reuse_containers, keep_containers, kafka_image, kafka_config)
    settings = RunSettings(
        seed=seed,
        timeout_ms=timeout_ms,
        batch_size=batch_size,
        strict=strict,
        debug=debug,
        variables=key_values(var),
        allowed=tuple(allow_path),
    )
    write = _writer(output or _format_of(report))
    result = _run_all(paths, settings, query, choice)
    _report(result, write, report, verbose=verbose)
    raise typer.Exit(result.exit_code)


def _run_all(paths: list[Path], settings: RunSettings, wanted: list[str], choice: KafkaChoice) -> RunResult:
    from contextlib import closing, nullcontext
    from dataclasses import replace

    from velo_harness.kafka.session import chosen_session
    from velo_harness.suite import find_spec_files, load_items, run_items

    items, errors = load_items(find_spec_files(paths), settings, wanted)
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
    return replace(result, file_errors=tuple(errors))


def _format_of(report: Path | None) -> str:
    """The format that the ending of a report file tells."""
    endings = {".json": "json", ".xml": "junit"}
    return endings.get(report.suffix, TEXT) if report is not None else TEXT


def _writer(name: str) -> Callable[[RunResult], str] | None:
    """What writes a report in the format called `name`; None for the text that people get anyway."""
    from velo_harness.plugins import reporters
    from velo_harness.reports.json_report import run_json
    from velo_harness.reports.junit import run_junit

    known = {"json": run_json, "junit": run_junit, **reporters()}
    if name != TEXT and name not in known:
        raise typer.BadParameter(f'"{name}" is not one of {", ".join((TEXT, *known))}', param_hint="--output")
    return known.get(name)


def _report(result: RunResult, write: Callable[[RunResult], str] | None, path: Path | None, *, verbose: bool) -> None:
    from velo_harness.reports.text import run_text

    text = run_text(result, verbose=verbose)
    if sys.stderr.isatty():
        from rich.console import Console

        from velo_harness.reports.terminal import print_run

        print_run(result, Console(stderr=True), verbose=verbose)
    else:
        print(text, file=sys.stderr)
    content = (text if write is None else write(result)).rstrip("\n") + "\n"
    if path is not None:
        _write_file(path, content)
    elif write is not None:
        sys.stdout.write(content)


def _write_file(path: Path, content: str) -> None:
    from velo_engine.errors import ErrorCode, VeloError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise VeloError(ErrorCode.FILE_UNREADABLE, f'the report "{path}" cannot be written: {reason}') from None


app.command("mutate")(mutate)
app.command("validate")(validate)
app.command("health")(health)


def main() -> None:
    """Entry point of `velo-test`."""
    run_app(app)
