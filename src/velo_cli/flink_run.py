"""`velo run --engine flink`: a program in Flink SQL, handed to a SQL gateway, followed until its jobs have ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from velo_cli.export_command import exported, notes_text
from velo_engine.errors import ErrorCode, VeloError
from velo_import.export.model import ExportedProgram, ExportedStatement, Form
from velo_import.export.script import executed
from velo_import.gateway import ENDED, GatewaySession, StatementFailedError, unexplained
from velo_import.inputs.rest import base_url

POLL_SECONDS = 1.0
"""Between two looks at the jobs."""


@dataclass(slots=True)
class FlinkRun:
    """A program on a gateway."""

    program: ExportedProgram
    session: GatewaySession
    detach: bool = False
    sleep: Callable[[float], None] = time.sleep
    jobs: dict[str, ExportedStatement] = field(default_factory=dict)
    """Those that it started, and the statement of each."""
    _operation: str | None = None

    def run(self) -> int:
        """Submits all statements and waits for the jobs; the exit code.

        VeloError JOB_FAILED at the statement of the program that Flink refuses, or whose job fails; TIMEOUT.
        """
        try:
            for sql, group in executed(self.program.statements):
                self._carry_out(sql, group[0])
            if self.detach:
                return 0
            return self._wait()
        except KeyboardInterrupt:
            self._interrupted()
            return 130

    def _carry_out(self, sql: str, statement: ExportedStatement) -> None:
        try:
            self._operation = self.session.submit(sql)
            if statement.form is Form.QUERY and not self.detach:
                self._show(self._operation)
            else:
                self.session.wait(self._operation)
                self._note_job(self._operation, statement)
            self._operation = None
        except StatementFailedError as problem:
            what = "it failed on Flink" if problem.ran else "Flink refuses"
            raise _failure(what, str(problem), statement) from None
        except VeloError as error:
            error.location = error.location or statement.location
            raise

    def _note_job(self, operation: str, statement: ExportedStatement) -> None:
        for page in self.session.pages(operation):
            if page.job is not None and page.job not in self.jobs:
                self.jobs[page.job] = statement
                print(f"job {page.job}: {statement.origin}", file=sys.stderr)
            if page.is_query:
                return

    def _show(self, operation: str) -> None:
        """The rows as they come, those before an error too. StatementFailedError."""
        succeeded = self.session.settled(operation)
        for page in self.session.pages(operation):
            for kind, values in page.rows:
                print(f"{kind} {', '.join(map(_shown, values))}", flush=True)
        if not succeeded:
            raise unexplained()

    def _wait(self) -> int:
        """Until all jobs have ended."""
        waiting = dict(self.jobs)
        while waiting:
            for job, statement in list(waiting.items()):
                try:
                    state = self.session.job(job)
                except StatementFailedError as problem:
                    raise _failure("Flink does not say how the job goes", str(problem), statement) from None
                if state is not None and state.status not in ENDED:
                    continue
                del waiting[job]
                status = "gone" if state is None else state.status
                print(f"job {job}: {status.lower()}", file=sys.stderr)
                if status == "FAILED":
                    cause = self.session.cause_of_failure(job) or "its reason is in the cluster's own log"
                    raise _failure("the job failed on Flink", cause, statement)
            if waiting:
                self.sleep(POLL_SECONDS)
        return 0

    def _interrupted(self) -> None:
        """Cancels what runs, and says what goes on all the same."""
        if self._operation is not None:
            status = self.session.cancel(self._operation)
            print(f"the statement that was carried out is {status.lower()}", file=sys.stderr)
        for job in self.jobs:
            try:
                self.session.stop(job)
                state = self.session.job(job)
                status = "gone" if state is None else state.status.lower()
            except (StatementFailedError, VeloError) as problem:
                status = f"not stopped: {problem}"
            goes_on = "" if status.upper() in ENDED or status in ("gone", "cancelling") else "; it goes on"
            print(f"job {job}: {status}{goes_on}", file=sys.stderr)


def refuse_options(engine: str, gateway: str | None, given: Mapping[str, object]) -> str:
    """The gateway's address. VeloError BAD_VALUE when it is missing, or for an option that Flink has no use for."""
    if engine != "flink":
        message = "--flink-gateway and --detach are for --engine flink"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="add --engine flink, or leave them out")
    if gateway is None:
        hint = "--flink-gateway http://HOST:8083; Flink's bin/sql-gateway.sh start starts one"
        raise VeloError(ErrorCode.BAD_VALUE, "--engine flink needs a SQL gateway of Flink", hint=hint)
    meant = [option for option, value in given.items() if value is not None and value is not False]
    if meant:
        message = f"{', '.join(meant)}: for the engine of velostream, not for Flink"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="SET Flink's own options in the program")
    return gateway


def run_on_flink(
    path: Path, *, url: str, variables: Mapping[str, str], brokers: str | None, name: str | None, detach: bool
) -> int:
    """Exports the program and runs it; the exit code.

    VeloError: BAD_VALUE for a bad URL, before anything is exported; of exporting it; SQL_UNSUPPORTED at the first
    construct that Flink cannot say; as of `FlinkRun.run`.
    """
    url = base_url(url, "--flink-gateway")
    program = exported(path, variables, brokers)
    if program.refused:
        first = program.refused[0]
        rest = f" (and {len(program.refused) - 1} more)" if program.refused[1:] else ""
        raise VeloError(
            ErrorCode.SQL_UNSUPPORTED,
            f"Flink cannot say {first.message}{rest}",
            location=first.location,
            hint=first.hint,
        )
    print(notes_text(program), end="", file=sys.stderr)
    with GatewaySession(url, name or path.stem) as session:
        print(f"{session.product} at {url}, interface {session.version}", file=sys.stderr)
        return FlinkRun(program, session, detach).run()


def _failure(what: str, message: str, statement: ExportedStatement) -> VeloError:
    first = statement.sql.splitlines()[0] if statement.form is not Form.INSERT else f"INSERT INTO {statement.name}"
    return VeloError(
        ErrorCode.JOB_FAILED, f"{what}: {message}", location=statement.location, hint=f"it stood in: {first}"
    )


def _shown(value: Any) -> str:
    return "NULL" if value is None else str(value)
