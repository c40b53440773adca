"""JSON values to columns, one field decoder a type.

Each knows three things: the type that msgspec decodes strictly and fast (`annotation`), how a value of another JSON
type is taken as Flink takes it (`lenient`, one value at a time: numbers from strings, strings from numbers, …), and how
a list of decoded values becomes a column (`build`). Numbers for decimal columns stay text (`msgspec.Raw`) until Arrow
casts them, so they never pass through a float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any, Protocol

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats import cells
from velo_engine.formats.base import in_field, shown
from velo_engine.formats.event_times import event_time_reader
from velo_engine.formats.json_tree import tree_text
from velo_engine.formats.text_columns import Failures, TextReader, read_values, refused, text_reader
from velo_engine.schema import Column
from velo_engine.types import BINARIES, FLOATS, INT, STRINGS, TEMPORALS, SqlType, TypeName, arrow_type

JSON_NULL = b"null"


class FieldDecoder(Protocol):
    """How the values of one JSON field become a column."""

    annotation: Any
    """The type for msgspec; values of it and None for null (`Raw` null for decimals) come to `build`."""
    default: Any
    """What a missing field is."""

    def lenient(self, raw: bytes) -> Any:
        """The value of the JSON text `raw`, in the form that `build` takes. Raises ValueError: the reason, complete."""

    def build(self, values: list[Any]) -> tuple[pa.Array, Failures]:
        """The column, and the reason for each value that has no meaning in it (NULL there)."""


def field_decoder(column: Column, options: Mapping[str, str], *, tolerant: bool) -> FieldDecoder:
    """The decoder for one top-level column. To a `tolerant` one, a value without meaning in the column is NULL."""
    reader = event_time_reader(column, options)
    if reader is None:
        return _decoder_for(column.type, tolerant)
    return _TolerantField(_TokenField(reader)) if tolerant else _TokenField(reader)


def _decoder_for(t: SqlType, tolerant: bool) -> FieldDecoder:
    decoder = _strict_decoder(t, tolerant)
    return _TolerantField(decoder) if tolerant else decoder


def _strict_decoder(t: SqlType, tolerant: bool) -> FieldDecoder:
    """The decoder of `t`; with `tolerant` ones for the values within."""
    match t:
        case SqlType(name=name) if name in cells.INTEGER_BITS:
            return _IntegerField(t)
        case SqlType(name=name) if name in FLOATS:
            return _FloatField(t)
        case SqlType(name=TypeName.BOOLEAN):
            return _BooleanField()
        case SqlType(name=name) if name in STRINGS:
            return _StringField()
        case SqlType(name=TypeName.DECIMAL):
            return _TokenField(text_reader(t))
        case SqlType(name=name) if name in TEMPORALS:
            return _TextField(text_reader(t))
        case SqlType(name=name) if name in BINARIES:
            return _BinaryField(text_reader(t))
        case SqlType(name=TypeName.ROW):
            return RowField([(name, child, _decoder_for(child, tolerant)) for name, child in t.fields])
        case SqlType(name=TypeName.ARRAY, element=SqlType() as element):
            return _ArrayField(_decoder_for(element, tolerant), arrow_type(t))
        case SqlType(name=TypeName.MAP, key=SqlType() as key, element=SqlType() as element):
            return _MapField(key, _decoder_for(element, tolerant), t)
        case SqlType(name=TypeName.MULTISET, element=SqlType() as element):
            return _MapField(element, _decoder_for(INT, tolerant), t)
        case _:
            raise VeloError(ErrorCode.BAD_PROPERTY, f"the json format cannot carry {t}")


def token_text(raw: bytes) -> str:
    """The text of a JSON scalar: of a string its content, else the token. Raises ValueError for an array or object."""
    first = raw[:1]
    if first == b'"':
        text: str = msgspec.json.decode(raw)
        return text
    if first in (b"[", b"{"):
        raise ValueError(f"{shown(raw.decode(errors='replace'))} is an {'array' if first == b'[' else 'object'}")
    return raw.decode()


def _parsed(text: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(text)
    except ValueError as problem:
        raise ValueError(refused(text, problem)) from None


class _TolerantField:
    """Another decoder, to which a value that it cannot take is null. Source: Flink's `json.ignore-parse-errors`."""

    def __init__(self, strict: FieldDecoder) -> None:
        self.annotation = strict.annotation
        self.default = strict.default
        self._strict = strict

    def lenient(self, raw: bytes) -> Any:
        try:
            return self._strict.lenient(raw)
        except ValueError:
            return self.default

    def build(self, values: list[Any]) -> tuple[pa.Array, Failures]:
        return self._strict.build(values)[0], {}


