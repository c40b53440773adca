"""What the page shows at one moment: each panel's series over a time, as JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from velo_harness.dashboard.panels import Panel, Target
from velo_harness.dashboard.promql import Moments, evaluate, totals
from velo_harness.dashboard.promql_syntax import PromqlError
from velo_harness.dashboard.samples import Floats, Samples
from velo_harness.dashboard.vectors import NAME, Labels, Series, Vector, kept_labels

MOST_SHOWN = 20
"""Series of a panel; the page says how many more there are."""
POINTS = 120
"""Of a line."""
LEAST_WINDOW_S = 5.0
"""A page of a job that has just begun shows this time."""
TARGET_LABELS = ("job", "instance")
"""Labels that every series of a scrape has: legends leave them out."""
_JUST_BEFORE_S = 0.001
"""The first sample belongs to ranges that begin there."""
_LABEL = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class _Shown:
    """One series of a panel."""

    name: str
    labels: Mapping[str, str]
    values: Floats | None
    """At each moment; None when there is only the total."""
    total: float | None
    """What has come together since the job began, of a rate."""

    @property
    def size(self) -> float:
        """Of too many series those with the greatest are shown."""
        last = math.nan if self.values is None else float(self.values[-1])
        number = last if self.total is None else self.total
        return -math.inf if math.isnan(number) else number


def moments(samples: Samples, window_s: float) -> Moments:
    """Times of the last `window_s` seconds, at most since the first sample; the newest sample is the last of them."""
    if not len(samples.times):
        return Moments(samples, np.zeros(1))
    last = float(samples.times[-1])
    elapsed = last - float(samples.times[0])
    step = max(min(window_s, elapsed), min(window_s, LEAST_WINDOW_S)) / POINTS
    grid = np.arange(POINTS) * step + (math.floor(last / step) - POINTS + 1) * step
    return Moments(samples, np.append(grid[grid < last], last), float(samples.times[0]) - _JUST_BEFORE_S, window_s)


def panel_view(panel: Panel, over: Moments) -> dict[str, Any]:
    """One panel with its series."""
    queries, shown = [], []
    for target in panel.targets:
        found, problem = _of_target(target, over)
        shown += found
        queries.append({"text": target.text, "problem": problem})
    column, row, width, height = panel.place
    document: dict[str, Any] = {
        "title": panel.title,
        "description": panel.description,
        "kind": panel.kind,
        "unit": panel.unit,
        "decimals": panel.decimals,
        "least": panel.least,
        "most": panel.most,
        "thresholds": [{"value": t.value, "colour": t.colour} for t in panel.thresholds],
        "x": column,
        "y": row,
        "w": width,
        "h": height,
        "queries": queries,
        "stacked": panel.stacked,
        "content": panel.content,
    }
    if panel.kind == "heatmap":
        bounds, cells = _cells(shown)
        return document | {"bounds": bounds, "cells": cells, "series": [], "more": 0}
    chosen = sorted(range(len(shown)), key=lambda i: -shown[i].size)[:MOST_SHOWN]
    series = [_series_view(shown[i]) for i in sorted(chosen)]  # in an order that stays, and colours with it
    return document | {"series": series, "more": max(0, len(shown) - MOST_SHOWN)}


def _series_view(one: _Shown) -> dict[str, Any]:
    values = [] if one.values is None else _numbers(one.values.tolist())
    last = values[-1] if values else None
    return {"name": one.name, "values": values, "last": last, "total": _finite(one.total)}


def _of_target(target: Target, over: Moments) -> tuple[list[_Shown], str | None]:
    """Its series, or why there are none."""
    if target.query is None:
        return [], target.problem
    try:
        found = [one for one in evaluate(target.query, over) if not np.isnan(one.values).all()]
        whole = totals(target.query)
        last = replace(over, at=over.at[-1:])
        ends = {} if whole is None else _by_labels(evaluate(whole, last))
    except PromqlError as problem:
        return [], str(problem)
    shown = [
        _Shown(_name(target, one), one.labels, one.values, ends.pop(_key(one), None) if whole is not None else None)
        for one in found
    ]
    return shown + [_Shown(_name(target, _series(key)), dict(key), None, end) for key, end in ends.items()], None


def _by_labels(series: Vector) -> dict[Labels, float]:
    found = {_key(one): float(one.values[-1]) for one in series}
    return {key: value for key, value in found.items() if not math.isnan(value)}


def _key(series: Series) -> Labels:
    return kept_labels(series.labels, (), without=True)


def _series(key: Labels) -> Series:
    return Series(dict(key), np.zeros(0))


def _name(target: Target, series: Series) -> str:
    if target.legend:
        return _LABEL.sub(lambda match: series.labels.get(match[1], ""), target.legend).strip() or target.text
    own = {k: v for k, v in series.labels.items() if k != NAME and k not in TARGET_LABELS}
    if len(own) == 1 and NAME not in series.labels:
        return next(iter(own.values()))
    labels = ", ".join(f"{k}={v}" for k, v in own.items())
    return " ".join(part for part in (series.labels.get(NAME, ""), labels) if part) or target.text


def _cells(shown: Sequence[_Shown]) -> tuple[list[str], list[list[float | None]]]:
    """Of a histogram: its upper bounds from the least, and for each how much is in this bucket alone."""
    buckets = []
    for one in shown:
        try:
            buckets.append((float(one.labels.get("le", "")), one))
        except ValueError:
            continue
    buckets = [(bound, one) for bound, one in sorted(buckets, key=lambda pair: pair[0]) if one.values is not None]
    below: Floats | float = 0.0
    cells = []
    for _, one in buckets:
        assert one.values is not None
        cells.append(_numbers(np.maximum(one.values - below, 0.0).tolist()))
        below = one.values
    return [f"{bound:g}" if math.isfinite(bound) else "∞" for bound, _ in buckets], cells


def _numbers(values: Sequence[float]) -> list[float | None]:
    return [_finite(value) for value in values]


def _finite(value: float | None) -> float | None:
    """A number that JSON has, of nine digits."""
    return float(f"{value:.9g}") if value is not None and math.isfinite(value) else None
