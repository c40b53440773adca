"""`velo-test health`: what this machine has of all that velostream can use."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from velo_cli.command_line import set_debug
from velo_harness.reports.standard_output import print_out


class HealthFormat(StrEnum):
    """What the checks are written in."""

    TEXT = "text"
    JSON = "json"


def health(
    brokers: Annotated[
        str | None, typer.Option("--brokers", "--kafka", metavar="HOST:PORT", help="a cluster that must answer")
    ] = None,
    kafka_config: Annotated[Path | None, typer.Option(help="its client properties", metavar="FILE")] = None,
    schema_registry: Annotated[
        str | None, typer.Option(metavar="URL", help="a schema registry that must answer")
    ] = None,
    require: Annotated[list[str], typer.Option(help="what must be ok, such as docker (repeatable)")] = [],  # noqa: B006
    output: Annotated[HealthFormat, typer.Option(help="text or json")] = HealthFormat.TEXT,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Look at what is here: Python, libraries, disk, a broker, a schema registry, Docker, Java, Flink.

    Each line says ok, missing or wrong, and what to do. Leaves with 3 when something that an option asks for is not ok,
    else with 0. Nothing is started or written.
    """
    from velo_cli.colours import coloured
    from velo_harness import health as checks

    set_debug(debug)
    for name in require:
        if name not in checks.NAMES:
            raise typer.BadParameter(f'"{name}" is not one of {", ".join(checks.NAMES)}', param_hint="--require")
    found = checks.health(checks.Wanted(brokers, kafka_config, schema_registry, frozenset(require)), os.environ)
    if output is HealthFormat.JSON:
        print_out(checks.health_json(found))
    else:
        print_out(coloured(checks.health_text(found), sys.stdout) + "\n")
    raise typer.Exit(checks.exit_code(found))