class _IntegerField:
    """Numbers, or strings that hold one (Flink takes both, so both are fast)."""

    def __init__(self, t: SqlType) -> None:
        self.annotation = int | str | None
        self.default = None
        self._type = t
        self._bits = cells.INTEGER_BITS[t.name]
        self._reader = text_reader(t)

    def lenient(self, raw: bytes) -> int | None:
        if raw == JSON_NULL:
            return None
        text = token_text(raw)
        # Jackson gives INT and BIGINT the whole part of a number; TINYINT and SMALLINT are parsed as texts.
        if raw[:1] in b"-0123456789" and self._bits >= 32:
            return int(_parsed(text, lambda token: cells.truncated_integer(token, self._bits)))
        return int(_parsed(text, lambda token: cells.parse_integer(token, self._bits)))

    def build(self, values: list[Any]) -> tuple[pa.Array, Failures]:
        try:
            return pa.array(values, arrow_type(self._type)), {}
        except (pa.ArrowInvalid, OverflowError):
            return _texts_or_values(values, self._reader, self._value, self._type)

    def _value(self, value: int | str) -> int:
        return cells.parse_integer(value, self._bits) if isinstance(value, str) else cells.in_range(value, self._bits)


class _FloatField:
    """Numbers, or strings that hold one."""

    def __init__(self, t: SqlType) -> None:
        self.annotation = float | str | None
        self.default = None
        self._type = t
        self._reader = text_reader(t)

    def lenient(self, raw: bytes) -> float | None:
        return None if raw == JSON_NULL else float(_parsed(token_text(raw), cells.parse_float))

    def build(self, values: list[Any]) -> tuple[pa.Array, Failures]:
        try:
            return pa.array(values, pa.float64()).cast(arrow_type(self._type), safe=False), {}
        except pa.ArrowInvalid:
            return _texts_or_values(values, self._reader, self._value, self._type)

    def _value(self, value: float | str) -> float:
        return cells.parse_float(value) if isinstance(value, str) else value


def _texts_or_values(
    values: list[Any], reader: TextReader, parse: Callable[[Any], Any], t: SqlType
) -> tuple[pa.Array, Failures]:
    """A column of strings as a text column, one of strings and numbers value by value."""
    try:
        texts = pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return read_values(values, parse, t)
    return reader(texts)


class _BooleanField:
    def __init__(self) -> None:
        self.annotation = bool | None
        self.default = None

    def lenient(self, raw: bytes) -> bool | None:
        return None if raw == JSON_NULL else cells.parse_boolean(token_text(raw))

    def build(self, values: list[Any]) -> tuple[pa.Array, Failures]:
        return pa.array(values, pa.bool_()), {}


class _StringField:
    def __init__(self) -> None:
        self.annotation = str | None
        self.default = None

    def lenient(self, raw: bytes) -> str | None:
        if raw == JSON_NULL:
            return None
        return tree_text(raw) if raw[:1] in b"[{" else token_text(raw)

    def build(self, values: list[Any]) -> tuple[pa.Array, Failures]:
        return pa.array(values, pa.string()), {}


class _TextField:
    """Dates, times and timestamps: JSON strings, read as text columns."""

    def __init__(self, reader: TextReader) -> None:
        self.annotation = str | None
        self.default = None
        self._reader = reader

    def lenient(self, raw: bytes) -> str | None:
        return None if raw == JSON_NULL else token_text(raw)

    def build(self, values: list[Any]) -> tuple[pa.Array, Failures]:
        return self._reader(pa.array(values, pa.string()))


class _BinaryField(_TextField):
    def lenient(self, raw: bytes) -> str | None:
        if raw != JSON_NULL and raw[:1] != b'"':
            raise ValueError(f"{shown(raw.decode(errors='replace'))} is not a base64 string")
        return super().lenient(raw)


