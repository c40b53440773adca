"""The aggregate functions by name: what people may write for the aggregates of `type_rules.aggregates`."""

from __future__ import annotations

from velo_engine.type_rules.aggregates import AGGREGATES

_BY_SPELLING = {
    spelling: function.name for function in AGGREGATES.values() for spelling in (function.name, *function.aliases)
}

UNAVAILABLE_AGGREGATES = dict.fromkeys(("array_agg", "collect", "listagg"), "it is not written yet")
"""Aggregates whose types are known and that no operator computes, and why."""


def aggregate_name(written: str) -> str | None:
    """The name in plans of the aggregate function that people write as `written` (any case), or None."""
    return _BY_SPELLING.get(written.lower())
