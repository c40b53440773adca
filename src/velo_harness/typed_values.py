"""The value of a data literal once the column's type is known: text against a SQL type, rows against a schema.

Naive times of TIMESTAMP_LTZ columns, and offsets in times of TIMESTAMP columns, mean the job's time zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.schema import RowSchema
from velo_engine.types import BINARIES, FLOATS, STRINGS, TIMESTAMPS, SqlType, TypeName, arrow_type
from velo_harness.keys import bad_value, shown
from velo_harness.scalars import BOOLEANS, float_of, is_null
from velo_harness.spec import RowLiteral
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlScalar, YamlSequence

_DIGITS = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?")
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?)\s*(Z|[-+][0-9]{2}:?[0-9]{2})?)?"
)
_BITS = {TypeName.TINYINT: 8, TypeName.SMALLINT: 16, TypeName.INT: 32, TypeName.BIGINT: 64}
_BITS |= {TypeName.INTERVAL_DAY_TIME: 64, TypeName.INTERVAL_YEAR_MONTH: 64}


def typed_value(node: YamlNode, kind: SqlType, zone: ZoneInfo | None = None) -> Any:
    """The Python value that stands for `node` in a column of `kind`, as `velo_engine.types.arrow_type` takes it.

    None for null. `zone` is the job's time zone (None: UTC). Errors: BAD_VALUE at the node.
    """
    if is_null(node):
        if not kind.nullable:
            raise bad_value(f"null does not fit {kind}", node.location)
        return None
    match kind.name:
        case TypeName.ARRAY | TypeName.MAP | TypeName.MULTISET | TypeName.ROW:
            return _nested(node, kind, zone)
        case _ if isinstance(node, YamlScalar):
            return _scalar(node, kind, zone)
        case _:
            raise _does_not_fit(node, kind)


def table_of(rows: Sequence[RowLiteral], schema: RowSchema, zone: ZoneInfo | None = None) -> pa.Table:
    """Literal rows as a table with the columns of `schema`; a column that a row leaves out is null.

    Errors: UNKNOWN_COLUMN, BAD_VALUE at the value.
    """
    names = set(schema.names)
    for row in rows:
        for name in row.values:
            if name not in names:
                hint, place = did_you_mean(name, names, noun="column"), row.place_of(name)
                raise VeloError(ErrorCode.UNKNOWN_COLUMN, f'unknown column "{name}"', location=place, hint=hint)
    arrays = []
    for column in schema.columns:
        values = []
        for row in rows:
            given = row.values.get(column.name)
            if given is None and not column.type.nullable:
                raise bad_value(f'the row has no value for "{column.name}", which may not be null', row.location)
            values.append(None if given is None else typed_value(given, column.type, zone))
        arrays.append(pa.array(values, arrow_type(column.type)))
    return pa.table(arrays, schema=schema.arrow())


def _does_not_fit(node: YamlNode, kind: SqlType, why: str = "") -> VeloError:
    return bad_value(
        f"{shown(node)} is not a value of {kind.as_nullable()}" + (f": {why}" if why else ""), node.location
    )


def _scalar(node: YamlScalar, kind: SqlType, zone: ZoneInfo | None) -> Any:
    if kind.name in STRINGS:
        return _text(node, kind)
    if kind.name in BINARIES:
        return _bytes(node, kind)
    if kind.name in FLOATS:
        value = float_of(node.text)
        if value is None:
            raise _does_not_fit(node, kind)
        return value
    if kind.name in _BITS:
        return _integer(node, kind)
    if kind.name in TIMESTAMPS:
        return _timestamp(node, kind, zone)
    return _OTHERS[kind.name](node, kind)


def _text(node: YamlScalar, kind: SqlType) -> str:
    if len(node.text) > kind.length:
        raise _does_not_fit(node, kind, f"it has {len(node.text)} characters")
    return node.text


def _bytes(node: YamlScalar, kind: SqlType) -> bytes:
    if not node.text.startswith("0x"):
        return node.text.encode()
    try:
        return bytes.fromhex(node.text[2:])
    except ValueError:
        raise _does_not_fit(node, kind, "after 0x come pairs of hexadecimal digits") from None


def _integer(node: YamlScalar, kind: SqlType) -> int:
    bits = _BITS[kind.name]
    if not _DIGITS.fullmatch(node.text) or not -(2 ** (bits - 1)) <= (value := int(node.text)) < 2 ** (bits - 1):
        raise _does_not_fit(node, kind)
    return value


def _decimal(node: YamlScalar, kind: SqlType) -> Decimal:
    """The exact value; zeros beyond the scale are dropped, other digits there are refused."""
    if not _NUMBER.fullmatch(node.text):
        raise _does_not_fit(node, kind)
    value = Decimal(node.text)
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    while exponent < 0 and digits and digits[-1] == 0:
        digits, exponent = digits[:-1], exponent + 1
    if -exponent > kind.scale:
        raise _does_not_fit(node, kind, f"it has {-exponent} digits after the point")
    if any(digits) and value.adjusted() + 1 > kind.precision - kind.scale:
        raise _does_not_fit(node, kind, f"it has more than {kind.precision - kind.scale} digits before the point")
    return value


def _boolean(node: YamlScalar, kind: SqlType) -> bool:
    if node.text not in BOOLEANS:
        raise _does_not_fit(node, kind)
    return BOOLEANS[node.text]


def _date(node: YamlScalar, kind: SqlType) -> date:
    try:
        return date.fromisoformat(node.text)
    except ValueError:
        raise _does_not_fit(node, kind, "a date is written 2024-12-31") from None


def _time(node: YamlScalar, kind: SqlType) -> time:
    value = _clock(node.text)
    if value is None:
        raise _does_not_fit(node, kind, "a time is written 12:30:00")
    return value


_OTHERS: dict[TypeName, Callable[[YamlScalar, SqlType], Any]] = {
    TypeName.BOOLEAN: _boolean,
    TypeName.DECIMAL: _decimal,
    TypeName.DATE: _date,
    TypeName.TIME: _time,
}


def _clock(text: str) -> time | None:
    """A time of day with at most microseconds, or None."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    fraction = (found[4] or "").ljust(9, "0")
    try:
        value = time(int(found[1]), int(found[2]), int(found[3] or 0), int(fraction[:6]))
    except ValueError:
        return None
    return value if fraction[6:] == "000" else None