class _TokenField:
    """Decimals, and timestamps that may be numbers: the token as it stands, with or without quotes."""

    def __init__(self, reader: TextReader) -> None:
        self.annotation = Raw
        self.default = Raw(JSON_NULL)
        self._reader = reader

    def lenient(self, raw: bytes) -> Raw:
        return Raw(raw)

    def build(self, values: list[Any]) -> tuple[pa.Array, Failures]:
        text = _tokens(values)
        if text is None:
            return self._one_by_one(values)
        column, failures = self._reader(text)
        if failures and any(b"\\" in bytes(values[i]) or bytes(values[i])[:1] in b"[{" for i in failures):
            return self._one_by_one(values)
        return column, failures

    def _one_by_one(self, values: list[Any]) -> tuple[pa.Array, Failures]:
        """For what only a JSON reader can tell: escapes in a string, arrays and objects, bytes that are not UTF-8."""
        texts: list[str | None] = []
        failures: Failures = {}
        for i, value in enumerate(values):
            raw = bytes(value)
            try:
                texts.append(None if raw == JSON_NULL else token_text(raw))
            except UnicodeDecodeError:
                texts.append(None)
                failures[i] = "not valid UTF-8"
            except ValueError as problem:
                texts.append(None)
                failures[i] = str(problem)
        column, refused_texts = self._reader(pa.array(texts, pa.string()))
        return column, failures | refused_texts


def _tokens(values: Sequence[Raw]) -> pa.Array | None:
    """JSON tokens as a text column without their quotes; None when they are not all plain scalars."""
    joined = b"\n".join(values)
    if not joined.isascii():
        return None
    characters = np.frombuffer(joined + b"\n", np.uint8)
    breaks = characters == ord("\n")
    ends = np.flatnonzero(breaks)
    if not values:
        ends = ends[:0]
    elif len(ends) != len(values):  # white space inside an array or object
        return None
    offsets = np.zeros(len(values) + 1, np.int32)
    offsets[1:] = ends - np.arange(len(values))
    data = characters[~breaks]
    text = pa.StringArray.from_buffers(len(values), pa.py_buffer(offsets), pa.py_buffer(data))
    if b"null" in joined:
        text = pc.if_else(pc.equal(text, "null"), pa.scalar(None, pa.string()), text)
    return pc.ascii_trim(text, '"') if b'"' in joined else text


class RowField:
    """A JSON object: of a message, or of a ROW column."""

    def __init__(self, fields: Sequence[tuple[str, SqlType, FieldDecoder]]) -> None:
        self.fields = tuple(fields)
        for name, _, _ in self.fields:
            if _UNREADABLE_NAME.search(name):
                raise VeloError(
                    ErrorCode.BAD_PROPERTY,
                    f"the json format cannot read a field called {shown(name)}",
                    hint="rename the column: no quotes, backslashes or control characters",
                )
        attributes = [f"c{i}" for i in range(len(fields))]
        self.struct: Any = msgspec.defstruct(
            "Row",
            [(a, d.annotation, d.default) for a, (_, _, d) in zip(attributes, self.fields, strict=True)],
            rename={a: name for a, (name, _, _) in zip(attributes, self.fields, strict=True)},
            gc=False,
        )
        self.blank = self.struct()
        self.annotation = self.struct | None
        self.default = None
        self._attributes = attributes
        self._arrow_fields = [pa.field(name, arrow_type(t)) for name, t, _ in self.fields]

    def lenient(self, raw: bytes) -> Any:
        """The row struct of the JSON object `raw`, fields of other JSON types taken as Flink takes them."""
        if raw == JSON_NULL:
            return None
        if raw[:1] != b"{":
            raise ValueError(f"{shown(raw.decode(errors='replace'))} is not an object")
        members = _raw_members.decode(raw)
        row = self.struct()
        for attribute, (name, t, decoder) in zip(self._attributes, self.fields, strict=True):
            member = members.get(name)
            if member is not None:
                try:
                    setattr(row, attribute, decoder.lenient(bytes(member)))
                except UnicodeDecodeError:
                    raise ValueError(in_field(name, t, "not valid UTF-8")) from None
                except ValueError as problem:
                    raise ValueError(in_field(name, t, str(problem))) from None
        return row

    def columns(self, values: list[Any]) -> tuple[list[pa.Array], Failures]:
        """One column a field from row structs, and the first reason of each row that cannot be used."""
        columns = []
        failures: Failures = {}
        for attribute, (name, t, decoder) in zip(self._attributes, self.fields, strict=True):
            column, reasons = decoder.build(list(map(attrgetter(attribute), values)))
            for i, reason in reasons.items():
                failures.setdefault(i, in_field(name, t, reason))
            if not t.nullable and column.null_count:
                for i in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
                    failures.setdefault(i, in_field(name, t, "missing or null"))
            columns.append(column)
        return columns, failures

    def build(self, values: list[Any]) -> tuple[pa.Array, Failures]:
        """A struct column from row structs and None."""
        absent = [value is None for value in values]
        missing = any(absent)
        rows = [self.blank if value is None else value for value in values] if missing else values
        columns, failures = self.columns(rows)
        if missing:
            failures = {i: reason for i, reason in failures.items() if not absent[i]}
        mask = pa.array(absent) if missing else None
        return pa.StructArray.from_arrays(columns, fields=self._arrow_fields, mask=mask), failures


