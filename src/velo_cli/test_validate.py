"""`velo-test validate`: specs, data schemas and programs checked without running anything."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from velo_cli.command_line import key_values, set_debug
from velo_harness.reports.standard_output import print_out


class FindingFormat(StrEnum):
    """What findings are written in."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


def validate(
    paths: Annotated[list[Path], typer.Argument(help="SQL files, specs, data schemas or folders", show_default=False)],
    strict: Annotated[bool, typer.Option("--strict", help="warnings count as errors")] = False,
    output: Annotated[FindingFormat, typer.Option(help="format of the findings")] = FindingFormat.TEXT,
    var: Annotated[list[str], typer.Option(help="a value for ${NAME}, as NAME=VALUE (repeatable)")] = [],  # noqa: B006
    allow_path: Annotated[list[Path], typer.Option(help="a folder outside the project that specs may use")] = [],  # noqa: B006
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Check specs, data schemas and SQL without running anything: every problem with its file, line and column.

    Leaves with 2 when there is an error (with --strict also for a warning). No code of yours is imported.
    """
    from velo_cli.colours import coloured
    from velo_cli.progress import ProgressLine
    from velo_engine.errors import ExitCode
    from velo_harness.settings import RunSettings
    from velo_harness.validating.files import validate as validated
    from velo_harness.validating.findings_report import validation_json, validation_text
    from velo_harness.validation import Level

    set_debug(debug)
    settings = RunSettings(strict=False, variables=key_values(var), allowed=tuple(allow_path), debug=debug)
    with ProgressLine() as line:
        found = validated(paths, settings, on_file=lambda name: line.step(0, name))
    match output:
        case FindingFormat.TEXT:
            print(coloured(validation_text(found), sys.stderr), file=sys.stderr)
        case FindingFormat.JSON:
            print_out(validation_json(found))
        case FindingFormat.SARIF:
            from velo_harness.reports.sarif import findings_sarif

            print_out(findings_sarif(found.findings))
    wrong = found.count(Level.ERROR) or (strict and found.count(Level.WARNING))
    raise typer.Exit(ExitCode.WRONG_INPUT if wrong else ExitCode.PASSED)
