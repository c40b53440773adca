"""`velo import`: Flink SQL to a Velostream program with a report of what became of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from velo_cli.colours import coloured
from velo_cli.command_line import set_debug

_INPUT, _OUTPUT = "Input", "Output"
_SAMPLES = "Real rows, for better data schemas"
_GRAFANA, _COMPARISON = "Grafana", "Comparison with Flink"
_PROPOSALS = "Proposals of a model (everything is made by rules without)"


def _folder(written: str | Path) -> Path:
    """A folder by its name; none is not the current one."""
    if not str(written).strip():
        raise typer.BadParameter("the folder to write has no name")
    return Path(written)


def import_flink(
    path: Annotated[
        Path | None,
        typer.Argument(help="a Flink SQL script, a compiled plan, or a folder of these", show_default=False),
    ] = None,
    flink_api: Annotated[
        str | None,
        typer.Option(
            help="instead of PATH: a running job's SQL, rebuilt from what its JobManager's REST interface says",
            metavar="URL",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    job_id: Annotated[
        str | None,
        typer.Option(help="which running job, where there are several", metavar="ID", rich_help_panel=_INPUT),
    ] = None,
    flink_gateway: Annotated[
        str | None,
        typer.Option(
            help="tables and views that PATH does not declare come from this SQL Gateway",
            metavar="URL",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(help="the session of the SQL Gateway", metavar="HANDLE", rich_help_panel=_INPUT),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(help="the folder to write", metavar="DIR", rich_help_panel=_OUTPUT, parser=_folder),
    ] = Path("converted"),
    force: Annotated[
        bool, typer.Option("--force", help="overwrite files there that were edited", rich_help_panel=_OUTPUT)
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="print the report to stdout, write nothing", rich_help_panel=_OUTPUT)
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="exit code 1 when something is not converted", rich_help_panel=_OUTPUT),
    ] = False,
    test: Annotated[
        bool,
        typer.Option("--test", help="run the tests at once; exit with their code", rich_help_panel=_OUTPUT),
    ] = False,
    sample_file: Annotated[
        list[str],
        typer.Option(
            help="rows of a source: csv, json, json lines or parquet (repeatable)",
            metavar="[TABLE=]FILE",
            rich_help_panel=_SAMPLES,
        ),
    ] = [],  # noqa: B006
    sample_kafka: Annotated[
        str | None,
        typer.Option(
            help="the first records of each source's topic, on these brokers; ddl: on those that the DDL names",
            metavar="HOST:PORT|ddl",
            rich_help_panel=_SAMPLES,
        ),
    ] = None,
    keep_samples: Annotated[
        bool,
        typer.Option(
            "--keep-samples",
            help="write the sampled rows to samples/; they may be personal data",
            rich_help_panel=_SAMPLES,
        ),
    ] = False,
    dashboard: Annotated[bool, typer.Option(help="write a Grafana dashboard", rich_help_panel=_GRAFANA)] = True,
    grafana_url: Annotated[
        str | None, typer.Option(help="put the dashboard into this Grafana", metavar="URL", rich_help_panel=_GRAFANA)
    ] = None,
    grafana_folder: Annotated[
        str | None,
        typer.Option(help="into this folder of it, which is made if need be", metavar="NAME", rich_help_panel=_GRAFANA),
    ] = None,
    shadow: Annotated[
        bool,
        typer.Option("--shadow", help="say how results are compared with Flink's", rich_help_panel=_COMPARISON),
    ] = False,
    compare_topic: Annotated[
        str | None,
        typer.Option(
            help="the topic that Flink writes, for shadow_config.yaml; of a job with one sink",
            metavar="kafka://NAME",
            rich_help_panel=_COMPARISON,
        ),
    ] = None,
    ai: Annotated[
        bool,
        typer.Option("--ai", help="ask a model of Anthropic's for names, texts and ranges", rich_help_panel=_PROPOSALS),
    ] = False,
    ai_model: Annotated[
        str | None,
        typer.Option(
            help="the model; by default that of VELO_AI_MODEL, else one that velo chooses",
            metavar="NAME",
            rich_help_panel=_PROPOSALS,
        ),
    ] = None,
    ai_budget: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="the most tokens of all questions and answers together",
            metavar="TOKENS",
            show_default="100000",
            rich_help_panel=_PROPOSALS,
        ),
    ] = None,
    ai_timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="the longest wait for all answers together",
            metavar="SECONDS",
            show_default="60",
            rich_help_panel=_PROPOSALS,
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Convert Flink SQL to a project with tests, dashboard and alerts: scripts, folders, SQL in Java, Scala and Python.

    A report has a row for every construct. Flink is not needed, and what you edited in the folder is not overwritten.
    """
    from velo_cli.grafana_upload import check_grafana
    from velo_cli.import_output import import_text
    from velo_cli.progress import ProgressLine
    from velo_cli.proposals import asking, refuse_without_ai
    from velo_import.convert.job import convert_job
    from velo_import.folder import write_folder
    from velo_import.inputs.sources import Source, read_source, with_notes
    from velo_import.model import Outcome
    from velo_import.observability import DASHBOARD
    from velo_import.project import ProjectOptions, known_scores, portfolio, project
    from velo_import.report import Reported, headline, report_markdown
    from velo_import.samples.reading import Sampling, sampled
    from velo_import.shadow_config import topic_of

    set_debug(debug)
    check_grafana(grafana_url, grafana_folder)
    if grafana_url is not None and not dashboard:
        raise typer.BadParameter("--grafana-url needs the dashboard that --no-dashboard leaves out")
    if keep_samples and not sample_file and sample_kafka is None:
        raise typer.BadParameter("--keep-samples needs --sample-file or --sample-kafka")
    if not ai:
        refuse_without_ai(ai_model, ai_budget, ai_timeout)
    left_topic = None if compare_topic is None else topic_of(compare_topic)
    inputs = read_source(Source(path, flink_api, job_id, flink_gateway, session))
    jobs = []
    with ProgressLine(len(inputs)) as line:
        for number, one in enumerate(inputs):
            line.step(number, f"{one.name}: conversion")
            jobs.append(with_notes(convert_job(one.name, one.scripts), one.notes))
    missing = [c for job in jobs for c in job.constructs if c.outcome is Outcome.NOT_CONVERTED]
    if dry_run:
        sys.stdout.write(report_markdown([Reported(job) for job in jobs]))
        print(headline(jobs), file=sys.stderr)
    else:
        ask = asking(output, ai_model, ai_budget, ai_timeout) if ai else None
        samples = sampled(
            jobs,
            Sampling(
                tuple(sample_file),
                topics=sample_kafka is not None,
                brokers=None if sample_kafka == "ddl" else sample_kafka,
            ),
        )
        with ProgressLine(len(jobs)) as line:
            options = ProjectOptions(
                dashboard=dashboard,
                compare_topic=left_topic,
                samples=samples,
                keep_samples=keep_samples,
                scores=known_scores(output),
                ask=ask,
                on_part=line.touch,
            )
            made = []
            for number, job in enumerate(jobs):
                line.step(number, f"{job.name}:")
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
