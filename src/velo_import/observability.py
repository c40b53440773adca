"""What makes a converted job observable: metrics in its program, a Grafana dashboard, and rules for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from velo_engine.engine import Engine
from velo_harness.drafting.annotation import with_annotations
from velo_harness.drafting.metric_drafts import MetricDraft, metric_drafts
from velo_harness.drafting.monitoring import dashboard_text, rules_text
from velo_import.model import ConvertedJob

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


def observe(job: ConvertedJob) -> Observed:
    """The job with metrics for each of its statements; without any when none of them converts."""
    program = Engine().parse(job.app_sql, file="app.sql", variables={})
    plan = Engine().plan(program, variables={})
    metrics = metric_drafts(program, plan, job.name)
    files = {
        DASHBOARD: dashboard_text(job.name, metrics),
        ALERTS: rules_text(job.name, list(plan.statements), metrics),
    }
    return Observed(with_annotations(program, metrics), files, metrics)
