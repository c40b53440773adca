"""`velo shadow explain`: why a row differs, and a test that shows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from velo_cli.command_line import key_values, set_debug
from velo_engine.errors import ErrorCode, ExitCode, VeloError

if TYPE_CHECKING:
    from velo_shadow.reproducer.reproduction import Reproduction


def explain(
    key: Annotated[
        str,
        typer.Argument(
            help="the row's key: order_id=3, or the values alone in the order of the key's columns: 3",
            show_default=False,
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="DIR", help="a shadow_config.yaml, or the folder that has one")
    ] = Path(),
    sink: Annotated[str | None, typer.Option(help="the sink, where several have such a key")] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="a JSON report of velo shadow, which knows the causes", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="where the spec is written; by default beside the config", show_default=False
        ),
    ] = None,
    var: Annotated[
        list[str], typer.Option(help="a value for ${NAME} in the program (repeatable)", metavar="NAME=VALUE")
    ] = [],  # noqa: B006
    force: Annotated[bool, typer.Option("--force", help="overwrite the file")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Tell why the row of a key differs, and write a test of the few input rows that show it.

    Runs the program of the config over its inputs and compares it with the left. The test fails as long as the program
    gives something else for these rows. Leaves with 0 when it was written, 4 when the program gives what the left has.
    """
    from velo_harness.drafting.new_files import refuse_existing, write_files
    from velo_harness.programs import shown_path
    from velo_shadow.config import load_shadow_config
    from velo_shadow.reports.json_report import read_shadow_report
    from velo_shadow.reproducer.case_spec import slug
    from velo_shadow.reproducer.questions import sink_of_key
    from velo_shadow.reproducer.reproduction import reproduce
    from velo_shadow.reproducer.row_keys import parse_key

    set_debug(debug)
    path = target / "shadow_config.yaml" if target.is_dir() else target
    if not path.is_file():
        hint = "name the folder that has it: velo shadow explain KEY DIR"
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no config "{shown_path(path)}"', hint=hint)
    config = load_shadow_config(path)
    asked = sink_of_key(config, key, sink)
    words = (asked.name, *parse_key(key, asked.key).values())
    file = output or path.parent / f"{slug(words)}.test.yaml"
    refuse_existing([file], force=force)
    read = None if report is None else read_shadow_report(report)
    found = reproduce(config, asked, key, file.absolute().parent, report=read, variables=key_values(var))
    _print_found(found)
    if not found.differences:
        raise typer.Exit(ExitCode.INCONCLUSIVE)
    write_files({file: found.spec})
    typer.echo(found.spec)
    typer.echo(f"written to {shown_path(file)}: it fails until the program gives what the left has")
    typer.echo(f"  velo-test run {shown_path(file)}")


def _print_found(found: Reproduction) -> None:
    from velo_harness.reports.shown_values import printable_lines
    from velo_shadow.reproducer.reproduction import by_cause

    lines = [f"{found.sink}: {found.shown_key}"]
    if not found.differences:
        lines.append("the program gives what the left has: nothing differs")
        if found.right_is_other:
            lines.append("the right has something else: it was written by another program, or for other records")
    for cause, told in by_cause(found.differences):
        lines += [*(f"  {line}" for line in told), f"    {cause}"]
    if found.left_until is not None:
        lines.append(f"  the left has come to {found.left_until} only: the row may still come there")
    lines += [f"  {few} of {total} records of {source} show it" for source, (few, total) in found.records.items()]
    if found.differences and not found.complete:
        lines.append("  fewer may be enough: the search ended before all were tried")
    if not found.shows:
        lines.append("  of these alone the program gives something else than of all: the spec shows less than the run")
    typer.echo(printable_lines("\n".join(lines)))
