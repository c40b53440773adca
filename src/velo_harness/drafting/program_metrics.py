"""Metrics and alerts for every statement of a program that has none."""

from __future__ import annotations

from velo_engine.plan.nodes import PlannedProgram
from velo_engine.sql.program import Program, StatementKind
from velo_harness.drafting.alert_drafts import with_alerts
from velo_harness.drafting.column_evidence import Evidence, Facts
from velo_harness.drafting.drafted_metric import MetricDraft
from velo_harness.drafting.lineage import filters
from velo_harness.drafting.metric_drafts import StatementView, statement_metrics
from velo_harness.drafting.metric_names import prefix_of


def metric_drafts(written: Program, program: PlannedProgram, app: str, facts: Facts | None = None) -> list[MetricDraft]:
    """Metrics for every statement that gives rows out and has none yet; `facts` of the sources make them better."""
    has_some = {
        s.name
        for s in written.statements
        if s.kind is not StatementKind.SOURCE and any(name == "metric" for name, _ in s.annotations)
    }
    evidence = Evidence(facts or {}, program.statements)
    found: list[MetricDraft] = []
    for name, statement in program.statements.items():
        if name not in has_some:
            view = StatementView.of(statement, evidence, prefix_of(app, name))
            found += with_alerts(view, list(statement_metrics(view)))
    unique: dict[str, MetricDraft] = {}
    for metric in found:
        unique.setdefault(metric.name.removesuffix("_total"), metric)
    return list(unique.values())


def unfiltered(program: PlannedProgram) -> list[str]:
    """The statements without a condition on their rows: one that reads rows and gives none out is out of order."""
    return [name for name, statement in program.statements.items() if not any(True for _ in filters(statement.plan))]
