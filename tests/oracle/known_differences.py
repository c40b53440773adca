"""The recorded cases that our engine does not answer as Flink does, each with the reason. All others must agree.

A case that begins to agree fails the replay until it is removed from here.
"""

from __future__ import annotations

from collections.abc import Mapping

ANSWERED_DIFFERENTLY: Mapping[str, str] = {
    "windows_of_changes/taken_back_too_often_hop": (
        "rows that never were are taken back: after a window with as many of these as others, Flink sets no timer for the "
        "next window, which is not given out unless a new row comes"
    ),
    "windows_of_changes/taken_back_too_often_hop_extremes": "the same",
    "upsert_sinks/join_into_the_key": (
        "the sink's table is the same: Flink's join, asked for no old rows, gives a changed row out as +I alone, ours -D, +I"
    ),
    "upsert_sinks/upserts_through": (
        "the sink's table is the same: Flink leaves the normalisation out where the sink has the key of the source, so that "
        "unchanged rows and deletions of nothing reach it"
    ),
    "top_n/range_over_groups_without_rank": (
        "Flink's own answer is no changelog: RetractableTopNFunction gives out rows that it holds on the heap and changes "
        "their kind, so that it does not find them again when they are taken back"
    ),
    "over/lag_with_a_default_over_nulls": (
        "Flink types LAG(x, n, default) by the default alone: a NULL then stands in a NOT NULL column and reads as -1"
    ),
}
"""By name."""

REFUSED: Mapping[str, str] = {}
"""By name, or by group when the whole group is refused: the engine must say that it does not do this."""

REFUSED_BY_BOTH = frozenset(
    {
        "upsert_sinks/groups_into_insertions",
        "upsert_sinks/insertions_by_key",
        "upsert_sinks/other_key_refused",
        "upsert_sinks/top_n_into_insertions",
        "top_n/dense_rank",
        "top_n/no_rank_at_all",
        "top_n/no_upper_limit",
        "top_n/rank",
        "top_n/variable_limit_equal",
        "processing_time_windows/deduplicate",
        "processing_time_windows/join",
        "processing_time_windows/top_n",
        "window_tables/hop_not_a_multiple_aggregated",
        "window_tables/hop_not_a_multiple_by_bounds",
        "window_tables/hop_not_a_multiple_distinct",
        "window_tables/offset_as_large_as_the_size",
        "window_top_n/rank",
        "window_top_n/variable_limit",
        "windows_of_changes/top_n_in_windows",
    }
)
"""Cases that Flink refuses to plan and the engine, too: that is agreement, and it must stay so."""

NOT_PLANNED = REFUSED_BY_BOTH | REFUSED.keys()
"""Names of cases and groups for which there is no plan here."""
