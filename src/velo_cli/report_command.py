"""`velo report`: what a folder of reports says of a migration, on one page."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from velo_cli.command_line import set_debug
from velo_harness.reports.standard_output import print_out


class PageFormat(StrEnum):
    """What the page is written in."""

    MD = "md"
    HTML = "html"
    JSON = "json"


class PartName(StrEnum):
    """The parts of a migration."""

    IMPORT = "import"
    TESTS = "tests"
    COVERAGE = "coverage"
    MUTATION = "mutation"
    SHADOW = "shadow"


def report(
    folder: Annotated[Path, typer.Argument(help="where the JSON reports are", show_default=False)],
    form: Annotated[
        PageFormat | None, typer.Option("--format", help="of the page; by default the file's ending tells, else md")
    ] = None,
    files: Annotated[
        list[Path], typer.Option("--report", help="write the page to this file (repeatable)", metavar="FILE")
    ] = [],  # noqa: B006
    require: Annotated[
        list[PartName] | None,
        typer.Option(help="a part that must have passed (repeatable); by default import, tests and shadow"),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Gather the JSON reports of a folder (import, tests, coverage, mutation, shadow) into one page with a verdict.

    Leaves with 0 when it is safe to migrate, 1 when something failed, 4 when something needed was not run.
    """
    from velo_cli.report_output import write_report
    from velo_harness.reports.migration import REQUIRED, Part, gather
    from velo_harness.reports.migration_pages import WRITERS

    set_debug(debug)
    wanted = REQUIRED if require is None else tuple(Part(name.value) for name in require)
    found = gather(folder, wanted)
    for path in files:
        ending = path.suffix.removeprefix(".")
        write_report(WRITERS[ending if ending in WRITERS else form or PageFormat.MD](found), path)
    if not files:
        print_out(WRITERS[form or PageFormat.MD](found))
    print(found.line, file=sys.stderr)
    raise typer.Exit(found.exit_code)
