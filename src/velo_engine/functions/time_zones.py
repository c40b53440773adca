"""Kernel SQL between local time and instants, in the session's time zone."""

from __future__ import annotations

from velo_engine.functions.signature import text_of

_UTC_NAMES = frozenset({"UTC", "GMT", "Z", "Etc/UTC", "Etc/GMT"})


def instant_of(sql: str, time_zone: str) -> str:
    """A local TIMESTAMP as an instant: in an overlap the earlier, in a gap moved on by the gap, as java.time does."""
    if time_zone in _UTC_NAMES:
        return sql
    return f"make_timestamp(velo_instant_of(epoch_us({sql}), {text_of(time_zone)}))"


def local_time_of(sql: str, time_zone: str) -> str:
    """An instant as the TIMESTAMP that clocks in `time_zone` show."""
    if time_zone in _UTC_NAMES:
        return sql
    return f"make_timestamp(velo_local_time_of(epoch_us({sql}), {text_of(time_zone)}))"
