"""JSON records read exactly: nothing is rounded, cut or converted, and nothing is passed over.

The engine's own JSON format reads as Flink reads, which is lenient: it takes `"5"` for 5, rounds a decimal to its
column, cuts fractions of a second, ignores fields that nobody declared. A comparison must see all of this: here each
is a failure of its record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from velo_engine.batch import RowKind
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.base import Decoded, DecodeFailure, in_field, shown, without_failures
from velo_engine.formats.event_times import OPTION_PREFIX
from velo_engine.formats.json_fields import field_decoder
from velo_engine.formats.text_columns import Failures, text_reader
from velo_engine.schema import Column, RowSchema
from velo_engine.types import (
    FLOATS,
    INTEGERS,
    MAX_PRECISION,
    STRINGS,
    TIMESTAMPS,
    SqlType,
    TypeName,
    arrow_type,
)

_MICROSECONDS = 6
"""Digits of a second that are kept."""
_NULL = Raw(b"null")
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_UNREADABLE_NAME = re.compile(r'["\\\x00-\x1f]')
"""msgspec matches names as they stand in the text, where these are escaped."""
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
_GOT = re.compile(r"got `(\w+)`")
_UNKNOWN = re.compile(r"^Object contains unknown field `(.*)`")
_JSON_NAMES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number with a fraction",
    "bool": "true or false",
    "object": "an object",
    "array": "an array",
}
_Build = Callable[[list[Any]], tuple[pa.Array, Failures]]


@dataclass(frozen=True, slots=True)
class _Field:
    """How one member is read."""

    annotation: Any
    default: Any
    build: _Build


class ExactJson:
    """JSON objects to rows of `schema`."""

    def __init__(
        self,
        schema: RowSchema,
        *,
        quoted: Mapping[str, bool],
        ignored: Sequence[str] = (),
        options: Mapping[str, str] | None = None,
    ) -> None:
        """`quoted`: by column whether its values stand in quotes; where nothing is known, as its type is usually
        written. `ignored` members may be there. `options`: `timestamp.format.<column>`.

        Raises VeloError SCHEMA_MISMATCH for a field whose name has quotes, backslashes or control characters."""
        self._schema = schema
        self._fields = [_field(column, quoted.get(column.name), options or {}) for column in schema.columns]
        attributes = [f"c{i}" for i in range(len(schema))]
        members = [(a, f.annotation, f.default) for a, f in zip(attributes, self._fields, strict=True)]
        names = dict(zip(attributes, schema.names, strict=True))
        for i, name in enumerate(dict.fromkeys(ignored)):
            members.append((f"x{i}", Raw, _NULL))
            names[f"x{i}"] = name
        for name in names.values():
            if _UNREADABLE_NAME.search(name):
                raise VeloError(
                    ErrorCode.SCHEMA_MISMATCH, f"records with a field called {shown(name)} cannot be compared"
                )
        record = msgspec.defstruct("Record", members, rename=names, forbid_unknown_fields=True, gc=False)
        self._blank = record()
        self._decode = msgspec.json.Decoder(record).decode
        self._values = [attrgetter(a) for a in attributes]

    def decode(self, messages: Sequence[bytes | None]) -> Decoded:
        """One row a message; what cannot be read exactly is a failure, and its neighbours go on."""
        failures: Failures = {}
        try:
            rows = list(map(self._decode, messages))  # type: ignore[arg-type]
        except (*_UNREADABLE, TypeError):
            rows = [self._read(message, i, failures) for i, message in enumerate(messages)]
        columns = []
        for column, field, values in zip(self._schema.columns, self._fields, self._values, strict=True):
            built, reasons = field.build(list(map(values, rows)))
            columns.append(built)
            for i, reason in reasons.items():
                failures.setdefault(i, in_field(column.name, column.type, reason))
        return without_failures(columns, self._schema, len(rows), failures)

    def _read(self, message: bytes | None, index: int, failures: Failures) -> Any:
        if message is None:
            failures[index] = "the record has no value (a tombstone), which a stream of upserts has"
            return self._blank
        try:
            return self._decode(message)
        except UnicodeDecodeError:
            failures[index] = "not valid UTF-8"
        except msgspec.ValidationError as problem:
            failures[index] = self._refused(str(problem))
        except (msgspec.DecodeError, RecursionError) as problem:
            failures[index] = f"this is no JSON: {shown(message.decode(errors='replace'))} ({problem})"
        return self._blank

    def _refused(self, problem: str) -> str:
        unknown = _UNKNOWN.match(problem)
        if unknown is not None:
            return f'it has a field "{unknown[1]}", which no record before had and nothing declares'
        got = _GOT.search(problem)
        what = problem if got is None else f"the value is {_JSON_NAMES.get(got[1], got[1])}"
        place = _PLACE.search(problem)
        if place is None or not place[1]:
            return f"{what}, not a JSON object" if got is not None else what
        known = self._schema.index(place[1])
        return what if known is None else in_field(place[1], self._schema.types[known], what)


class ExactDebezium:
    """Change events to rows with kinds, each read exactly."""

    def __init__(self, rows: ExactJson) -> None:
        self._rows = rows

    def decode(self, messages: Sequence[bytes | None]) -> Decoded:
        """No, one or two rows a message."""
        changes = changes_of(messages)
        decoded = self._rows.decode(changes.rows)
        at = np.array(changes.positions, np.int64)
        failures = dict(changes.failures)
        for failure in decoded.failures:
            failures.setdefault(int(at[failure.index]), failure.reason)
        return Decoded(
            decoded.table,
            at[decoded.positions],
            tuple(DecodeFailure(i, failures[i]) for i in sorted(failures)),
            np.array(changes.kinds, np.int8)[decoded.positions],
        )


@dataclass(frozen=True, slots=True)
class EventChanges:
    """What change events change: rows as JSON, with their kinds and the positions of their events."""

    rows: Sequence[bytes]
    kinds: Sequence[int]
    positions: Sequence[int]
    failures: Failures
    """By the position of the event."""


def changes_of(messages: Sequence[bytes | None]) -> EventChanges:
    """The rows in change events, `{"before": …, "after": …, "op": "u"}`, as the engine's format debezium-json has them.

    `c` and `r` add, `d` takes back, `u` does both; empty records and tombstones give none.
    """
    failures: Failures = {}
    values: list[bytes] = []
    kinds: list[int] = []
    positions: list[int] = []
    for i, message in enumerate(messages):
        if not message:
            continue
        try:
            event = _event.decode(message).whole()
        except _UNREADABLE as problem:
            failures[i] = f"this is no change event: {shown(message.decode(errors='replace'))} ({problem})"
            continue
        changes = _CHANGES.get(event.op or "")
        if changes is None:
            failures[i] = f"the op of the event is {shown(event.op)}" if event.op else "the event has no op"
            continue
        for name, kind in changes:
            raw = bytes(getattr(event, name))
            if raw == b"null":
                failures[i] = f'the "{name}" of the event is null' + _hint_of(name)
                break
            values.append(raw)
            kinds.append(kind)
            positions.append(i)
    return EventChanges(values, kinds, positions, failures)


class Event(msgspec.Struct):
    """A change event; with its schema beside it, the event is in `payload`."""

    before: Raw = _NULL
    after: Raw = _NULL
    op: str | None = None
    payload: Event | None = None

    def whole(self) -> Event:
        """The event itself."""
        return self if self.payload is None or self.op is not None else self.payload


_event = msgspec.json.Decoder(Event)
_ADDED = (("after", RowKind.INSERT),)
_CHANGES: dict[str, tuple[tuple[str, RowKind], ...]] = {
    "c": _ADDED,
    "r": _ADDED,
    "u": (("before", RowKind.UPDATE_BEFORE), ("after", RowKind.UPDATE_AFTER)),
    "d": (("before", RowKind.DELETE),),
}


def _hint_of(name: str) -> str:
    return "; PostgreSQL needs REPLICA IDENTITY FULL" if name == "before" else ""


def uncut(kind: SqlType) -> SqlType:
    """The type with as many digits of a second as are kept, so that a finer value is not cut to a coarser column."""
    if kind.name in TIMESTAMPS and kind.precision < _MICROSECONDS:
        return SqlType(kind.name, kind.nullable, precision=_MICROSECONDS)
    return kind


def _field(column: Column, quoted: bool | None, options: Mapping[str, str]) -> _Field:
    kind = column.type
    if OPTION_PREFIX + column.name in options:
        own = field_decoder(column, options, tolerant=False)
        return _Field(own.annotation, own.default, own.build)
    if kind.name in STRINGS:
        return _Field(str | None, None, _texts) if quoted is not False else _Field(Raw, _NULL, _tokens_as_text)
    if quoted and (kind.name in INTEGERS | FLOATS or kind.name in (TypeName.DECIMAL, TypeName.BOOLEAN)):
        read = _decimal_reader(kind) if kind.name is TypeName.DECIMAL else text_reader(kind)
        return _Field(str | None, None, lambda values: read(pa.array(values, pa.string())))
    if kind.name in INTEGERS:
        either = int | None if quoted is False else int | str | None
        return _Field(either, None, _integer_builder(kind))
    if kind.name is TypeName.DECIMAL:
        return _Field(Raw, _NULL, _decimal_builder(kind, in_quotes=quoted is not False))
    if kind.name in FLOATS:
        return _Field(float | str | None, None, _float_builder(kind))
    if kind.name is TypeName.BOOLEAN:
        return _Field(bool | None, None, lambda values: (pa.array(values, pa.bool_()), {}))
    if kind.name in TIMESTAMPS:
        return _Field(str | None, None, _time_builder(kind))
    own = field_decoder(column, options, tolerant=False)
    return _Field(own.annotation, own.default, own.build)


def _texts(values: list[Any]) -> tuple[pa.Array, Failures]:
    return pa.array(values, pa.string()), {}


def _tokens_as_text(values: list[Any]) -> tuple[pa.Array, Failures]:
    """Values of mixed or nested JSON types as they are written; a text where no other value was one is refused."""
    tokens = [bytes(value) for value in values]
    failures = {i: "the value is text" for i, token in enumerate(tokens) if token[:1] == b'"'}
    return pa.array([None if t == b"null" else t.decode(errors="replace") for t in tokens], pa.string()), failures


def _integer_builder(kind: SqlType) -> _Build:
    target = arrow_type(kind)

    def build(values: list[Any]) -> tuple[pa.Array, Failures]:
        try:
            return pa.array(values, target), {}
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            return _one_by_one(values, lambda value: pa.array([_whole(value)], target)[0].as_py(), target)

    return build


def _whole(value: int | str) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+", value) is None:
        raise ValueError
    return int(value)


def _float_builder(kind: SqlType) -> _Build:
    target = arrow_type(kind)
    read = text_reader(kind)

    def build(values: list[Any]) -> tuple[pa.Array, Failures]:
        try:
            return pa.array(values, pa.float64()).cast(target, safe=False), {}
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # NaN and the infinities are texts in JSON
            return read(pa.array([None if v is None else str(v) for v in values], pa.string()))

    return build


def _time_builder(kind: SqlType) -> _Build:
    read = text_reader(kind)
    longest = len("2026-01-01T00:00:00.000000")

    def build(values: list[Any]) -> tuple[pa.Array, Failures]:
        text = pa.array(values, pa.string())
        column, failures = read(text)
        if (pc.max(pc.binary_length(text)).as_py() or 0) > longest:
            finer = pc.match_substring_regex(text, r"\.[0-9]{6}[0-9]*[1-9]").fill_null(False)
            for i in np.flatnonzero(finer.to_numpy(zero_copy_only=False)).tolist():
                failures.setdefault(i, f"{shown(str(values[i]))} is finer than a microsecond")
        return column, failures

    return build


def _decimal_builder(kind: SqlType, *, in_quotes: bool) -> _Build:
    read = _decimal_reader(kind)

    def build(values: list[Any]) -> tuple[pa.Array, Failures]:
        tokens = list(map(bytes, values))
        if not any(b'"' in token for token in tokens):
            text = pa.array(tokens, pa.binary()).cast(pa.string())
            return read(pc.if_else(pc.equal(text, "null"), pa.scalar(None, pa.string()), text))
        failures: Failures = {}
        texts: list[str | None] = []
        for i, token in enumerate(tokens):
            is_text = token[:1] == b'"'
            if is_text and not in_quotes:
                failures[i] = "the value is text"
            if is_text:
                texts.append(msgspec.json.decode(token) if in_quotes else None)
            else:
                texts.append(None if token == b"null" else token.decode(errors="replace"))
        column, refused = read(pa.array(texts, pa.string()))
        return column, failures | refused

    return build


def _decimal_reader(kind: SqlType) -> Callable[[pa.Array], tuple[pa.Array, Failures]]:
    target = arrow_type(kind)
    whole = kind.precision - kind.scale
    fraction = rf"(\.[0-9]{{1,{kind.scale}}})?" if kind.scale else ""
    plain = rf"^-?0*[0-9]{{0,{whole}}}{fraction}$"

    def read(text: pa.Array) -> tuple[pa.Array, Failures]:
        longest = pc.max(pc.binary_length(text)).as_py() or 0
        # Arrow's cast wraps around where digits and scale together are more than it has.
        if longest + kind.scale < MAX_PRECISION and pc.all(pc.match_substring_regex(text, plain)).as_py() is not False:
            try:
                return text.cast(target), {}
            except pa.ArrowInvalid:
                pass
        return _one_by_one(text.to_pylist(), lambda value: _exactly(value, kind), target)

    return read


def _exactly(text: str, kind: SqlType) -> Decimal:
    """Raises ValueError when the number has more digits than the type, before or after the point."""
    if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?", text) is None:
        raise ValueError
    number = Decimal(text)
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    while len(digits) > 1 and digits[-1] == 0 and exponent < 0:
        digits, exponent = digits[:-1], exponent + 1
    if number and (-exponent > kind.scale or len(digits) + exponent > kind.precision - kind.scale):
        raise ValueError
    return Decimal((sign, digits, exponent)) if number else Decimal(0)


def _one_by_one(values: list[Any], parse: Callable[[Any], Any], target: pa.DataType) -> tuple[pa.Array, Failures]:
    found: list[Any] = []
    failures: Failures = {}
    for i, value in enumerate(values):
        try:
            found.append(None if value is None else parse(value))
        except (ValueError, OverflowError, InvalidOperation, pa.ArrowInvalid):
            found.append(None)
            failures[i] = f"{shown(str(value))} does not fit"
    return pa.array(found, target), failures
