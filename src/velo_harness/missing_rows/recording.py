"""What every step of a job read and gave out, kept to be looked at afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import INITIAL_WATERMARK, ChangeBatch, Int64s, RowKind, empty_rows, numpy_column
from velo_engine.plan import nodes
from velo_engine.plan.nodes import PlannedProgram, PlanNode
from velo_engine.plan.relation import system_name
from velo_engine.runtime.result import fold
from velo_engine.runtime.step_run import StepRun
from velo_engine.schema import RowSchema


@dataclass(slots=True)
class Edge:
    """All rows that travelled along one edge, with the watermarks that stood there."""

    schema: RowSchema
    batches: list[ChangeBatch] = field(default_factory=list)
    _rows: pa.Table | None = None
    _taken: int = 0
    """How many of the batches are in `_rows`."""

    @property
    def rows(self) -> pa.Table:
        """In their order; physical columns."""
        if self._rows is None or self._taken < len(self.batches):
            before = [] if self._rows is None else [self._rows]
            parts = [*before, *(batch.rows for batch in self.batches[self._taken :] if len(batch))]
            self._rows = pa.concat_tables(parts).combine_chunks() if parts else empty_rows(self.schema)
            self._taken = len(self.batches)
        return self._rows

    @property
    def seqs(self) -> Any:
        """The event that caused each row."""
        return numpy_column(self.rows, "seq")

    @property
    def kinds(self) -> Any:
        """The kind of each row."""
        return numpy_column(self.rows, "kind")

    def added(self) -> list[int]:
        """The positions of the +I and +U rows."""
        kinds = self.kinds
        return np.flatnonzero((kinds == RowKind.INSERT) | (kinds == RowKind.UPDATE_AFTER)).tolist()

    def final(self) -> pa.Table:
        """The rows that stand at the end."""
        return fold(self.schema, self.rows)

    def watermark_before(self, seq: int) -> int | None:
        """The watermark that a row of event `seq` met, in milliseconds; None before any."""
        for batch in self.batches:
            if batch.first_seq <= seq < batch.end_seq:
                found = int(batch.watermark.before(np.array([seq], np.int64))[0])
                return None if found == INITIAL_WATERMARK else found
        return None

    def row(self, position: int) -> tuple[Any, ...]:
        """The values of one row."""
        return tuple(self.rows.column(i)[position].as_py() for i in range(len(self.schema)))

    def named(self, position: int) -> dict[str, Any]:
        """One row under its columns' names; columns that the planner made for itself are left out."""
        values = zip(self.schema.names, self.row(position), strict=True)
        return {name: value for name, value in values if is_shown(name)}


def is_shown(name: str) -> bool:
    """Whether a column means something to a person."""
    return not name.startswith("$") and system_name(name) is None


@dataclass(slots=True)
class RecordedStep:
    """One step of the pipeline over the whole run."""

    at: int
    statement: str
    node: PlanNode
    reads: tuple[int, ...]
    inputs: tuple[Edge, ...]
    output: Edge


class Recording:
    """Collects the steps of a job: give `take` to it as `on_step`."""

    def __init__(self, program: PlannedProgram) -> None:
        self._program = program
        self.steps: dict[int, RecordedStep] = {}
        self.tables: list[RecordedStep] = []
        """The steps that read reference tables; the last of each table has its rows."""
        self.late: dict[str, set[int]] = {}
        """By statement: the events of rows that came too late."""

    def take(self, run: StepRun) -> None:
        """Takes note of one step over one span of events."""
        schemas = input_schemas(run.node, len(run.inputs))
        if run.statement not in self._program.statements:
            step = next((s for s in self.tables if s.node is run.node), None)
            if step is None:
                step = _empty(run, schemas)
                self.tables.append(step)
        else:
            step = self.steps.setdefault(run.at, _empty(run, schemas))
        for edge, batch in zip(step.inputs, run.inputs, strict=True):
            edge.batches.append(batch)
        step.output.batches.append(run.output)

    def take_late(self, statement: str, seqs: Int64s) -> None:
        """Takes note of late rows: for `JobOptions.on_late`."""
        self.late.setdefault(statement, set()).update(seqs.tolist())

    def root(self, statement: str) -> RecordedStep:
        """The step that gives out a statement's changes."""
        plan = self._program.statements[statement].plan
        if isinstance(plan, nodes.Upstream):
            return self.root(plan.statement)
        return next(step for step in self.steps.values() if step.node is plan)

    def readers(self, at: int, statements: Sequence[str]) -> list[tuple[RecordedStep, int]]:
        """The steps that read step `at`, and on which side, of these statements only."""
        found = [(s, side) for s in self.steps.values() for side, read in enumerate(s.reads) if read == at]
        return [(step, side) for step, side in found if step.statement in statements]

    def table(self, node: PlanNode) -> Edge | None:
        """The rows of a reference table."""
        return next((step.output for step in self.tables if step.node is node), None)

    def record(self, seq: int) -> tuple[str, int, Mapping[str, Any]] | None:
        """The record of event `seq`: its source, its number there (from 1) and its values."""
        for step in self.steps.values():
            if isinstance(step.node, nodes.Scan):
                at = np.flatnonzero(step.output.seqs == seq)
                if len(at):
                    return step.node.source.name, int(at[0]) + 1, step.output.named(int(at[0]))
        return None

    def record_json(self, seq: int) -> tuple[str, str] | None:
        """The record of event `seq` as dead letters show it: its source, its values as JSON."""
        from velo_engine.formats import open_format

        for step in self.steps.values():
            if not isinstance(step.node, nodes.Scan):
                continue
            at = np.flatnonzero(step.output.seqs == seq)
            if len(at):
                source = step.node.source
                row = step.output.rows.slice(int(at[0]), 1).select(range(len(source.schema)))
                return source.name, open_format("json", source.schema, {}).encode(row)[0].decode()
        return None


def _empty(run: StepRun, schemas: Sequence[RowSchema]) -> RecordedStep:
    inputs = tuple(Edge(schema) for schema in schemas)
    return RecordedStep(run.at, run.statement, run.node, run.reads, inputs, Edge(run.node.schema))


def input_schemas(node: PlanNode, inputs: int) -> list[RowSchema]:
    """The schemas of what a step reads: of a filter below a projection, which are one step, the filter's input."""
    match node:
        case nodes.Project(input=nodes.Filter() as below):
            return [below.input.schema]
        case nodes.TableJoin():
            return [node.input.schema]
        case _:
            return [child.schema for child in nodes.inputs(node)][:inputs]
