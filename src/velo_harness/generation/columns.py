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
from velo_engine.types import NUMERICS, TIMESTAMPS, SqlType, TypeName, arrow_type
from velo_harness import constraints as c
from velo_harness.data_schema import DataField
from velo_harness.generation import times
from velo_harness.generation.choices import distinct, with_nulls
from velo_harness.generation.dependencies import in_order
from velo_harness.generation.derived import evaluate
from velo_harness.generation.drawings import drawing_of, element_counts
from velo_harness.generation.numbers import correlated, numbered, walk_bounds
from velo_harness.generation.randomness import stream
from velo_harness.generation.walks import walk
from velo_harness.row_codes import codes_of

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
    event_times: Mapping[str, Int64s] = field(default_factory=dict)
    """Instants (microseconds) of fields that time_simulation fills."""

    def columns(self, fields: Sequence[DataField]) -> list[pa.Array]:
        """One column a field, in the fields' order. Errors: as of `generation.generate`."""
        made: dict[str, pa.Array] = {}
        types = {field.name: field.type for field in fields}
        for one in in_order(fields):
            made[one.name] = self._with_nulls(one, self._values(one, made, types))
        return [made[field.name] for field in fields]

    def _stream(self, one: DataField, purpose: str) -> np.random.Generator:
        return stream(self.seed, self.table, one.name, purpose)

    def _with_nulls(self, one: DataField, values: pa.Array) -> pa.Array:
        share = one.constraints.null_probability
        return with_nulls(values, self._stream(one, "null").random(self.records) < share) if share else values

    def _values(self, one: DataField, made: Mapping[str, pa.Array], types: Mapping[str, SqlType]) -> pa.Array:
        """What depends on other fields or rows is made at once, everything else is drawn."""
        rng = self._stream(one, "value")
        given, distribution = one.constraints, one.constraints.distribution
        if one.name in self.event_times:
            return times.encoded(self.event_times[one.name], one.type, self.zone)
        match given.source:
            case c.Derived():
                return self._derived(one, given.source, made, types)
            case c.Correlation():
                return self._correlated(rng, one, given.source, made, types)
            case c.Sequence():
                return numbered(given.source, self.records, one.type, given.place("sequence", one.location))
            case c.TimeRange():
                return self._times(rng, one, given.source)
        if distribution is not None and distribution.shape is c.Shape.RANDOM_WALK:
            bounds = walk_bounds(one.type, given.range)
            groups = self._groups([(types[name], made[name]) for name in distribution.group_by])
            return bounds.unit.array(walk(rng, groups, bounds, distribution))
        if one.type.name in TIMESTAMPS and given.source is None and given.range is None and distribution is None:
            return self._times(rng, one, RECENT)
        if one.type.name in (TypeName.ROW, TypeName.ARRAY):
            return self._nested(rng, one)
        drawing = drawing_of(one, self)
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

    def _times(self, rng: np.random.Generator, one: DataField, given: c.TimeRange) -> pa.Array:
        """Times of a range, rising where that is usual."""
        place = one.constraints.place("range", one.constraints.place("timestamp_range", one.location))
        start, end = times.window(given, self.now, self.zone, place)

        def drawing(generator: np.random.Generator, n: int) -> pa.Array:
            return times.encoded(generator.integers(start, end, n), one.type, self.zone)

        unique = one.constraints.unique
        values = distinct(drawing, self.records, rng, place) if unique else drawing(rng, self.records)
        return values.sort() if times.is_sequential(given, one.type) else values

    def _groups(self, columns: list[tuple[SqlType, pa.Array]]) -> Int64s:
        return codes_of(columns) if columns else np.zeros(self.records, np.int64)

    def _nested(self, rng: np.random.Generator, one: DataField) -> pa.Array:
        """The parts of a row, or the elements of arrays, are a table of their own with its own random numbers."""
        inside = replace(self, table=f"{self.table}.{one.name}", event_times={})
        made = arrow_type(one.type)
        if one.type.name is TypeName.ROW:
            return pa.StructArray.from_arrays(inside.columns(one.children), fields=list(made))
        counts = element_counts(rng, self.records, one.constraints.length)
        offsets = np.zeros(self.records + 1, np.int32)
        np.cumsum(counts, out=offsets[1:])
        elements = replace(inside, records=int(offsets[-1])).columns(one.children)
        return pa.ListArray.from_arrays(pa.array(offsets), elements[0]).cast(made)
