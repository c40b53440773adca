"""Rules for Prometheus: rates of a program's counters and histograms, its alerts, and alerts on any job."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from velo_engine.observability.alert_annotations import AlertDefinition, number_text
from velo_engine.observability.metric_annotations import OWN_METRICS, MetricType
from velo_harness.drafting.exported_metrics import ExportedMetric
from velo_harness.drafting.yaml_text import scalar_text


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alerting rule."""

    name: str
    expression: str
    wait: str
    """How long the expression must hold."""
    severity: str
    summary: str
    description: str
    statement: str | None = None
    """Whose metric it is about; equal names of alerts are told apart by it."""


def rules_text(
    app: str, statements: Sequence[str], metrics: Sequence[ExportedMetric], *, has_event_time: bool = True
) -> str:
    """A file of rules for the job that Prometheus scrapes as `app`; `statements` are those that may not fall silent.

    A job that does not have event time (a watermark) has no rules about it.
    """
    lines = [
        f"# Rules for Prometheus (rule_files:), which scrapes the job under job_name: {scalar_text(app)}",
        "groups:",
    ]
    counted = [metric for metric in metrics if metric.definition.type is not MetricType.GAUGE]
    if counted:
        lines += [f"  - name: {scalar_text(app + '_rates')}", "    rules:"]
    for metric in counted:
        counter = metric.name if metric.definition.type is MetricType.COUNTER else f"{metric.name}_count"
        rate = f"rate({counter}{_of(app)}[{metric.range}])"
        lines.append(f"      - record: {metric.name.removesuffix('_total')}:rate{metric.range}")
        lines.append(f"        expr: {_quoted(rate)}")
    lines += [f"  - name: {scalar_text(app + '_alerts')}", "    rules:"]
    of_time = _event_time_rules(app) if has_event_time else ()
    for rule in (*_metric_rules(app, metrics), *_job_rules(app), *of_time, *_silence_rules(app, statements)):
        lines += [
            f"      - alert: {rule.name}",
            f"        expr: {_quoted(rule.expression)}",
            f"        for: {rule.wait}",
            "        labels:",
            f"          app: {scalar_text(_plain(app))}",
            f"          severity: {rule.severity}",
            *([f"          statement: {scalar_text(rule.statement)}"] if rule.statement is not None else []),
            "        annotations:",
            f"          summary: {_quoted(rule.summary)}",
            f"          description: {_quoted(rule.description)}",
        ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Text in double quotes, which YAML and PromQL read alike."""
    return json.dumps(text, ensure_ascii=False)


def _of(app: str) -> str:
    """The job's series alone."""
    return "{job=" + _quoted(app) + "}"


def alert_expression(metric: ExportedMetric, alert: AlertDefinition, app: str) -> str:
    """When an alert of a metric fires, in PromQL."""
    name, of, back = metric.name, _of(app), metric.range
    if alert.operator is None:
        # A series that begins above 0 grew although Prometheus has no earlier sample to compare with.
        return f"increase({name}{of}[{back}]) > 0 or ({name}{of} unless {name}{of} offset {back}) > 0"
    compared = f"{alert.operator} {number_text(alert.threshold)}"
    match metric.definition.type:
        case MetricType.COUNTER:
            return f"increase({name}{of}[{back}]) {compared}"
        case MetricType.GAUGE:
            return f"{name}{of} {compared}"
        case MetricType.HISTOGRAM:
            side = "0.05" if alert.operator.startswith("<") else "0.95"
            labels = ", ".join(("le", *metric.labels))
            return f"histogram_quantile({side}, sum by ({labels}) (rate({name}_bucket{of}[{back}]))) {compared}"


def _metric_rules(app: str, metrics: Sequence[ExportedMetric]) -> Iterator[AlertRule]:
    for metric in metrics:
        definition = metric.definition
        for alert in definition.alerts:
            labels = ", ".join(f"{label} {{{{ $labels.{label} }}}}" for label in metric.labels)
            what = definition.help if alert.operator is None else f"{definition.name} {alert.condition}"
            about = f"{_plain(definition.help)}: {{{{ $value }}}}" + (f" ({labels})" if labels else "")
            expression = alert_expression(metric, alert, app)
            summary = _plain(f"{app}: {what}")
            yield AlertRule(alert.name, expression, "0m", alert.severity, summary, about, definition.statement)


def _plain(text: str) -> str:
    """Text in which Prometheus finds no template."""
    return text.replace("{{", '{{ "{{" }}')


def _rule(app: str, name: str, expression: str, wait: str, severity: str, text: str) -> AlertRule:
    said = _plain(f"{app} {text}")
    return AlertRule(name, expression, wait, severity, said, f"{said}: {{{{ $value }}}}")


def _job_rules(app: str) -> Iterator[AlertRule]:
    of = _of(app)
    yield _rule(app, "JobDown", f"up{of} == 0", "1m", "critical", "does not answer")
    dead = f"rate({OWN_METRICS}dead_letters_total{of}[5m]) > 0"
    yield _rule(app, "DeadLetters", dead, "5m", "warning", "sets records aside")
    lag = f"{OWN_METRICS}source_lag_records{of}"
    grows = f"min_over_time({lag}[10m]) > 0 and deriv({lag}[10m]) > 0"
    yield _rule(app, "LagGrows", grows, "10m", "warning", "falls behind its input")


def _event_time_rules(app: str) -> Iterator[AlertRule]:
    of = _of(app)
    behind = f"{OWN_METRICS}watermark_lag_seconds{of} > 900"
    yield _rule(app, "EventTimeStands", behind, "10m", "warning", "does not get on in event time")
    late = f"rate({OWN_METRICS}late_records_total{of}[10m]) > 1"
    yield _rule(app, "LateRecords", late, "10m", "info", "drops late records")


def _silence_rules(app: str, statements: Sequence[str]) -> Iterator[AlertRule]:
    for statement in statements:
        name = "".join(part.capitalize() for part in statement.replace("-", "_").split("_"))
        if name.isidentifier() and name.isascii() and statement.isidentifier():
            which = "{job=" + _quoted(app) + f', statement="{statement}"}}'
            read = f"rate({OWN_METRICS}rows_in_total{which}[15m]) > 0"
            out = f"rate({OWN_METRICS}changes_out_total{which}[15m]) == 0"
            text = f"has a statement that reads rows and gives none out, {statement}"
            yield _rule(app, f"{name}Silent", f"({out}) and ({read})", "15m", "info", text)
