"""`velo-test explain`: why a row is missing, or where a record went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from velo_cli.command_line import key_values, set_debug

TEXT, JSON = "text", "json"


def explain(
    path: Annotated[Path, typer.Argument(help="a spec, or the SQL file of one", show_default=False)],
    row: Annotated[str, typer.Option(help="the row, or some of its columns, as JSON", show_default=False)],
    query: Annotated[str | None, typer.Option(help="the query; not needed when there is only one")] = None,
    source: Annotated[str | None, typer.Option(help="the row is a record of this input")] = None,
    output: Annotated[str, typer.Option(help="text or json", metavar="FORMAT")] = TEXT,
    seed: Annotated[int | None, typer.Option(help="seed of all generated data, instead of the spec's own")] = None,
    var: Annotated[list[str], typer.Option(help="a value for ${NAME}, as NAME=VALUE (repeatable)")] = [],  # noqa: B006
    allow_path: Annotated[list[Path], typer.Option(help="a folder outside the project that specs may use")] = [],  # noqa: B006
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Explain why a row is not in a query's output: filtered, late, without partner, retracted, cut, …"""
    from velo_harness.missing_rows.report import explanation_json, explanation_text
    from velo_harness.missing_rows.row_question import RowQuestion, explain_row, row_of
    from velo_harness.settings import RunSettings
    from velo_harness.suite import one_query

    set_debug(debug)
    if output not in (TEXT, JSON):
        raise typer.BadParameter(f'"{output}" is not one of {TEXT}, {JSON}', param_hint="--output")
    settings = RunSettings(seed=seed, debug=debug, variables=key_values(var), allowed=tuple(allow_path))
    item = one_query(path, settings, query)
    found = explain_row(item.spec, item.query, settings, RowQuestion(row_of(row), source))
    write = explanation_json if output == JSON else explanation_text
    typer.echo(write(found, item.query.name, row))
