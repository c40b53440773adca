"""`velo-test mutate`: which small changes of the SQL the specs notice."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from velo_cli.command_line import key_values, set_debug


class MutationFormat(StrEnum):
    """What the report is written in."""

    TEXT = "text"
    JSON = "json"


def mutate(
    paths: Annotated[list[Path], typer.Argument(help="SQL files, specs or folders", show_default=False)],
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="leave with 1 below this score")] = None,
    operators: Annotated[
        str, typer.Option(help="only these mutation operators, separated by commas", metavar="NAMES")
    ] = "",
    maximum: Annotated[
        int | None, typer.Option("--max", min=1, help="most mutants of a program, drawn at random by --seed")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="seed of generated data, instead of the specs' own, and of what --max draws")
    ] = None,
    processes: Annotated[int, typer.Option("--processes", "-n", min=1, help="how many processes judge")] = 1,
    output: Annotated[MutationFormat, typer.Option(help="format of the report")] = MutationFormat.TEXT,
    report: Annotated[Path | None, typer.Option(help="write the report to this file, not to stdout")] = None,
    var: Annotated[list[str], typer.Option(help="a value for ${NAME}, as NAME=VALUE (repeatable)")] = [],  # noqa: B006
    allow_path: Annotated[list[Path], typer.Option(help="a folder outside the project that specs may use")] = [],  # noqa: B006
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Change the SQL in small ways and say which changes no check notices.

    Leaves with 1 when the score is below --threshold, mutants.yaml says something untrue, or a query does not pass
    over the SQL as it is.
    """
    from velo_cli.progress import ProgressLine
    from velo_cli.report_output import write_report
    from velo_engine.errors import ExitCode
    from velo_harness.mutation.report import mutation_json, mutation_text
    from velo_harness.mutation.run import DEFAULT_SEED, MutationSettings, chosen_operators
    from velo_harness.mutation.run import mutate as mutated
    from velo_harness.settings import RunSettings

    set_debug(debug)
    run = RunSettings(seed=seed, variables=key_values(var), allowed=tuple(allow_path), debug=debug)
    names = tuple(name.strip() for name in operators.split(",") if name.strip())
    settings = MutationSettings(chosen_operators(names), maximum, DEFAULT_SEED if seed is None else seed, processes)
    with ProgressLine() as line:
        result = mutated(paths, run, settings, lambda file, done, all_: line.step(done, f"{file}: {done} of {all_}"))
    write = mutation_text if output is MutationFormat.TEXT else mutation_json
    write_report(write(result, threshold), report)
    if result.file_errors:
        raise typer.Exit(ExitCode.WRONG_INPUT)
    low = threshold is not None and (result.score is None or result.score < threshold)
    wrong = low or any(program.stale or program.failing for program in result.programs)
    raise typer.Exit(ExitCode.FAILED if wrong else ExitCode.PASSED)
