"""The columns of one table: what each field's constraints ask for, then nulls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.types import NUMERICS, TIMESTAMPS, SqlType, TypeName, arrow_type, timestamp
from velo_harness import constraints as c
from velo_harness.data_schema import DataField
from velo_harness.generation import arrivals, times
from velo_harness.generation.choices import ROUNDS, distinct, taken, with_nulls
from velo_harness.generation.dependencies import in_order
from velo_harness.generation.derived import evaluate
from velo_harness.generation.drawings import drawing_of, element_counts
from velo_harness.generation.numbers import correlated, numbered, walk_bounds
from velo_harness.generation.randomness import stream
from velo_harness.generation.walks import walk
from velo_harness.row_codes import codes_of
from velo_harness.spec import TimeSimulation

LOCAL = timestamp(3)
"""What times are before they are written as texts."""
RECENT = c.TimeRange("-1h", "now")
"""The range of timestamps that have none."""


@dataclass(frozen=True, slots=True)
class ColumnMaker:
    """Makes the columns of one table."""

    table: str
    """What names the random numbers."""
    records: int
    seed: int
    now: datetime
    zone: ZoneInfo | None
    references: Mapping[str, pa.Table]
    """Rows that foreign keys point into, by schema name."""
    names: tuple[str, ...] = ()
    """What foreign keys into this same table call it."""
    simulations: Mapping[str, TimeSimulation] = field(default_factory=dict)
    """Of fields that time_simulation fills."""

    def columns(self, fields: Sequence[DataField]) -> list[pa.Array]:
        """One column a field, in the fields' order. Errors: as of `generation.generate`."""
        made: dict[str, pa.Array] = {}
        types = {field.name: field.type for field in fields}
        for one in in_order(fields, self.names):
            made[one.name] = self._with_nulls(one, self._values(one, made, types))
        return [made[field.name] for field in fields]

    def _stream(self, one: DataField, purpose: str) -> np.random.Generator:
        return stream(self.seed, self.table, one.name, purpose)

    def _with_nulls(self, one: DataField, values: pa.Array) -> pa.Array:
        share = one.constraints.null_probability
        return with_nulls(values, self._stream(one, "null").random(self.records) < share) if share else values

    def _values(self, one: DataField, made: dict[str, pa.Array], types: Mapping[str, SqlType]) -> pa.Array:
        """What depends on other fields or rows is made at once, everything else is drawn."""
        rng = self._stream(one, "value")
        given, distribution = one.constraints, one.constraints.distribution
        if one.name in self.simulations:
            return self._simulated(one, self.simulations[one.name], made, types)
        match given.source:
            case c.Derived():
                return self._derived(one, given.source, made, types)
            case c.Correlation():
                return self._correlated(rng, one, given.source, made, types)
            case c.Sequence():
                return numbered(given.source, self.records, one.type, given.place("sequence", one.location))
            case c.TimeRange():
                return self._times(rng, one, given.source, made, types)
        if distribution is not None and distribution.shape is c.Shape.RANDOM_WALK:
            bounds = walk_bounds(one.type, given.range)
            groups = self._groups([(types[name], made[name]) for name in distribution.group_by])
            return bounds.unit.array(walk(rng, groups, bounds, distribution))
        if one.type.name in TIMESTAMPS and given.source is None and given.range is None and distribution is None:
            return self._times(rng, one, RECENT, made, types)
        if one.type.name in (TypeName.ROW, TypeName.ARRAY, TypeName.MAP):
            return self._nested(rng, one)
        drawing = drawing_of(one, replace(self, references={**self.references, **self._own_rows(made)}))
        if given.unique:
            return distinct(drawing, self.records, rng, given.place("unique", one.location))
        return drawing(rng, self.records)

    def _derived(
        self, one: DataField, source: c.Derived, made: Mapping[str, pa.Array], types: Mapping[str, SqlType]
    ) -> pa.Array:
        zone = "UTC" if self.zone is None else self.zone.key
        place = one.constraints.place("derived", one.location)
        return evaluate(source.expression, made, types, one.type, now=self.now, time_zone=zone, location=place)

    def _correlated(
        self,
        rng: np.random.Generator,
        one: DataField,
        source: c.Correlation,
        made: Mapping[str, pa.Array],
        types: Mapping[str, SqlType],
    ) -> pa.Array:
        """NULL where the other field is."""
        if types[source.field].name not in NUMERICS:
            message = f'correlated_with needs a number, and "{source.field}" is {types[source.field].as_nullable()}'
            place = one.constraints.place("correlated_with", one.location)
            raise VeloError(ErrorCode.BAD_VALUE, message, location=place)
        other = made[source.field].cast(pa.float64())
        values = correlated(rng, other.fill_null(0.0).to_numpy(), source, one.type, one.constraints.range)
        return with_nulls(values, other.is_null().to_numpy(zero_copy_only=False))

    def _times(
        self,
        rng: np.random.Generator,
        one: DataField,
        given: c.TimeRange,
        made: dict[str, pa.Array],
        types: Mapping[str, SqlType],
    ) -> pa.Array:
        """Times of a range, rising where that is usual."""
        place = one.constraints.place("range", one.constraints.place("timestamp_range", one.location))
        start, end = times.window(given, self.now, self.zone, place)
        rises = times.is_sequential(given, one.type)
        if one.constraints.unique:
            return self._different_times(rng, one, (start, end), rises=rises)
        if one.constraints.sessions is not None:
            instants = self._in_sessions(rng, one, (start, end), made, types, rises=rises)
        else:
            n = self.records
            instants = arrivals.rising(rng, start, end, n) if rises else rng.integers(start, end, n)
            instants = self._by_rate(one, instants, (start, end))
        instants = times.moved_back(self._stream(one, "jitter"), instants, given.jitter_ms)
        if given.format is None:
            return times.encoded(instants, one.type, self.zone)
        return self._written(one, instants, given.format)

    def _written(self, one: DataField, instants: Int64s, form: str) -> pa.Array:
        """The instants as texts or whole numbers."""
        if form in c.EPOCH_FORMATS:
            return pa.array(instants // c.EPOCH_FORMATS[form])
        local = times.encoded(instants, LOCAL, self.zone)
        escaped = form.replace("'", "''")
        text = f"DATE_FORMAT(t, '{escaped}')"
        place = one.constraints.place("format", one.location)
        return evaluate(text, {"t": local}, {"t": LOCAL}, one.type, now=self.now, time_zone="UTC", location=place)

    def _different_times(
        self, rng: np.random.Generator, one: DataField, window: tuple[int, int], *, rises: bool
    ) -> pa.Array:
        def drawing(generator: np.random.Generator, n: int) -> pa.Array:
            return times.encoded(generator.integers(*window, n), one.type, self.zone)

        values = distinct(drawing, self.records, rng, one.constraints.place("unique", one.location))
        return values.sort() if rises else values

    def _simulated(
        self, one: DataField, simulation: TimeSimulation, made: dict[str, pa.Array], types: Mapping[str, SqlType]
    ) -> pa.Array:
        """Times of a time_simulation; an arrival pattern of the field shapes them, too."""
        rng = self._stream(one, "event time")
        window = times.simulated_window(self.records, simulation, self.now, self.zone)
        if one.constraints.sessions is not None:
            instants = self._in_sessions(rng, one, window, made, types, rises=simulation.sequential)
        else:
            instants = self._by_rate(one, times.spaced(rng, self.records, window, simulation), window)
        return times.encoded(times.jittered(rng, instants, simulation), one.type, self.zone)

    def _by_rate(self, one: DataField, instants: Int64s, window: tuple[int, int]) -> Int64s:
        """The instants as the seasons and bursts of the field have them."""
        pattern = one.constraints.arrival
        if pattern is None:
            return instants
        return arrivals.warped(instants, *window, pattern, (self.seed, self.table, one.name))

    def _in_sessions(
        self,
        rng: np.random.Generator,
        one: DataField,
        window: tuple[int, int],
        made: dict[str, pa.Array],
        types: Mapping[str, SqlType],
        *,
        rises: bool,
    ) -> Int64s:
        """Times in sessions; where they rise, the rows of the entities are put into their order."""
        sessions = one.constraints.sessions
        assert sessions is not None
        place = one.constraints.place("sessions", one.constraints.place("arrival", one.location))
        groups = self._groups([(types[name], made[name]) for name in sessions.entity])
        instants = arrivals.in_sessions(rng, groups, *window, sessions, times.unit_of_time(one.type), place)
        if not rises:
            return instants
        order = np.argsort(instants, kind="stable")
        for name in sessions.entity:
            made[name] = taken(made[name], order)
        ordered: Int64s = instants[order]
        return ordered

    def _groups(self, columns: list[tuple[SqlType, pa.Array]]) -> Int64s:
        return codes_of(columns) if columns else np.zeros(self.records, np.int64)

    def _nested(self, rng: np.random.Generator, one: DataField) -> pa.Array:
        """The parts of a row, or the elements of arrays, are a table of their own with its own random numbers."""
        inside = replace(self, table=f"{self.table}.{one.name}", names=(), simulations={})
        made = arrow_type(one.type)
        if one.type.name is TypeName.ROW:
            return pa.StructArray.from_arrays(inside.columns(one.children), fields=list(made))
        counts = element_counts(rng, self.records, one.constraints.length)
        offsets = np.zeros(self.records + 1, np.int32)
        np.cumsum(counts, out=offsets[1:])
        inside = replace(inside, records=int(offsets[-1]))
        if one.type.name is TypeName.MAP:
            keys = inside._keys_of_maps(one, np.repeat(np.arange(self.records), counts))
            values = inside.columns(one.children[1:])[0]
            return pa.MapArray.from_arrays(pa.array(offsets), keys, values).cast(made)
        elements = inside.columns(one.children)
        return pa.ListArray.from_arrays(pa.array(offsets), elements[0]).cast(made)

    def _keys_of_maps(self, one: DataField, owners: Int64s) -> pa.Array:
        """A key for each entry, of the map `owners` says; within a map all differ. Errors: BAD_VALUE."""
        key = one.children[0]
        keys = self.columns([key])[0]
        for number in range(ROUNDS):
            codes = codes_of([(key.type, keys)])
            _, first = np.unique(owners * (int(codes.max(initial=0)) + 1) + codes, return_index=True)
            again = np.setdiff1d(np.arange(len(owners)), first)
            if len(again) == 0:
                return keys
            drawn = replace(self, table=f"{self.table}.{number}", records=len(again)).columns([key])[0]
            places = np.arange(len(owners))
            places[again] = len(owners) + np.arange(len(again))
            keys = taken(pa.concat_arrays([keys, drawn]), places)
        message = "a map needs more different keys than there seem to be"
        hint = "let its length be smaller, or its key have more values"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=one.constraints.place("length", one.location), hint=hint)

    def _own_rows(self, made: Mapping[str, pa.Array]) -> dict[str, pa.Table]:
        """What this table has so far, for foreign keys into itself."""
        return dict.fromkeys(self.names, pa.table(dict(made))) if self.names else {}
