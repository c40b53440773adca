"""The records behind a key: those of its rows, and those that made the watermark they met.

A record matters to a key in one of two ways: it is in its rows, or it has moved event time on before one of its rows
came, which may be late for that. Of the second kind only the latest record ahead of each row that comes behind it
matters, for every delay that a watermark may have. All other records can be left out, whatever the program does right
or wrong with those of the key: this is why the test that is made of them still holds once the program is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.types import TIMESTAMPS, TypeName
from velo_harness.relation import Relation
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


def records_behind(runs: ProgramRuns, key: Mapping[str, Any], left: Mapping[str, Any] | None) -> Behind:
    """The records of the inputs that can be behind the rows of a key; `left` is the row that it should have."""
    lineage = lineage_of(runs.program, runs.statement, key, left)
    tables = frozenset(name for name in runs.sources if not any(a.source == name for a in runs.order))
    of_key, unknown = _masks(runs, lineage, {})
    near, _ = _masks(runs, lineage, {i: one.times for i, one in enumerate(lineage.readings)})
    has_window = any(one.exact for one in lineage.readings)
    core, _ = _masks(runs, lineage, {i: one.exact or one.times for i, one in enumerate(lineage.readings)})
    return Behind(
        _with_watermarks(runs, lineage, core, tables, lineage.late_from_ms) if has_window else None,
        _with_watermarks(runs, lineage, near, tables),
        _with_watermarks(runs, lineage, of_key, tables),
        unknown,
    )


def _masks(
    runs: ProgramRuns, lineage: Lineage, times: Mapping[int, Mapping[int, tuple[int, int]]]
) -> tuple[dict[str, Mask], tuple[str, ...]]:
    """By source the records that some reading of it takes; and the sources with a reading that may take any.

    `times`: by reading the spans of its columns of event time.
    """
    rows = {name: runs.rows(name) for name in runs.sources}
    found: list[Mask | None] = [
        _mask(one, rows.get(one.source), times.get(i, {})) for i, one in enumerate(lineage.readings)
    ]
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


def _mask(reading: Reading, rows: Relation | None, spans: Mapping[int, tuple[int, int]]) -> Mask | None:
    """The rows that a reading takes; None when nothing tells them."""
    if rows is None:
        return None
    found: Mask | None = None
    for position, value in reading.wanted.items():
        taken = _among(rows.column(position), [value])
        if taken is not None:
            found = taken if found is None else found & taken
    for position, (first, last) in spans.items():
        if rows.type(position).name not in TIMESTAMPS:
            continue
        # Bounds of windows are wall-clock times: of instants, they may be off by a zone.
        room = _ZONES_MS if rows.type(position).name is TypeName.TIMESTAMP_LTZ else 0
        times = _milliseconds(rows.column(position))
        inside = (times >= first - room) & (times <= last + room)
        found = inside if found is None else found & inside
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


def _milliseconds(column: Any) -> npt.NDArray[np.int64]:
    """Event times; a NULL lies before all others."""
    micros = pc.fill_null(pc.cast(pc.cast(column, pa.timestamp("us")), pa.int64()), np.iinfo(np.int64).min)
    numbers: npt.NDArray[np.int64] = micros.to_numpy()
    return numbers // 1000


def _with_watermarks(
    runs: ProgramRuns,
    lineage: Lineage,
    masks: Mapping[str, Mask],
    tables: frozenset[str],
    late_from_ms: int | None = None,
) -> Chosen:
    """The records, with the one ahead of each that comes behind the watermark of its source or of another.

    Before event time has come to `late_from_ms` no row is late, whatever delay the watermark has.
    """
    places: dict[str, list[int]] = {}
    for place, arrival in enumerate(runs.order):
        places.setdefault(arrival.source, []).append(place)
    chosen = {name: set(np.flatnonzero(mask).tolist()) for name, mask in masks.items()}
    clocks = {
        name: _Clock(_milliseconds(rows.column(position)), np.array(places[name]))
        for name, position in lineage.watermarks.items()
        if name in places and (rows := runs.rows(name)) is not None
    }
    for name, clock in clocks.items():
        if name in tables:
            continue
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
