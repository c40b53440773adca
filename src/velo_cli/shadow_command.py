"""`velo shadow`: are two streams the same, and may one switch?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from velo_cli.command_line import new_app, set_debug
from velo_cli.shadow_explain import explain
from velo_cli.shadow_report import report as report_again

COMPARE = "compare"


class CompareByDefault(TyperGroup):
    """A group that compares: `velo shadow DIR` and `velo shadow --left …` mean `velo shadow compare …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What is no command of the group is said to `compare`, `--help` too: comparing is what the group is for."""
        if not args:
            args = ["--help"]
        return super().parse_args(ctx, args if args[0] in self.commands else [COMPARE, *args])


shadow_app = new_app("Are two streams the same, and may one switch? What is no command is compared.")


@shadow_app.callback(cls=CompareByDefault)
def shadow() -> None:
    """Are two streams the same, and may one switch? What is no command is compared."""


@shadow_app.command(COMPARE, epilog="Other commands: velo shadow report FILE, velo shadow explain KEY.")
def compare(
    left: Annotated[Path, typer.Option(help="the reference (Flink's): a file of rows", show_default=False)],
    right: Annotated[Path, typer.Option(help="what is judged (ours): a file of rows", show_default=False)],
    key: Annotated[
        list[str], typer.Option(help="a column of the key (repeatable, or a,b); without: bags of rows")
    ] = [],  # noqa: B006
    equal: Annotated[
        list[str],
        typer.Option(
            metavar="COLUMN=RULE",
            help="what equal means there: exact, abs:N, rel:N, ulp:N, scale:N, within:TIME, json, bag, "
            "case, trim, unicode, missing, nan-differs, signed-zero (repeatable)",
        ),
    ] = [],  # noqa: B006
    ignore: Annotated[list[str], typer.Option(help="a column that differs on purpose (repeatable)")] = [],  # noqa: B006
    time_column: Annotated[
        str | None, typer.Option(help="the column of event time; by default the only timestamp")
    ] = None,
    waivers: Annotated[
        Path | None,
        typer.Option(help="a YAML file of accepted differences: owner, reason, expires, what", metavar="FILE"),
    ] = None,
    bound: Annotated[
        float | None,
        typer.Option(
            min=1e-9, max=0.5, help="the rate of differences that equal rows must rule out (95 %) to be enough"
        ),
    ] = None,
    memory_limit: Annotated[str, typer.Option(help="of the comparison, such as 192MB")] = "192MB",
    report: Annotated[Path | None, typer.Option(help="write the JSON report to this file", metavar="FILE")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Compare two files of rows (csv, json, jsonl, parquet, avro), explain the differences, and decide.

    Leaves with 0 when they are equal (SAFE), 1 when a difference blocks (NOT SAFE), 4 when too little could be compared
    (INCONCLUSIVE), 2 when the files cannot be compared.
    """
    import sys
    from datetime import UTC, datetime

    from rich.console import Console

    from velo_cli.report_output import write_report
    from velo_shadow.equality_text import parse_equalities
    from velo_shadow.judgement import judged
    from velo_shadow.model import Side
    from velo_shadow.offline import compare_files, read_side
    from velo_shadow.planning import plan_for
    from velo_shadow.reports.console import print_report
    from velo_shadow.reports.document import SinkResult, report_of
    from velo_shadow.reports.json_report import shadow_json
    from velo_shadow.waivers import read_waivers

    set_debug(debug)
    sides = read_side(left, Side.LEFT), read_side(right, Side.RIGHT)
    plan = plan_for(
        *sides,
        key=_names(key),
        equality=parse_equalities(equal),
        ignored=_names(ignore),
        time_column=time_column,
    )
    accepted = () if waivers is None else read_waivers(waivers)
    compared = compare_files(*sides, plan, memory_limit=memory_limit)
    result = judged(compared, waivers=accepted, today=datetime.now(tz=UTC).date(), required=bound)
    found = report_of([SinkResult(right.stem, str(left), str(right), result)])
    if report is not None:
        write_report(shadow_json(found), report)
    print_report(found, Console(file=sys.stdout))
    raise typer.Exit(found.exit_code)


shadow_app.command("report")(report_again)
shadow_app.command("explain")(explain)


def _names(texts: list[str]) -> list[str]:
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]
