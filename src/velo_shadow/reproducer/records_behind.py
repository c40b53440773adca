"""The records behind a key: those of its rows, and those that made the watermark they met.

A record matters to a key in one of two ways: it is in its rows, or it has moved event time on before one of its rows
came, which may be late for that. Of the second kind only the latest record ahead of each row that comes behind it
matters, for every delay that a watermark may have. All other records can be left out, whatever the program does right
or wrong with those of the key: this is why the test that is made of them still holds once the program is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.batch import Int64s
from velo_harness.relation import Relation
from velo_shadow.reproducer.event_times import NO_TIME
from velo_shadow.reproducer.lineage import Lineage, Reading, lineage_of
from velo_shadow.reproducer.program_runs import Chosen, ProgramRuns

_ZONES_MS = 14 * 3_600_000
"""No zone is further from UTC."""

Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Behind:
    """The records behind a key, as far as the plan tells them."""

    core: Chosen | None
    """Of those, the ones in the very window that the left has; None where the left does not say both its ends."""
    near: Chosen
    """Those of the key and of the time of its window, with the watermarks that they meet."""
    of_key: Chosen
    """Those of the key at any time, with the watermarks that they meet."""
    open: tuple[str, ...]
    """Sources of which the plan does not say which records belong to the key."""


def records_behind(
    runs: ProgramRuns, key: Mapping[str, Any], left: Mapping[str, Any] | None, *, zones_agree: bool
) -> Behind:
    """The records of the inputs that can be behind the rows of a key; `left` is the row that it should have.

    `zones_agree`: both sides show instants in the same time zone, which is the program's.
    """
    lineage = lineage_of(runs.program, runs.statement, key, left)
    records = runs.all().records
    times = {
        name: _wall_clock(own, runs.time_zone) if name in lineage.instants and zones_agree else own
        for name, own in runs.event_times().items()
        if len(own) == len(records.get(name, ()))
    }
    room = 0 if zones_agree or not lineage.instants else _ZONES_MS
    of_key, unknown = _masks(runs, lineage, times, [None for _ in lineage.readings])
    near, _ = _masks(runs, lineage, times, [_wider(one.near, room) for one in lineage.readings])
    core, _ = _masks(runs, lineage, times, [_wider(one.exact or one.near, room) for one in lineage.readings])
    late_from = lineage.late_from_ms
    if late_from is not None:
        late_from -= room
    return Behind(
        _with_watermarks(runs, times, core, late_from) if any(one.exact for one in lineage.readings) else None,
        _with_watermarks(runs, times, near),
        _with_watermarks(runs, times, of_key),
        unknown,
    )


def _wider(span: tuple[int, int] | None, room: int) -> tuple[int, int] | None:
    """Bounds of windows are wall-clock times: of instants, they may be off by a zone."""
    return None if span is None else (span[0] - room, span[1] + room)


def _wall_clock(times: Int64s, zone: str) -> Int64s:
    """Instants as a clock of the zone shows them, in milliseconds as if it were UTC."""
    if zone == "UTC":
        return times
    has = times != NO_TIME
    local = pc.local_timestamp(pa.array(times[has], pa.timestamp("ms", zone)))
    found = times.copy()
    found[has] = local.cast(pa.int64()).to_numpy()
    return found


def _masks(
    runs: ProgramRuns, lineage: Lineage, times: Mapping[str, Int64s], spans: Sequence[tuple[int, int] | None]
) -> tuple[dict[str, Mask], tuple[str, ...]]:
    """By source the records that some reading of it takes; and the sources with a reading that may take any.

    `times`: by source the event times of its records; `spans`: by reading those that take part.
    """
    rows = {name: runs.rows(name) for name in runs.sources}
    found: list[Mask | None] = []
    for reading, span in zip(lineage.readings, spans, strict=True):
        mask = _mask(reading, rows.get(reading.source))
        if span is not None and reading.source in times:
            inside = (times[reading.source] >= span[0]) & (times[reading.source] <= span[1])
            mask = inside if mask is None else mask & inside
        found.append(mask)
    changed = True
    while changed:
        changed = False
        for one, other in (pair for both in lineage.equal for pair in (both, both[::-1])):
            known, values = found[one[0]], rows.get(lineage.readings[one[0]].source)
            partner = rows.get(lineage.readings[other[0]].source)
            if known is None or found[other[0]] is not None or values is None or partner is None:
                continue
            met = _among(partner.column(other[1]), pc.unique(values.column(one[1]).filter(pa.array(known))))
            if met is not None:
                found[other[0]], changed = met, True
    masks: dict[str, Mask] = {}
    unknown: dict[str, None] = {}
    everything = runs.all()
    for name in runs.sources:
        count = len(everything.records[name])
        mask = np.zeros(count, bool)
        for reading, taken in zip(lineage.readings, found, strict=True):
            if reading.source == name and taken is None:
                unknown[name] = None
            elif reading.source == name and taken is not None:
                mask |= taken
        masks[name] = mask
    return masks, tuple(unknown)


def _mask(reading: Reading, rows: Relation | None) -> Mask | None:
    """The rows that a reading takes; None when nothing tells them."""
    if rows is None:
        return None
    found: Mask | None = None
    for position, value in reading.wanted.items():
        taken = _among(rows.column(position), [value])
        if taken is not None:
            found = taken if found is None else found & taken
    return found


def _among(column: Any, values: Any) -> Mask | None:
    """The rows with one of these values; None where they are of another type, or no row has one."""
    try:
        wanted = pa.array(values.to_pylist() if isinstance(values, pa.Array) else values, column.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return None
    if isinstance(wanted, pa.ChunkedArray):
        wanted = wanted.combine_chunks()
    mask: Mask = pc.is_in(column, value_set=wanted).to_numpy(zero_copy_only=False).astype(bool)
    return mask if mask.any() else None


def _with_watermarks(
    runs: ProgramRuns, times: Mapping[str, Int64s], masks: Mapping[str, Mask], late_from_ms: int | None = None
) -> Chosen:
    """The records, with the one ahead of each that comes behind the watermark of its source or of another.

    Before event time has come to `late_from_ms` no row is late, whatever delay the watermark has.
    """
    places: dict[str, list[int]] = {}
    for place, arrival in enumerate(runs.order):
        places.setdefault(arrival.source, []).append(place)
    chosen = {name: set(np.flatnonzero(mask).tolist()) for name, mask in masks.items()}
    clocks = {
        name: _Clock(own, np.array(places[name]))
        for name, own in times.items()
        if len(places.get(name, ())) == len(own)
    }
    for name, clock in clocks.items():
        for number in np.flatnonzero(masks[name]).tolist():
            place = int(clock.places[number])
            ahead = {other: each.ahead(place) for other, each in clocks.items()}
            own = ahead[name]
            if own is None or clock.times[own] <= clock.times[number]:
                continue
            if late_from_ms is not None and clock.times[own] < late_from_ms:
                continue
            for other, leader in ahead.items():
                if leader is not None:
                    chosen[other].add(leader)
    return Chosen({name: tuple(sorted(numbers)) for name, numbers in chosen.items()})


class _Clock:
    """How far event time of a source has come, record by record."""

    def __init__(self, times: npt.NDArray[np.int64], places: npt.NDArray[np.int64]) -> None:
        self.times = times
        self.places = places
        """Of each record in the order of all sources, rising."""
        highest = np.maximum.accumulate(times) if len(times) else times
        is_new = np.concatenate([[True], times[1:] > highest[:-1]]) if len(times) else np.zeros(0, bool)
        self._leaders = np.maximum.accumulate(np.where(is_new, np.arange(len(times)), 0)) if len(times) else times

    def ahead(self, place: int) -> int | None:
        """The record with the latest time of those that came before a place; None when there is none."""
        before = int(np.searchsorted(self.places, place)) - 1
        return int(self._leaders[before]) if before >= 0 else None
