"""The recorded cases that our engine does not answer as Flink does, each with the reason. All others must agree.

A case that begins to agree fails the replay until it is removed from here.
"""

from __future__ import annotations

from collections.abc import Mapping

_OTHER_CHANGES = "the final tables are equal, the changes are not: "
_MONOTONE_TOP_N = (
    _OTHER_CHANGES + "Flink updates ranks in place when the order column only grows (UpdatableTopNFunction)"
)

ANSWERED_DIFFERENTLY: Mapping[str, str] = {
    "top_n/over_counts": _MONOTONE_TOP_N,
    "top_n/over_counts_without_rank": _MONOTONE_TOP_N,
    "top_n/top_one_over_counts": _MONOTONE_TOP_N,
}
"""By name."""

REFUSED: Mapping[str, str] = {
    "subqueries": "subqueries in expressions",
    "union_all": "UNION ALL",
    "window_relations": "window Top-N and window joins",
}
"""By name, or by group when the whole group is refused: the engine must say that it does not do this."""
