"""Wall-clock time of the session's zone for event time of type TIMESTAMP_LTZ.

Windows over TIMESTAMP_LTZ are cut in local time and fire when the watermark, an instant, passes their local end. The
rules are those of Flink's TimeWindowUtil. All times are int64 milliseconds; a local time counts as if it were UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from velo_engine.batch import FINAL_WATERMARK, INITIAL_WATERMARK, Int64s
from velo_engine.errors import ErrorCode, VeloError

_HOUR_MS = 3_600_000
_QUARTER_MS = 900_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_UTC_NAMES = frozenset({"UTC", "GMT", "Etc/UTC", "Etc/GMT", "Z"})


class SessionTime:
    """Conversions between instants and local time; the identity for a `name` of None, or UTC."""

    def __init__(self, name: str | None) -> None:
        self._zone: tzinfo | None = None if name is None or name in _UTC_NAMES else _zone(name)
        self._has_summer_time = self._zone is not None and _has_summer_time(self._zone)

    @property
    def is_utc(self) -> bool:
        """Whether local time is the instant itself."""
        return self._zone is None

    def local(self, instants: Int64s) -> Int64s:
        """The local time of each instant."""
        if self._zone is None or len(instants) == 0:
            return instants
        # Offsets change on whole quarters of an hour almost always, so one look-up serves all instants of a quarter.
        quarters, inverse = np.unique(instants // _QUARTER_MS, return_inverse=True)
        starts = [self._offset(int(q) * _QUARTER_MS) for q in quarters]
        ends = [self._offset(int(q) * _QUARTER_MS + _QUARTER_MS - 1) for q in quarters]
        out: Int64s = instants + np.array(starts, np.int64)[inverse]
        for i in np.flatnonzero(np.array(starts) != np.array(ends)):
            mixed = np.flatnonzero(inverse == i)
            out[mixed] = [t + self._offset(t) for t in instants[mixed].tolist()]
        return out

    def passed(self, watermarks: Int64s) -> Int64s:
        """The last local time that each watermark has passed: the inverse of `timer`.

        While the clock is set back and an hour comes twice, the watermark stands still before it the first time.
        """
        if self._zone is None or len(watermarks) == 0:
            return watermarks
        out = watermarks.copy()
        times = (watermarks != INITIAL_WATERMARK) & (watermarks != FINAL_WATERMARK)
        instants = watermarks[times]
        local = self.local(instants)
        quarters, inverse = np.unique(instants // _QUARTER_MS, return_inverse=True)
        first = [self._before_repetition(int(q) * _QUARTER_MS) for q in quarters]
        out[times] = np.minimum(local, np.array(first, np.int64)[inverse])
        return out

    def _before_repetition(self, instant: int) -> int:
        """The last local time before those that come again after `instant`; no bound when it does not come again."""
        if self.timer(self._local(instant)) <= instant:
            return FINAL_WATERMARK
        while self.timer(self._local(instant)) > instant:
            instant -= _QUARTER_MS
        return self._local(instant) + _QUARTER_MS - 1

    def _local(self, instant: int) -> int:
        return instant + self._offset(instant)

    def instants(self, local: Int64s) -> Int64s:
        """`instant` of each."""
        return local if self._zone is None else _each(self.instant, local)

    def timers(self, local: Int64s) -> Int64s:
        """`timer` of each."""
        return local if self._zone is None else _each(self.timer, local)

    def instant(self, local: int) -> int:
        """The instant of a local time: the earlier of two; in a gap, as far behind it as the local time is in it."""
        if self._zone is None:
            return local
        moment = (_EPOCH + local * _MILLISECOND).replace(tzinfo=self._zone)
        return (moment.astimezone(UTC) - _EPOCH) // _MILLISECOND

    def timer(self, local: int) -> int:
        """The instant from which the watermark has passed a local time.

        Of two instants the later one, so that both pass; in a gap, its beginning (Flink's toEpochMillsForTimer).
        """
        first = self.instant(local)
        if not self._has_summer_time:
            return first
        hour_later = self.instant(local + _HOUR_MS)
        if hour_later == first:
            return first - first % _HOUR_MS
        return first + _HOUR_MS if hour_later - first > _HOUR_MS else first

    def _offset(self, instant: int) -> int:
        offset = (_EPOCH + instant * _MILLISECOND).astimezone(self._zone).utcoffset()
        return 0 if offset is None else offset // _MILLISECOND


def _each(convert: Callable[[int], int], values: Int64s) -> Int64s:
    return np.array([convert(v) for v in values.tolist()], np.int64)


@lru_cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise VeloError(
            ErrorCode.BAD_PROPERTY, f'"{name}" is not a time zone', hint='use a name such as "Europe/Berlin" or "UTC"'
        ) from None


def _has_summer_time(zone: tzinfo) -> bool:
    """Whether the zone's present rules change the clock (Java's TimeZone.useDaylightTime)."""
    january, july = datetime(2037, 1, 1, tzinfo=zone), datetime(2037, 7, 1, tzinfo=zone)
    return january.utcoffset() != july.utcoffset()