class _ArrayField:
    def __init__(self, element: FieldDecoder, target: pa.DataType) -> None:
        self.annotation = list[element.annotation] | None  # type: ignore[name-defined]
        self.default = None
        self._element = element
        self._target = target

    def lenient(self, raw: bytes) -> list[Any] | None:
        if raw == JSON_NULL:
            return None
        if raw[:1] != b"[":
            raise ValueError(f"{shown(raw.decode(errors='replace'))} is not an array")
        return [self._element.lenient(bytes(item)) for item in _raw_items.decode(raw)]

    def build(self, values: list[Any]) -> tuple[pa.Array, Failures]:
        elements, reasons = self._element.build(list(chain.from_iterable(value for value in values if value)))
        offsets, owners = _list_offsets(values)
        return pa.ListArray.from_arrays(offsets, elements).cast(self._target), _of_owners(reasons, owners)


class _MapField:
    def __init__(self, key: SqlType, value: FieldDecoder, t: SqlType) -> None:
        if key.name not in STRINGS:
            raise VeloError(ErrorCode.BAD_PROPERTY, f"the json format carries only maps with string keys, not {t}")
        self.annotation = dict[str, value.annotation] | None  # type: ignore[name-defined]
        self.default = None
        self._value = value
        self._target = arrow_type(t)

    def lenient(self, raw: bytes) -> dict[str, Any] | None:
        if raw == JSON_NULL:
            return None
        if raw[:1] != b"{":
            raise ValueError(f"{shown(raw.decode(errors='replace'))} is not an object")
        return {key: self._value.lenient(bytes(item)) for key, item in _raw_members.decode(raw).items()}

    def build(self, values: list[Any]) -> tuple[pa.Array, Failures]:
        keys = pa.array(list(chain.from_iterable(value for value in values if value)), pa.string())
        items, reasons = self._value.build(list(chain.from_iterable(value.values() for value in values if value)))
        offsets, owners = _list_offsets(values)
        return pa.MapArray.from_arrays(offsets, keys, items).cast(self._target), _of_owners(reasons, owners)


_UNREADABLE_NAME = re.compile(r'["\\\x00-\x1f]')
"""msgspec matches names as they stand in the text, where these are escaped."""

_raw_members = msgspec.json.Decoder(dict[str, Raw])
_raw_items = msgspec.json.Decoder(list[Raw])


def _list_offsets(values: list[Any]) -> tuple[pa.Array, list[int]]:
    """Arrow offsets for lists (NULL where the list is None), and where each list ends."""
    ends = list(accumulate(len(value) if value is not None else 0 for value in values))
    starts = [0, *ends][: len(values)]
    offsets = [None if value is None else start for value, start in zip(values, starts, strict=True)]
    return pa.array([*offsets, ends[-1] if ends else 0], pa.int32()), ends


def _of_owners(reasons: Failures, ends: list[int]) -> Failures:
    """Reasons by element as reasons by list."""
    failures: Failures = {}
    for element, reason in reasons.items():
        failures.setdefault(int(np.searchsorted(ends, element, side="right")), reason)
    return failures
