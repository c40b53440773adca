"""Panels of a Grafana dashboard, by the kind of a metric.

Source: Grafana's dashboard JSON model, https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from velo_engine.observability.alert_annotations import AlertDefinition
from velo_engine.observability.metric_annotations import OWN_METRICS, MetricType
from velo_harness.drafting.exported_metrics import ExportedMetric

Json: TypeAlias = dict[str, Any]

DATASOURCE = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
"""The data source that importing asks for, and the variable that stands for it where the file is provisioned."""
WHOLE_WIDTH = 24
_UNITS = {"seconds": "s", "bytes": "bytes", "ratio": "percentunit", "celsius": "celsius"}
_RATE_UNITS = {"seconds": "percentunit", "bytes": "Bps"}
_COLORS = {"critical": "red", "warning": "orange", "info": "blue"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel before it has a place."""

    title: str
    type: str
    targets: tuple[Json, ...]
    width: int = 12
    height: int = 8
    description: str = ""
    unit: str = "short"
    thresholds: tuple[tuple[float, str], ...] = ()
    """Lower bounds and colours."""
    custom: Mapping[str, Any] = field(default_factory=dict)
    """How the panel draws series: `fieldConfig.defaults.custom`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    transformations: tuple[Json, ...] = ()

    def json(self, number: int, x: int, y: int) -> Json:
        """The panel as Grafana reads it."""
        steps = [{"color": "green", "value": None}, *({"color": c, "value": v} for v, c in self.thresholds)]
        defaults: Json = {
            "unit": self.unit,
            "color": {"mode": "palette-classic" if self.type in ("timeseries", "barchart") else "thresholds"},
            "thresholds": {"mode": "absolute", "steps": steps},
            "mappings": [],
        }
        if self.custom:
            defaults["custom"] = dict(self.custom)
        return {
            "id": number,
            "type": self.type,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "targets": [{"refId": chr(ord("A") + i), **target} for i, target in enumerate(self.targets)],
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": dict(self.options),
            **({"transformations": list(self.transformations)} if self.transformations else {}),
        }


def target(expression: str, legend: str = "", form: str = "time_series", *, instant: bool = False) -> Json:
    """One query; `form` is time_series, table or heatmap."""
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expression,
        "format": form,
        "instant": instant,
        "range": not instant,
        "legendFormat": legend or "__auto",
    }


def timeseries(title: str, targets: Sequence[Json], *, stacked: bool = False, **more: Any) -> Panel:
    """Lines over time; `stacked` as areas upon each other."""
    custom = {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 25 if stacked else 10,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "line" if more.get("thresholds") else "off"},
    }
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return Panel(title, "timeseries", tuple(targets), custom=custom, options=options, **more)


def stat(title: str, expression: str, *, gauge: bool = False, **more: Any) -> Panel:
    """One number; as a `gauge` with its thresholds around it."""
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    options: Json = {"reduceOptions": reduce, "orientation": "auto"}
    if gauge:
        options |= {"showThresholdLabels": False, "showThresholdMarkers": True}
    else:
        options |= {"colorMode": "value", "graphMode": "area", "justifyMode": "auto", "textMode": "auto"}
    return Panel(title, "gauge" if gauge else "stat", (target(expression, title),), options=options, **more)


def metric_panels(metric: ExportedMetric, app: str) -> Iterator[Panel]:
    """The panels of one metric of the program."""
    title = metric.title(app)
    match metric.definition.type:
        case MetricType.COUNTER:
            yield from _counter(metric, title)
        case MetricType.GAUGE:
            yield _gauge(metric, title)
        case MetricType.HISTOGRAM:
            yield from _histogram(metric, title)


def selector(metric: ExportedMetric) -> str:
    """The series of the chosen job whose labels are chosen."""
    chosen = "".join(f', {label}=~"${label}"' for label in metric.labels)
    return '{job=~"$job"' + chosen + "}"


def _legend(labels: Sequence[str], otherwise: str) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in labels) or otherwise


def _by(labels: Sequence[str]) -> str:
    """Labels behind a title."""
    return f" by {', '.join(labels)}" if labels else ""


def _back(metric: ExportedMetric) -> str:
    return metric.range if metric.is_slow else "$__rate_interval"


def _counter(metric: ExportedMetric, title: str) -> Iterator[Panel]:
    name, chosen, labels = metric.name, selector(metric), metric.labels
    by = f" by ({', '.join(labels)})" if labels else ""
    about, unit = metric.definition.help, _RATE_UNITS.get(metric.unit or "", "cps")
    rate = target(f"sum{by} (rate({name}{chosen}[{_back(metric)}]))", _legend(labels, title))
    yield timeseries(f"{title}{_by(labels)}, a second", [rate], stacked=bool(labels), description=about, unit=unit)
    increase = f"sum{f' by ({labels[0]})' if labels else ''} (increase({name}{chosen}[$__range]))"
    if not labels:
        yield stat(
            f"{title}, in the time shown", increase, description=about, unit=_UNITS.get(metric.unit or "", "short")
        )
        return
    yield Panel(
        f"{title}{_by(labels[:1])}, in the time shown",
        "barchart",
        (target(increase, form="table", instant=True),),
        description=about,
        unit=_UNITS.get(metric.unit or "", "short"),
        custom={"fillOpacity": 80, "lineWidth": 1},
        options={
            "xField": labels[0],
            "orientation": "horizontal",
            "showValue": "auto",
            "stacking": "none",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        },
        transformations=(_without("Time"),),
    )


def _without(*names: str) -> Json:
    return {"id": "organize", "options": {"excludeByName": dict.fromkeys(names, True)}}


def _thresholds(alerts: Sequence[AlertDefinition]) -> tuple[tuple[float, str], ...]:
    """Lower bounds of what alerts call high."""
    high = [(a.threshold, _COLORS[a.severity]) for a in alerts if a.operator in (">", ">=")]
    return tuple(sorted(high))


def _gauge(metric: ExportedMetric, title: str) -> Panel:
    about, unit = metric.definition.help, _UNITS.get(metric.unit or "", "short")
    thresholds = _thresholds(metric.definition.alerts)
    expression = f"{metric.name}{selector(metric)}"
    if metric.labels:
        lines = [target(expression, _legend(metric.labels, title))]
        return timeseries(f"{title}{_by(metric.labels)}", lines, description=about, unit=unit, thresholds=thresholds)
    return stat(title, expression, gauge=bool(thresholds), description=about, unit=unit, thresholds=thresholds)


def _histogram(metric: ExportedMetric, title: str) -> Iterator[Panel]:
    bucket, about = f"{metric.name}_bucket{selector(metric)}", metric.definition.help
    unit, back = _UNITS.get(metric.unit or "", "short"), _back(metric)
    quantiles = [
        target(f"histogram_quantile({share}, sum by (le) (rate({bucket}[{back}])))", f"p{text}")
        for share, text in (("0.5", "50"), ("0.95", "95"), ("0.99", "99"))
    ]
    yield timeseries(f"{title}, quantiles", quantiles, description=about, unit=unit)
    yield Panel(
        f"{title}, distribution",
        "heatmap",
        (target(f"sum by (le) (increase({bucket}[{back}]))", "{{le}}", "heatmap"),),
        description=about,
        options={
            "calculate": False,
            "cellGap": 1,
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "dark-orange"},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "showValue": "never",
            "tooltip": {"show": True, "yHistogram": False},
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
        },
    )


def alert_table(names: Sequence[str]) -> Panel:
    """What fires, as Prometheus says."""
    expression = f'ALERTS{{alertname=~"{"|".join(names)}", alertstate="firing", job=~"$job|"}}'
    return Panel(
        "Alerts that fire",
        "table",
        (target(expression, form="table", instant=True),),
        width=WHOLE_WIDTH,
        height=6,
        description="Rules of alerts/ that fire now; Prometheus evaluates them",
        options={"showHeader": True, "cellHeight": "sm"},
        transformations=(_without("Time", "Value", "__name__", "alertstate", "instance"),),
    )


def job_panels() -> Iterator[Panel]:
    """The engine's own metrics of any job."""
    of = '{job=~"$job"}'

    def rate(name: str, label: str) -> list[Json]:
        return [target(f"sum by ({label}) (rate({OWN_METRICS}{name}{of}[$__rate_interval]))", f"{{{{{label}}}}}")]

    def value(name: str, label: str) -> list[Json]:
        return [target(f"sum by ({label}) ({OWN_METRICS}{name}{of})", f"{{{{{label}}}}}")]

    dead = f"sum(increase({OWN_METRICS}dead_letters_total{of}[$__range]))"
    late = f"sum(increase({OWN_METRICS}late_records_total{of}[$__range]))"
    lag = f"sum({OWN_METRICS}source_lag_records{of})"
    state = f"sum({OWN_METRICS}state_rows{of})"
    red = ((1.0, "red"),)
    yield stat("Dead letters, in the time shown", dead, width=6, height=5, thresholds=red)
    yield stat("Late records, in the time shown", late, width=6, height=5, thresholds=((1.0, "orange"),))
    yield stat("Records still to be read", lag, width=6, height=5)
    yield stat("Rows of state", state, width=6, height=5)
    yield timeseries("Records read a second", rate("records_in_total", "source"), unit="cps")
    yield timeseries("Changes given out a second", rate("changes_out_total", "statement"), unit="cps")
    yield timeseries("Lag of topics, records", value("source_lag_records", "source"))
    behind = [target(f"max by (statement) ({OWN_METRICS}watermark_lag_seconds{of})", "{{statement}}")]
    yield timeseries("Event time behind the clock", behind, unit="s")
    latency = [
        target(
            f"histogram_quantile({q}, sum by (le) (rate({OWN_METRICS}latency_seconds_bucket{of}[$__rate_interval])))", t
        )
        for q, t in (("0.5", "p50"), ("0.99", "p99"))
    ]
    yield timeseries("Latency", latency, unit="s")
    yield timeseries("Rows of state by statement", value("state_rows", "statement"))
    yield timeseries("Late records a second", rate("late_records_total", "statement"), unit="cps")
    dead_rate = [target(f"sum(rate({OWN_METRICS}dead_letters_total{of}[$__rate_interval]))", "dead letters")]
    yield timeseries("Dead letters a second", dead_rate, unit="cps")
