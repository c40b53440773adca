"""Files that monitor a program: what Prometheus scrapes, its rules and alerts, and a Grafana dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from velo_harness.drafting.exported_metrics import ExportedMetric
from velo_harness.drafting.grafana_dashboard import dashboard_text
from velo_harness.drafting.prometheus_rules import rules_text
from velo_harness.drafting.yaml_text import scalar_text

METRICS_PORT = 9091
"""Where `velo run --metrics-port` serves them, unless another port is given."""
_RULES = "rules.yaml"


def monitoring_files(
    folder: Path, app: str, statements: Sequence[str], metrics: Sequence[ExportedMetric]
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
