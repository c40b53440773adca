"""Alerting rules of Prometheus, evaluated beside the panels: https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.dashboard.promql import Moments, evaluate
from velo_harness.dashboard.promql_syntax import Expression, PromqlError, parse_promql, parse_range
from velo_harness.dashboard.samples import Samples
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlScalar, YamlSequence, read_yaml

_NO_TIME = ("", "s", "m", "h")


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule."""

    name: str
    text: str
    """What it says to people."""
    expression: str
    query: Expression | None
    """None when the page cannot compute it."""
    labels: Mapping[str, str]
    """Those that the rule adds."""
    for_s: float
    """How long the query must give series before the alert fires."""


def load_alerts(path: Path) -> tuple[Alert, ...]:
    """The alerts of a file of rules. Errors: those of reading YAML, BAD_VALUE when there are no groups in it."""
    document = read_yaml(path)
    groups = _get(document, "groups")
    if not isinstance(groups, YamlSequence):
        raise VeloError(ErrorCode.BAD_VALUE, "these are no rules of Prometheus", location=Location(str(path), 1))
    return tuple(_alerts(groups))


def _alerts(groups: YamlSequence) -> Iterator[Alert]:
    for group in groups.items:
        rules = _get(group, "rules")
        for rule in rules.items if isinstance(rules, YamlSequence) else ():
            name, expression = _text(_get(rule, "alert")), _text(_get(rule, "expr"))
            if not name:
                continue
            wait = _text(_get(rule, "for"))
            try:
                query, for_s = parse_promql(expression), 0.0 if wait.strip("0") in _NO_TIME else parse_range(wait)
            except PromqlError:
                query, for_s = None, 0.0
            annotations = _get(rule, "annotations")
            text = _text(_get(annotations, "summary")) or _text(_get(annotations, "description")) or expression
            yield Alert(name, text, expression, query, _labels(_get(rule, "labels")), for_s)


class AlertStates:
    """Since when each alert's query gives series."""

    def __init__(self, alerts: Sequence[Alert]) -> None:
        self._alerts = [alert for alert in alerts if alert.query is not None]
        self._since: dict[int, float] = {}
        self._now_s = 0.0

    def look(self, samples: Samples, now_s: float) -> None:
        """Evaluate all of them over the samples up to now."""
        self._now_s = now_s
        for number, alert in enumerate(self._alerts):
            assert alert.query is not None
            try:
                found = evaluate(alert.query, Moments(samples, np.array([now_s])))
            except PromqlError:
                found = ()
            if any(not np.isnan(series.values[0]) for series in found):
                self._since.setdefault(number, now_s)
            else:
                self._since.pop(number, None)

    def active(self) -> list[dict[str, str]]:
        """Labels of the series `ALERTS` that Prometheus makes of alerts that are pending or fire."""
        states = [(alert, self._state(number, alert)) for number, alert in enumerate(self._alerts)]
        return [
            {"alertname": alert.name, "alertstate": state, **alert.labels}
            for alert, state in states
            if state != "quiet"
        ]

    def shown(self) -> list[dict[str, Any]]:
        """Each alert for the page: `quiet`, `pending` or `firing`."""
        return [
            {"name": alert.name, "text": alert.text, "query": alert.expression, "state": self._state(number, alert)}
            for number, alert in enumerate(self._alerts)
        ]

    def _state(self, number: int, alert: Alert) -> str:
        since = self._since.get(number)
        if since is None:
            return "quiet"
        return "firing" if self._now_s - since >= alert.for_s else "pending"


def _labels(node: YamlNode | None) -> dict[str, str]:
    entries = node.entries if isinstance(node, YamlMapping) else ()
    return {key.text: value.text for key, value in entries if isinstance(value, YamlScalar)}


def _get(node: YamlNode | None, key: str) -> YamlNode | None:
    return node.get(key) if isinstance(node, YamlMapping) else None


def _text(node: YamlNode | None) -> str:
    return node.text if isinstance(node, YamlScalar) else ""
