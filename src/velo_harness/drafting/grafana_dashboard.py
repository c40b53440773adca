"""A Grafana dashboard of a job: the metrics of its program, its alerts, and what the engine says of any job."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from velo_harness.drafting.exported_metrics import ExportedMetric
from velo_harness.drafting.grafana_panels import (
    DATASOURCE,
    WHOLE_WIDTH,
    Json,
    Panel,
    alert_table,
    job_panels,
    metric_panels,
)

SCHEMA_VERSION = 39
"""Of Grafana 10.4; later ones bring it up to date when they load it."""
_NOT_IN_A_UID = re.compile(r"[^a-zA-Z0-9_-]+")


def dashboard_text(app: str, metrics: Sequence[ExportedMetric], *, tags: Sequence[str] = ()) -> str:
    """The dashboard as a file that Grafana imports, and takes from a folder of provisioned dashboards."""
    variables = list(_label_variables(metrics))
    document: Json = {
        "__inputs": [
            {
                "name": "DS_PROMETHEUS",
                "label": "Prometheus",
                "description": "",
                "type": "datasource",
                "pluginId": "prometheus",
                "pluginName": "Prometheus",
            }
        ],
        "__elements": {},
        "__requires": list(_required(metrics)),
        "id": None,
        "uid": dashboard_uid(app),
        "title": app,
        "description": f"Metrics of {app}, made from its SQL",
        "tags": ["velostream", *tags],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "links": [],
        "annotations": {"list": []},
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "weekStart": "",
        "refresh": "15s",
        "templating": {"list": [_datasource_variable(), _job_variable(app), *variables]},
        "panels": list(_placed(app, metrics)),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def dashboard_uid(app: str) -> str:
    """What Grafana knows the dashboard by, the same whenever it is made."""
    name = _NOT_IN_A_UID.sub("-", app).strip("-")
    plain = f"velo-{name}"
    if name == app and len(plain) <= 40:
        return plain
    return f"{plain[:31]}-{hashlib.sha256(app.encode()).hexdigest()[:8]}"


def _sections(app: str, metrics: Sequence[ExportedMetric]) -> Iterator[tuple[str, Iterable[Panel]]]:
    """Titles of rows and what stands under them."""
    by_statement: dict[str, list[Panel]] = {}
    for metric in metrics:
        by_statement.setdefault(metric.definition.statement, []).extend(metric_panels(metric, app))
    yield from by_statement.items()
    names = list(dict.fromkeys(alert.name for metric in metrics for alert in metric.definition.alerts))
    own = ("JobDown", "DeadLetters", "LagGrows", "EventTimeStands", "LateRecords")
    yield "Alerts", [alert_table([*names, *own])]
    yield f"The job {app}", job_panels()


def _placed(app: str, metrics: Sequence[ExportedMetric]) -> Iterator[Json]:
    """All panels, left to right and downwards."""
    number = y = 0
    for title, panels in _sections(app, metrics):
        number += 1
        place = {"h": 1, "w": WHOLE_WIDTH, "x": 0, "y": y}
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
        y += 1
        for line in _lines(panels):
            x = 0
            for panel in line:
                number += 1
                yield panel.json(number, x, y)
                x += panel.width
            y += line[0].height


def _lines(panels: Iterable[Panel]) -> list[list[Panel]]:
    """Panels side by side, as many as fit; one that stands alone takes the whole width."""
    lines: list[list[Panel]] = []
    for panel in panels:
        last = lines[-1] if lines else []
        fits = last and sum(one.width for one in last) + panel.width <= WHOLE_WIDTH and last[0].height == panel.height
        if fits:
            last.append(panel)
        else:
            lines.append([panel])
    return [line if len(line) > 1 else [replace(line[0], width=WHOLE_WIDTH)] for line in lines]


def _datasource_variable() -> Json:
    return {
        "name": "DS_PROMETHEUS",
        "type": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "current": {},
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
    }


def _query_variable(name: str, label: str, query: str, current: Json) -> Json:
    return {
        "name": name,
        "type": "query",
        "label": label,
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": f"variable-{name}"},
        "current": current,
        "hide": 0,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "options": [],
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
    }


def _job_variable(app: str) -> Json:
    chosen = {"selected": True, "text": [app], "value": [app]}
    return _query_variable("job", "Job", "label_values(velo_job_info, job)", chosen)


def _label_variables(metrics: Sequence[ExportedMetric]) -> Iterator[Json]:
    """One for each label."""
    first: dict[str, ExportedMetric] = {}
    for metric in metrics:
        for label in metric.labels:
            first.setdefault(label, metric)
    for label, metric in first.items():
        everything = {"selected": True, "text": ["All"], "value": ["$__all"]}
        series = metric.name if metric.definition.type.value != "histogram" else f"{metric.name}_count"
        yield _query_variable(label, label, f'label_values({series}{{job=~"$job"}}, {label})', everything)


def _required(metrics: Sequence[ExportedMetric]) -> Iterator[Json]:
    """What an import checks to be there."""
    yield {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.0.0"}
    yield {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"}
    used = {panel.type for _, panels in _sections("", metrics) for panel in panels}
    for kind in sorted(used):
        yield {"type": "panel", "id": kind, "name": kind, "version": ""}
