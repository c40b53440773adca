"""One run of `velo shadow`: compare, show, write the reports, and give the exit code."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from velo_cli.shadow_reports import check_endings, write_reports
from velo_cli.shadow_run import compare_ended, reads_topics
from velo_engine.errors import ErrorCode, ExitCode, VeloError
from velo_shadow.config import FileStream, ShadowConfig, ShadowSink
from velo_shadow.reports.document import SinkResult, report_of
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

    def run(self) -> ExitCode:
        """Compares all sinks. The report for people goes to stdout, progress to stderr.

        Errors: of the config's parts; BAD_VALUE, SCHEMA_MISMATCH when the sides cannot be compared;
        INFRASTRUCTURE_MISSING without a broker.
        """
        from rich.console import Console

        from velo_shadow.reports.console import print_report

        config = self.config
        check_endings(config.reports)
        if not config.sinks:
            raise VeloError(ErrorCode.BAD_VALUE, "the config has no sink: there is nothing to compare")
        waivers = self._waivers()
        began = datetime.now(tz=UTC)
        results = self._compared(waivers, began)
        report = report_of(results, job=config.job, began=began, ended=datetime.now(tz=UTC))
        write_reports(report, config.reports)
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
        raise VeloError(ErrorCode.SQL_UNSUPPORTED, "topics cannot be compared yet")

    def _over_files(self, waivers: Mapping[str, tuple[Waiver, ...]], began: datetime) -> list[SinkResult]:
        config = self.config
        if self.once:
            raise VeloError(ErrorCode.BAD_VALUE, "--once is about topics, and all sides are files")
        outputs = {}
        wanted = [sink.name for sink in config.sinks if _is_for_program(config, sink)]
        if wanted:
            from velo_cli.shadow_program import outputs_over_files, read_program

            if not self.runs_program:
                message = f'--no-run: the output of the program for "{wanted[0]}" is not there'
                raise VeloError(ErrorCode.BAD_VALUE, message, hint="name it: right, or leave out --no-run")
            outputs = outputs_over_files(config, read_program(config, self.variables, wanted), wanted)
        return compare_ended(config, outputs, waivers, began.date())


def _is_for_program(config: ShadowConfig, sink: ShadowSink) -> bool:
    """Whether the program gives the right side: nobody has written it, and the inputs are files."""
    if sink.right is None:
        return True
    over_files = config.program is not None and any(isinstance(one.stream, FileStream) for one in config.inputs)
    return over_files and isinstance(sink.right, FileStream) and not sink.right.path.exists()
