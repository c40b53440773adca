"""Queries over the newest samples, at many times at once, with Prometheus' rules.

Where Prometheus has no sample there is NaN here, so a sample that is NaN itself counts as none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from velo_harness.dashboard.aggregation import aggregated
from velo_harness.dashboard.promql_syntax import (
    COMPARISONS,
    SET_OPERATORS,
    SHOWN_RANGE,
    Aggregate,
    Binary,
    Call,
    Expression,
    Matcher,
    Matching,
    Number,
    PromqlError,
    Selector,
    parse_range,
)
from velo_harness.dashboard.ranges import RANGE_VALUES, windows
from velo_harness.dashboard.samples import Floats, Samples
from velo_harness.dashboard.vectors import NAME, Labels, Series, Vector, kept_labels

_SHOWN_RANGE_S = parse_range(SHOWN_RANGE)
LOOKBACK_S = 300.0
"""An older sample is not the newest value any more."""

Value: TypeAlias = Vector | Floats
"""Series, or a number at each time."""


@dataclass(frozen=True, slots=True)
class Moments:
    """What a query is evaluated over."""

    samples: Samples
    at: Floats
    """Seconds since the epoch, increasing."""
    begins_s: float = -np.inf
    """Ranges reach back no further: a rate of the last minute is one of ten seconds when there are ten seconds."""
    shown_s: float = LOOKBACK_S
    """What `SHOWN_RANGE` means."""


def evaluate(query: Expression, over: Moments) -> Vector:
    """The series of a query, each with a value at each moment; a number is a series without labels.

    Raises PromqlError for what has no meaning, such as several series that match one.
    """
    with np.errstate(all="ignore"):
        found = _value(query, over)
    return found if isinstance(found, tuple) else (Series({}, found),)


def totals(query: Expression) -> Expression | None:
    """The query with the counters themselves in place of their rates: what has come together since the job began.

    None when there is no rate in it.
    """
    found = _without_rates(query)
    return None if found == query else found


def _without_rates(query: Expression) -> Expression:
    match query:
        case Call("rate" | "irate" | "increase", (Selector() as selector,)):
            return replace(selector, range_s=None)
        case Call():
            return replace(query, arguments=tuple(_without_rates(a) for a in query.arguments))
        case Aggregate():
            return replace(query, of=_without_rates(query.of))
        case Binary():
            return replace(query, left=_without_rates(query.left), right=_without_rates(query.right))
    return query


def _value(query: Expression, over: Moments) -> Value:
    match query:
        case Number(value):
            return np.full(len(over.at), value)
        case Selector():
            return _newest(query, over)
        case Aggregate():
            series = _series(query.of, over, query.operator)
            parameter = None if query.parameter is None else _number(query.parameter, over)
            return aggregated(query.operator, series, query.labels, without=query.without, parameter=parameter)
        case Binary():
            return _binary(query, _value(query.left, over), _value(query.right, over))
        case Call(function, arguments) if function in RANGE_VALUES:
            assert isinstance(arguments[0], Selector)
            return _over_range(function, arguments[0], over)
        case Call():
            return _called(query, over)


def _matching_series(selector: Selector, samples: Samples) -> list[tuple[Mapping[str, str], Floats]]:
    def holds(matcher: Matcher, labels: Mapping[str, str]) -> bool:
        value = labels.get(matcher.label, "")
        equal = re.fullmatch(matcher.value, value) is not None if "~" in matcher.operator else value == matcher.value
        return equal is not matcher.operator.startswith("!")

    many = samples.series.get(selector.name, ())
    return [(labels, values) for labels, values in many if all(holds(m, labels) for m in selector.matchers)]


def _newest(selector: Selector, over: Moments) -> Vector:
    """The value at the last scrape before each moment; a series that this scrape did not have has ended."""
    if selector.range_s is not None:
        raise PromqlError("a range such as [5m] stands in a function such as rate")
    times, at = over.samples.times, over.at - selector.offset_s
    place = np.searchsorted(times, at, side="right") - 1
    there = place >= 0
    place = np.maximum(place, 0)
    if len(times):
        there &= at - times[place] < LOOKBACK_S
    found = []
    for labels, values in _matching_series(selector, over.samples):
        found.append(Series({NAME: selector.name, **labels}, np.where(there, values[place], np.nan)))
    return tuple(found)


def _over_range(function: str, selector: Selector, over: Moments) -> Vector:
    assert selector.range_s is not None
    at, compute = over.at - selector.offset_s, RANGE_VALUES[function]
    asked_s = over.shown_s if selector.range_s == _SHOWN_RANGE_S else selector.range_s
    range_s = np.minimum(asked_s, at - over.begins_s)
    found = []
    for labels, values in _matching_series(selector, over.samples):
        seen = ~np.isnan(values)
        window = windows(over.samples.times[seen], values[seen], at, range_s)
        found.append(
            Series({NAME: selector.name, **labels} if function == "last_over_time" else labels, compute(window))
        )
    return tuple(found)


def _series(query: Expression, over: Moments, user: str) -> Vector:
    found = _value(query, over)
    if not isinstance(found, tuple):
        raise PromqlError(f"{user} takes series, not a number")
    return found


def _number(query: Expression, over: Moments) -> Floats:
    found = _value(query, over)
    if isinstance(found, tuple):
        raise PromqlError("series stand where a number is expected")
    return found


_ROUNDED: Mapping[str, Callable[[Floats], Floats]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "round": lambda values: np.floor(values + 0.5),
    "sqrt": np.sqrt,
    "exp": np.exp,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
}


def _called(call: Call, over: Moments) -> Value:
    name, arguments = call.function, call.arguments
    match name:
        case "time":
            return over.at
        case "vector":
            return (Series({}, _number(arguments[0], over)),)
        case "scalar":
            series = _series(arguments[0], over, name)
            return series[0].values if len(series) == 1 else np.full(len(over.at), np.nan)
        case "sort" | "sort_desc":
            return _sorted(_series(arguments[0], over, name), descending=name == "sort_desc")
        case "histogram_quantile":
            return _quantiles(_number(arguments[0], over), _series(arguments[1], over, name))
    series = _series(arguments[0], over, name)
    bounds = [_number(argument, over) for argument in arguments[1:]]
    match name:
        case "clamp_min":
            values = [np.maximum(s.values, bounds[0]) for s in series]
        case "clamp_max":
            values = [np.minimum(s.values, bounds[0]) for s in series]
        case "clamp":
            values = [np.clip(s.values, bounds[0], bounds[1]) for s in series]
        case _:
            values = [_ROUNDED[name](s.values) for s in series]
    return tuple(Series(s.unnamed, v) for s, v in zip(series, values, strict=True))


def _sorted(series: Vector, *, descending: bool) -> Vector:
    """By the last value; series without one come last."""
    sign = -1 if descending else 1
    return tuple(sorted(series, key=lambda s: (bool(np.isnan(s.values[-1])), sign * float(s.values[-1]))))


def _quantiles(quantile: Floats, buckets: Vector) -> Vector:
    """A quantile of each histogram, by straight lines within buckets (Prometheus' `bucketQuantile`)."""
    histograms: dict[Labels, list[tuple[float, Floats]]] = {}
    for series in buckets:
        try:
            bound = float(series.labels.get("le", ""))
        except ValueError:
            continue
        labels = kept_labels(series.labels, ("le",), without=True)
        histograms.setdefault(labels, []).append((bound, series.values))
    found = []
    for labels, many in histograms.items():
        many.sort(key=lambda pair: pair[0])
        bounds, counts = np.array([b for b, _ in many]), np.array([c for _, c in many])
        if len(bounds) >= 2 and np.isposinf(bounds[-1]):
            found.append(Series(dict(labels), _bucket_quantile(quantile, bounds, counts)))
    return tuple(found)


def _bucket_quantile(quantile: Floats, bounds: Floats, counts: Floats) -> Floats:
    """`counts`: cumulated, a row for each bound, a column for each moment."""
    counts = np.fmax.accumulate(counts, axis=0)
    total = counts[-1]
    rank = quantile * total
    bucket = np.minimum((counts < rank).sum(axis=0), len(bounds) - 1)
    moment = np.arange(counts.shape[1])
    before = np.where(bucket > 0, counts[np.maximum(bucket - 1, 0), moment], 0.0)
    start = np.where(bucket > 0, bounds[np.maximum(bucket - 1, 0)], 0.0)
    inside = (rank - before) / (counts[bucket, moment] - before)
    found = start + (bounds[bucket] - start) * inside
    found = np.where((bucket == 0) & (bounds[0] <= 0), bounds[0], found)
    found = np.where(bucket == len(bounds) - 1, bounds[-2], found)
    found = np.where(quantile < 0, -np.inf, np.where(quantile > 1, np.inf, found))
    return np.where(total > 0, found, np.nan)


def _binary(query: Binary, left: Value, right: Value) -> Value:
    operator = query.operator
    if operator in SET_OPERATORS:
        if not isinstance(left, tuple) or not isinstance(right, tuple):
            raise PromqlError(f"{operator} stands between series")
        return _set(operator, left, right, query.matching)
    if not isinstance(left, tuple) and not isinstance(right, tuple):
        if operator in COMPARISONS and not query.as_bool:
            raise PromqlError("numbers are compared with bool")
        return _computed(query, left, right)
    if isinstance(left, tuple) and isinstance(right, tuple):
        return _matched(query, left, right)
    if isinstance(left, tuple):
        assert not isinstance(right, tuple)
        return tuple(Series(_result_labels(query, s), _computed(query, s.values, right)) for s in left)
    assert isinstance(right, tuple)
    return tuple(Series(_result_labels(query, s), _computed(query, left, s.values, keeps_right=True)) for s in right)


def _result_labels(query: Binary, series: Series) -> Mapping[str, str]:
    return series.labels if query.operator in COMPARISONS and not query.as_bool else series.unnamed


_OPERATORS: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}