def _timestamp(node: YamlScalar, kind: SqlType, zone: ZoneInfo | None) -> datetime:
    """A naive datetime: of the zone for TIMESTAMP, of UTC for TIMESTAMP_LTZ."""
    parsed = parse_timestamp(node.text)
    if parsed is None:
        raise _does_not_fit(node, kind, "a timestamp is written 2024-12-31 12:30:00, with Z or an offset if need be")
    local = zone or UTC
    if kind.name is TypeName.TIMESTAMP:
        return parsed if parsed.tzinfo is None else parsed.astimezone(local).replace(tzinfo=None)
    aware = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=local)
    return aware.astimezone(UTC).replace(tzinfo=None)


def parse_timestamp(text: str) -> datetime | None:
    """An RFC 3339 or SQL timestamp (or a date: its midnight), naive when it has no offset; None when it is neither."""
    found = _TIMESTAMP.fullmatch(text)
    clock = _clock(found[2] or "00:00") if found else None
    if found is None or clock is None:
        return None
    try:
        moment = datetime.combine(date.fromisoformat(found[1]), clock)
        return moment if found[3] is None else datetime.fromisoformat(moment.isoformat() + found[3])
    except ValueError:
        return None


def _nested(node: YamlNode, kind: SqlType, zone: ZoneInfo | None) -> Any:
    if kind.name is TypeName.ARRAY and isinstance(node, YamlSequence):
        assert kind.element is not None
        return [typed_value(item, kind.element, zone) for item in node.items]
    if not isinstance(node, YamlMapping) or kind.name is TypeName.ARRAY:
        raise _does_not_fit(node, kind)
    if kind.name is TypeName.ROW:
        return _row(node, kind, zone)
    assert kind.element is not None
    key_type = kind.key if kind.name is TypeName.MAP else kind.element
    value_type = kind.element if kind.name is TypeName.MAP else SqlType(TypeName.INT, nullable=False)
    assert key_type is not None
    return [(typed_value(key, key_type, zone), typed_value(value, value_type, zone)) for key, value in node.entries]


def _row(node: YamlMapping, kind: SqlType, zone: ZoneInfo | None) -> dict[str, Any]:
    types = dict(kind.fields)
    for key, _ in node.entries:
        if key.text not in types:
            hint = did_you_mean(key.text, types, noun="field")
            message = f'unknown field "{key.text}"'
            raise VeloError(ErrorCode.UNKNOWN_COLUMN, message, location=key.location, hint=hint)
    given = {key.text: value for key, value in node.entries}
    return {name: typed_value(given[name], child, zone) if name in given else None for name, child in kind.fields}
