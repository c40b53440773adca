"""The aggregate functions by name: what people may write for the aggregates of `type_rules.aggregates`."""

from __future__ import annotations

from collections.abc import Mapping

from velo_engine.type_rules.aggregates import AGGREGATES

_BY_SPELLING = {
    spelling: function.name
    for function in AGGREGATES.values()
    if function.written_as is None
    for spelling in (function.name, *function.aliases)
}

_BITMAPS = "there is no type BITMAP here"
UNAVAILABLE_AGGREGATES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("bitmap_build_agg", "bitmap_and_agg", "bitmap_or_agg", "bitmap_xor_agg", "bitmap_build_cardinality_agg"),
            *("bitmap_and_cardinality_agg", "bitmap_or_cardinality_agg", "bitmap_xor_cardinality_agg"),
        ),
        _BITMAPS,
    ),
}
"""Aggregates of Flink that are refused, and why."""

VELOSTREAM_ONLY: Mapping[str, str] = {
    "percentile_cont": "the number at a share of the ordered rows, between two by interpolation, as PERCENTILE",
    "percentile_disc": "the first number at or below which lies at least that share of the rows",
    "median": "PERCENTILE(x, 0.5)",
    "delta": "the last number that is not NULL less the first",
    "corr": "the correlation of y and x",
    "covar_pop": "the covariance of a population",
    "covar_samp": "the covariance of a sample",
    "regr_count": "the number of pairs",
    "regr_avgx": "the mean of x",
    "regr_avgy": "the mean of y",
    "regr_sxx": "the sum of the squared deviations of x",
    "regr_syy": "the sum of the squared deviations of y",
    "regr_sxy": "the sum of the products of the deviations",
    "regr_slope": "the slope of the line y = a + bx by least squares",
    "regr_intercept": "its value at 0",
    "regr_r2": "the share of the variance of y that it explains",
}
"""Aggregates that Flink has not, and what they give. Pairs in which a value is NULL do not count."""


def aggregate_name(written: str) -> str | None:
    """The name in plans of the aggregate function that people write as `written` (any case), or None."""
    return _BY_SPELLING.get(written.lower())


def aggregate_spellings() -> list[str]:
    """All names of aggregate functions, in upper case, as people write them."""
    return sorted(spelling.upper() for spelling in _BY_SPELLING)
