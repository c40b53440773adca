"""`velo shadow explain`: why a row differs, and a test that shows it."""

from __future__ import annotations

from typing import Annotated

import typer

from velo_cli.command_line import set_debug
from velo_engine.errors import ErrorCode, VeloError


def explain(
    key: Annotated[str, typer.Argument(help="the row's key, such as order_id=3", show_default=False)],
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Tell why the row of a key differs."""
    set_debug(debug)
    raise VeloError(ErrorCode.SQL_UNSUPPORTED, f'"{key}" cannot be explained yet')
