"""`velo-test debug`: a query record by record."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from velo_cli.command_line import key_values, set_debug

if TYPE_CHECKING:
    from velo_harness.debugging.debugged_query import QueryDebugger
    from velo_harness.result import RunResult
    from velo_harness.settings import RunSettings
    from velo_harness.suite import SpecFile


def debug_query(
    path: Annotated[Path, typer.Argument(help="a spec, or a SQL file", show_default=False)],
    query: Annotated[str | None, typer.Option(help="the query; not needed when there is only one")] = None,
    commands: Annotated[Path | None, typer.Option(help="read the commands from this file", metavar="FILE")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="ask nothing")] = False,
    seed: Annotated[int | None, typer.Option(help="seed of all generated data, instead of the spec's own")] = None,
    var: Annotated[list[str], typer.Option(help="a value for ${NAME}, as NAME=VALUE (repeatable)")] = [],  # noqa: B006
    allow_path: Annotated[list[Path], typer.Option(help="a folder outside the project that specs may use")] = [],  # noqa: B006
    show_traceback: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Run a query record by record: step, break, inspect, filter, export, look back."""
    from velo_engine.errors import ExitCode
    from velo_harness.debugging.debugged_query import debugged_item
    from velo_harness.settings import RunSettings

    set_debug(show_traceback)
    settings = RunSettings(seed=seed, debug=show_traceback, variables=key_values(var), allowed=tuple(allow_path))
    item = debugged_item(path, settings, query)
    debugger = new_debugger(commands, assumes_yes=yes)
    rerun = f"velo-test debug {shlex.quote(str(path))} --query {shlex.quote(item.query.name)}"
    debugger.run(item.spec, item.query, settings, item=item.query.name, rerun=rerun)
    raise typer.Exit(ExitCode.WRONG_INPUT if debugger.failed else ExitCode.PASSED)


def new_debugger(commands: Path | None, *, assumes_yes: bool) -> QueryDebugger:
    """A debugger at this terminal, or over the commands of a file or a pipe. Errors: FILE_NOT_FOUND."""
    from velo_harness.debugging.command_reader import ScriptReader, TerminalReader
    from velo_harness.debugging.debugged_query import QueryDebugger
    from velo_harness.debugging.screen import Screen
    from velo_harness.yaml_source import read_text

    screen = Screen(sys.stdout)
    if commands is not None:
        return QueryDebugger(screen, ScriptReader(read_text(commands).splitlines(), screen), assumes_yes=assumes_yes)
    if not sys.stdin.isatty():
        return QueryDebugger(screen, ScriptReader(sys.stdin, screen), assumes_yes=assumes_yes)
    reader = TerminalReader(screen)
    debugger = QueryDebugger(screen, reader, assumes_yes=assumes_yes)
    reader.words = debugger.words
    return debugger


def stepped(files: list[SpecFile], settings: RunSettings, wanted: list[str], *, assumes_yes: bool) -> RunResult:
    """What `velo-test run --step` runs: every query in the debugger, one after the other.

    A query that the person leaves before its end is skipped in the result.
    """
    from dataclasses import replace

    from velo_harness.suite import load_items, run_items

    items, errors = load_items(files, settings, wanted)
    debugger = new_debugger(None, assumes_yes=assumes_yes)
    return replace(run_items(items, settings, run=debugger.result), file_errors=tuple(errors))
