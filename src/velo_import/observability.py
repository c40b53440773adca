"""What makes a converted job observable: metrics in its program, a Grafana dashboard, and rules for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from velo_engine.engine import Engine
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.sql.program import Program
from velo_harness.drafting.annotation import checked_metrics, with_annotations
from velo_harness.drafting.column_evidence import facts_of_samples
from velo_harness.drafting.drafted_metric import MetricDraft
from velo_harness.drafting.exported_metrics import ExportedMetric
from velo_harness.drafting.grafana_dashboard import dashboard_text
from velo_harness.drafting.program_metrics import metric_drafts, unfiltered
from velo_harness.drafting.prometheus_rules import rules_text
from velo_harness.event_times import event_time_types
from velo_import.model import ConvertedJob

if TYPE_CHECKING:
    import pyarrow as pa

DASHBOARD = "dashboards/app.grafana.json"
ALERTS = "alerts/app.alertmanager.yaml"
"""Rules for Prometheus, which evaluates them and sends what fires to Alertmanager."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A converted job that can be watched."""

    app_sql: str
    """The converted program with annotations above its statements."""
    files: Mapping[str, str]
    """Dashboard and rules by their paths in the job's folder."""
    metrics: Sequence[MetricDraft]

    @property
    def alerts(self) -> int:
        """How many alerts the metrics have."""
        return sum(len(metric.alerts) for metric in self.metrics)


def observe(job: ConvertedJob, samples: Mapping[str, pa.Table] | None = None) -> Observed:
    """The job with metrics for each of its statements; `samples` are rows of its sources, by table."""
    before = Engine().parse(job.app_sql, file="app.sql", variables={})
    plan = Engine().plan(before, variables={})
    metrics = metric_drafts(before, plan, job.name, facts_of_samples(samples or {}))
    return _with_metrics(job, before, plan, metrics)


def with_metrics(job: ConvertedJob, metrics: Sequence[MetricDraft]) -> Observed:
    """The job with these metrics. Errors: those of metrics that mean nothing."""
    before = Engine().parse(job.app_sql, file="app.sql", variables={})
    return _with_metrics(job, before, Engine().plan(before, variables={}), metrics)


def _with_metrics(job: ConvertedJob, before: Program, plan: PlannedProgram, metrics: Sequence[MetricDraft]) -> Observed:
    app_sql = with_annotations(before, metrics)
    definitions = checked_metrics(Engine().parse(app_sql, file="app.sql", variables={}), plan, metrics)
    exported = [ExportedMetric(definition) for definition in definitions]
    files = {
        DASHBOARD: dashboard_text(job.name, exported, tags=("imported", "flink")),
        ALERTS: rules_text(job.name, unfiltered(plan), exported, has_event_time=bool(event_time_types(plan))),
    }
    return Observed(app_sql, files, metrics)
