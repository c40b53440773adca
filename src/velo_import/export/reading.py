"""What `velo export` is given: a program, or the folder that an import wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlglot import exp

from velo_engine.engine import Engine
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.schema import RowSchema
from velo_harness.discovery import PathPolicy, find_schema
from velo_harness.programs import shown_path
from velo_harness.source_schemas import load_cached
from velo_harness.yaml_source import read_text
from velo_import.export.sources import plain_name
from velo_import.report import JSON

PROGRAM = "app.sql"
"""What an import calls the program that it writes."""


@dataclass(frozen=True, slots=True)
class GivenProgram:
    """A program and what lies beside it."""

    path: Path
    text: str
    schemas: Mapping[str, RowSchema]
    """Columns of sources that it does not declare, from `schemas/`."""
    production: Mapping[str, Mapping[str, str]]
    """Options of Flink's tables, from the report of an import."""

    @property
    def file(self) -> str:
        """What messages call it."""
        return shown_path(self.path)


def given_program(path: Path, variables: Mapping[str, str]) -> GivenProgram:
    """The program at `path`, a file or a converted folder.

    VeloError FILE_NOT_FOUND, those of reading it, of its syntax and of its data schemas.
    """
    sql = _program_of(path)
    text = read_text(sql)
    folder = sql.absolute().parent
    schemas: dict[str, RowSchema] = {}
    policy = PathPolicy.for_file(sql, ())
    for name in _relations(text, shown_path(sql), variables):
        found = find_schema(name, folder, policy)
        if found is not None:
            schemas[name] = load_cached(found).row_schema()
    return GivenProgram(sql, text, schemas, _production(folder))


def _program_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    if (path / PROGRAM).is_file():
        return path / PROGRAM
    below = sorted(one.parent.name for one in path.glob(f"*/{PROGRAM}"))
    hint = f"name one of its jobs: {', '.join(below)}" if below else "velo import writes such a folder"
    raise VeloError(ErrorCode.FILE_NOT_FOUND, f"there is no {PROGRAM} in {shown_path(path)}", hint=hint)


def _relations(text: str, file: str, variables: Mapping[str, str]) -> list[str]:
    """The relations that the program names and does not make."""
    program = Engine().parse(text, file=file, variables=variables)
    made = {statement.name for statement in program.statements}
    queries = [statement.query for statement in program.statements if statement.query is not None]
    named = (plain_name(table.name) for query in queries for table in query.find_all(exp.Table))
    return [name for name in dict.fromkeys(named) if name and name not in made and not name.endswith((".yaml", ".yml"))]


def _production(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """The options that an import kept, by the table's name in the program."""
    report = next((f for f in (folder / JSON, folder.parent / JSON) if f.is_file()), None)
    if report is None:
        return {}
    try:
        data = json.loads(read_text(report))
        jobs = [job for job in data["jobs"] if report.parent == folder or job["name"] == folder.name]
        return {table["name"]: dict(table["production"]) for job in jobs for table in job["tables"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        message = f"{shown_path(report)} is no report of velo import"
        raise VeloError(ErrorCode.FILE_UNREADABLE, message, hint="import the job again") from None
