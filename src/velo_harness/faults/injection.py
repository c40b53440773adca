"""Injecting faults into the records of one input: the same faults for the same seed, whatever else the spec says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, Int64s
from velo_engine.schema import RowSchema
from velo_engine.sql.program import Warning
from velo_harness.counted import counted
from velo_harness.faults.corruption import corrupted_column, corruptible
from velo_harness.faults.disorder import arrivals, moved_back, with_copies
from velo_harness.faults.malformed import OF_ANY_FORMAT, malformed
from velo_harness.faults.model import (
    Corruption,
    Duplicates,
    FaultPlan,
    FieldCorruption,
    MalformedRecords,
    OutOfOrder,
    SlowProcessing,
)
from velo_harness.generation.randomness import stream
from velo_harness.keys import bad_value
from velo_harness.topic_inputs import RecordLayout, encoded

Rated: TypeAlias = MalformedRecords | Duplicates | OutOfOrder | FieldCorruption | SlowProcessing
"""Faults of a share of the records."""


@dataclass(slots=True)
class FaultyRecords:
    """The records of one input, and what was done to them."""

    source: str
    layout: RecordLayout
    values: Sequence[bytes]
    rows: pa.Table
    schema: RowSchema
    hit: dict[str, Int64s] = field(default_factory=dict)
    """Kind of fault → the records that have it, rising."""
    delays_ms: Int64s | None = None
    """How long the job is busy with each record."""
    notes: list[Warning] = field(default_factory=list)
    """Faults that have no effect on so few records."""

    @property
    def aligned(self) -> bool:
        """Whether each record has its row."""
        return bool(self.rows.num_rows == len(self.values))


def inject(records: FaultyRecords, plan: FaultPlan, seed: int, event_time: str | None, *, scripted: bool) -> None:
    """Do to the records what `plan` says. `event_time` is the column with it, if one has; `scripted`: by a timeline.

    Errors: BAD_VALUE for faults that have no effect on such an input.
    """
    _corrupt(records, plan, seed)
    _malform(records, plan, seed)
    times = _event_times(records, event_time)
    for one in (plan.duplicates, plan.out_of_order):
        if one is not None and scripted:
            raise bad_value(f"a timeline says in which order the records of {records.source} come", one.location)
    if plan.duplicates is not None:
        chosen = _chosen(records, plan.duplicates, seed, "duplicates")
        rng = stream(seed, records.source, "copies")
        order, copies = with_copies(arrivals(len(records.values), times), chosen, plan.duplicates, rng)
        _reorder(records, order, copies, "duplicates", copies)
        times = None if times is None else times[order]
    if plan.out_of_order is not None:
        chosen = _chosen(records, plan.out_of_order, seed, "out_of_order")
        rng = stream(seed, records.source, "delays")
        order, moved = moved_back(arrivals(len(records.values), times), chosen, plan.out_of_order, rng)
        _reorder(records, order, np.zeros(len(order), np.bool_), "out_of_order", moved)
    if plan.slow is not None:
        chosen = _chosen(records, plan.slow, seed, "slow_processing")
        rng = stream(seed, records.source, "busy")
        records.delays_ms = np.zeros(len(records.values), np.int64)
        records.delays_ms[chosen] = rng.integers(
            plan.slow.min_delay_ms, plan.slow.max_delay_ms, len(chosen), endpoint=True
        )
        records.hit["slow_processing"] = chosen


def _chosen(records: FaultyRecords, part: Rated, seed: int, kind: str) -> Int64s:
    """The records that are hit: exactly the share, rounded."""
    count = len(records.values)
    hit = round(part.rate * count)
    if part.rate and not hit:
        share = f"{part.rate:g} of the {counted(count, 'record')} of {records.source}"
        hint = "give the input more records, or a greater rate"
        records.notes.append(Warning(f"{kind} hits no record: {share} is 0, rounded", part.location, hint))
    rng = stream(seed, records.source, kind)
    chosen: Int64s = np.sort(rng.choice(count, hit, replace=False)).astype(np.int64)
    return chosen


def _corrupt(records: FaultyRecords, plan: FaultPlan, seed: int) -> None:
    wanted = plan.corruption
    if wanted is None:
        return
    if not records.aligned:
        raise bad_value(
            f"some records of {records.source} do not decode: their fields cannot be corrupted", wanted.location
        )
    kinds = corruptible(records.schema, wanted)
    chosen = _chosen(records, wanted, seed, "field_corruption")
    rng = stream(seed, records.source, "corruption")
    names = list(kinds)
    which = rng.integers(0, len(names), len(chosen))
    table = records.rows
    hit: dict[Corruption, list[int]] = {how: [] for how in wanted.types}
    for place, name in enumerate(names):
        at = chosen[which == place]
        hows = [kinds[name][i % len(kinds[name])] for i in range(len(at))]
        position = records.schema.names.index(name)
        column = corrupted_column(table.column(position), records.schema.columns[position].type, at, hows, rng)
        for i, how in zip(at.tolist(), hows, strict=True):
            hit[how].append(i)
        table = table.set_column(position, table.schema.field(position), column)
    changed = encoded(table.take(pa.array(chosen)), records.schema, records.layout)
    values = list(records.values)
    for i, value in zip(chosen.tolist(), changed, strict=True):
        values[i] = value
    records.values, records.rows = values, table
    for how, places in hit.items():
        records.hit[f"field_corruption.{how}"] = np.array(sorted(places), np.int64)


def _malform(records: FaultyRecords, plan: FaultPlan, seed: int) -> None:
    wanted = plan.malformed
    if wanted is None:
        return
    others = [how for how in wanted.types if how not in OF_ANY_FORMAT]
    if others and records.layout.format != "json":
        names = ", ".join(others)
        message = f"{names}: for records in JSON, and those of {records.source} are {records.layout.format}"
        raise bad_value(message, wanted.location, hint=f"give types: [{', '.join(sorted(OF_ANY_FORMAT))}]")
    chosen = _chosen(records, wanted, seed, "malformed_records")
    rng = stream(seed, records.source, "malformation")
    values = list(records.values)
    shuffled = rng.permutation(len(chosen))
    for share, how in enumerate(wanted.types):
        places = np.sort(chosen[shuffled % len(wanted.types) == share])
        for i in places.tolist():
            values[i] = malformed(values[i], how, records.schema, rng, wanted.location)
        records.hit[f"malformed_records.{how}"] = places
    records.values = values


def _event_times(records: FaultyRecords, column: str | None) -> Int64s | None:
    """The event time of each record in milliseconds, NULL as that of the record before it."""
    position = None if column is None or not records.aligned else records.schema.index(column)
    if position is None or not pa.types.is_timestamp(records.rows.column(position).type):
        return None
    times = records.rows.column(position).cast(pa.timestamp("us")).cast(pa.int64()).fill_null(np.iinfo(np.int64).min)
    ms: Int64s = np.floor_divide(times.to_numpy(), 1000)
    return ms


def _reorder(records: FaultyRecords, order: Int64s, copies: Bools, kind: str, hit: Bools) -> None:
    """Put the records in a new order, in which some are copies; the faults of a copy are those of its record."""
    values, aligned = records.values, records.aligned
    records.hit = {name: np.flatnonzero(np.isin(order, places) & ~copies) for name, places in records.hit.items()} | {
        kind: np.flatnonzero(hit)
    }
    records.values = [values[i] for i in order.tolist()]
    if aligned:
        records.rows = records.rows.take(pa.array(order))
