"""`velo-test annotate`: metrics for a program, and the files that monitor it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from velo_cli.command_line import key_values, set_debug


def annotate(
    sql: Annotated[Path, typer.Argument(help="the program", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="by default x.annotated.sql beside x.sql", metavar="FILE")
    ] = None,
    monitoring: Annotated[
        Path | None, typer.Option(help="folder of the other files; by default monitoring/ beside it", metavar="FOLDER")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite files that are there")] = False,
    var: Annotated[list[str], typer.Option(help="a value for ${NAME}, as NAME=VALUE (repeatable)")] = [],  # noqa: B006
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Write a program with @metric annotations from its plan, and files for Prometheus and Grafana.

    Rows are counted, aggregates become gauges, amounts histograms. Statements that have metrics keep theirs.
    """
    from velo_harness.drafting.annotation import annotated
    from velo_harness.drafting.new_files import refuse_existing, write_files
    from velo_harness.programs import shown_path

    set_debug(debug)
    target = output or sql.with_name(f"{sql.stem}.annotated.sql")
    done = annotated(sql, target, monitoring or sql.parent / "monitoring", key_values(var))
    refuse_existing(done.files, force=force)
    write_files(done.files)
    for path in done.files:
        print(f"written: {shown_path(path)}", file=sys.stderr)
    count = len(done.metrics)
    print(f"{count} metric{'s' * (count != 1)}", file=sys.stderr)
    print(f"next: velo run {shown_path(target)} --metrics-port 9091", file=sys.stderr)
