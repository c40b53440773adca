"""One run of `velo shadow`: compare, show, write the reports, and give the exit code."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from velo_cli.report_output import write_report
from velo_cli.shadow_run import KernelFiles, compare_ended, judged_sink
from velo_cli.shadow_settings import reads_topics
from velo_engine.errors import ErrorCode, ExitCode, VeloError
from velo_shadow.config import FileStream, ShadowConfig, ShadowSink
from velo_shadow.reports.document import SinkResult, report_of
from velo_shadow.reports.forms import format_of
from velo_shadow.waivers import Waiver, read_waivers, waivers_by_sink


@dataclass(frozen=True, slots=True)
class ShadowSession:
    """A comparison as the command line asks for it."""

    config: ShadowConfig
    variables: Mapping[str, str]
    """For `${NAME}` in the program."""
    runs_program: bool
    """Whether the program of the config is run; else its topics are compared as they are."""
    once: bool
    """To the present end of the topics."""
    fresh: bool
    """Begin anew although there is state."""
    spark_master: str | None = None
    """Where Spark is, which then compares files and tables; None: the kernel of this process does."""

    def run(self) -> ExitCode:
        """Compares all sinks. The report for people goes to stdout, progress to stderr.

        Errors: of the config's parts; BAD_VALUE, SCHEMA_MISMATCH when the sides cannot be compared;
        INFRASTRUCTURE_MISSING without a broker.
        """
        from rich.console import Console

        from velo_shadow.reports.console import print_report
        from velo_shadow.reports.outputs import report_text

        config = self.config
        forms = {path: format_of(path) for path in config.reports}
        if not config.sinks:
            raise VeloError(ErrorCode.BAD_VALUE, "the config has no sink: there is nothing to compare")
        waivers = self._waivers()
        began = datetime.now(tz=UTC)
        results = self._compared(waivers, began)
        report = report_of(results, job=config.job, began=began, ended=datetime.now(tz=UTC))
        for path, form in forms.items():
            write_report(report_text(report, form), path)
        print_report(report, Console(file=sys.stdout))
        for path in config.reports:
            print(f"report in {path}", file=sys.stderr)
        return report.exit_code

    def _waivers(self) -> dict[str, tuple[Waiver, ...]]:
        path = self.config.waivers
        found = () if path is None else read_waivers(path)
        return waivers_by_sink(found, [sink.name for sink in self.config.sinks])

    def _compared(self, waivers: Mapping[str, tuple[Waiver, ...]], began: datetime) -> list[SinkResult]:
        if not reads_topics(self.config):
            return self._over_files(waivers, began)
        return self._over_topics(waivers, began)

    def _over_files(self, waivers: Mapping[str, tuple[Waiver, ...]], began: datetime) -> list[SinkResult]:
        config = self.config
        outputs = {}
        wanted = [sink.name for sink in config.sinks if _is_for_program(config, sink)]
        if wanted:
            from velo_cli.shadow_program import outputs_over_files, read_program

            if not self.runs_program:
                message = f'--no-run: the output of the program for "{wanted[0]}" is not there'
                raise VeloError(ErrorCode.BAD_VALUE, message, hint="name it: right, or leave out --no-run")
            outputs = outputs_over_files(config, read_program(config, self.variables, wanted), wanted)
        if self.spark_master is None:
            return compare_ended(config, KernelFiles(config.memory_limit), outputs, waivers, began.date())

        from velo_shadow.spark.files import SparkFiles
        from velo_shadow.spark.session import spark_session

        with spark_session(self.spark_master) as spark:
            return compare_ended(config, SparkFiles(spark), outputs, waivers, began.date())

    def _over_topics(self, waivers: Mapping[str, tuple[Waiver, ...]], began: datetime) -> list[SinkResult]:
        from velo_cli.shadow_live import ShadowLive
        from velo_cli.shadow_program import read_program
        from velo_cli.shadow_topics import TopicsRun
        from velo_shadow.performance import Cost, FlinkMeter, Metering, ProcessMeter, with_costs

        config = self.config
        program = None
        if config.program is not None:
            program = read_program(config, self.variables, [sink.name for sink in config.sinks])
        runs_program = program is not None and self.runs_program
        flink = FlinkMeter(config.flink_api) if config.flink_api is not None else None
        ours = ProcessMeter() if runs_program else None
        with ShadowLive([sink.name for sink in config.sinks]) as live:
            run = TopicsRun(config, program, runs_program, self.once, self.fresh, live.show)
            with Metering([meter for meter in (flink, ours) if meter is not None]):
                found = run.run()
        if flink is not None and flink.problem:
            print(f"warning: Flink's figures are missing: {flink.problem}", file=sys.stderr)
        costs = [Cost() if meter is None else meter.cost() for meter in (flink, ours)]
        ran_ms = None if self.once else found.ran_ms
        results = []
        for sink in config.sinks:
            one = found.sinks[sink.name]
            performance = with_costs(one.compared.performance, left=costs[0], right=costs[1])
            compared = replace(one.compared, performance=performance)
            result = judged_sink(config, compared, waivers[sink.name], began.date(), ran_ms=ran_ms)
            results.append(SinkResult(sink.name, one.left, one.right, result, one.course))
        return results


def _is_for_program(config: ShadowConfig, sink: ShadowSink) -> bool:
    """Whether the program gives the right side: nobody has written it, and the inputs are files."""
    if sink.right is None:
        return True
    over_files = config.program is not None and any(isinstance(one.stream, FileStream) for one in config.inputs)
    return over_files and isinstance(sink.right, FileStream) and not sink.right.path.exists()
