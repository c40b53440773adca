"""The command `velo`: runs programs, starts projects, prints schemas."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from velo_cli.command_line import key_values, milliseconds, new_app, print_version, run_app, set_debug
from velo_cli.export_command import export
from velo_cli.fmt_command import fmt
from velo_cli.import_command import import_flink
from velo_cli.kafka_commands import kafka_app
from velo_cli.quickstart import quickstart
from velo_cli.report_command import report
from velo_cli.run_by_default import RunBeside
from velo_cli.shadow_command import shadow_app
from velo_cli.velo_test import app as test_app
from velo_harness.reports.standard_output import print_out

if TYPE_CHECKING:
    from velo_engine.connectors.kafka.client import KafkaCluster
    from velo_harness.generated_traffic import GeneratedTraffic

app = new_app("Streaming SQL: run programs, test them, format them, look up formats.")
app.add_typer(kafka_app, name="kafka")
app.add_typer(test_app, name="test")
app.add_typer(shadow_app, name="shadow")
app.command("fmt")(fmt)
app.command("import")(import_flink)
app.command("export")(export)
app.command("report")(report)
app.command("quickstart")(quickstart)


class SchemaName(StrEnum):
    """The formats that have a JSON Schema."""

    SPEC = "spec"
    DATA = "data"
    REPORT = "report"
    MIGRATION_REPORT = "migration-report"
    SHADOW_CONFIG = "shadow-config"
    SHADOW_REPORT = "shadow-report"


class SummaryFormat(StrEnum):
    """What the job summary is written in."""

    TEXT = "text"
    JSON = "json"


class RunEngine(StrEnum):
    """What runs a program."""

    VELO = "velo"
    FLINK = "flink"


_RECORDS, _STATE, _WATCHING, _FLINK = "Records", "State of a job that goes on", "Watching it", "Running it on Flink"


@app.callback(cls=RunBeside)
def velo(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Streaming SQL: run programs, test them, format them, look up formats."""


