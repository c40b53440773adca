"""The model of `fault_injection`. Rates are shares of an input's records, 0 to 1; times are milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from velo_engine.errors import Location


class Malformation(StrEnum):
    """How a record is malformed."""

    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    INVALID_JSON = "invalid_json"
    OVERFLOW = "overflow"
    EMPTY_RECORD = "empty_record"
    UNEXPECTED_NULL = "unexpected_null"
    INVALID_ENCODING = "invalid_encoding"
    TRUNCATED = "truncated"


class Corruption(StrEnum):
    """How the value of a field is corrupted; the result is still a value of its type."""

    RANDOM_VALUE = "random_value"
    BOUNDARY_VALUE = "boundary_value"
    BIT_FLIP = "bit_flip"
    TRUNCATE = "truncate"
    CASE_CHANGE = "case_change"


@dataclass(frozen=True, slots=True)
class MalformedRecords:
    """Records whose bytes are no longer what the format wants."""

    rate: float
    types: tuple[Malformation, ...]
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Records that come again."""

    rate: float
    max_duplicates: int
    """Copies of a record, at most; at least one."""
    delay_ms: int
    """How long after the record its copies come."""
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class OutOfOrder:
    """Records that come later than they should."""

    rate: float
    max_delay_ms: int | None
    window_size: int | None
    """Records that may overtake one, at most. At least one of the two is given."""
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class FieldCorruption:
    """Values that are wrong."""

    rate: float
    fields: tuple[str, ...]
    """Empty: all to which a type of corruption applies."""
    types: tuple[Corruption, ...]
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class SlowProcessing:
    """Records that keep the job busy."""

    rate: float
    min_delay_ms: int
    max_delay_ms: int
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class BrokerFaults:
    """A broker that goes away and comes back."""

    restart_after: int | None
    """Records that the job has handled before the broker is stopped and started again."""
    drop_connections: int
    """How often all connections are cut, at even distances over the records."""
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """All that `fault_injection` asks for. What is None, or not enabled, is not injected."""

    location: Location = field(compare=False)
    seed: int | None = None
    """None: the run's."""
    enable_dlq: bool | None = None
    """Whether records that cannot be used are set aside; False: the first one ends the job; None: as the SQL says."""
    dlq_max_size: int | None = None
    """Dead letters kept."""
    malformed: MalformedRecords | None = None
    duplicates: Duplicates | None = None
    out_of_order: OutOfOrder | None = None
    corruption: FieldCorruption | None = None
    slow: SlowProcessing | None = None
    broker: BrokerFaults | None = None

    @property
    def hits_records(self) -> bool:
        """Whether anything is done to records."""
        parts = (self.malformed, self.duplicates, self.out_of_order, self.corruption, self.slow)
        return any(part is not None for part in parts)
