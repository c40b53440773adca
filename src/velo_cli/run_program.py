"""Running a program from file to file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from velo_cli.progress import ProgressLine
from velo_engine import Engine, JobOptions, Progress
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.runtime.result import JobResult
from velo_harness.programs import shown_path
from velo_harness.yaml_source import read_text


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """A job that ran to its end."""

    file: str
    program: PlannedProgram
    result: JobResult


def run_program(
    sql: Path, *, base_dir: Path | None, variables: Mapping[str, str], batch_size: int | None
) -> FinishedJob:
    """Runs every statement of a SQL file to the end of its input.

    Errors: those of reading, parsing and running it; INFRASTRUCTURE_MISSING for a source that is no file.
    """
    folder = (base_dir or sql.absolute().parent).absolute()
    engine = Engine(base_dir=folder, udf_paths=[folder], load_functions=True)
    given = {**os.environ, **variables}
    program = engine.plan(engine.parse(read_text(sql), file=shown_path(sql), variables=given), variables=given)
    if not program.statements:
        raise VeloError(
            ErrorCode.NO_TESTS,
            "the program has no query, so there is nothing to run",
            location=Location(shown_path(sql), 1),
            hint="a query is CREATE STREAM name AS SELECT …, INSERT INTO name SELECT … or SELECT …",
        )
    _refuse_topics(program)
    with ProgressLine() as line:
        line.step(0, sql.name)

        def moved_on(progress: Progress) -> None:
            line.touch(f"{progress.records:,} records")

        options = JobOptions(on_progress=moved_on, capture=bool(shown_statements(program)))
        if batch_size is not None:
            options = JobOptions(on_progress=moved_on, capture=options.capture, batch_size=batch_size)
        result = engine.run(program, options=options)
    return FinishedJob(shown_path(sql), program, result)


def shown_statements(program: PlannedProgram) -> list[str]:
    """Statements whose result goes nowhere else: no sink, and no other statement reads them."""
    read = {name for statement in program.statements.values() for name in statement.reads}
    return [
        name
        for name, statement in program.statements.items()
        if name not in read and (statement.sink is None or "path" not in statement.sink.properties)
    ]


def _refuse_topics(program: PlannedProgram) -> None:
    for source in program.sources.values():
        if "path" not in source.properties:
            topic = source.properties.get("topic", source.name)
            raise VeloError(
                ErrorCode.INFRASTRUCTURE_MISSING,
                f'the source "{source.name}" reads the topic "{topic}", and there is no broker',
                location=source.locations.get("topic", source.locations.get("type")),
                hint="velo run reads files in this version; give the source a path, or test it with velo-test run",
            )


def refuse_existing(path: Path) -> None:
    """Errors: FILE_EXISTS, before a program runs in vain."""
    if path.exists():
        raise VeloError(ErrorCode.FILE_EXISTS, f'"{path}" exists; dead letters are never written over it')


def write_dead_letters(result: JobResult, path: Path) -> None:
    """Writes the dead letters as JSON lines. Errors: FILE_EXISTS, FILE_UNREADABLE."""
    try:
        with path.open("xb") as stream:
            for letter in result.dead_letters:
                stream.write(letter.to_json() + b"\n")
    except FileExistsError:
        raise VeloError(ErrorCode.FILE_EXISTS, f'"{path}" exists; dead letters are never written over it') from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise VeloError(ErrorCode.FILE_UNREADABLE, f'"{path}" cannot be written: {reason}') from None
