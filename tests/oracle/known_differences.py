"""The recorded cases that our engine does not answer as Flink does, each with the reason. All others must agree.

A case that begins to agree fails the replay until it is removed from here.
"""

from __future__ import annotations

from collections.abc import Mapping

_MISSING = "not written yet: "
_WRONG = "wrong here: "
_OTHER_CHANGES = "the final tables are equal, the changes are not: "

_MONOTONE_TOP_N = (
    _OTHER_CHANGES + "Flink updates ranks in place when the order column only grows (UpdatableTopNFunction)"
)
_MONOTONE_MAX = (
    _OTHER_CHANGES + "Flink leaves an old count in the MAX of counts between -U and +U, because counts only grow"
)

KNOWN_DIFFERENCES: Mapping[str, str] = {
    "arithmetic/float_compared_with_double": "Flink compares with = and <> in the type of the left side, so 0.1 = 0.1",
    "casts/float_texts": _WRONG + "the smallest numbers print as 4.9E-324 and 1.4E-45",
    "casts/floats_to_decimals": _WRONG + "a FLOAT becomes a DECIMAL by its binary value, not by its shortest text",
    "casts/ltz_in_another_zone": _WRONG + "the DATE of a local time before 1970",
    "left_join/grouped_after_803": _WRONG
    + "a change of the right side comes out left row by left row: -U, then +I padded",
    "logic/in_list_of_wider_numbers": "Flink casts the list of IN to the type of the left side, and wraps",
    "strings/left_right": _WRONG + "LEFT and RIGHT of a NULL length are NULL",
    "times/date_format": _MISSING + "DATE_FORMAT",
    "times/difference_of_timestamps": _MISSING + "(time - time) SECOND",
    "times/epoch_conversions": _MISSING + "TO_TIMESTAMP_LTZ, FROM_UNIXTIME, UNIX_TIMESTAMP",
    "times/extract_from_timestamp": _MISSING + "EXTRACT",
    "times/extract_weekdays_and_small_parts": _MISSING + "EXTRACT",
    "times/named_parts": _MISSING + "YEAR, MONTH, …",
    "times/parts_in_another_zone": _MISSING + "EXTRACT, DATE_FORMAT",
    "times/timestampadd_timestampdiff": _MISSING + "TIMESTAMPADD, TIMESTAMPDIFF",
    "times/to_timestamp": _MISSING + "TO_TIMESTAMP, TO_DATE",
    "top_n/over_counts": _MONOTONE_TOP_N,
    "top_n/over_counts_without_rank": _MONOTONE_TOP_N,
    "top_n/top_one_over_counts": _MONOTONE_TOP_N,
    "tumble/epoch_milliseconds": _MISSING + "TO_TIMESTAMP_LTZ",
    "two_steps/max_of_what_only_grows": _MONOTONE_MAX,
    "two_steps/max_of_what_only_grows_by_group": _MONOTONE_MAX,
}
