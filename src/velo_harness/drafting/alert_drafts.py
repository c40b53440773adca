"""Alerts that a program asks for: thresholds in WHERE, HAVING and CASE, and values beyond all that were sampled."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from velo_engine.observability.alert_annotations import number_text
from velo_engine.plan.expressions import Case, Cast, ColumnRef, Expression, Literal
from velo_engine.plan.nodes import PlanNode, Project
from velo_engine.types import STRINGS
from velo_harness.drafting.aggregations import TIME_WORDS, UNNAMED, traced
from velo_harness.drafting.drafted_metric import AlertDraft, MetricDraft
from velo_harness.drafting.lineage import PASSING, comparison, conjuncts, filters
from velo_harness.drafting.metric_drafts import StatementView, rows_metric, usable
from velo_harness.drafting.metric_names import name_part, rows_name, words_of

MOST_ALERTS = 3
"""Of thresholds of one statement."""
_SIDES = {"greater": "high", "greater_equal": "high", "less": "low", "less_equal": "low"}
_ALARMING = frozenset(
    {
        "abuse", "alarm", "alert", "anomaly", "attack", "blocked", "breach", "danger", "delay", "denied", "down",
        "error", "errors", "exceeded", "fail", "failed", "failure", "failures", "fraud", "fraudulent", "high", "hot",
        "latency", "loss", "overdue", "overheat", "overheated", "risk", "risky", "severe", "slow", "suspicious",
        "threat", "unhealthy", "urgent", "violation", "warn", "warning",
    }
)  # fmt: skip
_CRITICAL = frozenset({"critical", "crit", "fatal", "emergency", "disaster"})
_NO_THRESHOLDS = TIME_WORDS | {
    "id",
    "key",
    "rank",
    "rownum",
    "num",
    "rn",
    "ts",
    "timestamp",
    "seq",
    "offset",
    "partition",
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A comparison of a column with a number."""

    column: str
    side: str
    """high or low."""
    value: float

    @property
    def name(self) -> str:
        """What an alert on it is called."""
        column = name_part(self.column)
        return column if column.startswith(f"{self.side}_") else f"{self.side}_{column}"


def with_alerts(view: StatementView, metrics: Sequence[MetricDraft]) -> list[MetricDraft]:
    """The metrics with the alerts of their statement, and further counters where none can carry one."""
    drafts = [*(_sampled(view, metric) for metric in metrics)]
    thresholds = list(_thresholds(view))[:MOST_ALERTS]
    if thresholds:
        alerts = tuple(AlertDraft(one.name, severity_of(words_of(one.column))) for one in thresholds)
        counters = [i for i, metric in enumerate(drafts) if metric.type == "counter"]
        if not counters:
            drafts.insert(0, rows_metric(view))
            counters = [0]
        drafts[counters[0]] = replace(drafts[counters[0]], alerts=(*drafts[counters[0]].alerts, *alerts))
    return _named_once([*drafts, *_branch_metrics(view)])


def _named_once(metrics: Sequence[MetricDraft]) -> list[MetricDraft]:
    """The metrics without alerts whose name another one of the statement has already."""
    seen: set[str] = set()
    found = []
    for metric in metrics:
        kept = tuple(alert for alert in metric.alerts if (alert.name or alert.alert) not in seen)
        seen |= {alert.name or alert.alert for alert in kept}
        found.append(replace(metric, alerts=kept))
    return found


def severity_of(words: Sequence[str]) -> str:
    """How bad something is, by the words that name it."""
    if _CRITICAL & set(words):
        return "critical"
    return "warning" if _ALARMING & set(words) else "info"


def _thresholds(view: StatementView) -> Iterator[Threshold]:
    """Those that every row of the statement passed; a range of values is none."""
    found: dict[str, list[Threshold]] = {}
    for node in filters(view.statement.plan):
        for part in conjuncts(node.predicate):
            one = _threshold(view, part, node.input)
            if one is not None:
                found.setdefault(one.column, []).append(one)
    for same in found.values():
        if len({one.side for one in same}) == 1:
            yield same[0]


