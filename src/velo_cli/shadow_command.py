"""`velo shadow`: are two streams the same, and may one switch?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from velo_cli.command_line import key_values, milliseconds, new_app, set_debug
from velo_cli.shadow_explain import explain
from velo_cli.shadow_report import report as report_again
from velo_engine.errors import ErrorCode, ExitCode, VeloError

COMPARE = "compare"
_CHANGELOGS = "append|upsert|retract|debezium"
_SIDES, _CONFIG, _TOPICS = "Two sides", "With a config", "Topics"


class CompareByDefault(TyperGroup):
    """A group that compares: `velo shadow DIR` and `velo shadow --left …` mean `velo shadow compare …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What is no command of the group is said to `compare`, `--help` too: comparing is what the group is for."""
        if not args:
            args = ["--help"]
        return super().parse_args(ctx, args if args[0] in self.commands else [COMPARE, *args])


class NotComparedError(VeloError):
    """What kept two sides from being compared: 1 is said of sides that were, and differ."""

    def __init__(self, error: VeloError) -> None:
        super().__init__(error.code, error.message, location=error.location, hint=error.hint)

    @property
    def exit_code(self) -> ExitCode:
        """That of wrong input."""
        return ExitCode.WRONG_INPUT


shadow_app = new_app("Are two streams the same, and may one switch? What is no command is compared.")


@shadow_app.callback(cls=CompareByDefault)
def shadow() -> None:
    """Are two streams the same, and may one switch? What is no command is compared."""


@shadow_app.command(COMPARE, epilog="Other commands: velo shadow report FILE, velo shadow explain KEY.")
def compare(
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR|CONFIG", help="a folder with shadow_config.yaml, or such a file", show_default=False
        ),
    ] = None,
    left: Annotated[
        str | None,
        typer.Option(help="the reference (Flink's): a file of rows, or kafka://TOPIC", rich_help_panel=_SIDES),
    ] = None,
    right: Annotated[str | None, typer.Option(help="what is judged (ours): as --left", rich_help_panel=_SIDES)] = None,
    control: Annotated[
        str | None,
        typer.Option(
            help="a second output of Flink: what differs between it and the left counts not", rich_help_panel=_SIDES
        ),
    ] = None,
    key: Annotated[
        list[str],
        typer.Option(help="a column of the key (repeatable, or a,b); without: bags of rows", rich_help_panel=_SIDES),
    ] = [],  # noqa: B006
    equal: Annotated[
        list[str],
        typer.Option(
            metavar="COLUMN=RULE",
            help="what equal means there: exact, abs:N, rel:N, ulp:N, scale:N, within:TIME, json, bag, "
            "case, trim, unicode, missing, text, nan-differs, signed-zero (repeatable)",
            rich_help_panel=_SIDES,
        ),
    ] = [],  # noqa: B006
    ignore: Annotated[
        list[str], typer.Option(help="a column that differs on purpose (repeatable)", rich_help_panel=_SIDES)
    ] = [],  # noqa: B006
    time_column: Annotated[
        str | None,
        typer.Option(help="the column of event time; by default the only timestamp", rich_help_panel=_SIDES),
    ] = None,
    left_changelog: Annotated[
        str | None,
        typer.Option(
            metavar=_CHANGELOGS,
            help="what a record of the left says; append by default, debezium of that format",
            rich_help_panel=_SIDES,
        ),
    ] = None,
    right_changelog: Annotated[
        str | None,
        typer.Option(metavar=_CHANGELOGS, help="what a record of the right says", rich_help_panel=_SIDES),
    ] = None,
    sink: Annotated[
        list[str], typer.Option(help="compare only this sink of the config (repeatable)", rich_help_panel=_CONFIG)
    ] = [],  # noqa: B006
    compare_topic: Annotated[
        str | None,
        typer.Option(
            help="Flink writes this topic, instead of the one that the config names",
            metavar="kafka://TOPIC",
            rich_help_panel=_CONFIG,
        ),
    ] = None,
    var: Annotated[
        list[str],
        typer.Option(
            help="a value for ${NAME} in the program (repeatable)", metavar="NAME=VALUE", rich_help_panel=_CONFIG
        ),
    ] = [],  # noqa: B006
    no_run: Annotated[
        bool,
        typer.Option(
            "--no-run", help="compare what is in the topics: the program runs elsewhere", rich_help_panel=_CONFIG
        ),
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="compare to the present end of the topics", rich_help_panel=_TOPICS)
    ] = False,
    duration: Annotated[
        str | None,
        typer.Option(help="go on for so long, such as 24h; else until Ctrl-C", rich_help_panel=_TOPICS),
    ] = None,
    grace: Annotated[
        str | None,
        typer.Option(
            help="how far behind its newest event time a side may still be, such as 5s", rich_help_panel=_TOPICS
        ),
    ] = None,
    warm_up: Annotated[
        str | None,
        typer.Option(help="event time at the start that is left out and counted, such as 1h", rich_help_panel=_TOPICS),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="where it keeps what it goes on from; with a config by default .velo/shadow beside it",
            metavar="DIR",
            rich_help_panel=_TOPICS,
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="begin anew although there is state", rich_help_panel=_TOPICS)
    ] = False,
    brokers: Annotated[
        str | None,
        typer.Option(
            "--brokers",
            "--bootstrap-servers",
            help="the Kafka cluster of topics that name none",
            metavar="HOST:PORT[,…]",
            rich_help_panel=_TOPICS,
        ),
    ] = None,
    kafka_config: Annotated[
        Path | None, typer.Option(help="a file of Kafka client properties", metavar="FILE", rich_help_panel=_TOPICS)
    ] = None,
    flink_api: Annotated[
        str | None,
        typer.Option(
            help="Flink's REST address, for the memory and CPU of its job", metavar="URL", rich_help_panel=_TOPICS
        ),
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
    memory_limit: Annotated[
        str | None, typer.Option(help="of the comparison, such as 192MB (the default)", show_default=False)
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="what compares files: duckdb (the default), or spark for what is too large for one machine",
            metavar="duckdb|spark",
        ),
    ] = None,
    spark_at: Annotated[
        str | None,
        typer.Option("--spark-master", help="where Spark is, by default local[*], on this machine", metavar="URL"),
    ] = None,
    report: Annotated[
        list[Path],
        typer.Option(help="write a report to this file: .json, .html, .md, .xml (repeatable)", metavar="FILE"),
    ] = [],  # noqa: B006
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Compare what Flink gives with what the converted job gives, explain the differences, and decide.

    The sides are files of rows (csv, json, jsonl, parquet, avro) or topics: those of the options, or the sinks of a
    config, whose program runs beside Flink. Leaves with 0 when they are equal (SAFE), 1 when a difference blocks
    (NOT SAFE), 4 when too little could be compared (INCONCLUSIVE), 2 when they cannot be compared.
    """
    from velo_cli.shadow_session import ShadowSession
    from velo_cli.shadow_settings import Overrides, TwoSides, refuse_for_files, shadow_settings, spark_master

    set_debug(debug)
    sides = TwoSides(left, right, control, left_changelog, right_changelog, key, equal, ignore, time_column)
    overrides = Overrides(
        grace_ms=None if grace is None else milliseconds(grace),
        warm_up_ms=None if warm_up is None else milliseconds(warm_up),
        waivers=waivers,
        bound=bound,
        duration_ms=None if duration is None else milliseconds(duration),
        memory_limit=memory_limit,
        reports=report,
        state=state,
        flink_api=flink_api,
        brokers=brokers,
        kafka_config=kafka_config,
        sinks=sink,
        compare_topic=compare_topic,
        engine=engine,
        spark_master=spark_at,
    )
    config = shadow_settings(target, sides, overrides)
    refuse_for_files(config, overrides, once=once, fresh=fresh)
    spark = spark_master(config, overrides)
    session = ShadowSession(config, key_values(var), not no_run, once, fresh, spark)
    try:
        verdict = session.run()
    except VeloError as error:
        raise (NotComparedError(error) if error.exit_code is ExitCode.FAILED else error) from None
    except OverflowError as error:
        if "date value" not in str(error):
            raise
        message = "a time is before the year 1 or after the year 9999"
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint="ignore its column (--ignore)") from None
    raise typer.Exit(verdict)


shadow_app.command("report")(report_again)
shadow_app.command("explain")(explain)
