"""Files that monitor a program: what Prometheus scrapes, its rules and alerts, and a Grafana dashboard."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from velo_engine.observability.metric_annotations import OWN_METRICS
from velo_harness.drafting.metric_drafts import MetricDraft
from velo_harness.drafting.yaml_text import scalar_text

METRICS_PORT = 9091
"""Where `velo run --metrics-port` serves them, unless another port is given."""
_RULES = "rules.yaml"


def monitoring_files(
    folder: Path, app: str, statements: Sequence[str], metrics: Sequence[MetricDraft]
) -> dict[Path, str]:
    """The files, by their paths below `folder`."""
    return {
        folder / "prometheus.yaml": _scraping(app),
        folder / _RULES: rules_text(app, statements, metrics),
        folder / "grafana" / "dashboards" / f"{app}.json": dashboard_text(app, metrics),
        folder / "grafana" / "provisioning" / "datasources.yaml": _DATASOURCES,
        folder / "grafana" / "provisioning" / "dashboards.yaml": _PROVIDERS,
    }


def _scraping(app: str) -> str:
    return (
        f"# The job: velo run … --metrics-port {METRICS_PORT}. Start: prometheus --config.file=prometheus.yaml\n"
        "global:\n  scrape_interval: 15s\n  evaluation_interval: 15s\n"
        f"rule_files:\n  - {_RULES}\n"
        "scrape_configs:\n"
        f"  - job_name: {scalar_text(app)}\n"
        "    static_configs:\n"
        f'      - targets: ["localhost:{METRICS_PORT}"]\n'
    )


def rules_text(app: str, statements: Sequence[str], metrics: Sequence[MetricDraft]) -> str:
    """Prometheus rules: rates of all counters and histograms, and alerts."""
    lines = ["groups:", f"  - name: {scalar_text(app + '_rates')}", "    rules:"]
    for metric in metrics:
        if metric.type != "gauge":
            name = f"{metric.name.removesuffix('_total')}:rate5m"
            lines += [f"      - record: {name}", f"        expr: rate({metric.exported}[5m])"]
    lines += [f"  - name: {scalar_text(app + '_alerts')}", "    rules:"]
    for alert, expression, wait, text in _alerts(app, statements):
        lines += [
            f"      - alert: {alert}",
            f"        expr: {json.dumps(expression)}",
            f"        for: {wait}",
            "        labels:",
            f"          app: {scalar_text(app)}",
            "        annotations:",
            f"          summary: {json.dumps(text)}",
        ]
    return "\n".join(lines) + "\n"


def _alerts(app: str, statements: Sequence[str]) -> Iterator[tuple[str, str, str, str]]:
    yield "JobDown", f'up{{job="{app}"}} == 0', "1m", f"{app} does not answer"
    yield "DeadLetters", f"rate({OWN_METRICS}dead_letters_total[5m]) > 0", "5m", f"{app} sets records aside"
    lag = f"{OWN_METRICS}source_lag_records"
    yield "LagGrows", f"min_over_time({lag}[10m]) > 0 and deriv({lag}[10m]) > 0", "10m", f"{app} falls behind its input"
    name = f"{OWN_METRICS}watermark_lag_seconds"
    yield "EventTimeStands", f"{name} > 900", "10m", f"the event time of {app} stands still"
    yield "LateRecords", f"rate({OWN_METRICS}late_records_total[10m]) > 1", "10m", f"{app} drops late records"
    for statement in statements:
        name = "".join(part.capitalize() for part in statement.replace("-", "_").split("_"))
        if name.isidentifier() and statement.isidentifier():
            read = f'rate({OWN_METRICS}rows_in_total{{statement="{statement}"}}[15m]) > 0'
            out = f'rate({OWN_METRICS}changes_out_total{{statement="{statement}"}}[15m]) == 0'
            yield f"{name}Silent", f"({out}) and ({read})", "15m", f"{statement} reads rows and gives none out"


def dashboard_text(app: str, metrics: Sequence[MetricDraft]) -> str:
    """A Grafana dashboard of the job: the engine's own metrics, then the program's."""
    panels = [_panel(*panel) for panel in (*_own_panels(), *(_metric_panel(metric) for metric in metrics))]
    for number, panel in enumerate(panels):
        panel["id"] = number + 1
        panel["gridPos"] = {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)}
    document = {
        "title": app,
        "uid": f"velo-{app}"[:40],
        "tags": ["velostream"],
        "schemaVersion": 39,
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "15s",
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}]
        },
        "panels": panels,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _own_panels() -> Iterator[tuple[str, str, str]]:
    yield "Records read a second", f"sum by (source) (rate({OWN_METRICS}records_in_total[1m]))", "{{source}}"
    yield (
        "Changes given out a second",
        f"sum by (statement) (rate({OWN_METRICS}changes_out_total[1m]))",
        "{{statement}}",
    )
    yield "Lag of topics", f"{OWN_METRICS}source_lag_records", "{{source}}"
    yield "Event time behind the clock (s)", f"{OWN_METRICS}watermark_lag_seconds", "{{statement}}"
    latency = f"histogram_quantile(0.99, sum by (le) (rate({OWN_METRICS}latency_seconds_bucket[5m])))"
    yield "Latency, p99 (s)", latency, "p99"
    yield "Dead letters a second", f"rate({OWN_METRICS}dead_letters_total[5m])", "dead letters"


def _metric_panel(metric: MetricDraft) -> tuple[str, str, str]:
    legend = " ".join(f"{{{{{label}}}}}" for label in metric.labels) or metric.name
    match metric.type:
        case "counter":
            return f"{metric.help}, a second", f"rate({metric.exported}[1m])", legend
        case "gauge":
            return metric.help, metric.exported, legend
        case _:
            quantile = f"histogram_quantile(0.95, sum by (le) (rate({metric.name}_bucket[5m])))"
            return f"{metric.help}, p95", quantile, "p95"


def _panel(title: str, expression: str, legend: str) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "type": "timeseries",
        "title": title,
        "datasource": source,
        "targets": [{"refId": "A", "datasource": source, "expr": expression, "legendFormat": legend}],
    }


_DATASOURCES = """\
apiVersion: 1
datasources:
  - name: Prometheus
    type: prometheus
    access: proxy
    url: http://localhost:9090
    isDefault: true
"""
_PROVIDERS = """\
apiVersion: 1
providers:
  - name: velostream
    type: file
    options:
      path: /var/lib/grafana/dashboards
"""
