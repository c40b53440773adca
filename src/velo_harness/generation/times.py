"""Times: relative ones against the run's fixed now, ranges of times, and the simulation of event times.

Timestamps rise from row to row unless `sequential: false` says otherwise, because records arrive about when they
happen; a column of random order would make almost every row late. Dates are spread at random unless `sequential: true`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.types import INTEGERS, SqlType, TypeName, arrow_type
from velo_harness.constraints import TimeRange
from velo_harness.scalars import duration_ms_of
from velo_harness.spec import TimeSimulation
from velo_harness.typed_values import parse_timestamp

DEFAULT_TIME_SPAN = 3_600_000_000
"""Microseconds before now at which times begin that have no range."""

_RELATIVE = re.compile(r"(?:now\s*)?([-+])\s*([0-9].*)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400_000_000


def instant(text: str, now: datetime, zone: ZoneInfo | None, location: Location | None = None) -> int:
    """Microseconds since the epoch of `now`, `-4h`, `now + 5m` or an RFC 3339 time. Errors: BAD_VALUE."""
    if text.strip() == "now":
        return microseconds(now)
    if (found := _RELATIVE.fullmatch(text.strip())) is not None and (distance := duration_ms_of(found[2])) is not None:
        return microseconds(now) + (distance if found[1] == "+" else -distance) * 1000
    moment = parse_timestamp(text)
    if moment is None:
        message, hint = f'"{text}" is not a time', "write now, -4h, or 2025-01-01T00:00:00Z"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=location, hint=hint)
    return microseconds(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone or UTC))


def microseconds(moment: datetime) -> int:
    """Microseconds since the epoch of an aware datetime."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def window(given: TimeRange, now: datetime, zone: ZoneInfo | None, location: Location | None) -> tuple[int, int]:
    """Start and end of a range, in microseconds. Errors: BAD_VALUE."""
    start, end = instant(given.start, now, zone, location), instant(given.end, now, zone, location)
    if start >= end:
        message = f"the time range is empty: {given.start} is not before {given.end}"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=location)
    return start, end


def is_sequential(given: TimeRange, kind: SqlType) -> bool:
    """Whether times rise: as the range says, else for all but dates."""
    return kind.name is not TypeName.DATE if given.sequential is None else given.sequential


def spaced(rng: np.random.Generator, n: int, window: tuple[int, int], simulation: TimeSimulation) -> Int64s:
    """Event times by a spec's time_simulation, in the order in which rows arrive, before jitter. Errors: BAD_VALUE.

    Rows stand a fixed distance apart, or are spread at random; a batch of `batch_size` rows has one time.
    """
    start, end = window
    size = simulation.batch_size
    if simulation.sequential:
        times: Int64s = start + (np.arange(n) // size * size * ((end - start) / max(n, 1))).astype(np.int64)
        return times
    if size > 1:
        message = "batch_size has no effect on times that do not rise"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=simulation.locations.get("batch_size"))
    return rng.integers(start, max(end, start + 1), n)


def jittered(rng: np.random.Generator, times: Int64s, simulation: TimeSimulation) -> Int64s:
    """The times moved back by up to `jitter_ms`. Rows keep their order: times come out of order, rows may be late."""
    return moved_back(rng, times, simulation.jitter_ms)


def moved_back(rng: np.random.Generator, times: Int64s, jitter_ms: int) -> Int64s:
    """The times, each moved back by up to `jitter_ms`."""
    if not jitter_ms:
        return times
    moved: Int64s = times - rng.integers(0, jitter_ms * 1000, len(times), endpoint=True)
    return moved


def simulated_window(n: int, simulation: TimeSimulation, now: datetime, zone: ZoneInfo | None) -> tuple[int, int]:
    """Start and end of the event times of `n` rows, in microseconds. Errors: BAD_VALUE.

    With a rate, rows are `time_scale / rate` seconds apart: the rate is that of a clock `time_scale` times as slow.
    """
    places, rate = simulation.locations, simulation.events_per_second
    end = instant(simulation.end_time or "now", now, zone, places.get("end_time"))
    if rate is not None and rate <= 0:
        message = "events_per_second must be greater than 0"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=places.get("events_per_second"))
    if rate is None and simulation.time_scale != 1:
        message, hint = "time_scale has no effect without a rate", "give events_per_second or rate_per_second"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=places.get("time_scale"), hint=hint)
    length = DEFAULT_TIME_SPAN if rate is None else int(n / rate * simulation.time_scale * 1_000_000)
    if simulation.start_time is None:
        return end - length, end
    start = instant(simulation.start_time, now, zone, places.get("start_time"))
    if rate is not None and simulation.end_time is None:
        return start, start + length
    if start >= end:
        message = "the simulated time ends before it starts"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=places.get("end_time") or places.get("start_time"))
    if rate is None:
        return start, end
    if start + length > end:
        message = f"{n} rows at {rate} events per second last longer than from start_time to end_time"
        hint = "leave one of end_time and events_per_second out, or generate fewer records"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=places.get("events_per_second"), hint=hint)
    return start, start + length


def unit_of_time(kind: SqlType) -> int:
    """The finest difference that a field of instants keeps, in microseconds."""
    return 1000 if kind.name in INTEGERS else int(10 ** (6 - kind.precision))


def encoded(instants: Int64s, kind: SqlType, zone: ZoneInfo | None) -> pa.Array:
    """Instants (microseconds, UTC) as a column: milliseconds for integers, local time for TIMESTAMP and DATE."""
    if kind.name in INTEGERS:
        return pa.array(instants // 1000)
    if kind.name is TypeName.TIMESTAMP_LTZ:
        return pa.array(_cut(instants, kind)).view(arrow_type(kind))
    local = instants if zone is None else _local(instants, zone)
    if kind.name is TypeName.DATE:
        return pa.array((local // _DAY).astype(np.int32)).view(pa.date32())
    return pa.array(_cut(local, kind)).view(arrow_type(kind))


def _cut(instants: Int64s, kind: SqlType) -> Int64s:
    """Without the digits that the type does not have."""
    step = 10 ** (6 - kind.precision)
    cut: Int64s = instants // step * step
    return cut


def _local(instants: Int64s, zone: ZoneInfo) -> Int64s:
    import pyarrow.compute as pc

    local = pc.local_timestamp(pa.array(instants).view(pa.timestamp("us", zone.key)))
    converted: Int64s = local.view(pa.int64()).to_numpy()
    return converted
