"""The checks of one run: what each statement gave out, as assertions and expectations look at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from velo_engine import types as t
from velo_engine.batch import Int64s, RowKind, numpy_column
from velo_engine.plan import nodes
from velo_engine.plan.nodes import PlannedProgram, PlanNode, WindowAggregate
from velo_engine.schema import Column, RowSchema
from velo_engine.types import arrow_type
from velo_harness.assertions.evaluate import OutputFacts, failures
from velo_harness.assertions.run_facts import RunFacts
from velo_harness.execution import Execution, needed_sources, needed_statements
from velo_harness.expectations import LATE_BY, ActualOutput, check_expectation
from velo_harness.relation import Relation
from velo_harness.result import CheckFailure
from velo_harness.spec import AssertionSpec, Expectation, Spec
from velo_harness.templates import TemplateScope

if TYPE_CHECKING:
    from velo_engine.runtime.result import StatementResult


@dataclass(frozen=True, slots=True)
class RunChecks:
    """Evaluates the checks of one run."""

    spec: Spec
    execution: Execution
    inputs: Mapping[str, Relation]
    scope: TemplateScope
    records: Mapping[str, Relation]
    """Statement → every record it gave out."""

    def of(
        self, name: str, assertions: tuple[AssertionSpec, ...], expect: Expectation | None
    ) -> tuple[list[CheckFailure], list[CheckFailure]]:
        """The checks of one statement that do not hold: failures and warnings."""
        result = self.execution.result.statements[name]
        final = Relation(name, result.schema, result.final, result.aliases)
        key = tuple(result.schema.names[i] for i in result.upsert_key)
        facts = OutputFacts(
            records=self.records[name],
            final=final,
            updates=len(final) != len(self.records[name]),
            key=key,
            inputs=self.inputs,
            scope=self.scope,
            time_zone=self.spec.config.get("time_zone", "UTC"),
            execution_ms=result.elapsed_ms,
            window=window_of(self.execution.program, name),
            run=self._run_facts(name, result),
            outputs=self.records,
        )
        found, warnings = failures([self._with_files(a) for a in assertions], facts)
        if expect is not None:
            found = [*check_expectation(expect, self.actual(name)), *found]
        return found, warnings

    def actual(self, name: str) -> ActualOutput:
        """What a statement gave out, as expectations compare it."""
        result = self.execution.result.statements[name]
        schema = RowSchema((*result.schema.columns, Column("op", t.STRING)))
        return ActualOutput(
            final=Relation(name, result.schema, result.final, result.aliases),
            changelog=Relation(name, schema, result.changelog, result.aliases),
            key=tuple(result.schema.names[i] for i in result.upsert_key),
            late=late_of(result, self.execution.program),
            scope=self.scope,
            zone=self.spec.zone,
        )

    def _run_facts(self, name: str, result: StatementResult) -> RunFacts:
        """The numbers and dead letters of a statement's run."""
        program, job, measured = self.execution.program, self.execution.result, self.execution.measured
        needed = needed_statements(program, (name,))
        sources = needed_sources(program, (name,))
        clock = measured.clock
        given_out = _given_out(result)
        return RunFacts(
            records=sum(measured.source_records.get(source, 0) for source in sources),
            job_records=job.records,
            job_seconds=job.elapsed_ms / 1000,
            late=result.accounting.late,
            late_rows=late_of(result, program),
            letters=tuple(d for d in job.dead_letters if not set(d.statement.split(", ")).isdisjoint(needed)),
            lost_letters=job.dead_letter_count - len(job.dead_letters),
            letter_topic=program.properties.get("job.dlq_topic"),
            topics={source: table.properties.get("topic", source) for source, table in sources.items()},
            now_ms=self._now_ms() if clock is None else clock.closing,
            given_out_ms=None if clock is None else clock.after(given_out),
            measured=measured,
        )

    def _now_ms(self) -> int:
        now = self.spec.now or datetime.now(UTC)
        return int(now.timestamp() * 1000)

    def _with_files(self, assertion: AssertionSpec) -> AssertionSpec:
        """The assertion looking at the files that this run wrote."""
        files = self.execution.files
        paths = {k: p for k in ("path", "actual_path") if isinstance(p := assertion.parameters.get(k), Path)}
        moved = {k: files[p] for k, p in paths.items() if p in files}
        return replace(assertion, parameters={**assertion.parameters, **moved}) if moved else assertion


def _given_out(result: StatementResult) -> Int64s:
    """The events that gave out the +I and +U rows, in order."""
    kind = numpy_column(result.rows, "kind")
    seqs: Int64s = numpy_column(result.rows, "seq")[(kind == RowKind.INSERT) | (kind == RowKind.UPDATE_AFTER)]
    return seqs


def late_of(result: StatementResult, program: PlannedProgram) -> Relation:
    """The rows that came too late, with `late_by_ms`: with the columns of the operators that they came too late for."""
    known = _input_columns(program.statements[result.name].plan)
    table = result.late
    if table.num_rows:
        fields = [field for field in table.schema if field.name != LATE_BY]
        columns = [_column_of(field, known) for field in fields]
    else:
        columns = list({column.name: column for column in reversed(known)}.values())
    schema = RowSchema((*columns, Column(LATE_BY, t.BIGINT)))
    if not table.num_rows:
        table = schema.arrow().empty_table()
    # Columns that the planner computed for itself mean nothing to a person.
    named = [i for i, name in enumerate(schema.names) if not name.startswith("$")]
    return Relation(f"late rows of {result.name}", schema.select(named), table.select(named))


def _input_columns(plan: PlanNode) -> list[Column]:
    """The columns of what the operators of a plan read, those nearest to the sources first."""
    found: list[Column] = []
    waiting = [plan]
    while waiting:
        below = nodes.inputs(waiting.pop(0))
        waiting.extend(below)
        found.extend(column for node in below for column in node.schema.columns)
    return found[::-1]


def _column_of(field: pa.Field, known: Sequence[Column]) -> Column:
    """The column of late rows that is stored as `field`; several of one name have numbers behind it there."""
    stored = [column for column in known if arrow_type(column.type) == field.type]
    same = next((column for column in stored if column.name == field.name), None)
    return Column(field.name, (same or next(c for c in stored if field.name.startswith(c.name))).type)


def window_of(program: PlannedProgram, statement: str) -> nodes.WindowSpec | None:
    """The window of a statement's plan, when it has one."""
    found = _window_node(program, statement)
    return None if found is None else found.window


def _window_node(program: PlannedProgram, statement: str) -> WindowAggregate | None:
    waiting: list[PlanNode] = [program.statements[statement].plan]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, WindowAggregate):
            return node
        waiting.extend(nodes.inputs(node))
    return None
