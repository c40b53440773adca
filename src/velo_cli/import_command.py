"""`velo import`: Flink SQL to a Velostream program with a report of what became of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from velo_cli.colours import coloured
from velo_cli.command_line import set_debug


def import_flink(
    path: Annotated[
        Path | None,
        typer.Argument(help="a Flink SQL script, a compiled plan, or a folder of these", show_default=False),
    ] = None,
    output: Annotated[Path, typer.Option(help="the folder to write", metavar="DIR")] = Path("converted"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the report, write nothing")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="leave with 1 when something is not converted")] = False,
    flink_api: Annotated[
        str | None, typer.Option(help="rebuild a running job's SQL from its JobManager's REST interface", metavar="URL")
    ] = None,
    job_id: Annotated[str | None, typer.Option(help="which job, where several run", metavar="ID")] = None,
    flink_gateway: Annotated[
        str | None, typer.Option(help="what PATH does not declare comes from this SQL Gateway", metavar="URL")
    ] = None,
    session: Annotated[str | None, typer.Option(help="the gateway's session", metavar="HANDLE")] = None,
    force: Annotated[bool, typer.Option("--force", help="write over files that have another text")] = False,
    test: Annotated[bool, typer.Option("--test", help="run the tests at once; their exit code counts")] = False,
    shadow: Annotated[bool, typer.Option("--shadow", help="say what to run for the comparison with Flink")] = False,
    compare_topic: Annotated[
        str | None,
        typer.Option(help="the topic into which Flink writes: kafka://NAME", metavar="TOPIC"),
    ] = None,
    dashboard: Annotated[bool, typer.Option(help="write a Grafana dashboard")] = True,
    grafana_url: Annotated[str | None, typer.Option(help="put it into this Grafana", metavar="URL")] = None,
    grafana_folder: Annotated[str | None, typer.Option(help="a folder of that Grafana; made if need be")] = None,
    sample_file: Annotated[
        list[str],
        typer.Option(help="rows of a real input: csv, json lines, parquet (repeatable)", metavar="[TABLE=]PATH"),
    ] = [],  # noqa: B006
    sample_kafka: Annotated[
        str | None,
        typer.Option(help="read the first records of the topics; ddl: of the DDL's brokers", metavar="BROKERS|ddl"),
    ] = None,
    keep_samples: Annotated[
        bool, typer.Option("--keep-samples", help="write the sampled rows to samples/; they may be personal")
    ] = False,
    ai: Annotated[bool, typer.Option("--ai", help="let a model of Anthropic's propose names, words, ranges")] = False,
    ai_model: Annotated[str | None, typer.Option(help="which; by default that of VELO_AI_MODEL, or ours")] = None,
    ai_budget: Annotated[int, typer.Option(min=0, help="tokens at most, of all questions and answers")] = 100_000,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Convert Flink SQL to a project with tests, dashboard and alerts: scripts, folders, SQL in Java, Scala and Python.

    A report has a row for every construct. Flink is not needed, and what you edited in the folder is not overwritten.
    """
    from velo_cli.import_output import import_text
    from velo_cli.progress import ProgressLine
    from velo_cli.proposals import asking
    from velo_import.convert.job import convert_job
    from velo_import.folder import write_folder
    from velo_import.inputs.sources import Source, read_source, with_notes
    from velo_import.model import Outcome
    from velo_import.observability import DASHBOARD
    from velo_import.project import ProjectOptions, known_scores, portfolio, project
    from velo_import.report import Reported, headline, report_markdown
    from velo_import.samples.reading import Sampling, sampled

    set_debug(debug)
    if grafana_url is not None and not dashboard:
        raise typer.BadParameter("--grafana-url needs the dashboard that --no-dashboard leaves out")
    inputs = read_source(Source(path, flink_api, job_id, flink_gateway, session))
    jobs = [with_notes(convert_job(job.name, job.scripts), job.notes) for job in inputs]
    missing = [c for job in jobs for c in job.constructs if c.outcome is Outcome.NOT_CONVERTED]
    if dry_run:
        sys.stdout.write(report_markdown([Reported(job) for job in jobs]))
        print(headline(jobs), file=sys.stderr)
    else:
        ask = asking(output, ai_model, ai_budget) if ai else None
        samples = sampled(
            jobs,
            Sampling(
                tuple(sample_file),
                topics=sample_kafka is not None,
                brokers=None if sample_kafka == "ddl" else sample_kafka,
            ),
        )
        options = ProjectOptions(
            dashboard=dashboard,
            compare_topic=compare_topic,
            samples=samples,
            keep_samples=keep_samples,
            scores=known_scores(output),
            ask=ask,
        )
        with ProgressLine(len(jobs)) as line:
            made = []
            for number, job in enumerate(jobs):
                line.step(number, job.name)
                made.append(project(job, options))
        written = write_folder(portfolio(made), output, force=force)
        text = import_text([one for one, _ in made], written, output, shadow=shadow)
        print(coloured(text, sys.stderr), file=sys.stderr)
        if keep_samples and any(one.tables for one in samples.values()):
            print(f"samples/ below {output} holds rows of your data: they may be personal", file=sys.stderr)
        if grafana_url is not None:
            from velo_cli.grafana_upload import upload_dashboard

            for file in sorted(output / name for name in portfolio(made) if name.endswith(DASHBOARD)):
                upload_dashboard(file, grafana_url, grafana_folder)
    if strict and missing:
        raise typer.Exit(1)
    if test and not dry_run:
        raise typer.Exit(tested(output))


def tested(folder: Path) -> int:
    """The exit code of the tests in a folder, which it runs as `velo test` does."""
    from velo_cli.velo_test import run

    try:
        run([folder])
    except typer.Exit as left:
        return left.exit_code
    return 0
