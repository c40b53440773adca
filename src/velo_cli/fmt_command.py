"""`velo fmt`: SQL, specs and data schemas in one form."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from velo_cli.command_line import set_debug
from velo_harness.reports.standard_output import print_out


def fmt(
    paths: Annotated[list[Path], typer.Argument(help="SQL files, specs, data schemas or folders", show_default=False)],
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; leave with 1 when something would change")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="write nothing; show what would change")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Format SQL, specs and data schemas. Comments stay, and so does what the files mean.

    A file that does not parse is named and left as it is (exit code 2).
    """
    from velo_cli.progress import ProgressLine
    from velo_engine.errors import ExitCode
    from velo_harness.formatting.files import files_to_format, formatted, write
    from velo_harness.programs import shown_path
    from velo_harness.reports.shown_values import printable_lines

    set_debug(debug)
    files = files_to_format(paths)
    changed = refused = 0
    with ProgressLine(len(files)) as line:
        for number, path in enumerate(files):
            line.step(number, shown_path(path))
            file = formatted(path)
            if file.refused is not None:
                refused += 1
                print(f"left as it is: {shown_path(path)}\n{printable_lines(str(file.refused))}", file=sys.stderr)
            elif file.changes:
                changed += 1
                if diff:
                    print_out(file.diff())
                elif check:
                    print(f"would change: {shown_path(path)}", file=sys.stderr)
                else:
                    write(file)
                    print(f"formatted: {shown_path(path)}", file=sys.stderr)
    print(_summary(len(files), changed, refused, written=not (check or diff)), file=sys.stderr)
    if refused:
        raise typer.Exit(ExitCode.WRONG_INPUT)
    raise typer.Exit(ExitCode.FAILED if changed and check else ExitCode.PASSED)


def _summary(files: int, changed: int, refused: int, *, written: bool) -> str:
    parts = [f"{changed} {'formatted' if written else 'would change'}"] if changed else []
    parts += [f"{refused} left as {'they are' if refused > 1 else 'it is'}"] if refused else []
    return f"{files} file{'s' * (files != 1)}: {', '.join(parts) or 'nothing to change'}"
