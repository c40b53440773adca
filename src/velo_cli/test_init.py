"""`velo-test init`: a first spec for a program, from its plan."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from velo_cli.command_line import key_values, set_debug


def init(
    sql: Annotated[Path, typer.Argument(help="the program", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="the spec; by default x.test.yaml beside x.sql", metavar="FILE"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite a spec and schemas that are there")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="ask nothing")] = False,
    var: Annotated[list[str], typer.Option(help="a value for ${NAME}, as NAME=VALUE (repeatable)")] = [],  # noqa: B006
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Write a spec for a program: generated inputs, and assertions that its plan promises. It passes, and it can fail.

    Sources without a data schema get one in schemas/. Nothing is overwritten without --force.
    """
    from velo_cli.questions import confirmed
    from velo_engine.errors import ErrorCode, VeloError
    from velo_harness.drafting.spec_draft import draft_spec
    from velo_harness.programs import shown_path
    from velo_harness.reports.shown_values import printable
    from velo_harness.settings import RunSettings

    set_debug(debug)
    if not sql.is_file():
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no file "{sql}"', hint="name a SQL file")
    target = output or sql.with_name(f"{sql.stem}.test.yaml")
    if force and target.exists() and not confirmed(f"Overwrite {target}?", yes=yes):
        raise typer.Exit(1)
    drafted = draft_spec(sql, target, RunSettings(variables=key_values(var), debug=debug), force=force)
    for path in drafted.files:
        print(f"written: {shown_path(path)}", file=sys.stderr)
    for note in drafted.notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    queries = f"{drafted.queries} quer{'ies' if drafted.queries != 1 else 'y'}"
    print(f"{queries}, {drafted.assertions} assertions, all hold", file=sys.stderr)
    print(f"next: velo-test run {shown_path(target)}", file=sys.stderr)
