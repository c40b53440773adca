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
    "arithmetic/float_beside_others": "the common type of DECIMAL and FLOAT is FLOAT when the DECIMAL comes first, too",
    "arithmetic/negative_zero": "Flink looks literals of IN up by hash, so that -0.0 is not in (0, 1)",
    "strings/like_and_line_breaks": "_ of a LIKE pattern matches no line break",
    "top_n/over_counts": _MONOTONE_TOP_N,
    "top_n/over_counts_without_rank": _MONOTONE_TOP_N,
    "top_n/top_one_over_counts": _MONOTONE_TOP_N,
}
"""By name."""

REFUSED: Mapping[str, str] = {
    "deduplicate/keep_first_1101": "deduplication by time",
    "deduplicate/keep_first_1102": "deduplication by time",
    "deduplicate/keep_first_by_arrival": "deduplication by time",
    "deduplicate/keep_last_1103": "deduplication by time",
    "deduplicate/keep_last_1104": "deduplication by time",
    "deduplicate/keep_last_by_arrival": "deduplication by time",
    "interval_join": "joins with bounds between event times",
    "logic/precedence_of_is": "IS TRUE and the like after a comparison without parentheses",
    "over": "OVER aggregates",
    "subqueries": "subqueries in expressions",
    "union_all": "UNION ALL",
    "window_relations": "window Top-N and window joins",
}
"""By name, or by group when the whole group is refused: the engine must say that it does not do this."""
