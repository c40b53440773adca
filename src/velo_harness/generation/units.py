"""Numbers and times as whole units: every ordered type is generated as int64 units and encoded exactly from them.

A unit is 1 for integers, a cent for DECIMAL(p, 2), a millisecond for TIMESTAMP(3), a day for DATE. For floating-point
fields it is a power of ten that splits their range into about 10**9 steps: values look like numbers a person would
write, and the last bit of a library's logarithm does not show in them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.types import BINARIES, FLOATS, INTEGERS, TIMESTAMPS, SqlType, TypeName, arrow_type

MAX_UNITS = 2**62
"""Units stay within this, so that differences fit an int64."""
FLOAT_STEPS = 9
"""Decimal digits of the steps of a floating-point range."""

_BITS = {TypeName.TINYINT: 8, TypeName.SMALLINT: 16, TypeName.INT: 32, TypeName.BIGINT: 64}
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a field."""

    kind: SqlType
    digits: int = 0
    """Numbers: units in 1 are 10 ** digits."""

    @property
    def per_one(self) -> float:
        """Units in 1."""
        return 10.0**self.digits

    @property
    def microseconds(self) -> int:
        """Times: microseconds in a unit."""
        return int(10 ** (6 - self.kind.precision))

    def limits(self) -> tuple[int, int]:
        """The smallest and greatest units that the type holds."""
        kind = self.kind
        if kind.name in _BITS:
            bits = min(_BITS[kind.name], 63)
            return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        if kind.name is TypeName.DECIMAL:
            most = min(10 ** (kind.precision - kind.scale + self.digits) - 1, MAX_UNITS)
            return -most, most
        if kind.name is TypeName.TIME:
            return 0, 86_400 * _MICROSECONDS // self.microseconds - 1
        return -MAX_UNITS, MAX_UNITS

    def of(self, value: Any) -> int:
        """The units of a value as `typed_values.typed_value` gives it; the nearest where the unit is coarser."""
        match value:
            case bool():
                return int(value)
            case datetime():
                return _epoch_microseconds(value) // self.microseconds
            case date():
                return value.toordinal() - date(1970, 1, 1).toordinal()
            case time():
                seconds = (value.hour * 60 + value.minute) * 60 + value.second
                return (seconds * _MICROSECONDS + value.microsecond) // self.microseconds
            case _:
                return round(Decimal(value).scaleb(self.digits))

    def array(self, units: Int64s) -> pa.Array:
        """The Arrow column of these units."""
        kind = self.kind
        if kind.name in INTEGERS:
            return pa.array(units.astype(arrow_type(kind).to_pandas_dtype(), copy=False))
        if kind.name is TypeName.DECIMAL:
            return _decimals(units, self.digits, kind)
        if kind.name in FLOATS:
            return pa.array(self.floats(units), arrow_type(kind))
        if kind.name is TypeName.DATE:
            return pa.array(units.astype(np.int32)).view(pa.date32())
        return pa.array(units * self.microseconds).view(arrow_type(kind))

    def floats(self, units: Int64s) -> Any:
        """Numbers: the units as float64, correctly rounded (a power of ten divides exactly rounded), and finite."""
        if self.digits >= 0:
            return units / self.per_one
        greatest = np.finfo(np.float64).max
        with np.errstate(over="ignore"):
            return np.clip(units * 10.0**-self.digits, -greatest, greatest)


def unit_of(kind: SqlType, low: Any = None, high: Any = None) -> Unit:
    """The unit of a field of `kind` whose values lie between `low` and `high` (floats: their range decides)."""
    if kind.name is TypeName.DECIMAL:
        most = max((abs(Decimal(v)) for v in (low, high) if v is not None), default=Decimal(0))
        whole = max(most.adjusted() + 1, 0) if most else 0
        return Unit(kind, min(kind.scale, 18 - whole))
    if kind.name in FLOATS:
        spread = max(float(high) - float(low), abs(float(low)) * 1e-6, abs(float(high)) * 1e-6)
        return Unit(kind, min(FLOAT_STEPS - math.ceil(math.log10(spread)), 22) if spread > 0 else FLOAT_STEPS)
    return Unit(kind)


def whole_units(values: Any, low: int, high: int) -> Int64s:
    """Fractional units rounded, and set to the ends of a range where they lie beyond it."""
    near = np.rint(np.clip(np.nan_to_num(values, nan=0.0), -float(MAX_UNITS), float(MAX_UNITS))).astype(np.int64)
    units: Int64s = np.clip(near, low, high)  # as integers: a float near 10**18 is not exact
    return units


def is_ordered(kind: SqlType) -> bool:
    """Whether a field of `kind` is generated from units."""
    return kind.name in INTEGERS | FLOATS | TIMESTAMPS | {TypeName.DECIMAL, TypeName.DATE, TypeName.TIME}


def is_bytes(kind: SqlType) -> bool:
    """Whether a field of `kind` holds bytes."""
    return kind.name in BINARIES


def _epoch_microseconds(value: datetime) -> int:
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * _MICROSECONDS + delta.microseconds


def _decimals(units: Int64s, digits: int, kind: SqlType) -> pa.Array:
    """decimal128 is a little-endian 128-bit integer: the units and their sign, side by side."""
    limbs = np.empty((len(units), 2), np.int64)
    limbs[:, 0] = units
    limbs[:, 1] = units >> 63
    made = pa.decimal128(min(kind.precision, 38), kind.scale) if digits == kind.scale else pa.decimal128(38, digits)
    array = pa.Array.from_buffers(made, len(units), [None, pa.py_buffer(limbs)])
    return array if digits == kind.scale else array.cast(arrow_type(kind))
