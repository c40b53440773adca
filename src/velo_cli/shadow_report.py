"""`velo shadow report`: the report of a comparison in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from velo_cli.command_line import set_debug
from velo_shadow.reports.forms import ReportFormat, format_of


def report(
    file: Annotated[Path, typer.Argument(help="the JSON report of a comparison", show_default=False)],
    form: Annotated[
        ReportFormat | None,
        typer.Option("--format", help="the form; by default the ending of --output tells, else text"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="write it to this file instead of stdout", metavar="FILE")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Write the report of a comparison in another form: for people, for a pull request, for CI.

    It judges nothing: leaves with 0 once it is written, whatever the verdict.
    """
    import sys

    from velo_cli.report_output import write_report
    from velo_shadow.reports.json_report import read_shadow_report
    from velo_shadow.reports.outputs import report_text

    set_debug(debug)
    found = read_shadow_report(file)
    if form is None and output is not None:
        form = format_of(output)
    if form in (None, ReportFormat.TEXT) and output is None:
        from rich.console import Console

        from velo_shadow.reports.console import print_report

        print_report(found, Console(file=sys.stdout))
        return
    write_report(report_text(found, form or ReportFormat.TEXT), output)
