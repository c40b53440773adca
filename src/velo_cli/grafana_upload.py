"""`--grafana-url`: a dashboard's file goes into a Grafana."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from velo_engine.errors import ErrorCode, VeloError


def check_grafana(url: str | None, folder: str | None) -> None:
    """What the command line says of a Grafana, before anything is done for it.

    Errors: typer.BadParameter for a folder without a Grafana, BAD_VALUE for what is no address of one.
    """
    if url is not None:
        from velo_harness.dashboard.grafana import Grafana

        Grafana(url, os.environ)
    elif folder is not None:
        raise typer.BadParameter("--grafana-folder needs --grafana-url: the Grafana that has the folder")


def upload_dashboard(file: Path, url: str, folder: str | None) -> None:
    """Put the dashboard into the Grafana at `url`, and tell its address.

    Errors: FILE_NOT_FOUND without a file, those of reading it and of the Grafana.
    """
    from velo_harness.dashboard.grafana import Grafana
    from velo_harness.dashboard.panels import load_dashboard
    from velo_harness.reports.shown_values import printable_lines

    if not file.is_file():
        hint = "velo import writes one; velo run --dashboard shows panels without a file"
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no dashboard "{file}"', hint=hint)
    dashboard = load_dashboard(file)
    grafana = Grafana(url, os.environ)
    if grafana.in_clear:
        print(f"warning: {grafana.url} is not https: others can read the credentials", file=sys.stderr)
    made = grafana.upload(dashboard.document, "written by velo", folder)
    version = "" if made.version is None else f", version {made.version}"
    text = f'Grafana has "{dashboard.title}"{version}, over the data source {made.datasource}: {made.url}'
    print(printable_lines(text), file=sys.stderr, flush=True)
