"""`velo export`: a Velostream program as Flink SQL."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from velo_cli.command_line import key_values, set_debug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from velo_import.export.model import ExportedProgram


class Target(StrEnum):
    """What a program is exported to."""

    FLINK = "flink"


def export(
    path: Annotated[Path, typer.Argument(help="the program, or a folder with app.sql", show_default=False)],
    output: Annotated[Path, typer.Option(help="the file to write; -: stdout", metavar="FILE")] = Path("-"),
    force: Annotated[bool, typer.Option("--force", help="overwrite that file when it has another text")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="exit code 1 when something is not exported")] = False,
    var: Annotated[
        list[str], typer.Option(help="a value for ${NAME} in the program (repeatable)", metavar="NAME=VALUE")
    ] = [],  # noqa: B006
    brokers: Annotated[
        str | None, typer.Option(help="the Kafka cluster of its topics", metavar="HOST:PORT[,…]")
    ] = None,
    to: Annotated[Target, typer.Option(help="the system that shall run it")] = Target.FLINK,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Write a program in Flink SQL: tables with connectors, views, INSERTs, windows as Flink has them.

    What Flink cannot say is left out, and named with its place on stderr and at the end of the script.
    """
    set_debug(debug)
    assert to is Target.FLINK, "there is one target"
    found = exported(path, key_values(var), brokers)
    if str(output) == "-":
        sys.stdout.write(found.sql)
    else:
        _write(output, found.sql, force=force)
    print(notes_text(found), end="", file=sys.stderr)
    if strict and found.refused:
        raise typer.Exit(1)


def _write(path: Path, text: str, *, force: bool) -> None:
    """Errors: FILE_EXISTS, FILE_UNREADABLE."""
    from velo_engine.errors import ErrorCode, VeloError

    try:
        if path.exists() and not force and path.read_bytes() != text.encode():
            raise VeloError(
                ErrorCode.FILE_EXISTS, f"{path} is there and has another text", hint="--force writes over it"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as problem:
        raise VeloError(ErrorCode.FILE_UNREADABLE, f"cannot write {path}: {problem.strerror}") from None
    print(f"written: {path}", file=sys.stderr)


def exported(path: Path, variables: Mapping[str, str], brokers: str | None) -> ExportedProgram:
    """The program at `path` in Flink SQL. Errors: of reading and planning it."""
    from velo_engine import Engine
    from velo_import.export.program import ExportOptions, export_program
    from velo_import.export.reading import given_program

    given = given_program(path, {**os.environ, **variables})
    folder = given.path.absolute().parent
    return export_program(
        given.text,
        given.file,
        engine=Engine(base_dir=folder, udf_paths=[folder]),
        environment=os.environ,
        schemas=given.schemas,
        options=ExportOptions(variables, brokers, given.production),
    )


def notes_text(program: ExportedProgram) -> str:
    """What is not as it was, a line each, and a hint below."""
    lines = []
    for note in program.notes:
        lines.append(f"{note.kind}: {note.location.file}:{note.location.line}: {note.message}\n")
        if note.hint:
            lines.append(f"    {note.hint}\n")
    count = sum(one.form != "set" for one in program.statements)
    refused = len(program.refused)
    tail = f", {refused} construct(s) not" if refused else ""
    return "".join((*lines, f"{count} statement(s) of Flink SQL exported{tail}\n"))
