"""One query of a spec in the debugger, from its first record to the verdict of its checks."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from velo_engine import TopicInput
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_harness.debugging.breakpoints import Breakpoint, breakpoint_of
from velo_harness.debugging.command_reader import CommandReader
from velo_harness.debugging.debug_settings import DebugSettings, LogLevel, WrittenBreakpoint
from velo_harness.debugging.screen import Screen
from velo_harness.debugging.session import DebugSession, Goal, LeftJobError, Reach
from velo_harness.debugging.shell import DebugShell
from velo_harness.discovery import PathPolicy, find_specs
from velo_harness.execution import ProgressHook
from velo_harness.inputs import RunInputs
from velo_harness.preparation import PreparedQuery
from velo_harness.programs import parsed, program_text, shown_path
from velo_harness.query_run import QueryRun
from velo_harness.result import Outcome, QueryResult
from velo_harness.runner import blank_result
from velo_harness.settings import RunSettings
from velo_harness.spec import Query, Spec
from velo_harness.spec_loader import spec_of
from velo_harness.suite import SuiteItem, one_query
from velo_harness.yaml_source import parse_yaml

if TYPE_CHECKING:
    from velo_harness.kafka.session import KafkaSession


class QueryDebugger:
    """Runs queries under the eyes of a person or a script."""

    def __init__(self, screen: Screen, reader: CommandReader, *, assumes_yes: bool) -> None:
        self.failed = False
        """Whether a command of a script was wrong."""
        self._screen = screen
        self._reader = reader
        self._assumes_yes = assumes_yes
        self.shell: DebugShell | None = None

    def words(self) -> list[str]:
        """What may be completed."""
        return [] if self.shell is None else self.shell.words()

    def run(self, spec: Spec, query: Query, settings: RunSettings, *, item: str, rerun: str) -> QueryResult | None:
        """The result of the checks at the end; None when the person left before.

        Errors: those of running and checking a query, UNKNOWN_QUERY for a breakpoint of the spec.
        """
        blank = blank_result(spec, query, settings, item=item, rerun=rerun)
        run = QueryRun(replace(spec, debug=DebugSettings()), query, settings, blank)
        prepared = run.prepared()
        wanted = spec.debug if spec.debug.enabled else DebugSettings()
        zone = spec.config.get("time_zone") or prepared.program.properties.get("time.zone", "UTC")
        breakpoints = [_breakpoint(one, i + 1, prepared, zone) for i, one in enumerate(wanted.breakpoints)]
        self.shell = DebugShell(
            self._screen,
            self._reader,
            prepared.statement,
            shows_intermediate=wanted.show_intermediate_values,
            tells_pauses=wanted.log_level >= LogLevel.INFO,
            assumes_yes=self._assumes_yes,
        )
        while True:
            try:
                return self._run_once(run, prepared, wanted, zone, breakpoints)
            except LeftJobError as left:
                self.failed = self.failed or self.shell.failed
                if not left.restarts:
                    return None
                self._screen.line("from the start")

    def result(
        self,
        spec: Spec,
        query: Query,
        settings: RunSettings,
        *,
        item: str,
        rerun: str,
        on_progress: ProgressHook | None = None,  # noqa: ARG002 - as `runner.run_query`, which says how far it is
        kafka: KafkaSession | None = None,  # noqa: ARG002 - topics are in memory
    ) -> QueryResult:
        """The result of a query in a suite; errors are part of it, and a query that the person left is skipped."""
        blank = blank_result(spec, query, settings, item=item, rerun=rerun)
        if query.skip is not None:
            return replace(blank, skip_reason=query.skip)
        self._screen.line(f"{item}")
        try:
            found = self.run(spec, query, settings, item=item, rerun=rerun)
        except VeloError as error:
            return replace(blank, outcome=Outcome.ERROR, error=error)
        return found or replace(blank, skip_reason="left in the debugger")

    def _run_once(
        self, run: QueryRun, prepared: PreparedQuery, wanted: DebugSettings, zone: str, breakpoints: list[Breakpoint]
    ) -> QueryResult:
        assert self.shell is not None
        inputs = run.inputs(prepared)
        session = DebugSession(prepared.program, _total(inputs), self._screen, wanted.log_level, zone, breakpoints)
        self.shell.attach(session)
        if wanted.pause_on_start:
            session.start(self.shell.pause("start"))
        else:
            session.start(Goal(Reach.BREAKPOINT))
        with _interrupts(session), run.executed(prepared, inputs, session.options(run.job_options())) as execution:
            result = run.checked(prepared, inputs, execution)
            session.finished = True
            self._screen.line(_verdict(result))
            self._stay()
        return result

    def _stay(self) -> None:
        """Answers questions behind the end, until the person leaves or a script is over."""
        assert self.shell is not None
        try:
            self.shell.pause("the end")
        except LeftJobError as left:
            self.failed = self.failed or self.shell.failed
            if left.restarts:
                raise


def debugged_item(path: Path, settings: RunSettings, name: str | None) -> SuiteItem:
    """The query to debug: of a spec, or of a SQL file, whose spec it is when it has one.

    The statements of a SQL file without spec are queries whose inputs are generated. Errors: as `one_query`.
    """
    if path.suffix != ".sql" or find_specs(path) or not path.is_file():
        return one_query(path, settings, name)
    file = path.absolute().parent / f"{path.stem}.test.yaml"
    policy = PathPolicy.for_file(file, settings.allowed)
    head = f"application: {path.stem}\nsql_file: {path.name!r}\nqueries:\n"
    bare = spec_of(parse_yaml(f"{head}  - name: none\n", str(path)), file, policy, unfinished=True)
    statements = parsed(program_text(bare), settings.variables).statements
    if not statements:
        raise VeloError(ErrorCode.NO_TESTS, f"{shown_path(path)} has no query")
    names = "".join(f"  - name: {one!r}\n" for one in statements)
    spec = spec_of(parse_yaml(head + names, str(path)), file, policy, unfinished=True)
    wanted = name or (statements[-1] if len(statements) == 1 else None)
    if wanted is None:
        hint = f"name it with --query: {', '.join(statements)}"
        raise VeloError(ErrorCode.BAD_VALUE, f"{shown_path(path)} has {len(statements)} queries", hint=hint)
    query = next((q for q in spec.queries if q.name == wanted), None)
    if query is None:
        hint = did_you_mean(wanted, statements, noun="query")
        raise VeloError(ErrorCode.UNKNOWN_QUERY, f'{shown_path(path)} defines no query "{wanted}"', hint=hint)
    return SuiteItem(spec, query)


def _breakpoint(written: WrittenBreakpoint, number: int, prepared: PreparedQuery, zone: str) -> Breakpoint:
    text = written.query if written.after_record is None else f"{written.query}:{written.after_record}"
    try:
        return breakpoint_of(text, number, prepared.program, zone)
    except VeloError as error:
        raise VeloError(error.code, error.message, location=written.location, hint=error.hint) from None


def _total(inputs: RunInputs) -> int:
    return sum(count for name, count in inputs.records.items() if isinstance(inputs.engine.get(name), TopicInput))


def _verdict(result: QueryResult) -> str:
    """What the checks say at the end."""
    from velo_harness.reports.text import query_text

    if not result.checks:
        return "the job has ended"
    noun = "check holds" if result.checks == 1 else "checks hold"
    return query_text(result) if result.failures else f"{result.query}: {result.checks} {noun}"


@contextmanager
def _interrupts(session: DebugSession) -> Iterator[None]:
    """Ctrl-C pauses the job instead of ending it."""

    def interrupt(_signal: int, _frame: Any) -> None:
        session.interrupted = True

    try:
        before = signal.signal(signal.SIGINT, interrupt)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