def _computed(query: Binary, left: Floats, right: Floats, *, keeps_right: bool = False) -> Floats:
    """The operator at each moment. A comparison keeps the value of the series for which it holds, or gives 0 and 1."""
    found = _OPERATORS[query.operator](left, right)
    if query.operator not in COMPARISONS:
        return found
    there = ~(np.isnan(left) | np.isnan(right))
    if query.as_bool:
        return np.where(there, found.astype(float), np.nan)
    return np.where(there & found.astype(bool), right if keeps_right else left, np.nan)


def _key(series: Series, matching: Matching) -> Labels:
    return kept_labels(series.labels, matching.labels, without=not matching.on)


def _matched(query: Binary, left: Vector, right: Vector) -> Vector:
    """Series of both sides with the same labels, one with one, or several of one side with one of the other."""
    matching = query.matching
    many, ones = (right, left) if matching.many == "right" else (left, right)
    one_of = _by_key(ones, matching)
    if matching.many is None:
        _by_key(many, matching)
    found = []
    for series in many:
        one = one_of.get(_key(series, matching))
        if one is None:
            continue
        first, second = (one, series) if matching.many == "right" else (series, one)
        values = _computed(query, first.values, second.values)
        found.append(Series(_joined_labels(query, series, one), values))
    return tuple(found)


