"""`velo quickstart`, `velo-test quickstart` and `velo-test scaffold`: a project whose tests pass."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from velo_cli.command_line import set_debug

if TYPE_CHECKING:
    from velo_engine.errors import ExitCode

_FORCE = Annotated[bool, typer.Option("--force", help="overwrite files that are there")]
_DEBUG = Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")]


def quickstart(
    folder: Annotated[Path | None, typer.Argument(help="where; made when it is not there", show_default=False)] = None,
    sql: Annotated[
        Path | None, typer.Option(help="a program of yours, in place of the example", metavar="FILE")
    ] = None,
    ci: Annotated[
        bool | None, typer.Option("--ci/--no-ci", help="a workflow, hooks and a README around it", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="ask nothing: the defaults are the answers")] = False,
    debug: _DEBUG = False,
) -> None:
    """Write a small project (a program, its spec, some data), run its tests, and say what to try next.

    On a terminal it asks what the options leave open. Nothing is overwritten.
    """
    from velo_cli.questions import answered, confirmed
    from velo_harness.drafting.new_files import refuse_existing, write_files
    from velo_harness.drafting.project import example_files, surrounding_files

    set_debug(debug)
    if sql is None and folder is None:
        written = answered("A SQL file of yours (empty: an example)?", "", yes=yes)
        sql = Path(written) if written else None
    if sql is not None:
        raise typer.Exit(_start_from(sql, folder, debug=debug))
    if folder is None:
        folder = Path(answered("A folder for the project?", ".", yes=yes))
    around = confirmed("A GitHub Actions workflow, hooks and a README?", yes=yes, default=False) if ci is None else ci
    files = example_files(folder)
    if around:
        files |= surrounding_files(folder, _name_of(folder))
    refuse_existing(files, force=False)
    write_files(files)
    _tell_written(files)
    code = _run_tests(folder / "orders.test.yaml")
    print(f"\n{_next_steps(folder)}", file=sys.stderr)
    raise typer.Exit(code)


def scaffold(
    folder: Annotated[Path, typer.Argument(help="where; made when it is not there", show_default=False)],
    name: Annotated[str | None, typer.Option(help="the project's name; by default the folder's")] = None,
    force: _FORCE = False,
    debug: _DEBUG = False,
) -> None:
    """Write a ready repository: program, schemas, spec, data, README, Makefile, GitHub Actions, pre-commit hooks.

    Its tests pass. Nothing is overwritten without --force.
    """
    from velo_harness.drafting.new_files import refuse_existing, write_files
    from velo_harness.drafting.project import example_files, surrounding_files

    set_debug(debug)
    files = {**example_files(folder), **surrounding_files(folder, name or _name_of(folder))}
    refuse_existing(files, force=force)
    write_files(files)
    _tell_written(files)
    enter = "" if folder == Path() else f"cd {folder} && "
    print(f"next: {enter}velo-test run .", file=sys.stderr)


def _start_from(sql: Path, folder: Path | None, *, debug: bool) -> ExitCode:
    """A spec for a program that is there."""
    from velo_engine.errors import ErrorCode, VeloError
    from velo_harness.drafting.spec_draft import draft_spec
    from velo_harness.settings import RunSettings

    if not sql.is_file():
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no file "{sql}"', hint="name a SQL file")
    target = None if folder is None else folder / f"{sql.stem}.test.yaml"
    drafted = draft_spec(sql, target, RunSettings(debug=debug))
    _tell_written(drafted.files)
    for note in drafted.notes:
        print(f"note: {note}", file=sys.stderr)
    return _run_tests(drafted.spec)


def _name_of(folder: Path) -> str:
    return folder.resolve().name or "project"


def _tell_written(paths: Iterable[Path]) -> None:
    print("Written:", file=sys.stderr)
    for path in paths:
        print(f"  {path}", file=sys.stderr)


def _run_tests(spec: Path) -> ExitCode:
    from velo_harness.reports.text import run_text
    from velo_harness.settings import RunSettings
    from velo_harness.suite import find_spec_files, load_items, run_items

    settings = RunSettings()
    items, _ = load_items(find_spec_files([spec]), settings, ())
    result = run_items(items, settings)
    print(f"\n{run_text(result)}", file=sys.stderr)
    return result.exit_code


def _next_steps(folder: Path) -> str:
    enter = "" if folder == Path() else f"  cd {folder}\n"
    return (
        "Next:\n"
        f"{enter}"
        "  velo run orders.sql            the program over data/orders.csv\n"
        "  velo-test run .                the tests again\n"
        "  pytest -v                      the same tests, as pytest items\n"
        "  velo-test init your.sql        a first spec for a program of yours\n"
        "Change a number under expect: in orders.test.yaml and see how a failure reads."
    )
