"""The checks of one run: what each statement gave out, as assertions and expectations look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from velo_engine import types as t
from velo_engine.plan import nodes
from velo_engine.plan.nodes import PlannedProgram, PlanNode, WindowAggregate
from velo_engine.schema import Column, RowSchema
from velo_harness.assertions.evaluate import OutputFacts, failures
from velo_harness.execution import Execution
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

    def _with_files(self, assertion: AssertionSpec) -> AssertionSpec:
        """The assertion looking at the files that this run wrote."""
        files = self.execution.files
        paths = {k: p for k in ("path", "actual_path") if isinstance(p := assertion.parameters.get(k), Path)}
        moved = {k: files[p] for k, p in paths.items() if p in files}
        return replace(assertion, parameters={**assertion.parameters, **moved}) if moved else assertion


def late_of(result: StatementResult, program: PlannedProgram) -> Relation:
    """The rows that came too late, with `late_by_ms`."""
    window = _window_node(program, result.name)
    columns = window.input.schema.columns if window is not None else ()
    schema = RowSchema((*columns, Column(LATE_BY, t.BIGINT)))
    table = result.late
    if tuple(table.column_names) != schema.names:
        table = schema.arrow().empty_table()
    # Columns that the planner computed for itself mean nothing to a person.
    named = [i for i, name in enumerate(schema.names) if not name.startswith("$")]
    return Relation(f"late rows of {result.name}", schema.select(named), table.select(named))


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
