"""A table of generated rows: a schema, what an input puts over it, and the event times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pyarrow as pa

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.types import TIMESTAMPS, TypeName
from velo_harness.constraint_checks import check_constraints
from velo_harness.constraints import Derived, FieldConstraints, Reference, TimeRange
from velo_harness.data_schema import DataField, DataSchema
from velo_harness.generation.columns import ColumnMaker
from velo_harness.keys import bad_value
from velo_harness.spec import TimeSimulation


@dataclass(frozen=True, slots=True)
class TimePlan:
    """How the event times of one table run."""

    simulation: TimeSimulation
    field: str | None = None
    """The field that holds them; None: the first timestamp of the schema."""


def generate(
    schema: DataSchema,
    *,
    records: int,
    seed: int,
    now: datetime,
    name: str | None = None,
    overrides: Mapping[str, FieldConstraints] | None = None,
    null_probability: float | None = None,
    references: Mapping[str, pa.Table] | None = None,
    event_times: TimePlan | None = None,
    zone: ZoneInfo | None = None,
    location: Location | None = None,
) -> pa.Table:
    """`records` rows of a schema: columns under the users' names, in `velo_engine.types` form.

    `now` is the instant that relative times start from. `name` (default: the schema's) chooses the random numbers
    together with `seed`. `overrides` are put over the fields' constraints, `null_probability` holds for fields that the
    schema declares nullable and that have none of their own. `references` are the rows that foreign keys point into, by
    schema name. `zone` is the job's time zone (None: UTC). `location` is where the caller asks for it, for errors.

    Errors: BAD_VALUE, UNKNOWN_COLUMN, UNKNOWN_SCHEMA, EMPTY_INPUT, EXPRESSION_FAILED, NOT_YET_SUPPORTED.
    """
    _check_overrides(schema, overrides or {}, null_probability, location)
    fields = [_overridden(field, overrides or {}, null_probability, location) for field in schema.fields]
    table = name or schema.name
    simulations: dict[str, TimeSimulation] = {}
    if event_times is not None:
        simulations[_event_time_field(fields, event_times, location)] = event_times.simulation
    own_names = tuple(
        {f.constraints.source.schema for f in fields if isinstance(f.constraints.source, Reference)}
        & {table, schema.name} - set(references or {})
    )
    maker = ColumnMaker(table, records, seed, now, zone, references or {}, own_names, simulations)
    return pa.table(maker.columns(fields), schema=schema.row_schema().arrow())


def _overridden(
    field: DataField, overrides: Mapping[str, FieldConstraints], nulls: float | None, location: Location | None
) -> DataField:
    """The field as this input has it."""
    constraints = field.constraints
    if field.name in overrides:
        override = overrides[field.name]
        constraints = constraints.overridden(override)
        place = next(iter(override.locations.values()), location or field.location)
        check_constraints(constraints, field.type, place)
        if constraints.null_probability and not field.type.nullable:
            raise bad_value(f'the field "{field.name}" is not nullable', place)
    if nulls is not None and field.declared_nullable and constraints.null_probability is None:
        constraints = replace(constraints, null_probability=nulls)
    return replace(field, constraints=constraints)


def _check_overrides(
    schema: DataSchema, overrides: Mapping[str, FieldConstraints], nulls: float | None, location: Location | None
) -> None:
    names = [field.name for field in schema.fields]
    for name, override in overrides.items():
        if name not in names:
            place = next(iter(override.locations.values()), location)
            message, hint = f'the schema "{schema.name}" has no field "{name}"', did_you_mean(name, names, noun="field")
            raise VeloError(ErrorCode.UNKNOWN_COLUMN, message, location=place, hint=hint)
    if nulls and not any(field.declared_nullable for field in schema.fields):
        message = f'null_probability has no effect: no field of "{schema.name}" says nullable: true'
        raise VeloError(ErrorCode.BAD_VALUE, message, location=location)


def _event_time_field(fields: list[DataField], event_times: TimePlan, location: Location | None) -> str:
    """The field whose values time_simulation makes."""
    candidates = [field.name for field in fields if _holds_instants(field)]
    if event_times.field is None and candidates:
        return candidates[0]
    if event_times.field in candidates:
        return event_times.field
    message = "time_simulation has no field to fill: no field is a timestamp"
    if event_times.field is not None:
        message = f'time_simulation cannot fill "{event_times.field}": it is neither a timestamp nor timestamp_epoch_ms'
    raise VeloError(ErrorCode.BAD_VALUE, message, location=location)


def _holds_instants(field: DataField) -> bool:
    source = field.constraints.source
    if field.type.name in TIMESTAMPS:
        return not isinstance(source, Derived)
    return (isinstance(source, TimeRange) and source.epoch_ms) or (
        field.type.name is TypeName.BIGINT and field.constraints == FieldConstraints()
    )
