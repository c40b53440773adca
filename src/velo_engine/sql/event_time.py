"""The event-time and watermark properties, typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from enum import Enum
from typing import TypeVar

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.sql.durations import parse_duration
from velo_engine.sql.program import Property

E = TypeVar("E", bound=Enum)
T = TypeVar("T")


class WatermarkStrategy(Enum):
    """How the watermark follows the event times that were seen."""

    BOUNDED_OUT_OF_ORDERNESS = "bounded_out_of_orderness"
    """The greatest event time minus `watermark.max_out_of_orderness`."""
    ASCENDING = "ascending"
    """The greatest event time: records arrive in order."""
    PUNCTUATED = "punctuated"
    """Each record carries it."""
    PROCESSING_TIME = "processing_time"
    """The clock."""


class LateDataStrategy(Enum):
    """What becomes of a row for which every window has closed."""

    DROP = "drop"
    DEAD_LETTER = "dead_letter"
    SIDE_OUTPUT = "side_output"
    UPDATE_PREVIOUS = "update_previous"


@dataclass(frozen=True, slots=True)
class EventTimeProperties:
    """The event-time properties as written; None where nothing is. Lengths in milliseconds."""

    field: str | None = None
    """`event.time.field`: the column."""
    format: str | None = None
    """`event.time.format`: iso8601, epoch_millis, epoch_seconds, auto or a pattern."""
    strategy: WatermarkStrategy | None = None
    max_out_of_orderness_ms: int | None = None
    idle_timeout_ms: int | None = None
    allowed_lateness_ms: int | None = None
    late_data: LateDataStrategy | None = None
    locations: Mapping[str, Location] = dataclass_field(default_factory=dict)
    """Where each value is written, by canonical key."""


_STRATEGIES = {
    "bounded": WatermarkStrategy.BOUNDED_OUT_OF_ORDERNESS,
    "bounded_out_of_order": WatermarkStrategy.BOUNDED_OUT_OF_ORDERNESS,
    "ascending_timestamps": WatermarkStrategy.ASCENDING,
    "monotonous": WatermarkStrategy.ASCENDING,
}
_LATE_DATA = {
    "dlq": LateDataStrategy.DEAD_LETTER,
    "dead_letter_queue": LateDataStrategy.DEAD_LETTER,
}


def event_time_properties(written: Mapping[str, Property]) -> EventTimeProperties:
    """The typed values of properties by canonical key. VeloError BAD_PROPERTY for a value that cannot be read."""

    def read(key: str, convert: Callable[[str, Property], T]) -> T | None:
        return convert(key, written[key]) if key in written else None

    return EventTimeProperties(
        field=read("event.time.field", _text),
        format=read("event.time.format", _text),
        strategy=read("watermark.strategy", _strategy),
        max_out_of_orderness_ms=read("watermark.max_out_of_orderness", duration_property),
        idle_timeout_ms=read("watermark.idle_timeout", duration_property),
        allowed_lateness_ms=read("allowed.lateness", duration_property),
        late_data=read("late.data.strategy", _late_data),
        locations={key: found.location for key, found in written.items()},
    )


def duration_property(key: str, found: Property) -> int:
    """The milliseconds of a property. VeloError BAD_PROPERTY when it is not a length of time."""
    try:
        return parse_duration(found.value)
    except ValueError as error:
        raise VeloError(
            ErrorCode.BAD_PROPERTY,
            f"'{key}': {error}",
            location=found.location,
            hint="write a number and a unit, for example '5s', '1 minute' or '500ms'",
        ) from None


def _text(key: str, found: Property) -> str:
    if not found.value.strip():
        raise VeloError(ErrorCode.BAD_PROPERTY, f"'{key}' is empty", location=found.location)
    return found.value.strip()


def _strategy(key: str, found: Property) -> WatermarkStrategy:
    return _choice(key, found, WatermarkStrategy, _STRATEGIES)


def _late_data(key: str, found: Property) -> LateDataStrategy:
    return _choice(key, found, LateDataStrategy, _LATE_DATA)


def _choice(key: str, found: Property, members: type[E], others: Mapping[str, E]) -> E:
    folded = found.value.strip().casefold().replace("-", "_")
    names = {str(member.value): member for member in members}
    if (member := names.get(folded) or others.get(folded)) is not None:
        return member
    raise VeloError(
        ErrorCode.BAD_PROPERTY,
        f"'{key}' cannot be '{found.value}'",
        location=found.location,
        hint=did_you_mean(folded, names, noun="value"),
    )
