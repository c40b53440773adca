"""Assertions about metrics: those that the program declares with @metric, and the engine's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_harness.assertions.comparison import described, value_holds
from velo_harness.assertions.context import CheckContext
from velo_harness.metric_readings import MetricReading, MetricSeries
from velo_harness.result import SHOWN_ROWS, Finding
from velo_harness.spec import AssertionSpec


def metric_exists(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The metric is there, of the type stated, with a series that has the labels."""
    metric, problem = _metric(assertion, context)
    if metric is None:
        return problem
    return problem or _series(assertion, metric)[1]


def metric_counter(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The sum of the counter's series compares as stated."""
    series, problem = _of_type("counter", assertion, context)
    if problem is not None:
        return problem
    return _compared(assertion, context, sum(one.value for one in series), "", series)


def metric_gauge(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """Every series of the gauge compares as stated."""
    series, problem = _of_type("gauge", assertion, context)
    if problem is not None:
        return problem
    wrong = [(one, found) for one in series if (found := _compared(assertion, context, one.value, "", [one]))]
    if not wrong:
        return None
    first = wrong[0][1]
    return Finding(first.expected, first.actual, len(wrong), len(series), _shown([one for one, _ in wrong], "value"))


def metric_histogram(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """What the histogram says of its values, all series together, compares as stated."""
    series, problem = _of_type("histogram", assertion, context)
    if problem is not None:
        return problem
    wanted = assertion.parameters
    count, total = sum(one.count for one in series), sum(one.total for one in series)
    match "bucket" if wanted["le"] is not None else wanted["statistic"]:
        case "count":
            return _compared(assertion, context, count, " count", series)
        case "sum":
            return _compared(assertion, context, total, " sum", series)
        case "mean":
            if not count:
                return Finding(f"a mean of {wanted['name']}", "no value")
            return _compared(assertion, context, total / count, " mean", series)
        case _:
            value = _in_bucket(assertion, series)
            return _compared(assertion, context, value, f" values of at most {wanted['le']}", series)


def _in_bucket(assertion: AssertionSpec, series: Sequence[MetricSeries]) -> float:
    bound = float(assertion.parameters["le"])
    bounds = [upper for upper, _ in series[0].buckets]
    if bound not in bounds:
        place = assertion.parameter_locations.get("le", assertion.location)
        known = ", ".join(f"{upper:g}" for upper in bounds)
        message = f"{assertion.parameters['name']} has no bucket up to {assertion.parameters['le']}"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=place, hint=f"its buckets end at {known}")
    return sum(dict(one.buckets)[bound] for one in series)


def _metric(assertion: AssertionSpec, context: CheckContext) -> tuple[MetricReading | None, Finding | None]:
    """The metric that is meant, and what is wrong with it."""
    readings = context.run.measured.metrics
    assert readings is not None
    name = assertion.parameters["name"]
    found = next((one for one in readings if one.name == name.removesuffix("_total")), None)
    if found is None:
        known = [one.name for one in readings]
        return None, Finding(
            f"a metric {name}", "no metric of that name", notes=(did_you_mean(name, known, noun="metric"),)
        )
    wanted = assertion.parameters.get("metric_type")
    if wanted is not None and wanted != found.type:
        return found, Finding(f"{name} as a {wanted}", f"it is a {found.type}")
    return found, None


def _of_type(
    kind: str, assertion: AssertionSpec, context: CheckContext
) -> tuple[Sequence[MetricSeries], Finding | None]:
    """The series that are meant of a metric of the type `kind`, and what is wrong with it."""
    metric, problem = _metric(assertion, context)
    if metric is None or problem is not None:
        return (), problem
    if metric.type != kind:
        return (), Finding(f"a {kind} {metric.name}", f"it is a {metric.type}")
    return _series(assertion, metric)


def _series(assertion: AssertionSpec, metric: MetricReading) -> tuple[Sequence[MetricSeries], Finding | None]:
    labels = assertion.parameters["labels"]
    found = [one for one in metric.series if all(one.labels.get(name) == value for name, value in labels.items())]
    if found:
        return found, None
    which = f" with {', '.join(f'{name}={value}' for name, value in labels.items())}" if labels else ""
    known = {name for one in metric.series for name in one.labels}
    unknown = [name for name in labels if known and name not in known]
    notes = tuple(did_you_mean(name, sorted(known), noun="label") for name in unknown)
    return (), Finding(
        f"a series of {metric.name}{which}",
        f"{len(metric.series)} series" if metric.series else "no row has been counted",
        0,
        None,
        tuple(dict(one.labels) for one in metric.series[:SHOWN_ROWS] if one.labels),
        notes,
    )


def _compared(
    assertion: AssertionSpec, context: CheckContext, value: float, what: str, series: Sequence[MetricSeries]
) -> Finding | None:
    name, tolerance = assertion.parameters["name"], assertion.parameters["tolerance"]
    for comparison in assertion.comparisons:
        if not value_holds(value, comparison, context.scope, tolerance=tolerance):
            within = f" (within {tolerance})" if tolerance else ""
            side = "count" if assertion.type == "metric_histogram" else "value"
            return Finding(
                f"{name}{what} {described(comparison, context.scope)}{within}",
                f"{name}{what} = {value:g}",
                0,
                None,
                _shown(series, side) if len(series) > 1 else (),
            )
    return None


def _shown(series: Sequence[MetricSeries], side: str) -> tuple[dict[str, Any], ...]:
    return tuple({**one.labels, side: getattr(one, side)} for one in series[:SHOWN_ROWS])