@app.command()
def run(
    sql: Annotated[Path, typer.Argument(help="the program, or a folder with app.sql", show_default=False)],
    var: Annotated[
        list[str], typer.Option(help="a value for ${NAME} in the program (repeatable)", metavar="NAME=VALUE")
    ] = [],  # noqa: B006
    base_dir: Annotated[
        Path | None, typer.Option(help="where the program's paths start; by default its own folder", metavar="DIR")
    ] = None,
    name: Annotated[str | None, typer.Option(help="the job's name; by default that of the file")] = None,
    output: Annotated[SummaryFormat, typer.Option(help="format of the job summary")] = SummaryFormat.TEXT,
    brokers: Annotated[
        str | None,
        typer.Option(help="the Kafka cluster of its topics", metavar="HOST:PORT[,…]", rich_help_panel=_RECORDS),
    ] = None,
    kafka_config: Annotated[
        Path | None, typer.Option(help="a file of Kafka client properties", metavar="FILE", rich_help_panel=_RECORDS)
    ] = None,
    generate: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="without a cluster: so many records a second, made by the data schemas",
            metavar="RATE",
            rich_help_panel=_RECORDS,
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="the most events handled at once", metavar="N", rich_help_panel=_RECORDS)
    ] = None,
    dead_letters: Annotated[
        Path | None,
        typer.Option(
            help="write records that could not be used to this file", metavar="FILE", rich_help_panel=_RECORDS
        ),
    ] = None,
    checkpoint_dir: Annotated[
        Path | None,
        typer.Option(help="keep state in this folder, and go on from it", metavar="DIR", rich_help_panel=_STATE),
    ] = None,
    checkpoint_interval: Annotated[
        str | None,
        typer.Option(help="time between checkpoints, such as 10s", metavar="DURATION", rich_help_panel=_STATE),
    ] = None,
    from_savepoint: Annotated[
        Path | None,
        typer.Option(help="begin with the state of this savepoint", metavar="FILE", rich_help_panel=_STATE),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="begin anew although there is a checkpoint", rich_help_panel=_STATE)
    ] = False,
    allow_lost_state: Annotated[
        bool,
        typer.Option(
            "--allow-lost-state", help="leave behind state that the program has no use for", rich_help_panel=_STATE
        ),
    ] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="serve /metrics and /health at this port; 0: a free one",
            metavar="PORT",
            rich_help_panel=_WATCHING,
        ),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(help="at this address", metavar="ADDRESS", rich_help_panel=_WATCHING)
    ] = "127.0.0.1",
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="show the job's panels on a local page", rich_help_panel=_WATCHING)
    ] = False,
    dashboard_port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="the port of that page; 0: a free one", metavar="PORT", rich_help_panel=_WATCHING
        ),
    ] = 0,
    grafana_url: Annotated[
        str | None,
        typer.Option(
            help="put the program's dashboard into this Grafana first", metavar="URL", rich_help_panel=_WATCHING
        ),
    ] = None,
    grafana_folder: Annotated[
        str | None,
        typer.Option(
            help="into this folder of it, which is made if need be", metavar="NAME", rich_help_panel=_WATCHING
        ),
    ] = None,
    engine: Annotated[RunEngine, typer.Option(help="what runs the program", rich_help_panel=_FLINK)] = RunEngine.VELO,
    flink_gateway: Annotated[
        str | None,
        typer.Option(help="the SQL Gateway, with --engine flink", metavar="URL", rich_help_panel=_FLINK),
    ] = None,
    detach: Annotated[
        bool,
        typer.Option("--detach", help="with --engine flink: leave as soon as the jobs run", rich_help_panel=_FLINK),
    ] = False,
    shadow: Annotated[  # noqa: ARG001 - RunBeside has made another command of it
        bool,
        typer.Option(
            "--shadow", help="beside Flink, and compare: velo shadow, whose options it then has", rich_help_panel=_FLINK
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Run a program: over files to their end, over topics until it is stopped (Ctrl-C, velo stop).

    Changes of statements without a sink go to stdout. So does the job summary with --output json, then alone; otherwise
    it goes to stderr.
    """
    from contextlib import ExitStack

    from velo_cli.dashboard_page import DashboardPage, dashboard_file
    from velo_cli.live_run import LiveRun
    from velo_cli.run_program import program_file, refuse_existing, run_program, write_dead_letters
    from velo_cli.run_summary import summary_json, summary_text
    from velo_engine.connectors.kafka.client import cluster_from

    set_debug(debug)
    if grafana_url is not None or grafana_folder is not None:
        from velo_cli.grafana_upload import check_grafana

        check_grafana(grafana_url, grafana_folder)
    if engine is RunEngine.FLINK or flink_gateway is not None or detach:
        from velo_cli.flink_run import refuse_options, run_on_flink

        given = {"--checkpoint-dir": checkpoint_dir, "--from-savepoint": from_savepoint, "--metrics-port": metrics_port,
                 "--dashboard": dashboard, "--generate": generate, "--dead-letters": dead_letters,
                 "--kafka-config": kafka_config, "--batch-size": batch_size, "--grafana-url": grafana_url,
                 "--checkpoint-interval": checkpoint_interval, "--fresh": fresh, "--base-dir": base_dir,
                 "--allow-lost-state": allow_lost_state}  # fmt: skip
        url = refuse_options(engine, flink_gateway, given)
        code = run_on_flink(sql, url=url, variables=key_values(var), brokers=brokers, name=name, detach=detach)
        raise typer.Exit(code)
    if dead_letters is not None:
        refuse_existing(dead_letters)
    program = program_file(sql)
    if grafana_url is not None:
        from velo_cli.grafana_upload import upload_dashboard

        upload_dashboard(dashboard_file(program), grafana_url, grafana_folder)
    with ExitStack() as open_things:
        page = open_things.enter_context(DashboardPage(program, dashboard_port)) if dashboard else None
        live = LiveRun(
            name=name or (sql.resolve().name if sql.is_dir() else sql.stem),
            checkpoint_dir=checkpoint_dir,
            checkpoint_interval_ms=None if checkpoint_interval is None else milliseconds(checkpoint_interval),
            savepoint=from_savepoint,
            fresh=fresh,
            allow_lost_state=allow_lost_state,
            metrics_port=metrics_port,
            metrics_host=metrics_host,
            page=page,
            shows_changes=output is SummaryFormat.TEXT,
        )
        cluster = cluster_from(brokers, kafka_config, os.environ)
        traffic = None if generate is None else _traffic(generate, cluster)
        finished = run_program(
            program,
            base_dir=base_dir,
            variables=key_values(var),
            batch_size=batch_size,
            kafka=cluster if traffic is None else open_things.enter_context(traffic),
            live=live,
            traffic=traffic,
        )
        if dead_letters is not None:
            write_dead_letters(finished.result, dead_letters)
        print(summary_text(finished), file=sys.stderr)
        if output is SummaryFormat.JSON:
            print(summary_json(finished), flush=True)
        if page is not None:
            page.stay()


def _traffic(rate: float, cluster: KafkaCluster | None) -> GeneratedTraffic:
    """What makes the records of a run. Raises typer.BadParameter when a cluster has them."""
    from velo_harness.generated_traffic import GeneratedTraffic

    if cluster is not None:
        raise typer.BadParameter("--generate makes records for a broker of its own: leave out the cluster")
    return GeneratedTraffic(rate, lambda text: print(f"warning: {text}", file=sys.stderr, flush=True))


_FOLDER = Annotated[Path, typer.Argument(help="the checkpoint folder of the running job", show_default=False)]


@app.command()
def savepoint(
    folder: _FOLDER,
    path: Annotated[Path, typer.Argument(help="the file to write", show_default=False)],
    stop: Annotated[bool, typer.Option("--stop", help="end the job there")] = False,
) -> None:
    """Write the state of a running job to a file, from which velo run --from-savepoint begins."""
    from velo_engine.runtime.control import ask

    print(ask(folder, ask="savepoint", path=str(path.absolute()), stop=stop))


@app.command()
def status(folder: _FOLDER) -> None:
    """Print where a running job stands, as JSON."""
    import json

    from velo_engine.runtime.control import ask

    print(json.dumps(ask(folder, ask="status"), indent=2))


@app.command()
def stop(folder: _FOLDER) -> None:
    """Stop a running job after its batch; velo run goes on from there."""
    from velo_engine.runtime.control import ask

    print(ask(folder, ask="stop"))


@app.command()
def explain(
    sql: Annotated[Path, typer.Argument(help="the program", show_default=False)],
    base_dir: Annotated[Path | None, typer.Option(help="where its paths start; by default its own folder")] = None,
    var: Annotated[list[str], typer.Option(help="a value for ${NAME}, as NAME=VALUE (repeatable)")] = [],  # noqa: B006
    output: Annotated[SummaryFormat, typer.Option(help="text or json")] = SummaryFormat.TEXT,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Show a program's plan: columns read, changes and keys of every operator, its state and what bounds it, advice."""
    from velo_cli.explain_program import explain_program

    set_debug(debug)
    plan = explain_program(sql, base_dir=base_dir, variables=key_values(var), as_json=output is SummaryFormat.JSON)
    print_out(plan + "\n")


@app.command()
def schema(
    name: Annotated[SchemaName | None, typer.Argument(help="which format; all by default", show_default=False)] = None,
    into: Annotated[
        Path | None, typer.Option(help="write them into .velo/ of this folder, where editors look", metavar="FOLDER")
    ] = None,
) -> None:
    """Print the JSON Schema of specs, data schemas, shadow configs or a JSON report; of all as one object by name."""
    import json

    from velo_harness.drafting.new_files import editor_files, write_files
    from velo_harness.json_schemas import shipped_text

    names = list(SchemaName) if name is None else [name]
    if into is not None:
        files = editor_files(into, [one.value for one in names])
        write_files(files)
        for path in files:
            print(f"written: {path}", file=sys.stderr)
    elif name is not None:
        print_out(shipped_text(name.value))
    else:
        every = {one.value: json.loads(shipped_text(one.value)) for one in names}
        print_out(json.dumps(every, indent=2, ensure_ascii=False) + "\n")


def main() -> None:
    """Entry point of `velo`."""
    run_app(app)
