"""Series with equal labels made one: PromQL's aggregations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from velo_harness.dashboard.samples import Floats
from velo_harness.dashboard.vectors import Labels, Series, Vector, kept_labels

_OF_ROWS: Mapping[str, Callable[[Floats], Floats]] = {
    "sum": lambda rows: np.nansum(rows, axis=0),
    "avg": lambda rows: np.nansum(rows, axis=0) / (~np.isnan(rows)).sum(axis=0),
    "min": lambda rows: np.fmin.reduce(rows, axis=0),
    "max": lambda rows: np.fmax.reduce(rows, axis=0),
    "count": lambda rows: (~np.isnan(rows)).sum(axis=0).astype(float),
    "group": lambda rows: np.ones(rows.shape[1]),
    "stddev": lambda rows: np.sqrt(
        np.nansum((rows - np.nansum(rows, axis=0) / (~np.isnan(rows)).sum(axis=0)) ** 2, axis=0)
        / (~np.isnan(rows)).sum(axis=0)
    ),
}


def aggregated(
    operator: str, series: Vector, labels: Sequence[str], *, without: bool, parameter: Floats | None
) -> Vector:
    """Groups of series, in the order of their first ones. `parameter` is that of topk, bottomk and quantile."""
    groups: dict[Labels, list[Series]] = {}
    for one in series:
        groups.setdefault(kept_labels(one.labels, labels, without=without), []).append(one)
    found: list[Series] = []
    for group, many in groups.items():
        rows = np.array([one.values for one in many])
        if operator in ("topk", "bottomk"):
            assert parameter is not None
            kept = _first(rows if operator == "bottomk" else -rows, parameter)
            found += [Series(one.labels, np.where(k, one.values, np.nan)) for one, k in zip(many, kept, strict=True)]
            continue
        values = _quantile(rows, parameter) if parameter is not None else _OF_ROWS[operator](rows)
        found.append(Series(dict(group), np.where(np.isnan(rows).all(axis=0), np.nan, values)))
    return tuple(found)


def _first(rows: Floats, most: Floats) -> npt.NDArray[np.bool_]:
    """Which of the rows are among the `most` smallest, at each moment."""
    order = np.argsort(np.argsort(rows, axis=0, kind="stable"), axis=0, kind="stable")
    return (order < np.where(np.isnan(most), 0, most)) & ~np.isnan(rows)


def _quantile(rows: Floats, quantile: Floats) -> Floats:
    """Between the two values next to it, by a straight line."""
    ordered = np.sort(rows, axis=0)  # NaN comes last
    count = (~np.isnan(rows)).sum(axis=0)
    rank = np.clip(quantile, 0, 1) * np.maximum(count - 1, 0)
    low = np.floor(rank).astype(int)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    moment = np.arange(rows.shape[1])
    weight = rank - low
    found = ordered[low, moment] * (1 - weight) + ordered[high, moment] * weight
    return np.where(quantile < 0, -np.inf, np.where(quantile > 1, np.inf, found))
