"""Proposed names, words and alerts of metrics, held against the rules of Prometheus and what the metrics are."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from velo_engine.observability.alert_annotations import number_text
from velo_engine.observability.metric_annotations import OWN_METRICS
from velo_harness.drafting.drafted_metric import AlertDraft, MetricDraft
from velo_import.enrichment.suggestions import Alert, MetricIdea

_UNITS = frozenset(
    {
        *(
            "seconds",
            "bytes",
            "ratio",
            "celsius",
            "ms",
            "milliseconds",
            "micros",
            "minutes",
            "hours",
            "days",
            "percent",
        ),
        *("kb", "mb", "gb", "bits", "meters", "volts", "joules", "grams"),
    }
)
_ENDINGS = ("_total", "_count", "_sum", "_bucket", "_created", "_info")
_COMPARISON = re.compile(r"(?P<subject>\S+)\s*(?P<operator>>=|<=|>|<)\s*(?P<number>\S+)")


def revised_metrics(metrics: Sequence[MetricDraft], ideas: Sequence[MetricIdea], notes: list[str]) -> list[MetricDraft]:
    """The metrics with what was proposed for them and is right; `notes` hears of the rest."""
    names = {metric.name for metric in metrics}
    found = {metric.name: metric for metric in metrics}
    for idea in ideas:
        metric = found.get(idea.metric)
        if metric is None:
            notes.append(f'there is no metric "{idea.metric}"')
            continue
        revised = metric
        if idea.help is not None:
            revised = _with_help(revised, idea.help, notes)
        revised = _with_alerts(revised, idea.alerts, notes)
        if idea.name is not None and idea.name != metric.name:
            problem = _problem_of_name(metric, idea.name, names)
            if problem is None:
                revised = _renamed(revised, idea.name)
                names.add(idea.name)
            else:
                notes.append(f"{metric.name} is not called {idea.name}: {problem}")
        found[idea.metric] = revised
    return [found[metric.name] for metric in metrics]


def plain_words(text: str) -> str | None:
    """Text of one line that no reader of the files takes for anything else; None when it is not."""
    text = text.strip()
    odd = not text or not text.isprintable() or any(mark in text for mark in ("${", "{{", "{%", "*/"))
    return None if odd else text


def _with_help(metric: MetricDraft, text: str, notes: list[str]) -> MetricDraft:
    words = plain_words(text)
    if words is None:
        notes.append(f"the help of {metric.name} is not plain text of one line")
        return metric
    return replace(metric, help=words)


def _problem_of_name(metric: MetricDraft, name: str, taken: set[str]) -> str | None:
    counts = metric.type == "counter"
    if name.removesuffix("_total") in {other.removesuffix("_total") for other in taken if other != metric.name}:
        return "another metric is called so"
    if name.startswith((OWN_METRICS, "__")) or name in ("up", "scrape_duration_seconds"):
        return "that name is not free"
    if counts is not name.endswith("_total"):
        return "names of counters end in _total, others do not"
    if name.removesuffix("_total").endswith(_ENDINGS):
        return "Prometheus gives that ending to parts of metrics"
    old, new = (_unit(one) for one in (metric.name, name))
    if old != new:
        return f"the unit is {old or 'none'}, not {new or 'none'}"
    return None


def _unit(name: str) -> str | None:
    last = name.removesuffix("_total").rsplit("_", 1)[-1]
    return last if last in _UNITS else None


def _renamed(metric: MetricDraft, name: str) -> MetricDraft:
    def renamed(alert: AlertDraft) -> AlertDraft:
        match = _COMPARISON.fullmatch(alert.alert)
        if match is None or match["subject"] not in (metric.name, metric.name.removesuffix("_total")):
            return alert
        return replace(alert, alert=f"{name} {match['operator']} {match['number']}")

    return replace(metric, name=name, alerts=tuple(renamed(alert) for alert in metric.alerts))


def _with_alerts(metric: MetricDraft, ideas: Sequence[Alert], notes: list[str]) -> MetricDraft:
    """Each takes the place of an alert on the same side, else it comes behind them."""
    alerts = list(metric.alerts)
    for idea in _usable(metric, ideas, notes):
        same = [i for i, alert in enumerate(alerts) if _side(alert) == idea.operator[0]]
        draft = AlertDraft(f"{metric.name} {idea.operator} {number_text(idea.threshold)}", idea.severity, idea.name)
        alerts = [alert for i, alert in enumerate(alerts) if i not in same] + [draft]
    return replace(metric, alerts=tuple(alerts))


def _usable(metric: MetricDraft, ideas: Sequence[Alert], notes: list[str]) -> Iterator[Alert]:
    for idea in ideas:
        if not math.isfinite(idea.threshold):
            notes.append(f"the alert {idea.name} of {metric.name} compares with no number")
        elif metric.type != "gauge" and idea.operator[0] == ">" and idea.threshold < 0:
            notes.append(f"the alert {idea.name} of {metric.name} fires always")
        else:
            yield idea


def _side(alert: AlertDraft) -> str | None:
    """`>` or `<`; None for an alert that compares with nothing."""
    match = _COMPARISON.fullmatch(alert.alert)
    return match["operator"][0] if match is not None else None