def _joined_labels(query: Binary, series: Series, one: Series) -> Mapping[str, str]:
    labels, matching = dict(_result_labels(query, series)), query.matching
    if matching.many is None and matching.on:
        return {name: value for name, value in labels.items() if name in matching.labels}
    if matching.many is None and (query.operator not in COMPARISONS or query.as_bool):
        return {name: value for name, value in labels.items() if name not in matching.labels}
    for name in matching.taken:
        labels.pop(name, None)
        if name in one.labels:
            labels[name] = one.labels[name]
    return labels


def _by_key(many: Sequence[Series], matching: Matching) -> dict[Labels, Series]:
    """Raises PromqlError when two have the same labels at the same moment."""
    found: dict[Labels, Series] = {}
    for series in many:
        key = _key(series, matching)
        other = found.get(key)
        if other is not None:
            if not (np.isnan(other.values) | np.isnan(series.values)).all():
                raise PromqlError(
                    "several series match the same one: say with on(…) and group_left(…) what belongs together"
                )
            series = Series(series.labels, np.where(np.isnan(series.values), other.values, series.values))
        found[key] = series
    return found


def _set(operator: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    def there(side: Vector) -> dict[Labels, Floats]:
        present: dict[Labels, Floats] = {}
        for series in side:
            key = _key(series, matching)
            present[key] = present.get(key, np.zeros(len(series.values), bool)) | ~np.isnan(series.values)
        return present

    nowhere = np.zeros(1, bool)
    if operator == "or":
        known = there(left)
        more = (Series(s.labels, np.where(known.get(_key(s, matching), nowhere), np.nan, s.values)) for s in right)
        return (*left, *more)
    known = there(right)
    wanted = operator == "and"
    return tuple(
        Series(s.labels, np.where(known.get(_key(s, matching), nowhere) == wanted, s.values, np.nan)) for s in left
    )
