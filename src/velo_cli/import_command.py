"""`velo import`: Flink SQL to a Velostream program with a report of what became of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from velo_cli.command_line import set_debug


def import_flink(
    path: Annotated[Path, typer.Argument(help="a Flink SQL script, or a folder of scripts", show_default=False)],
    output: Annotated[Path, typer.Option(help="the folder to write", metavar="DIR")] = Path("converted"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the report, write nothing")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="leave with 1 when something is not converted")] = False,
    force: Annotated[bool, typer.Option("--force", help="write over files that have another text")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Convert Flink SQL: scripts, folders of them, and SQL within Java, Scala and Python files.

    Writes app.sql, the original and a report with a row for every construct; nothing is run, and Flink is not needed.
    """
    from velo_import.convert.job import convert_job
    from velo_import.folder import files_of, write_folder
    from velo_import.inputs.files import read_jobs
    from velo_import.model import Outcome
    from velo_import.report import headline, report_markdown

    set_debug(debug)
    jobs = [convert_job(job.name, job.scripts) for job in read_jobs(path)]
    missing = [c for job in jobs for c in job.constructs if c.outcome is Outcome.NOT_CONVERTED]
    if dry_run:
        sys.stdout.write(report_markdown(jobs))
    else:
        for written in write_folder(files_of(jobs), output, force=force):
            print(f"written: {written}", file=sys.stderr)
    print(headline(jobs), file=sys.stderr)
    for one in missing:
        print(f"not converted: {one.location.file}:{one.location.line}: {one.reason}", file=sys.stderr)
    if strict and missing:
        raise typer.Exit(1)
