"""Functions that Flink spells differently or has not."""

from __future__ import annotations

from collections.abc import Mapping

from velo_engine.functions.aggregates import VELOSTREAM_ONLY

RENAMED: Mapping[str, str] = {
    "DATEADD": "TIMESTAMPADD",
    "DATE_ADD": "TIMESTAMPADD",
    "MEAN": "AVG",
    "FIRST": "FIRST_VALUE",
    "LAST": "LAST_VALUE",
    "STRING_AGG": "LISTAGG",
    "GROUP_CONCAT": "LISTAGG",
}
"""Other names of Flink's functions, upper case."""

_BY_UDF = "write it as a function of Flink's (CREATE FUNCTION), or compute it before"

ABSENT: Mapping[str, str] = {
    **{name.upper(): _BY_UDF for name in VELOSTREAM_ONLY if name != "median"},
    "FROM_ISO8601": "use TO_TIMESTAMP(text, pattern)",
    "JSON_EXTRACT": "use JSON_VALUE for a scalar, JSON_QUERY for anything else",
    "SPLIT_PART": "use SPLIT_INDEX, which counts from 0 and gives NULL where there is no part",
    "DATEDIFF": "use TIMESTAMPDIFF(unit, from, to)",
    "DATE_DIFF": "use TIMESTAMPDIFF(unit, from, to)",
    "DATE_TRUNC": "use FLOOR(time TO unit)",
    **dict.fromkeys(
        ("HEADER", "HAS_HEADER", "HEADER_KEYS"),
        "declare a column headers MAP<STRING, BYTES> METADATA of the source and read it",
    ),
}
"""Velostream's functions that Flink has not, upper case, and what to write instead."""

TYPES: Mapping[str, str] = {"BOOL": "BOOLEAN", "LONG": "BIGINT", "TEXT": "STRING"}
"""Names of types that Flink calls otherwise."""
