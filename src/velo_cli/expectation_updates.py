"""Expectations that `velo-test run --update` writes, and files of expected rows that nothing names."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from velo_harness.result import RunResult
    from velo_harness.settings import Update


def update_of(everything: bool, new_only: bool) -> Update:
    """What the options ask for. Raises BadParameter for both."""
    from velo_harness.settings import Update

    if everything and new_only:
        raise typer.BadParameter("give --update or --update-new-only, not both")
    if everything:
        return Update.ALL
    return Update.NEW_ONLY if new_only else Update.OFF


def with_updates(result: RunResult) -> RunResult:
    """Writes what the run asks for and says it; the result with an error for each file of rows that nothing names."""
    from velo_harness.result import FileError
    from velo_harness.updating.rows_files import unused_files
    from velo_harness.updating.written import write_updates

    for line in write_updates([update for query in result.queries for update in query.updates]):
        print(f"updated {line}", file=sys.stderr)
    specs = [Path(file) for file in dict.fromkeys(query.spec_file for query in result.queries)]
    unused = [FileError(e.location.file if e.location else "", e) for e in unused_files(specs, also=specs)]
    return replace(result, file_errors=(*result.file_errors, *unused))
