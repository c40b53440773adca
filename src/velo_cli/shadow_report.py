"""`velo shadow report`: a report of a comparison, in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from velo_cli.command_line import set_debug
from velo_engine.errors import ErrorCode, VeloError


def report(
    file: Annotated[Path, typer.Argument(help="the JSON report of a comparison", show_default=False)],
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Write the report of a comparison in another form."""
    set_debug(debug)
    raise VeloError(ErrorCode.SQL_UNSUPPORTED, f'"{file}" cannot be written in another form yet')
