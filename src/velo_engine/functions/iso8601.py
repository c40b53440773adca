"""Instants written by ISO 8601, as most JSON producers write them: what `event.time.format = iso8601` reads.

Flink has no function for it: its own read one pattern each, and ignore a zone that the pattern does not name.
"""

from __future__ import annotations

from velo_engine.functions.signature import ScalarFunction, Site, signature
from velo_engine.functions.time_zones import instant_of
from velo_engine.types import timestamp_ltz

_DATE = r"\d{4}-\d{2}-\d{2}"
_TIME = r"\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?"
_ZONE = r"(Z|z|[+-]\d{2}(:?\d{2})?)"


def _value(site: Site) -> str:
    """NULL for what is not ISO 8601 or not a date; without a zone the time is the session's."""
    text = f"upper(replace(trim({site.sql(0)}), ',', '.'))"
    zoned = f"make_timestamp(epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)))"
    local = instant_of(f"TRY_CAST({text} AS TIMESTAMP)", site.time_zone)
    instant = (
        f"CASE WHEN regexp_full_match({text}, '{_DATE}[T ]{_TIME}{_ZONE}') THEN {zoned}"
        f" WHEN regexp_full_match({text}, '{_DATE}([T ]{_TIME})?') THEN {local} END"
    )
    return f"date_trunc('millisecond', {instant})"


FROM_ISO8601 = ScalarFunction(
    "from_iso8601",
    "FROM_ISO8601(string)",
    "The instant that 2024-03-01T12:34:56.789+02:00 names; without a zone it is the session's time (Velostream).",
    signature("string", returns=timestamp_ltz(3), nullable=True),
    _value,
)
