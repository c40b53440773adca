"""The model of field constraints: how the values of a generated column are made.

A field has at most one *source* of values: an enum, a range (with a distribution), a pattern, a sequence, a time range,
a Faker provider, a reference, a derived expression, a correlation, a probability. The rest (length, unique) limits what
the source gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeAlias

from velo_engine.errors import Location
from velo_harness.yaml_source import YamlScalar


@dataclass(frozen=True, slots=True)
class Enumeration:
    """One of `values`, with these relative weights (none: all alike)."""

    values: tuple[YamlScalar, ...]
    weights: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """Smallest and greatest value, both included; an open end is None. Their texts are typed by the field."""

    minimum: YamlScalar | None = None
    maximum: YamlScalar | None = None


@dataclass(frozen=True, slots=True)
class Length:
    """Smallest and greatest number of characters, bytes or elements."""

    minimum: int = 0
    maximum: int | None = None

    def bounds(self, shortest: int, longest: int) -> tuple[int, int]:
        """Both ends; `shortest` and `longest` are those that hold where it says nothing."""
        low = self.minimum if self.minimum or self.maximum is not None else shortest
        return low, max(longest, low) if self.maximum is None else self.maximum


DEFAULT_EXPONENT = 1.0
"""Of a zipf distribution."""


class Shape(StrEnum):
    """The shapes of distributions."""

    UNIFORM = "uniform"
    NORMAL = "normal"
    LOG_NORMAL = "log_normal"
    ZIPF = "zipf"
    EXPONENTIAL = "exponential"
    RANDOM_WALK = "random_walk"


@dataclass(frozen=True, slots=True)
class Distribution:
    """How values are spread over the range; parameters that are None follow from the range (`generation.numbers`)."""

    shape: Shape
    mean: float | None = None
    """normal and exponential: the mean, before the range cuts."""
    std_dev: float | None = None
    """normal: the standard deviation, before the range cuts."""
    mu: float | None = None
    """log_normal: the mean of the logarithm."""
    sigma: float | None = None
    """log_normal: the standard deviation of the logarithm."""
    exponent: float | None = None
    """zipf: rank k has a weight of k ** -exponent."""
    rate: float | None = None
    """exponential: 1 / mean."""
    drift: float = 0.0
    """random_walk: the mean relative step."""
    volatility: float = 0.01
    """random_walk: the standard deviation of the relative step."""
    start: float | None = None
    """random_walk: the first value of each walk; None: anywhere in the range."""
    group_by: tuple[str, ...] = ()
    """random_walk: one walk for each value of these fields."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A SQL expression over the other fields."""

    expression: str
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: a value of `field` in the rows of `schema` in the same run, for `match_rate` of the rows."""

    schema: str
    field: str
    match_rate: float = 1.0


EPOCH_FORMATS = {"epoch_ms": 1_000, "epoch_s": 1_000_000}
"""Formats of times that are whole numbers, with the microseconds of one."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A time from `start` to before `end`; RFC 3339 or relative to the run's now, as written."""

    start: str
    end: str
    sequential: bool | None = None
    """Times rise from row to row. None: as is usual for the type, see `generation.times`."""
    epoch_ms: bool = False
    """The field is a number of milliseconds since the epoch."""
    format: str | None = None
    """How a time is written: texts by a pattern of DATE_FORMAT, whole numbers as `epoch_ms` or `epoch_s`."""
    jitter_ms: int = 0
    """Each time is moved back by up to so much; rows keep their order, so that times come out of order."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """start, start + step, …"""

    start: Decimal = Decimal(1)
    step: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Correlation:
    """field * factor + offset + noise * a standard normal variable."""

    field: str
    factor: float = 1.0
    offset: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True, slots=True)
class Faker:
    """A Faker provider: `name`, `email`, `company`, …"""

    provider: str


@dataclass(frozen=True, slots=True)
class Custom:
    """A generator that a plugin adds, with what the schema tells it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression that every value matches."""

    expression: str


@dataclass(frozen=True, slots=True)
class Uuid:
    """Random UUIDs: what fields of type uuid have."""


@dataclass(frozen=True, slots=True)
class Probability:
    """How often a boolean is true."""

    of_true: float


OnlySource: TypeAlias = (
    Enumeration
    | Pattern
    | Sequence
    | TimeRange
    | Faker
    | Custom
    | Reference
    | Derived
    | Correlation
    | Probability
    | Uuid
    | None
)


@dataclass(frozen=True, slots=True)
class Seasonality:
    """The rate rises and falls as `1 + amplitude * cos`, once in `period_ms`.

    It is highest `peak_ms` after the start of each period: a multiple of it since the epoch, of weeks since a Monday.
    """

    period_ms: int
    amplitude: float = 0.8
    peak_ms: int = 0


@dataclass(frozen=True, slots=True)
class Bursts:
    """For `length_ms` the rate is `factor` times as high: every `every_ms`, or `count` times somewhere in the range."""

    length_ms: int
    factor: float
    every_ms: int | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Sessions:
    """The rows of an entity come in sessions.

    A session is at most `length_ms` long and its rows stand less than `gap_ms` apart; between two sessions of an entity
    lies more than `gap_ms`.
    """

    entity: tuple[str, ...]
    """The fields whose values tell entities apart."""
    gap_ms: int
    length_ms: int
    events: int = 5
    """Rows of a session, on average."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """When rows come within the range of a time."""

    seasonality: tuple[Seasonality, ...] = ()
    bursts: Bursts | None = None
    sessions: Sessions | None = None


@dataclass(frozen=True, slots=True)
class FieldConstraints:
    """The constraints of one field."""

    source: OnlySource = None
    """What gives the values, when it is not range and distribution."""
    range: Range | None = None
    distribution: Distribution | None = None
    length: Length | None = None
    unique: bool = False
    null_probability: float | None = None
    arrival: Arrival | None = None
    """How times are spread over their range; None: evenly."""
    locations: dict[str, Location] = field(default_factory=dict, compare=False)
    """Places of what is written, by key."""

    def place(self, key: str, otherwise: Location) -> Location:
        """The place of what is written under `key`."""
        return self.locations.get(key, otherwise)

    def fields_used(self) -> Iterator[tuple[str, str]]:
        """Other fields that these name, each with the key that names it."""
        if isinstance(self.source, Derived):
            yield from ((name, "derived") for name in self.source.depends_on)
        if isinstance(self.source, Correlation):
            yield self.source.field, "correlated_with"
        if self.distribution is not None:
            yield from ((name, "distribution") for name in self.distribution.group_by)
        if self.sessions is not None:
            yield from ((name, "sessions") for name in self.sessions.entity)

    @property
    def sessions(self) -> Sessions | None:
        """The sessions of its arrival pattern."""
        return None if self.arrival is None else self.arrival.sessions

    def overridden(self, other: FieldConstraints) -> FieldConstraints:
        """These with `other` put over them: a new source of values replaces the old one, the rest by itself."""
        ranged = other.range is not None or other.distribution is not None
        walks_enum = isinstance(self.source, Enumeration) and other.distribution is not None and other.range is None
        return replace(
            self,
            source=other.source if other.source is not None or (ranged and not walks_enum) else self.source,
            range=other.range if other.range is not None or other.source is not None else self.range,
            distribution=other.distribution if other.distribution or other.source is not None else self.distribution,
            length=other.length or self.length,
            unique=self.unique or other.unique,
            null_probability=self.null_probability if other.null_probability is None else other.null_probability,
            arrival=other.arrival or self.arrival,
            locations=self.locations | other.locations,
        )