def _threshold(view: StatementView, part: Expression, below: PlanNode) -> Threshold | None:
    compared = comparison(part)
    if compared is None or compared[1] not in _SIDES:
        return None
    value = compared[2][0]
    name = _named(view, below, compared[0])
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or name is None:
        return None
    words = words_of(name)
    if float(value) == 0 or not words or words[-1] in _NO_THRESHOLDS:
        return None
    return Threshold(name, _SIDES[compared[1]], float(value))


def _named(view: StatementView, node: PlanNode, position: int) -> str | None:
    """What people call a column: as the output calls it, else by its own name, else by the aggregate that it is."""
    statements = view.evidence.statements
    here = traced(node, position, statements)
    if here is not None and here.call is not None:
        for i, column in enumerate(view.statement.plan.schema.columns):
            there = traced(view.statement.plan, i, statements)
            if there is not None and (there.node, there.position) == (here.node, here.position):
                return here.name if column.name.startswith(UNNAMED) else column.name
        return here.name
    name = node.schema.names[position]
    return name if name.isidentifier() else None


def _branch_metrics(view: StatementView) -> Iterator[MetricDraft]:
    """Counters of the branches of CASE that a threshold leads to and whose text sounds an alarm."""
    if not view.appends:
        return
    for i, column in enumerate(view.statement.plan.schema.columns):
        found = _case_of(view.statement.plan, i) if usable(column.name) else None
        if found is None:
            continue
        case, below = found
        for condition, result in case.branches:
            shown = _without_cast(result)
            text = shown.value if isinstance(shown, Literal) else None
            first = next(iter(conjuncts(condition)), None)
            one = None if first is None else _threshold(view, first, below)
            if not isinstance(text, str) or one is None or not text.isprintable() or len(text) > 30:
                continue
            severity = severity_of(words_of(text))
            if severity != "info":
                yield _branch_metric(view, column.name, text, one, severity)


def _branch_metric(view: StatementView, column: str, text: str, one: Threshold, severity: str) -> MetricDraft:
    name = f"{name_part(text)}_{name_part(one.column)}"
    sign = ">" if one.side == "high" else "<"
    quoted = text.replace("'", "''")
    return MetricDraft(
        rows_name(view.prefix, text, one.column),
        "counter",
        view.statement.name,
        f"Rows of {view.statement.name} with {column} = '{text}' ({one.column} {sign} {number_text(one.value)})",
        condition=f"{column} = '{quoted}'",
        alerts=(AlertDraft(name, severity),),
    )


def _without_cast(value: Expression) -> Expression:
    """The text that a cast makes longer or shorter."""
    while isinstance(value, Cast) and value.type.name in STRINGS and value.arg.type.name in STRINGS:
        value = value.arg
    return value


def _case_of(node: PlanNode, position: int) -> tuple[Case, PlanNode] | None:
    """The CASE whose value an output column is, and what it is computed over."""
    while True:
        if isinstance(node, Project):
            value = _without_cast(node.expressions[position])
            if isinstance(value, Case):
                return value, node.input
            if not isinstance(value, ColumnRef):
                return None
            position = value.index
            node = node.input
        elif isinstance(node, PASSING) and position < len(node.input.schema):
            node = node.input
        else:
            return None


def _sampled(view: StatementView, metric: MetricDraft) -> MetricDraft:
    """A gauge of a source column's values, with an alert when it is beyond all that were sampled."""
    position = None if metric.field is None else view.statement.plan.schema.index(metric.field)
    one = None if position is None else traced(view.statement.plan, position, view.evidence.statements)
    if metric.type != "gauge" or one is None or one.call is None or one.call.function not in ("avg", "min", "max"):
        return metric
    greatest = view.evidence.greatest(one.node.input, one.call.args[0])
    if greatest is None or greatest <= 0:
        return metric
    alert = AlertDraft(
        f"{metric.field} > {number_text(_rounded_up(greatest))}", "info", f"high_{name_part(metric.field or '')}"
    )
    return replace(metric, alerts=(*metric.alerts, alert))


def _rounded_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, …"""
    decade = math.floor(math.log10(value))
    bounds = (float(f"{step}e{exponent}") for exponent in (decade, decade + 1) for step in (1, 2, 5))
    return next(bound for bound in bounds if bound >= value)
