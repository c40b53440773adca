"""A job in the debugger: how far it may run, what it has given out, when it pauses.

The job runs by itself; the session stands in its hooks and does not return from them while a person looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import pyarrow as pa

from velo_engine import JobOptions, Progress
from velo_engine.batch import KIND_SYMBOLS, ChangeBatch, Int64s
from velo_engine.connectors.dead_letters import DeadLetter
from velo_engine.plan import nodes
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.runtime.step_run import StepRun
from velo_harness.debugging.breakpoints import Breakpoint
from velo_harness.debugging.debug_settings import LogLevel
from velo_harness.debugging.screen import Screen
from velo_harness.missing_rows.fates import shown_row, step_name
from velo_harness.missing_rows.recording import Recording, is_shown
from velo_harness.relation import Relation


class Reach(Enum):
    """How far the job runs before it pauses again."""

    STEP = "step"
    """One operator."""
    STATEMENT = "statement"
    """To where the next statement has given out its changes."""
    RECORD = "record"
    """To the end of a record."""
    BREAKPOINT = "breakpoint"


@dataclass(frozen=True, slots=True)
class Goal:
    """How far, and how often."""

    reach: Reach
    count: int = 1


class LeftJobError(Exception):
    """The person left the job; it does not go on."""

    def __init__(self, *, restarts: bool) -> None:
        super().__init__()
        self.restarts = restarts


@dataclass(frozen=True, slots=True)
class GivenOut:
    """One change that a statement gave out."""

    record: int
    statement: str
    op: str
    values: dict[str, Any]


class DebugSession:
    """The hooks of one run of a job, and what they have seen."""

    def __init__(
        self,
        program: PlannedProgram,
        total: int,
        screen: Screen,
        log_level: LogLevel,
        time_zone: str,
        breakpoints: list[Breakpoint],
    ) -> None:
        """`total` is the number of records to be read, as far as it is known."""
        self.program = program
        self.total = total
        self.time_zone = time_zone
        self.recording = Recording(program)
        self.breakpoints = breakpoints
        self.history: list[GivenOut] = []
        self.done = 0
        """Records that are handled."""
        self.at: StepRun | None = None
        """The step that ran last."""
        self.present: list[str] = []
        """The records of the present event, for people."""
        self.finished = False
        self.interrupted = False
        """Set by Ctrl-C: the job pauses as soon as it can."""
        self.letters: list[DeadLetter] = []
        self.states: dict[int, Callable[[], Mapping[str, pa.Table]]] = {}
        """By step: what its operator holds."""
        self.pause: Callable[[str], Goal] = lambda _reason: Goal(Reach.BREAKPOINT)
        """Called where the job pauses, with the reason; gives how far it goes on."""
        self._goal = Goal(Reach.BREAKPOINT)
        self._screen = screen
        self._log_level = log_level
        self._opens = True

    def options(self, options: JobOptions) -> JobOptions:
        """The options of a job that this session watches, record by record."""
        return replace(
            options,
            batch_size=1,
            on_step=self._on_step,
            on_progress=self._on_progress,
            on_letter=self._on_letter,
            on_late=self._on_late,
        )

    def start(self, goal: Goal) -> None:
        """Says how far the job runs at first."""
        self._goal = goal

    @property
    def record(self) -> int:
        """The number of the record that the job handles, or has handled last."""
        return self.done if self._opens else self.done + bool(self.present)

    @property
    def seen(self) -> tuple[str, ...]:
        """The statements that run."""
        return tuple(dict.fromkeys(step.statement for step in self.recording.steps.values()))

    def changes_of(self, statement: str, batch: ChangeBatch) -> Relation:
        """A batch of a statement's changes under the users' names."""
        schema = self.program.statements[statement].plan.schema
        columns = [batch.rows.column(i) for i in range(len(schema))]
        table = pa.table(columns, schema=schema.arrow())
        return Relation(statement, schema, table, self.program.statements[statement].aliases)

    def _on_step(self, run: StepRun) -> None:
        if self._opens:
            self.present, self._opens = [], False
        self.recording.take(run)
        if run.statement not in self.program.statements:
            return
        self.at = run
        if run.state is not None:
            self.states[run.at] = run.state
        self._take_record(run)
        self._log_step(run)
        statement = self.program.statements[run.statement]
        root = run.node is statement.plan
        reason = self._taken_out(run) if root else None
        if reason is None and self._reached(run, root):
            reason = f"{run.statement}: {step_name(run.node)}"
        if reason is None and self.interrupted:
            reason = "interrupted"
        if reason is not None:
            self._pause(reason)

    def _take_record(self, run: StepRun) -> None:
        """Takes note of the record that the scan of a source has read."""
        if isinstance(run.node, nodes.Scan) and len(run.output):
            names = [name for name in run.node.schema.names if is_shown(name)]
            row = {name: run.output.rows.column(i)[0].as_py() for i, name in enumerate(names)}
            text = f"{run.node.source.name} {shown_row(row)}"
            if not any(text.startswith(f"{run.node.source.name} ") for text in self.present):
                self.present.append(text)

    def _taken_out(self, run: StepRun) -> str | None:
        """Takes note of the changes that a statement gave out; why to pause there."""
        changes = self.changes_of(run.statement, run.output)
        for i in range(len(changes)):
            op = KIND_SYMBOLS[int(run.output.kind[i])]
            self.history.append(GivenOut(self.record, run.statement, op, changes.row(i)))
            if self._log_level >= LogLevel.DEBUG:
                self._screen.line(f"  {run.statement}: {op} {shown_row(changes.row(i))}")
        hit = next((b for b in self.breakpoints if b.hit_by(run.statement, changes, self.time_zone)), None)
        return None if hit is None else f"breakpoint {hit.number}: {hit}"

    def _reached(self, run: StepRun, root: bool) -> bool:
        match self._goal.reach:
            case Reach.STEP:
                return not isinstance(run.node, nodes.Scan) and self._counted()
            case Reach.STATEMENT:
                return root and self._counted()
            case _:
                return False

    def _counted(self) -> bool:
        self._goal = replace(self._goal, count=self._goal.count - 1)
        return self._goal.count <= 0

    def _on_progress(self, progress: Progress) -> None:
        more = progress.records > self.done
        self.done, self._opens = progress.records, True
        if more and not self.present:
            self.present = ["a record that did not decode"]
        hit = next((b for b in self.breakpoints if more and b.after_record == self.done), None)
        if hit is not None:
            self._pause(f"breakpoint {hit.number}: {hit}")
        elif progress.finished:
            return
        elif self.interrupted:
            self._pause("interrupted")
        elif self._goal.reach is Reach.RECORD and more and self._counted():
            self._pause("step")

    def _on_letter(self, letter: DeadLetter) -> None:
        self.letters.append(letter)
        self._screen.line(f"  dead letter of {letter.source} for {letter.statement}: {letter.reason}")

    def _on_late(self, statement: str, seqs: Int64s) -> None:
        self.recording.take_late(statement, seqs)
        if self._log_level >= LogLevel.WARN:
            rows = "a row" if len(seqs) == 1 else f"{len(seqs)} rows"
            self._screen.line(f"  {statement}: {rows} came too late")

    def _log_step(self, run: StepRun) -> None:
        if self._log_level < LogLevel.TRACE:
            return
        for row in shown_rows(run.output, run.node.schema.names):
            self._screen.line(f"  {run.statement}, {step_name(run.node)}: {shown_row(row)}")

    def _pause(self, reason: str) -> None:
        self.interrupted = False
        self._goal = self.pause(reason)


def shown_rows(batch: ChangeBatch, names: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a batch with `op`, under their names, without columns that the planner made for itself."""
    rows = []
    for i in range(len(batch)):
        row: dict[str, Any] = {"op": KIND_SYMBOLS[int(batch.kind[i])]}
        row |= {name: batch.rows.column(c)[i].as_py() for c, name in enumerate(names) if is_shown(name)}
        rows.append(row)
    return rows
