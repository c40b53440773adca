"""Whether the constraints of a field fit its type: every constraint has its effect, or is an error."""

from __future__ import annotations

from velo_engine.errors import Location
from velo_engine.types import BINARIES, FLOATS, NUMERICS, STRINGS, TIMESTAMPS, SqlType, TypeName
from velo_harness.constraints import (
    EPOCH_FORMATS,
    Correlation,
    Custom,
    Derived,
    Distribution,
    Enumeration,
    Faker,
    FieldConstraints,
    Pattern,
    Probability,
    Reference,
    Sequence,
    Shape,
    TimeRange,
    Uuid,
)
from velo_harness.keys import bad_value
from velo_harness.typed_values import typed_value
from velo_harness.yaml_source import YamlScalar

_RANGED = NUMERICS | TIMESTAMPS | {TypeName.DATE, TypeName.TIME}
_NESTED = frozenset({TypeName.ARRAY, TypeName.MAP, TypeName.ROW})
_SCALARS = frozenset(TypeName) - _NESTED

_SOURCE_TYPES: dict[type, tuple[str, frozenset[TypeName]]] = {
    Enumeration: ("enum", _SCALARS),
    Pattern: ("pattern", STRINGS),
    Sequence: ("sequence", NUMERICS | STRINGS),
    TimeRange: ("start", TIMESTAMPS | {TypeName.DATE}),
    Faker: ("faker", STRINGS),
    Custom: ("generator", _SCALARS),
    Reference: ("references", _SCALARS),
    Derived: ("derived", _SCALARS),
    Correlation: ("correlated_with", NUMERICS),
    Probability: ("probability", frozenset({TypeName.BOOLEAN})),
    Uuid: ("type", STRINGS),
}


def check_constraints(constraints: FieldConstraints, kind: SqlType, type_place: Location) -> None:
    """Refuses constraints that have no effect on, or values that are not of, the type `kind`. Errors: BAD_VALUE."""
    places = constraints.locations

    def refuse(name: str) -> None:
        message = f"{name} has no effect on a field of type {kind.as_nullable()}"
        raise bad_value(message, places.get(name, type_place))

    _check_source(constraints, kind, type_place)
    _check_arrival(constraints, kind, type_place)
    if constraints.range is not None:
        if kind.name not in _RANGED:
            refuse("range" if "range" in places else "min" if "min" in places else "max")
        _check_bounds(constraints.range.minimum, constraints.range.maximum, kind)
    if constraints.distribution is not None and not isinstance(constraints.source, Enumeration):
        walks = constraints.distribution.shape is Shape.RANDOM_WALK
        parameters = constraints.distribution != Distribution(constraints.distribution.shape)
        if kind.name not in (NUMERICS if walks or parameters else _RANGED):
            refuse("distribution")
    if constraints.length is not None:
        limited = kind.name in STRINGS | BINARIES | {TypeName.ARRAY, TypeName.MAP}
        if not limited or isinstance(constraints.source, Enumeration | Derived | Reference | Sequence):
            refuse(next(name for name in ("length", "min_length", "max_length") if name in places))
    walks = constraints.distribution is not None and constraints.distribution.shape is Shape.RANDOM_WALK
    written = isinstance(constraints.source, TimeRange) and (constraints.source.format or constraints.source.jitter_ms)
    if constraints.unique and (
        walks
        or written
        or kind.name in _NESTED | {TypeName.BOOLEAN}
        or isinstance(constraints.source, Derived | Correlation | Probability)
    ):
        refuse("unique")


def _check_arrival(constraints: FieldConstraints, kind: SqlType, type_place: Location) -> None:
    if constraints.arrival is None:
        return
    name = next(key for key in ("arrival", "seasonality", "bursts", "sessions") if key in constraints.locations)
    place, source = constraints.place(name, type_place), constraints.source
    epoch_ms = isinstance(source, TimeRange) and source.epoch_ms
    if not epoch_ms and kind.name not in TIMESTAMPS:
        raise bad_value(f"{name} has no effect on a field of type {kind.as_nullable()}", place)
    if not (source is None or isinstance(source, TimeRange)) or constraints.range or constraints.distribution:
        hint = "give the range of the times as start and end"
        raise bad_value(f"{name} has no effect on times that are not spread from start to end", place, hint=hint)
    if constraints.unique:
        raise bad_value(f'"unique" has no effect beside "{name}"', constraints.place("unique", place))


def _check_source(constraints: FieldConstraints, kind: SqlType, type_place: Location) -> None:
    source = constraints.source
    if source is None:
        return
    name, fitting = _SOURCE_TYPES[type(source)]
    if isinstance(source, TimeRange) and source.epoch_ms:
        name, fitting = "timestamp_epoch_ms", frozenset({TypeName.BIGINT})
    elif isinstance(source, TimeRange) and source.format is not None:
        name, fitting = "format", frozenset({TypeName.BIGINT}) if source.format in EPOCH_FORMATS else STRINGS
    place = constraints.locations.get(name, constraints.locations.get("timestamp_range", type_place))
    if kind.name not in fitting:
        raise bad_value(f"{name} has no effect on a field of type {kind.as_nullable()}", place)
    if isinstance(source, Enumeration):
        for value in source.values:
            typed_value(value, kind)
    if isinstance(source, Sequence) and kind.name not in FLOATS | {TypeName.DECIMAL}:
        for number in (source.start, source.step):
            if number != int(number):
                raise bad_value(f"a sequence of {kind.as_nullable()} has whole numbers", place)


def _check_bounds(minimum: YamlScalar | None, maximum: YamlScalar | None, kind: SqlType) -> None:
    low = None if minimum is None else typed_value(minimum, kind)
    high = None if maximum is None else typed_value(maximum, kind)
    for value, node in ((low, minimum), (high, maximum)):
        if isinstance(value, float) and value - value != 0 and node is not None:
            raise bad_value("the end of a range must be finite", node.location)
    if low is not None and high is not None and low > high and minimum is not None:
        raise bad_value("the smallest value is greater than the greatest", minimum.location)
