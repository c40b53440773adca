"""Evaluating the assertions of a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from velo_engine.batch import Int64s
from velo_engine.plan.nodes import WindowSpec
from velo_harness.assertions.context import AssertionKind, CheckContext, View
from velo_harness.assertions.registry import assertion_kind
from velo_harness.assertions.run_facts import RunFacts
from velo_harness.predicates import where_true
from velo_harness.relation import Relation
from velo_harness.result import CheckFailure, Finding
from velo_harness.spec import AssertionSpec, Severity
from velo_harness.templates import TemplateScope


@dataclass(frozen=True)
class OutputFacts:
    """What a statement gave out, as assertions look at it."""

    records: Relation
    """The +I and +U rows, in order."""
    final: Relation
    updates: bool
    key: tuple[str, ...]
    inputs: Mapping[str, Relation]
    scope: TemplateScope
    time_zone: str
    execution_ms: float
    window: WindowSpec | None
    run: RunFacts = field(default_factory=RunFacts)
    outputs: Mapping[str, Relation] = field(default_factory=dict)
    """Statement → the records it gave out."""
    _chosen: dict[tuple[View, str], tuple[Relation, Int64s]] = field(default_factory=dict, compare=False)

    def view(self, view: View, assertion: AssertionSpec) -> Relation:
        """The rows of one view that the assertion's `where` chooses."""
        return self.chosen(view, assertion)[0]

    def chosen(self, view: View, assertion: AssertionSpec) -> tuple[Relation, Int64s]:
        """The rows of one view that the assertion's `where` chooses, and where they stand in it."""
        whole = self.final if view is View.FINAL else self.records
        if assertion.where is None:
            return whole, np.arange(len(whole), dtype=np.int64)
        if (view, assertion.where) not in self._chosen:
            place = assertion.parameter_locations.get("where", assertion.location)
            mask = where_true(whole, assertion.where, place, self.time_zone)
            rows = np.flatnonzero(mask.to_numpy(zero_copy_only=False))
            self._chosen[view, assertion.where] = whole.filtered(mask), rows
        return self._chosen[view, assertion.where]


def failures(assertions: Sequence[AssertionSpec], facts: OutputFacts) -> tuple[list[CheckFailure], list[CheckFailure]]:
    """The assertions that do not hold: those that fail the query, and the warnings.

    Raises VeloError for an assertion that cannot be evaluated as written.
    """
    errors: list[CheckFailure] = []
    warnings: list[CheckFailure] = []
    for assertion in assertions:
        finding = _finding(assertion, facts)
        if finding is not None:
            failure = CheckFailure(assertion.type, finding, assertion.location, assertion.message)
            (warnings if assertion.severity is Severity.WARNING else errors).append(failure)
    return errors, warnings


def _finding(assertion: AssertionSpec, facts: OutputFacts) -> Finding | None:
    kind = assertion_kind(assertion.type)
    output, rows = facts.chosen(kind.view, assertion)
    if kind.needs_rows and not len(output):
        return None if assertion.allow_empty else _nothing_to_check(assertion, kind, facts)
    context = CheckContext(
        output=output,
        final=facts.view(View.FINAL, assertion),
        updates=facts.updates,
        key=facts.key,
        inputs=facts.inputs,
        scope=facts.scope,
        time_zone=facts.time_zone,
        execution_ms=facts.execution_ms,
        window=facts.window,
        run=facts.run,
        rows=rows,
        outputs=facts.outputs,
    )
    return kind.check(assertion, context)


def _nothing_to_check(assertion: AssertionSpec, kind: AssertionKind, facts: OutputFacts) -> Finding:
    given = facts.final if kind.view is View.FINAL else facts.records
    if assertion.where is not None and len(given):
        actual = f"none of the {len(given)} rows fulfils where: {assertion.where}"
    else:
        actual = f"{given.name} gave out no row"
    notes = ["with allow_empty: true it passes without rows"]
    for source in facts.inputs.values() if not len(given) else ():
        if not len(source):
            notes.insert(0, f"the input {source.name} has no row")
    return Finding("at least one row to look at", actual, total=0, notes=tuple(notes))
